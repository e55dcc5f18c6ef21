"""Scenarios of evidence and versions, on a real Redis with real processes."""

import subprocess
import time

import peers
from clients import all_see, ask_all, trip
from waiting import wait_until


def test_scenario02_late_success(clients, redis, shared):
    fleet = clients.start(5, redis.url, open_ms=60000, max_open_ms=60000)
    early = fleet[0].acquire()
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    before, late = shared.record(), fleet[0].status()["late"]
    fleet[0].finish(early, "success")
    wait_until(lambda: fleet[0].status()["late"] == late + 1, 5, "the success counted as late")
    assert shared.record() == before
    assert shared.reports() == []
    assert fleet[0].state == "OPEN"


def test_scenario16_hot_circuit(clients, redis, shared, figures):
    """4 processes make up to 20,000 calls a second; then the dependency is down."""
    fleet = clients.start(4, redis.url, open_ms=60000, max_open_ms=60000, view_refresh_ms=5000)
    ask_all(fleet, "calls", 5000)
    wait_until(lambda: sum(s["made"] for s in ask_all(fleet, "status")) > 5000, 10, "calls")
    made = sum(s["made"] for s in ask_all(fleet, "status"))
    before = shared.operations()
    wait_until(lambda: sum(s["made"] for s in ask_all(fleet, "status")) > made + 40000, 20,
               "40,000 calls", every=0.2)
    healthy = shared.operations() - before
    # Views are read every 5 s, and each process adds to the meter once a minute.
    assert healthy <= 4 * 4, f"{healthy} store operations for 40,000 healthy calls"
    before = shared.operations()
    ask_all(fleet, "fails_from", int(time.time() * 1000) + 200)
    shared.becomes("OPEN")
    all_see(fleet, "OPEN")
    failed = sum(s["failed"] for s in ask_all(fleet, "status"))
    down = shared.operations() - before
    # A report per process and gap (20 ms at this size), and the swap; all within a moment.
    assert down <= 4 * 60, f"{down} store operations for {failed} failed calls"
    assert failed <= 20000 * 0.5, f"{failed} failed calls"
    before = shared.operations()
    asked = sum(s["asked"] for s in ask_all(fleet, "status"))
    wait_until(lambda: sum(s["asked"] for s in ask_all(fleet, "status")) > asked + 20000, 20,
               "20,000 more calls", every=0.2)
    assert shared.operations() - before <= 4 * 8, "a store operation for refused calls"
    figures(f"{healthy} store operations for 40,000 healthy calls; {down} until all had stopped, "
            f"{failed} failed calls")


def test_scenario20_mixed_versions(clients, redis, shared, binary, tmp_path):
    fleet = clients.start(3, redis.url, open_ms=60000, max_open_ms=60000)
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    before = shared.record()

    # Settings of another version: OPEN stays as it was decided, and the mismatch is told.
    newer = clients.start(2, redis.url, unacceptable_failure_rate=0.9, open_ms=100, max_open_ms=200)
    ask_all(newer, "calls", 50)
    all_see(newer, "OPEN")
    wait_until(lambda: all(s["refused"] >= 20 for s in ask_all(newer, "status")), 10, "refusals")
    assert shared.record() == before
    config = tmp_path / "switchgear.yaml"
    config.write_text(f"store: {redis.url}\ncircuits:\n  payments-api:\n    open_duration: 7s\n")
    shown = subprocess.run([binary, "circuits", "show", "payments-api", "--config", config],
                           capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                           env=peers.clean_environment())
    assert shown.returncode == 0, shown.stderr
    assert "not the fleet's" in shown.stdout, shown.stdout

    # A word that nobody knows: hands off, say so, and go on by one's own guard.
    shared.spoil(st="HALF_SHUT")
    foreign = shared.record()
    everybody = fleet + newer
    wait_until(lambda: all("st" in s["unreadable"] for s in ask_all(everybody, "status")), 40,
               lambda: f"the alarm: {[s['unreadable'] for s in ask_all(everybody, 'status')]}")
    ask_all(newer, "dependency", "failure")
    wait_until(lambda: all(s["local"] > 0 for s in ask_all(newer, "status")), 20,
               "the new ones stopping by themselves")
    assert shared.record() == foreign
    shared.spoil(st="OPEN")
    ask_all(newer, "calls", 0)
    wait_until(lambda: all(s["unreadable"] == "" for s in ask_all(everybody, "status")), 40,
               "the record readable again")
    assert shared.record() == before
