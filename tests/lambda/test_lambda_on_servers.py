"""The calls of Lambda and CloudWatch, and SQS's SetQueueAttributes, on real servers.

What each does otherwise than AWS:
  MiniStack  leaves EventSourceMappingArn out; changes a mapping at once, with no state between and
             no refusal in it; answers an update with 200 for 202; takes ProvisionedPollerConfig and
             MetricsConfig and forgets them; gives all mappings in one page. Its alarms have no
             StateTransitionedTimestamp.
  moto       names a version where AWS names the alias that a mapping was made for; finds no
             mappings by a function's ARN or qualifier; takes a MaximumConcurrency of 1; refuses an
             unknown resource of tags with 400; runs functions in Docker or not at all. Alarms start
             OK, have no StateTransitionedTimestamp, and there are no composite ones. It verifies
             signatures of the JSON protocols, but refuses those of botocore itself for Lambda;
             hence the server in test_signatures.py.
"""

import functools
import io
import itertools
import json
import time
import zipfile

import pytest

from lambda_calls import HttpServer, error, ok

BEFORE = "v1:enabled=true:max=50"
PATTERN = '{"body":{"a":[1]}}'
HANDLER = """
def handler(event, context):
    if "fail" in event:
        raise ValueError("no")
    return {"got": event}
"""

_numbers = itertools.count(1)


@functools.cache
def client(server, service):
    """A boto3 client that is kept: each new one reads the service's whole model."""
    return server.client(service)


def archive(text):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("index.py", text)
    return packed.getvalue()


class Stack:
    """A queue, a function with the alias "live", and a mapping of the two."""

    def __init__(self, server):
        self.server = server
        name = f"guarded-{next(_numbers)}"
        role = client(server, "iam").create_role(
            RoleName=name, AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}')
        sqs, functions = client(server, "sqs"), client(server, "lambda")
        self.queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        self.queue_arn = sqs.get_queue_attributes(
            QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        made = functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=role["Role"]["Arn"], Timeout=7,
            Handler="index.handler", Code={"ZipFile": archive(HANDLER)})
        self.function, self.function_arn = name, made["FunctionArn"]
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        self.version = version
        mapping = functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=self.queue_arn, BatchSize=5,
            ScalingConfig={"MaximumConcurrency": 7}, Tags={"team": "orders"},
            FunctionResponseTypes=["ReportBatchItemFailures"],
            FilterCriteria={"Filters": [{"Pattern": PATTERN}]})
        self.uuid = mapping["UUID"]
        self.arn = (self.function_arn.partition(":function:")[0] + ":event-source-mapping:"
                    + self.uuid)


