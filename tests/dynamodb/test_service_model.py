"""Every request, answer and error of the DynamoDB client against the service model of botocore."""

import json
import os
import subprocess

import botocore.session
import botocore.validate
import pytest

import peers
from service_model import changed, emptied, enums_of, example, joined, places, without, wrong

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
MODEL = botocore.session.get_session().get_service_model("dynamodb")
OPERATIONS = {
    "GetItem", "UpdateItem", "DeleteItem", "Scan", "Query", "CreateTable", "DeleteTable", "DescribeTable",
    "UpdateTimeToLive", "DescribeTimeToLive",
}
GIVEN = {"AttributeValue": {"S": "x"}}
# What an answer must have for the client to make anything of it.
NEEDED = {
    "Scan": [("Items",)],
    "Query": [("Items",)],
    "DescribeTable": [("Table",), ("Table", "TableStatus")],
    "DescribeTimeToLive": [
        ("TimeToLiveDescription",), ("TimeToLiveDescription", "TimeToLiveStatus")
    ],
}
THROTTLING = {
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
    "LimitExceededException",
}
MAY_PASS = THROTTLING | {
    "InternalServerError", "TransactionConflictException", "ReplicatedWriteConflictException",
}
STAYS = {
    "ConditionalCheckFailedException", "ResourceNotFoundException", "ResourceInUseException",
    "ItemCollectionSizeLimitExceededException",
}


def ask(answers=(), errors=()):
    program = BUILD / "dynamodb_codec_call"
    assert program.exists(), f"{program} is missing; build it with: scripts/build.sh dev"
    done = subprocess.run(
        [program], input=json.dumps({"answers": list(answers), "errors": list(errors)}),
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_request_is_one_of_the_model():
    requests = ask()["requests"]
    assert {request["operation"] for request in requests} == OPERATIONS
    for request in requests:
        shape = MODEL.operation_model(request["operation"]).input_shape
        body = json.loads(request["body"])
        report = botocore.validate.ParamValidator().validate(body, shape)
        assert not report.has_errors(), f"{request}: {report.generate_report()}"
        assert not list(enums_of(shape, body)), request


def test_a_request_that_is_none_of_the_model_would_be_found():
    shape = MODEL.operation_model("GetItem").input_shape
    whole = {"TableName": "t", "Key": {"id": {"S": "a"}}}
    for wrong in ({"TableName": "t"}, {**whole, "Unknown": 1}, {**whole, "ConsistentRead": "yes"}):
        assert botocore.validate.ParamValidator().validate(wrong, shape).has_errors(), wrong
    assert list(enums_of(shape, {**whole, "ReturnConsumedCapacity": "SOME"}))


def read(operation, bodies):
    answers = ask([{"operation": operation, "body": json.dumps(body)} for body in bodies])
    return answers["answers"]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_answer_of_the_model_is_understood(operation):
    whole = example(MODEL.operation_model(operation).output_shape, GIVEN)
    assert read(operation, [whole]) == [""]
    found = list(places(whole))
    assert found
    # Members that this client has never heard of, wherever.
    assert not any(read(operation, [changed(whole, path, joined) for path in found]))
    # Without any of those it has, or with null for it: fine, unless it is needed or part of an
    # attribute.
    for change in (without, emptied):
        for path, text in zip(found, read(operation, [changed(whole, p, change) for p in found])):
            if path in NEEDED.get(operation, []):
                assert text.startswith("dynamodb: protocol: ") and path[-1] + " is" in text, path
            elif path[-1] in ("id", "S"):
                assert not text or text.startswith("dynamodb: protocol: "), text
            else:
                assert not text, (path, text)
    # Of another type: either nobody looks, or the error names the member.
    texts = read(operation, [changed(whole, path, wrong) for path in found])
    for path, text in zip(found, texts):
        assert not text or text.startswith("dynamodb: protocol: ") and str(path[-1]) in text, text
    for path in NEEDED.get(operation, []):
        assert texts[found.index(path)], path


def errors_of_the_model():
    return {error.name: error for operation in OPERATIONS
            for error in MODEL.operation_model(operation).error_shapes}


def test_every_error_of_the_model_is_classified():
    shapes = errors_of_the_model()
    assert set(shapes) == MAY_PASS | STAYS, "the model has other errors than this test knows"
    names = sorted(shapes)
    bodies = [
        {"__type": f"com.amazonaws.dynamodb.v20120810#{name}", **example(shapes[name], GIVEN)}
        for name in names
    ]
    answers = ask(errors=[{"status": 400, "body": json.dumps(body)} for body in bodies])["errors"]
    for name, answer in zip(names, answers):
        assert answer["code"] == name
        assert answer["throttled"] == (name in THROTTLING), name
        assert answer["retryable"] == (name in MAY_PASS), name


def test_an_error_may_lack_everything_but_its_code():
    for more in ({}, {"message": None}, {"message": 7}, {"throttlingReasons": [None]}):
        body = {"__type": "ThrottlingException", **more}
        (answer,) = ask(errors=[{"status": 400, "body": json.dumps(body)}])["errors"]
        assert answer["code"] == "ThrottlingException" and answer["throttled"]
