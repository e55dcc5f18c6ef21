"""What DynamoDB does and no stand-in: throttling, failures, lost answers, a Date that is late or
missing. A proxy that is scripted (dynamodb_faults.py) does it in front of a real stand-in."""

import re
import time

import pytest

from backends import rest
from clients import all_see, ask_all, prober, trip
from waiting import wait_until


def statuses(fleet, name):
    return [s[name] for s in ask_all(fleet, "status")]


def test_scenario09_throttled_reads(clients, on_dynamodb):
    """Nobody can read the circuit: who reports a failure is told by the answer that it is open. For
    a newcomer, which has to ask the table for the time before it writes, it is not there."""
    fleet = clients.start(4, on_dynamodb.near, open_ms=60000, max_open_ms=60000,
                          view_max_age_ms=1500)
    told = clients.start(1, on_dynamodb.near, open_ms=60000, max_open_ms=60000,
                         view_max_age_ms=20000)
    before = trip(fleet, on_dynamodb)
    all_see(fleet, "OPEN")
    on_dynamodb.faults.throttle(GetItem=1)
    ask_all(told, "dependency", "failure")
    ask_all(told, "calls", 50)
    wait_until(lambda: all(state == "OPEN" for state in statuses(told, "state")), 10,
               "every process that reports told")
    assert all(statuses(told, "store_up")), "trouble, and no outage"
    on_dynamodb.faults.throttle(GetItem=1, UpdateItem=1)
    newcomers = clients.start(2, on_dynamodb.near, seen=False, open_ms=60000, max_open_ms=60000)
    ask_all(newcomers, "calls", 50)
    ask_all(fleet, "calls", 50)
    wait_until(lambda: min(statuses(newcomers, "succeeded")) > 50, 10, "calls by the newcomers")
    wait_until(lambda: all(statuses(fleet, "blind")), 10, "views too old")
    assert on_dynamodb.faults.counts["throttled"] > 4
    assert not any(statuses(newcomers, "store_up"))
    assert all(state == "OPEN" for state in statuses(fleet, "state"))
    on_dynamodb.faults.throttle(None)
    all_see(newcomers + told + fleet, "OPEN", within=15)
    after = on_dynamodb.record()
    assert after["ep"] == before["ep"], "a state made up while blind"
    assert after["rev"] == before["rev"]


def test_scenario16_throttled_writes(clients, on_dynamodb, figures):
    """The dependency goes down while no write is taken for 5 s: an item that is too hot."""
    faults = on_dynamodb.faults
    fleet = clients.start(4, on_dynamodb.near, open_ms=1500, max_open_ms=1500)
    ask_all(fleet, "calls", 500)
    wait_until(lambda: sum(statuses(fleet, "made")) > 1000, 10, "calls")
    faults.throttle(UpdateItem=1)
    requests, writes = faults.requests(), faults.counts["throttled"]
    began = time.monotonic()
    ask_all(fleet, "dependency", "failure")
    wait_until(lambda: all(statuses(fleet, "local")), 10, "each process stopping itself")
    rest(5)
    seconds = time.monotonic() - began
    requests, writes = faults.requests() - requests, faults.counts["throttled"] - writes
    failed = sum(statuses(fleet, "failed"))
    assert on_dynamodb.state() == "CLOSED"
    # It can be read, and is: in place of each write that was not taken, and on time as well.
    assert all(statuses(fleet, "store_up")), "throttled writes are no outage"
    assert not any(statuses(fleet, "blind"))
    # A write after 0.1, 0.2, 0.4 … s, of which half is random: seven in 6 s, and one for each 2.5 s
    # more. A read in place of each, and one each half second (each second, in trouble).
    tries = 7 + max(0, seconds - 6) / 2.5
    assert writes <= 4 * tries, f"{writes} writes tried in {seconds:.1f} s"
    assert requests <= 4 * (2 * tries + 2 * seconds), f"{requests} requests in {seconds:.1f} s"
    # Each stops half a second after its calls began to fail, twice that if the machine is busy;
    # then a trial each open time.
    assert failed <= 4 * (500 * 0.5 * 2 + 2 * seconds / 1.5), f"{failed} failed calls"
    figures(f"4 processes with 500 calls/s each, all writes throttled: {requests} requests in "
            f"{seconds:.1f} s, {writes} of them writes; {failed} failed calls")
    # The dependency is well again before anybody could say that it was not.
    faults.throttle(None)
    ask_all(fleet, "dependency", "success")
    made = statuses(fleet, "made")
    wait_until(lambda: all(now > then + 200 for now, then in zip(statuses(fleet, "made"), made)),
               10, "calls again in each process")


