"""Scenarios of probes, stopped and killed processes, on a real Redis with real processes."""

import time

from clients import all_see, ask_all, prober, trip
from waiting import wait_until


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
