"""An outage of the dependency on a Redis Cluster that loses a primary and moves its slots."""

import json
import subprocess
import time

from clients import CIRCUIT, Shared, all_see, ask_all, trip
from redis_cluster import PASSWORD
from waiting import wait_until


def listed(binary, url):
    """The circuits as `switchgear circuits list` shows them."""
    done = subprocess.run([binary, "circuits", "list", "--store", url, "--output", "json"],
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_fleet_goes_on_while_the_slot_of_its_circuit_moves(clients, redis_cluster, figures):
    """Healthy calls and evidence of a dependency that fails now and then, while the slot goes from
    primary to primary."""
    shared = Shared(redis_cluster)
    fleet = clients.start(4, redis_cluster.url, view_refresh_ms=50)
    ask_all(fleet, "calls", 200)
    moves = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        # A report: the store is written while keys are on their way. At 800 calls/s one now and
        # then opens no circuit.
        fleet[moves % len(fleet)].call("failure")
        redis_cluster.move(shared.key, asked=moves == 0)
        moves += 1
        status = ask_all(fleet, "status")
        assert all(s["state"] == "CLOSED" and s["store_up"] for s in status), status
        assert all(s["refused"] == 0 for s in status), status
    # How many depends on how often each process asks while the slot is somewhere.
    assert redis_cluster.errors_sent("MOVED") >= 5
    figures(f"{moves} moves; MOVED {redis_cluster.errors_sent('MOVED')}, ASK "
            f"{redis_cluster.errors_sent('ASK')}, TRYAGAIN {redis_cluster.errors_sent('TRYAGAIN')}")


def test_an_outage_while_the_cluster_fails_over_and_moves_the_slot(clients, redis_cluster, binary,
                                                                   figures):
    """The circuit opens; its primary dies before its replica has heard of that (scenario 21); the
    slot moves to another primary; the dependency comes back, and the circuit closes."""
    shared = Shared(redis_cluster)
    fleet = clients.start(6, redis_cluster.url, open_ms=7000, max_open_ms=7000,
                          recovery_step_ms=1000, quiet_ms=2000)
    replica = redis_cluster.replica_of(redis_cluster.owner(shared.key))
    redis_cluster.leave_behind(replica)
    open_record = trip(fleet, shared)
    all_see(fleet, "OPEN")
    ask_all(fleet, "dependency", "failure")
    ask_all(fleet, "calls", 20)
    made = [s["made"] for s in ask_all(fleet, "status")]

    killed = time.monotonic()
    redis_cluster.kill_primary(shared.key, replica)
    elected = time.monotonic()

    def put_back():
        record = shared.record()
        return record["st"] == "OPEN" and int(record["ep"]) > int(open_record["ep"])
    # A refresh in trouble is a second; then up to a second of jitter, and a connection.
    wait_until(put_back, 4, lambda: f"the circuit put back in front; it is {shared.record()}")
    record = shared.record()
    assert record["reason"] == "reassert"
    figures(f"elected {elected - killed:.1f} s after the primary died, put back in front "
            f"{time.monotonic() - elected:.1f} s after that")
    wait_until(lambda: all(s["epoch"] == int(record["ep"]) for s in ask_all(fleet, "status")), 5,
               "all at the new epoch")
    assert [s["made"] for s in ask_all(fleet, "status")] == made, "a call on the older epoch"

    redis_cluster.move(shared.key)
    assert shared.record()["ep"] == record["ep"]
    assert [c["name"] for c in listed(binary, redis_cluster.url)["circuits"]] == [CIRCUIT]
    ask_all(fleet, "dependency", "success")
    shared.becomes("CLOSED", within=40)
    before = [s["made"] for s in ask_all(fleet, "status")]
    wait_until(lambda: all(s["made"] > b for s, b in zip(ask_all(fleet, "status"), before)), 10,
               "every process serving again")
    assert all(s["store_up"] for s in ask_all(fleet, "status"))
