"""The scenarios marked for DynamoDB, with real processes on a server that speaks it."""

import boto3
import pytest

import peers
from clients import CIRCUIT, Clients, all_see, ask_all, prober, trip
from waiting import wait_until

TABLE = "circuits"
URL = f"dynamodb://{TABLE}"
# The time at DynamoDB is known to within a second: its answers tell whole ones.
EPSILON = 1.1


class Item:
    """What the table holds of a circuit."""

    def __init__(self, server):
        self.client = boto3.client(
            "dynamodb", endpoint_url=server.url, region_name=peers.REGION,
            aws_access_key_id=peers.ACCESS_KEY, aws_secret_access_key=peers.SECRET_KEY)
        self.key = {"circuit": {"S": f"switchgear/{CIRCUIT}"}}

    def create_table(self):
        self.client.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "circuit", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "circuit", "KeyType": "HASH"}])

    def record(self):
        item = self.client.get_item(TableName=TABLE, Key=self.key, ConsistentRead=True)
        return {name: next(iter(value.values())) for name, value in item.get("Item", {}).items()}

    def state(self):
        return self.record().get("st")

    def becomes(self, state, within=20):
        wait_until(lambda: self.state() == state, within,
                   lambda: f"the record {state}; it is {self.record()}", every=0.02)
        return self.record()


@pytest.fixture
def shared(ministack):
    ministack.reset()
    item = Item(ministack)
    item.create_table()
    return item


@pytest.fixture
def clients(ministack):
    clients = Clients({"AWS_ENDPOINT_URL_DYNAMODB": ministack.url, "AWS_REGION": peers.REGION,
                       "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY,
                       "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY})
    yield clients
    clients.stop()


def test_scenario01_lost_update_on_dynamodb(clients, shared):
    """20 processes have a call out and all fail at once, where 5 failures trip."""
    fleet = clients.start(20, URL, failure_weight=20, trip_level=100, open_ms=60000,
                          max_open_ms=60000)
    permits = [answer["permit"] for answer in ask_all(fleet, "acquire")]
    for client, permit in zip(fleet, permits):
        client.tell("finish", permit, "failure")
    for client in fleet:
        client.hear()
    record = shared.becomes("OPEN")
    assert record["opens"] == "1"
    all_see(fleet, "OPEN")
    assert shared.record()["ep"] == record["ep"], "a second transition"


def test_scenario04_probe_herd_on_dynamodb(clients, shared, figures):
    """30 processes see the open time end together; 3 may probe, and their probes hang."""
    fleet = clients.start(30, URL, probes=3, open_ms=4000, max_open_ms=4000, call_timeout_ms=8000)
    trip(fleet, shared)
    ask_all(fleet, "dependency", "hang")
    ask_all(fleet, "calls", 20)
    all_see(fleet, "OPEN")
    made = sum(s["made"] for s in ask_all(fleet, "status"))

    def probes():
        return sum(s["made"] for s in ask_all(fleet, "status")) - made
    wait_until(lambda: probes() == 3, 20, lambda: f"three probes, not {probes()}")
    # For three refreshes on.
    for _ in range(3):
        shared.becomes("HALF_OPEN")
        assert not wait_for_more(probes, than=3)
    figures(f"{probes()} probes by 30 processes")


def wait_for_more(count, than):
    """Whether there are more within a second."""
    try:
        wait_until(lambda: count() > than, 1, "more")
    except AssertionError:
        return False
    return True


def test_scenario06_zombie_prober_on_dynamodb(clients, shared):
    fleet = clients.start(4, URL, open_ms=1500, max_open_ms=60000, call_timeout_ms=500)
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    zombie, old = prober(fleet, shared)
    zombie.pause()
    others = [client for client in fleet if client is not zombie]
    successor, permit = prober(others, shared, within=20)
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


def test_an_outage_on_dynamodb_is_noticed_probed_and_ended(clients, shared):
    fleet = clients.start(4, URL, open_ms=1500, max_open_ms=3000, call_timeout_ms=500,
                          recovery_step_ms=1000, quiet_ms=2000)
    trip(fleet, shared)
    all_see(fleet, "OPEN")
    ask_all(fleet, "calls", 20)
    shared.becomes("RECOVERING", within=20)
    record = shared.becomes("CLOSED", within=40)
    assert record["reason"] == "recovered"
    assert int(record["ttl"]) > 1_700_000_000
