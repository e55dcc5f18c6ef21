"""Scenarios of probes, stopped and killed processes, on a real Redis with real processes."""

import time

from clients import all_see, ask_all, prober, trip
from waiting import wait_until


def test_scenario04_probe_herd(clients, redis, shared, figures):
    """50 processes see the open time end together; 3 may probe, and their probes hang."""
    fleet = clients.start(50, redis.url, probes=3, open_ms=4000, max_open_ms=4000,
                          call_timeout_ms=8000)
    trip(fleet, shared)
    ask_all(fleet, "dependency", "hang")
    ask_all(fleet, "calls", 20)
    all_see(fleet, "OPEN")
    made = sum(s["made"] for s in ask_all(fleet, "status"))
    shared.becomes("HALF_OPEN")
    operations, began = shared.operations(), time.monotonic()

    def probes():
        return sum(s["made"] for s in ask_all(fleet, "status")) - made
    wait_until(lambda: probes() == 3, 5, lambda: f"three probes, not {probes()}")
    # For three refreshes on: nobody else calls, and nobody asks the store more than is due.
    wait_until(lambda: time.monotonic() - began >= 3, 5, "three refreshes")
    seconds = time.monotonic() - began
    operations = shared.operations() - operations
    assert shared.state() == "HALF_OPEN"
    assert probes() == 3
    assert operations <= 2 * 50 * (seconds + 1), f"{operations} store operations in {seconds:.1f} s"
    figures(f"{operations} store operations by 50 processes in {seconds:.1f} s, 3 probes")


def test_scenario05_prober_crash(clients, redis, shared, figures):
    """A process dies with a slot on which it has made no call yet."""
    victim, = clients.start(1, redis.url, open_ms=1500, call_timeout_ms=1500)
    trip([victim], shared)
    wait_until(lambda: "s0" in shared.record(), 10, "a claim")
    slot = shared.record()["s0"]
    victim.kill()
    killed = time.monotonic()
    survivors = clients.start(3, redis.url, open_ms=1500, call_timeout_ms=1500)
    successor, permit = prober(survivors, shared)
    waited = time.monotonic() - killed
    record = shared.record()
    assert record["s0"] != slot
    assert (record["pfail"], record["opens"]) == ("0", "1")
    # The lease is 2 x 1.5 s + 1 s; then the next refresh shows that it has ended.
    assert 3.5 <= waited <= 4 + 2 * 1 + 0.3, waited
    successor.finish(permit, "success")
    ask_all(survivors, "calls", 20)
    wait_until(lambda: shared.state() in ("RECOVERING", "CLOSED"), 15, "the circuit serving again")
    figures(f"slot taken over {waited:.2f} s after the kill; the lease is 4 s")


def test_scenario29_handler_timeout(clients, redis, shared, figures):
    """A process dies in the middle of its probe: that is a failed probe when its lease ends."""
    fleet = clients.start(4, redis.url, open_ms=1500, call_timeout_ms=500)
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    victim, _ = prober(fleet, shared)
    wait_until(lambda: "!" in shared.record()["s0"], 5, "the store told that the call has begun")
    victim.kill()
    killed = time.monotonic()
    survivors = [client for client in fleet if client is not victim]
    all_see(survivors, "OPEN")
    waited = time.monotonic() - killed
    # The lease is 2 x 0.5 s + 1 s.
    assert 1.8 <= waited <= 2 + 2 * 1 + 0.3, waited
    record = shared.record()
    assert (record["reason"], record["opens"]) == ("probe_failed", "2")
    successor, permit = prober(survivors, shared)
    successor.finish(permit, "success")
    ask_all(survivors, "calls", 20)
    wait_until(lambda: shared.state() in ("RECOVERING", "CLOSED"), 15, "the circuit serving again")
    figures(f"a lost probe is a failed one {waited:.2f} s after the kill; the lease is 2 s")


def test_scenario06_zombie_prober(clients, redis, shared):
    fleet = clients.start(4, redis.url, open_ms=1500, max_open_ms=60000,
                          call_timeout_ms=500)
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    zombie, old = prober(fleet, shared)
    zombie.pause()
    others = [client for client in fleet if client is not zombie]
    successor, permit = prober(others, shared)
    successor.finish(permit, "failure")
    reopened = shared.becomes("OPEN")
    assert reopened["reason"] == "probe_failed"
    zombie.resume()
    assert not zombie.ask("may_start", old)["may_start"], "a second request on the old slot"
    late = zombie.status()["late"]
    zombie.finish(old, "success")
    wait_until(lambda: zombie.status()["late"] == late + 1, 5, "its result counted as late")
    wait_until(lambda: zombie.status()["epoch"] == int(reopened["ep"]), 5, "its view renewed")
    record = shared.record()
    assert (record["ep"], record["st"]) == (reopened["ep"], "OPEN")
    assert record["pok"] == "0"
    assert zombie.acquire() is None


def test_scenario08_stale_view_after_thaw(clients, redis, shared):
    """Frozen while CLOSED for longer than a view is good for (2 s here, 15 s by default). Calls may
    wait longer than by default for the new view: on a busy machine 10 ms may not do, and then a
    process is blind and goes by its own guard."""
    fleet = clients.start(7, redis.url, open_ms=60000, max_open_ms=60000, view_max_age_ms=2000,
                          view_refresh_ms=500, first_view_wait_ms=1000)
    frozen, others = fleet[:2], fleet[2:]
    assert all(client.call("success") for client in frozen)
    for client in frozen:
        client.pause()
    since = time.monotonic()
    trip(others, shared)
    wait_until(lambda: time.monotonic() - since > 2.5, 10, "the frozen views too old")
    for client in frozen:
        for _ in range(200):
            client.tell("acquire")  # waits in the pipe until it is thawed
    for client in frozen:
        client.resume()
    for client in frozen:
        admitted = sum("permit" in client.hear() for _ in range(200))
        assert admitted <= 1, f"{admitted} calls on the old view"
    all_see(frozen, "OPEN")


def test_scenario17_lost_acknowledgement(clients, redis, shared, proxy):
    """Reports and claims are applied, and their replies lost; the processes try again."""
    fleet = clients.start(3, proxy.url, open_ms=1500, max_open_ms=1500, call_timeout_ms=3000,
                          store_timeout_ms=300)
    proxy.drop_replies = True
    for client in fleet:
        assert client.call("failure")
    wait_until(lambda: len(shared.reports()) == 3, 5, "three reports")
    before = shared.operations()
    wait_until(lambda: shared.operations() >= before + 3, 10, "reports sent again")
    assert len(shared.reports()) == 3, "a report that was sent twice counts twice"
    proxy.mend()
    wait_until(lambda: all(s["store_up"] for s in ask_all(fleet, "status")), 15, "replies again")
    assert len(shared.reports()) == 3
    assert all(s["evidence_dropped"] == 0 for s in ask_all(fleet, "status"))

    trip(fleet, shared)
    all_see(fleet, "OPEN")
    proxy.drop_replies = True
    half_open = shared.becomes("HALF_OPEN")
    proxy.mend()
    owner, permit = prober(fleet, shared)
    record = shared.record()
    # Whoever made the claim has learned that it was granted, with the very token; one round, one
    # slot.
    assert record["ep"] == half_open["ep"]
    assert record["s0"].partition("@")[0] == half_open["s0"].partition("@")[0]
    assert "s1" not in record
    owner.finish(permit, "success")
    wait_until(lambda: shared.record()["pok"] == "1", 5, "its result counted")
