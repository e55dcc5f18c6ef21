"""Recorded histories of the DynamoDB store on stand-ins are linearizable, but for what DynamoDB does
not promise and the model allows: time known to a second or two, and old answers to reads. README.md
says what that proves. Never on moto, which loses writes."""

import itertools

import pytest

import peers
from dynamodb_faults import DynamoDbFaults, condition_dropped
from histories import Recording, accept, judge, refused
from lossy_proxy import LOSSY

# uvicorn, which serves MiniStack, makes a new Date once a second; Node's is exact but for a moment.
JUDGED = {"ministack": ["-date", "-date-lag", "1200ms"], "dynalite": ["-date", "-date-lag", "50ms"]}
# Some end within the history, at the store's time as anybody knows it, and some do not.
LEASES = ["--lease-min-ms", "1", "--lease-max-ms", "3000", "--timeout-ms", "1000"]
REVEALING = [*LEASES, "--repeat", "0.3"]
_tables = itertools.count(1)

# What a condition speaks of when it is dropped.
DEFECTS = {
    "every-condition": r".*",
    "a-slot-is-taken-whoever-has-it": r"s\d+|s\d+[eb]",
    "a-lease-ends-when-anybody-likes": r"s\d+e",
    "whatever-the-epoch": r"ep",
    "whatever-the-revision": r"rev",
    "reports-count-twice": r"e\d+\..*",
}


@pytest.fixture
def table(dynamodb_server):
    """A new table on each server."""
    return new_table(dynamodb_server)


def new_table(server):
    name = f"history-{next(_tables)}"
    client = server.client("dynamodb")
    client.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "circuit", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "circuit", "KeyType": "HASH"}])
    client.get_waiter("table_exists").wait(TableName=name,
                                           WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return name


def way(table, port):
    return (f"dynamodb://{table}", {
        "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}", "AWS_REGION": peers.REGION,
        "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY})


def test_concurrent_clients_see_one_order(tmp_path, dynamodb_server, table, checker, figures):
    with Recording(tmp_path, way(table, dynamodb_server.port), 1, 120, *LEASES) as recording:
        pass
    accept(checker, [recording], figures, JUDGED[dynamodb_server.name])


def test_lost_and_late_requests_see_one_order(tmp_path, dynamodb_server, table, checker, figures):
    with DynamoDbFaults(dynamodb_server.port, 11, LOSSY) as faults:
        with Recording(tmp_path, way(table, faults.port), 11, 100, *LEASES) as recording:
            pass
    assert all(faults.counts[fault] > 3 for fault in LOSSY), faults.counts
    verdict, = accept(checker, [recording], figures, JUDGED[dynamodb_server.name])
    assert verdict["lost"] > 10


def test_old_answers_to_reads_are_all_that_is_out_of_order(tmp_path, dynamodb_server, table, checker,
                                                          figures):
    with DynamoDbFaults(dynamodb_server.port, 21) as faults:
        faults.stale = 0.7
        with Recording(tmp_path, way(table, faults.port), 21, 120, *LEASES) as recording:
            pass
    assert faults.counts["stale"] > 20, faults.counts
    how = JUDGED[dynamodb_server.name]
    verdict, = judge(checker, recording.path, how=how)
    assert verdict["verdict"] == "refused", "nothing old was ever shown"
    accept(checker, [recording], figures, [*how, "-eventual-reads"])


def revealing(tmp_path, server, faults):
    with Recording(tmp_path, way(new_table(server), faults.port), 31, 100, *REVEALING) as recording:
        pass
    return recording


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_store_with_a_condition_dropped_is_refused(tmp_path, dynalite, checker, defect):
    with DynamoDbFaults(dynalite.port, 31) as faults:
        faults.alters = condition_dropped(DEFECTS[defect])
        recording = revealing(tmp_path, dynalite, faults)
    refused(checker, recording, [*JUDGED["dynalite"], "-eventual-reads"])


def test_reads_that_are_old_although_consistent_are_refused(tmp_path, dynalite, checker):
    with DynamoDbFaults(dynalite.port, 41) as faults:
        faults.stale, faults.stale_although_consistent = 0.7, True
        recording = revealing(tmp_path, dynalite, faults)
    refused(checker, recording, [*JUDGED["dynalite"], "-eventual-reads"])