@pytest.fixture(params=["ministack", "moto"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def stack(server):
    return Stack(server)


def test_a_mapping_is_read_with_what_it_was_made_with(server, stack):
    mapping = ok(server, call="get", uuid=stack.uuid)
    assert mapping["uuid"] == stack.uuid
    assert mapping["arn"] == stack.arn
    assert mapping["event_source_arn"] == stack.queue_arn
    assert mapping["function_arn"] == stack.function_arn
    assert mapping["enabled"] and mapping["state_text"] == "Enabled"
    assert mapping["batch_size"] == 5 and mapping["maximum_concurrency"] == 7
    assert mapping["filters"] == [PATTERN] and not mapping["filters_hidden"]
    assert mapping["report_batch_item_failures"]
    assert abs(mapping["last_modified"] - time.time()) < 60
    refused = error(server, call="get", uuid="14e0db71-5d35-4eb5-b481-8945cf9d10c2")
    assert refused["code"] == "ResourceNotFoundException" and not refused["retryable"]


def test_mappings_are_found_by_function_and_by_queue(server, stack):
    other = Stack(server)
    for question in ({"function": stack.function}, {"source": stack.queue_arn}):
        page = ok(server, call="list", **question)
        assert [mapping["uuid"] for mapping in page["mappings"]] == [stack.uuid], question
        assert page["next_marker"] == ""
    everything = ok(server, call="list")["mappings"]
    assert {stack.uuid, other.uuid} <= {mapping["uuid"] for mapping in everything}
    assert ok(server, call="list", function="no-such-function")["mappings"] == []


def test_a_mapping_is_disabled_limited_and_given_back_what_it_had(server, stack):
    off = ok(server, call="update", uuid=stack.uuid, enabled=False)
    assert off["disabled"] and off["maximum_concurrency"] == 7 and off["batch_size"] == 5
    scout = ok(server, call="update", uuid=stack.uuid, enabled=True, limit=2, batch_size=1,
               window_s=0)
    assert scout["enabled"] and scout["maximum_concurrency"] == 2 and scout["batch_size"] == 1
    back = ok(server, call="update", uuid=stack.uuid, limit=None, batch_size=5)
    assert back["enabled"] and back["maximum_concurrency"] is None and back["batch_size"] == 5
    for read in (ok(server, call="get", uuid=stack.uuid), back):
        assert read["maximum_concurrency"] is None
        assert read["filters"] == [PATTERN] and read["report_batch_item_failures"]


def test_an_update_of_no_mapping_and_a_limit_out_of_range_are_refused(ministack):
    stack = Stack(ministack)
    assert error(ministack, call="update", uuid="14e0db71-5d35-4eb5-b481-8945cf9d10c2",
                 enabled=False)["code"] == "ResourceNotFoundException"
    # AWS names it InvalidParameterValueException or ValidationException.
    assert "alid" in error(ministack, call="update", uuid=stack.uuid, limit=1)["code"]


def test_tags_are_written_read_and_removed(server, stack):
    tags = {"switchgear:owner": "orders ä", "switchgear:before": BEFORE}
    ok(server, call="tag", arn=stack.arn, tags=tags)
    assert ok(server, call="list_tags", arn=stack.arn) == {"team": "orders", **tags}
    ok(server, call="untag", arn=stack.arn, keys=["switchgear:owner", "team"])
    assert ok(server, call="list_tags", arn=stack.arn) == {"switchgear:before": BEFORE}
    ok(server, call="untag", arn=stack.arn, keys=["switchgear:before"])
    assert ok(server, call="list_tags", arn=stack.arn) == {}
    nobody = stack.arn[:-36] + "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
    assert error(server, call="list_tags", arn=nobody)["code"] == "ResourceNotFoundException"


def test_a_function_is_read_by_name_and_by_arn(server, stack):
    for name in (stack.function, stack.function_arn):
        read = ok(server, call="function", function=name)
        assert read["timeout_s"] == 7
        assert read["name"] == stack.function and read["arn"] == stack.function_arn
        assert read["version"] == "$LATEST"
    assert ok(server, call="function", function=stack.function_arn + ":live")["version"] \
        == stack.version
    assert error(server, call="function", function="no-such-function")["code"] \
        == "ResourceNotFoundException"


def test_a_function_is_invoked_and_answers_or_fails(ministack):
    stack = Stack(ministack)
    for function in (stack.function, stack.function_arn):
        good = ok(ministack, call="invoke", function=function, payload='{"x":"ä"}')
        assert json.loads(good["payload"]) == {"got": {"x": "ä"}}
        assert good["status"] == 200 and good["function_error"] == ""
        assert good["executed_version"] == "$LATEST"
    for question in ({"function": stack.function, "qualifier": "live"},
                     {"function": stack.function_arn + ":live"}):
        good = ok(ministack, call="invoke", payload="{}", **question)
        assert good["executed_version"] == stack.version
    bad = ok(ministack, call="invoke", function=stack.function, payload='{"fail":1}')
    assert bad["function_error"] == "Unhandled"
    assert json.loads(bad["payload"])["errorMessage"] == "no"
    nobody = error(ministack, call="invoke", function="no-such-function", payload="{}")
    assert nobody["code"] == "ResourceNotFoundException" and not nobody["may_have_run"]


def test_a_function_that_a_server_stands_for_gets_the_event_and_its_answer_comes_back(ministack):
    stack = Stack(ministack)
    answers = {
        "whole": (200, b""), "parts": (200, b'{"batchItemFailures":[{"itemIdentifier":"1"}]}'),
        "crash": (500, b"no"),
    }
    with HttpServer(lambda body: answers[json.loads(body)["case"]]) as handler:
        client(ministack, "lambda").update_function_configuration(
            FunctionName=stack.function,
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": handler.url}})
        event = {"case": "whole", "Records": [{"body": "ä"}]}
        whole, parts, crash = (
            ok(ministack, call="invoke", function=stack.function,
               payload=json.dumps({**event, "case": case}))
            for case in answers)
    assert json.loads(handler.requests[0][3]) == event
    # As of a function that returns nothing.
    assert (whole["payload"], whole["function_error"]) == ("null", "")
    assert json.loads(parts["payload"]) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert crash["function_error"] == "Unhandled"
    assert len(handler.requests) == 3


# On a metric that nobody has: MiniStack counts the errors of functions in AWS/Lambda, looks at no
# dimension, and so moves every alarm on them.
ALARM = {
    "MetricName": "Errors", "Namespace": "Nobody", "Statistic": "Sum", "Period": 60,
    "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
}
STATES = {"OK": "ok", "ALARM": "alarm", "INSUFFICIENT_DATA": "insufficient_data"}


def test_the_state_of_an_alarm_is_what_it_was_set_to(server, queue_name):
    alarms = client(server, "cloudwatch")
    alarms.put_metric_alarm(**ALARM, AlarmName=queue_name)
    for name, state in STATES.items():
        alarms.set_alarm_state(AlarmName=queue_name, StateValue=name, StateReason=f"{name} ä")
        found = ok(server, call="alarms", names=[queue_name, "no-such-alarm"])
        assert list(found) == [queue_name]
        alarm = found[queue_name]
        assert (alarm["state"], alarm["state_reason"]) == (state, f"{name} ä")
        assert abs(alarm["state_updated"] - time.time()) < 60
    assert alarm["arn"].endswith(":alarm:" + queue_name)
    assert (alarm["period_s"], alarm["evaluation_periods"], alarm["datapoints_to_alarm"]) \
        == (60, 3, 2)
    assert alarm["treat_missing_data"] == "notBreaching" and not alarm["composite"]


def test_an_alarm_of_metric_math_tells_its_period(moto):
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 120, "Stat": "Sum"}
    client(moto, "cloudwatch").put_metric_alarm(
        AlarmName="math", EvaluationPeriods=3, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[{"Id": "e1", "Expression": "m1*2", "ReturnData": True},
                 {"Id": "m1", "ReturnData": False, "MetricStat": stat}])
    assert ok(moto, call="alarms", names=["math"])["math"]["period_s"] == 120


def test_composite_alarms_are_found_beside_metric_alarms(ministack, queue_name):
    alarms = client(ministack, "cloudwatch")
    alarms.put_metric_alarm(**ALARM, AlarmName=queue_name)
    alarms.put_composite_alarm(AlarmName=queue_name + "-all", AlarmRule=f"ALARM({queue_name})")
    alarms.set_alarm_state(
        AlarmName=queue_name + "-all", StateValue="ALARM", StateReason="because")
    found = ok(ministack, call="alarms", names=[queue_name, queue_name + "-all"])
    assert found[queue_name + "-all"]["composite"] and not found[queue_name]["composite"]
    assert found[queue_name + "-all"]["state"] == "alarm"
    assert found[queue_name]["state"] == "insufficient_data"


def test_a_server_that_verifies_signatures_accepts_the_calls_of_json_protocols(moto, queue_name):
    queue = client(moto, "sqs").create_queue(QueueName=queue_name)["QueueUrl"]
    client(moto, "cloudwatch").put_metric_alarm(**ALARM, AlarmName="signed")
    # It takes the actions of CloudWatch by the name of its host.
    moto.verify_signatures("monitoring:*", "sqs:*")
    calls = [
        {"call": "alarms", "names": ["signed"]},
        {"call": "set_queue_attributes", "queue": queue, "attributes": {"VisibilityTimeout": "7"}},
    ]
    for call in calls:
        ok(moto, **call)
    moto.secret_key = "wrong"
    for call in calls:
        assert error(moto, **call)["code"] == "SignatureDoesNotMatch"


def test_attributes_of_a_queue_are_set(server, queue_name):
    sqs = client(server, "sqs")
    queue = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    ok(server, call="set_queue_attributes", queue=queue,
       attributes={"MessageRetentionPeriod": "1209600", "VisibilityTimeout": "77"})
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (found["MessageRetentionPeriod"], found["VisibilityTimeout"]) == ("1209600", "77")
    refused = error(server, call="set_queue_attributes", queue=queue + "-none",
                    attributes={"VisibilityTimeout": "1"})
    assert refused["code"] == "QueueDoesNotExist"
