"""Scenarios that are the same on every store, with real processes on real servers."""

import re

import pytest

from clients import Client, all_see, ask_all, prober, trip
from backends import rest
from waiting import wait_until


def made(fleet):
    return [s["made"] for s in ask_all(fleet, "status")]


def failures_in(why):
    return int(re.match(r"(\d+) failures", why)[1])


def test_scenario01_lost_update(clients, store):
    """20 processes have a call out and all fail at once, where 5 failures trip."""
    fleet = clients.start(20, store.near, failure_weight=20, trip_level=100, open_ms=60000,
                          max_open_ms=60000)
    permits = [answer["permit"] for answer in ask_all(fleet, "acquire")]
    for client, permit in zip(fleet, permits):
        client.tell("finish", permit, "failure")
    for client in fleet:
        client.hear()
    record = store.becomes("OPEN")
    assert record["opens"] == "1"
    all_see(fleet, "OPEN")
    # What was there at the swap made the trip; every other failure was counted as too late.
    assert failures_in(record["why"]) >= 5, record

    def accounted():
        late = sum(s["evidence_dropped"] + s["late"] for s in ask_all(fleet, "status"))
        return store.reports_added(), late
    wait_until(lambda: sum(accounted()) == 20, 5,
               lambda: f"20 failures accounted for; {accounted()} counted and late: {record['why']}")
    assert accounted()[0] >= 5
    assert store.record()["ep"] == record["ep"], "a second transition"
    assert store.reports() == []


def test_scenario04_probe_herd(clients, store, figures):
    """50 processes see the open time end together; 3 may probe, and their probes hang."""
    fleet = clients.start(50, store.near, probes=3, open_ms=4000, max_open_ms=4000,
                          call_timeout_ms=8000)
    trip(fleet, store)
    ask_all(fleet, "dependency", "hang")
    ask_all(fleet, "calls", 20)
    all_see(fleet, "OPEN")
    before = sum(made(fleet))
    store.becomes("HALF_OPEN")
    operations = store.operations()
    wait_until(lambda: sum(made(fleet)) - before == 3, 5 + store.epsilon,
               lambda: f"three probes, not {sum(made(fleet)) - before}")
    # For three refreshes on: nobody else calls, and nobody asks the store more than is due.
    rest(3)
    operations = store.operations() - operations
    assert store.state() == "HALF_OPEN"
    assert sum(made(fleet)) - before == 3
    # Within the five seconds of the first probes and these three: a read a second, and a claim lost.
    assert operations <= 2 * 50 * (3 + 1 + 2 * store.epsilon), f"{operations} store operations"
    figures(f"{operations} store operations by 50 processes, 3 probes")


def test_scenario06_zombie_prober(clients, store):
    fleet = clients.start(4, store.near, open_ms=1500, max_open_ms=60000, call_timeout_ms=500)
    trip(fleet, store)
    all_see(fleet, "OPEN")
    zombie, old = prober(fleet, store)
    zombie.pause()
    others = [client for client in fleet if client is not zombie]
    successor, permit = prober(others, store, within=10 + 10 * store.epsilon)
    successor.finish(permit, "failure")
    reopened = store.becomes("OPEN")
    assert reopened["reason"] == "probe_failed"
    zombie.resume()
    assert not zombie.ask("may_start", old)["may_start"], "a second request on the old slot"
    late = zombie.status()["late"]
    zombie.finish(old, "success")
    wait_until(lambda: zombie.status()["late"] == late + 1, 5, "its result counted as late")
    wait_until(lambda: zombie.status()["epoch"] == int(reopened["ep"]), 5, "its view renewed")
    record = store.record()
    assert (record["ep"], record["st"]) == (reopened["ep"], "OPEN")
    assert record["pok"] == "0"
    assert zombie.acquire() is None