@pytest.mark.parametrize("store", ["on_dynamodb", "on_dynalite"])
def test_an_outage_is_noticed_probed_and_ended(request, clients, store, figures):
    """Four of five writes are throttled until it is noticed; then one request in ten fails, and the
    Date is a second late. dynalite does not show the old item of a failed condition."""
    store = request.getfixturevalue(store)
    store.faults.throttle(UpdateItem=0.8)
    fleet = clients.start(6, store.near, open_ms=1500, max_open_ms=3000, call_timeout_ms=500,
                          recovery_step_ms=1000, quiet_ms=2000)
    ask_all(fleet, "calls", 50)
    wait_until(lambda: min(statuses(fleet, "made")) > 50, 20, "calls")
    began = time.monotonic()
    ask_all(fleet, "dependency", "failure")
    store.becomes("OPEN", within=20)
    opened = time.monotonic() - began
    all_see(fleet, "OPEN")
    figures(f"OPEN after {opened:.1f} s with 4 of 5 writes throttled; "
            f"{store.faults.counts['throttled']} were until all had stopped")
    store.faults.throttle(None)
    store.faults.failing = 0.1
    store.faults.date_lag = 1
    ask_all(fleet, "dependency", "success")
    store.becomes("RECOVERING", within=20)
    record = store.becomes("CLOSED", within=40)
    assert record["reason"] == "recovered"
    assert int(record["ttl"]) > 1_700_000_000


# A write is known by what it changes; the first that fits. A swap also removes reports, and a
# settlement the mark of a call.
KINDS = {"swap": "swap", "report": r"e\d+\..*", "settlement": "pok", "claim": r"s\d+b"}


def kind_of(request):
    if request.operation != "UpdateItem":
        return None
    changed = request.fields["UpdateExpression"]
    names = [name for placeholder, name in request.fields["ExpressionAttributeNames"].items()
             if re.search(re.escape(placeholder) + r"\b", changed)]
    for kind, pattern in KINDS.items():
        if any(re.fullmatch(pattern, name) for name in names):
            return kind
    return None


def test_scenario17_the_first_answers_to_each_kind_of_write_are_lost(clients, on_dynamodb):
    """Carried out, and the connection ends: a report, the trip, a claim, the word that its call
    begins, a settlement. Each counts once."""
    lost = {kind: 0 for kind in KINDS}

    def loses(request):
        kind = kind_of(request)
        if kind is None or lost[kind] >= 2:
            return False
        lost[kind] += 1
        return True
    fleet = clients.start(3, on_dynamodb.near, open_ms=3000, max_open_ms=60000,
                          call_timeout_ms=3000)
    on_dynamodb.faults.loses_answer = loses
    for client in fleet:
        assert client.call("failure")
    wait_until(lambda: lost["report"] == 2, 5, lambda: f"two reports lost: {lost}")
    wait_until(lambda: all(statuses(fleet, "store_up")), 10, "the reports answered")
    wait_until(lambda: len(on_dynamodb.reports()) == 3, 5, "three reports")
    rest(0.3)  # in which nothing comes a second time
    assert len(on_dynamodb.reports()) == 3
    assert on_dynamodb.state() == "CLOSED"
    record = trip(fleet, on_dynamodb)
    all_see(fleet, "OPEN")
    assert record["opens"] == "1"
    assert lost["swap"] >= 1
    owner, permit = prober(fleet, on_dynamodb, within=15)
    half_open = on_dynamodb.record()
    rest(0.3)  # so that the store is told that the call has begun
    owner.finish(permit, "success")
    wait_until(lambda: lost["swap"] == 2 and lost["settlement"] >= 1, 10,
               lambda: f"the swap of the first probe and its settlement lost: {lost}")
    wait_until(lambda: owner.status()["store_up"], 10, "the settlement answered")
    record = on_dynamodb.record()
    assert record["ep"] == half_open["ep"]
    assert (record["pok"], record["pfail"]) == ("1", "0")
    assert lost["claim"] >= 1, lost


def test_a_table_that_is_made_late(clients, on_dynamodb):
    on_dynamodb.delete_table()
    fleet = clients.start(2, on_dynamodb.near, seen=False, open_ms=60000, max_open_ms=60000)
    ask_all(fleet, "calls", 20)
    wait_until(lambda: not any(statuses(fleet, "store_up")), 10, "the store found missing")
    wait_until(lambda: min(statuses(fleet, "succeeded")) > 5, 10, "calls nevertheless")
    on_dynamodb.create_table()
    wait_until(lambda: all(statuses(fleet, "store_up")), 10, "the table found")
    ask_all(fleet, "dependency", "failure")
    on_dynamodb.becomes("OPEN")
    all_see(fleet, "OPEN")


def test_answers_without_a_date(clients, on_dynamodb):
    """By which the store's time is told: without it there is none, and so no answer."""
    on_dynamodb.faults.date_lag = None
    fleet = clients.start(2, on_dynamodb.near, seen=False)
    ask_all(fleet, "calls", 20)
    wait_until(lambda: min(statuses(fleet, "succeeded")) > 5, 10, "calls nevertheless")
    assert not any(statuses(fleet, "store_up"))
    assert on_dynamodb.record() == {}
    on_dynamodb.faults.date_lag = 0
    wait_until(lambda: all(statuses(fleet, "store_up")), 10, "answers")
    wait_until(lambda: on_dynamodb.state() == "CLOSED", 5, "a record")