def test_scenario17_lost_acknowledgement(clients, store):
    """Reports and claims are applied, and their replies lost; the processes try again."""
    fleet = clients.start(3, store.far, open_ms=1500, max_open_ms=1500, call_timeout_ms=3000,
                          store_timeout_ms=300)
    store.lose_replies()
    for client in fleet:
        assert client.call("failure")
    wait_until(lambda: len(store.reports()) == 3, 5, "three reports")
    before = store.operations()
    wait_until(lambda: store.operations() >= before + 3, 10, "reports sent again")
    assert len(store.reports()) == 3, "a report that was sent twice counts twice"
    store.mend()
    wait_until(lambda: all(s["store_up"] for s in ask_all(fleet, "status")), 15, "replies again")
    assert len(store.reports()) == 3
    assert all(s["evidence_dropped"] == 0 for s in ask_all(fleet, "status"))

    trip(fleet, store)
    all_see(fleet, "OPEN")
    store.lose_replies()
    half_open = store.becomes("HALF_OPEN")
    claimed = store.holder(0)
    store.mend()
    owner, permit = prober(fleet, store)
    # Whoever made the claim has learned that it was granted, with the very token; one round, one
    # slot.
    assert store.record()["ep"] == half_open["ep"]
    assert store.holder(0) == claimed
    assert store.holder(1) is None
    owner.finish(permit, "success")
    wait_until(lambda: store.record()["pok"] == "1", 5, "its result counted")


def test_scenario19_names(clients, store):
    names = ["a:b/c", "a/b:c", "a:b:c", "a.b"]
    fleet = [clients.start(1, store.near, circuit=name)[0] for name in names]
    other_system = clients.start(1, store.near, circuit=names[0], name_space="billing")[0]
    trip(fleet[:1], store.of(names[0]))
    for name, client in zip(names[1:], fleet[1:]):
        assert store.of(name).state() == "CLOSED", name
        assert client.call("success"), name
    assert store.of(names[0], "billing").state() == "CLOSED"
    assert other_system.call("success")
    circuits = store.circuits()
    assert len(circuits) == len(names) + 1, circuits
    for bad in ["", "zahlungén", "支払", "a b", "a/b/c", "{a}", "a" * 2048]:
        refused = Client(store.near, circuit=bad)
        clients.all.append(refused)
        assert refused.wait(10) == 2, bad
        text = refused.process.stderr.read().decode()
        assert len(text) > 20 and "circuit" in text, text
    assert len(store.circuits()) == len(circuits)


@pytest.mark.parametrize("newcomer_first", [False, True], ids=["", "after-a-newcomer"])
def test_scenario22_record_vanishes(newcomer_first, clients, store):
    fleet = clients.start(6, store.far, open_ms=60000, max_open_ms=60000)
    open_record = trip(fleet, store)
    all_see(fleet, "OPEN")
    ask_all(fleet, "calls", 20)
    before = made(fleet)
    if newcomer_first:
        store.link.cut()
    store.forget()
    if newcomer_first:
        clients.start(1, store.near, open_ms=60000, max_open_ms=60000)
        assert store.record()["reason"] == "created"
        assert store.state() == "CLOSED"
        store.mend()
    record = store.becomes("OPEN")
    assert record["reason"] == "reassert"
    assert int(record["ep"]) > int(open_record["ep"])
    # One of them did it: the others found it done.
    wait_until(lambda: all(s["epoch"] == int(record["ep"]) for s in ask_all(fleet, "status")), 10,
               "all at the new epoch")
    assert store.record()["ep"] == record["ep"]
    assert made(fleet) == before, "missing was taken for CLOSED"


def test_scenario22_nobody_remembers(clients, store):
    fleet = clients.start(3, store.near, open_ms=60000, max_open_ms=60000)
    trip(fleet, store)
    for client in fleet:
        client.kill()
    store.forget()
    newcomer = clients.start(1, store.near, open_ms=60000, max_open_ms=60000)[0]
    record = store.record()
    assert (record["st"], record["reason"]) == ("CLOSED", "created")
    assert newcomer.call("success")
