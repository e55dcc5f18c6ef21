"""Every request, answer and error of the clients of Lambda and CloudWatch, and SQS's
SetQueueAttributes, against the service models of botocore."""

import json
import os
import subprocess
import urllib.parse

import botocore.retries.standard as retries
import botocore.awsrequest
import botocore.serialize
import botocore.session
import botocore.validate
import pytest

import peers
from service_model import changed, emptied, enums_of, example, joined, places, without, wrong

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
SESSION = botocore.session.get_session()
LAMBDA = {
    "ListEventSourceMappings", "GetEventSourceMapping", "UpdateEventSourceMapping", "ListTags",
    "TagResource", "UntagResource", "GetFunctionConfiguration", "Invoke",
}
OTHERS = {"DescribeAlarms": "cloudwatch", "SetQueueAttributes": "sqs"}
MODELS = {name: SESSION.get_service_model(name) for name in ("lambda", "cloudwatch", "sqs")}
# As endpoints and errors of the client name them.
SOURCES = {"lambda": "lambda", "cloudwatch": "monitoring", "sqs": "sqs"}
# Those whose answer is read.
ANSWERED = sorted(LAMBDA - {"TagResource", "UntagResource", "Invoke"} | {"DescribeAlarms"})
# What an answer must have for the client to make anything of it.
NEEDED = {
    "ListEventSourceMappings": [
        ("EventSourceMappings",), ("EventSourceMappings", 0, "UUID"),
    ],
    "GetEventSourceMapping": [("UUID",)],
    "UpdateEventSourceMapping": [("UUID",)],
    "GetFunctionConfiguration": [("FunctionArn",), ("Timeout",)],
    "DescribeAlarms": [
        (kind, 0, member) for kind in ("MetricAlarms", "CompositeAlarms")
        for member in ("AlarmName", "StateValue")
    ],
}
# Lambda may answer these when the function has run already.
MAY_HAVE_RUN = {"ServiceException", "EFSIOException"}


def service_of(operation):
    return OTHERS.get(operation, "lambda")


def operation_model(operation):
    return MODELS[service_of(operation)].operation_model(operation)


def ask(answers=(), errors=()):
    program = BUILD / "lambda_codec_call"
    assert program.exists(), f"{program} is missing; build it with: scripts/build.sh dev"
    done = subprocess.run(
        [program], input=json.dumps({"answers": list(answers), "errors": list(errors)}),
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def parameters(request):
    """What botocore would be given to send this request of a REST-JSON service."""
    model = operation_model(request["operation"])
    path, _, query = request["path"].partition("?")
    pattern = model.http["requestUri"].split("/")
    segments = path.split("/")
    assert len(segments) == len(pattern), request
    found = {}
    for wanted, segment in zip(pattern, segments):
        if wanted.startswith("{"):
            found[wanted.strip("{}")] = urllib.parse.unquote(segment)
        else:
            assert segment == wanted, request
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True) \
            if query else []:
        if name == "tagKeys":
            found.setdefault("TagKeys", []).append(value)
        else:
            found[name] = value
    for name, value in request["headers"].items():
        (member,) = [m for m, shape in model.input_shape.members.items()
                     if shape.serialization.get("name") == name]
        found[member] = value
    payload = model.input_shape.serialization.get("payload")
    if payload:
        found[payload] = request["body"].encode()
    elif request["body"]:
        found.update(json.loads(request["body"]))
    # The names in paths are those of members but for the ARN of tags.
    return {{"ARN": "Resource"}.get(name, name): value for name, value in found.items()}


def check_against_model(body, shape, request):
    report = botocore.validate.ParamValidator().validate(body, shape)
    assert not report.has_errors(), f"{request}: {report.generate_report()}"
    assert not list(enums_of(shape, body)), request


def test_every_request_is_what_botocore_would_send():
    requests = ask()["requests"]
    assert {request["operation"] for request in requests} == LAMBDA | set(OTHERS)
    serializer = botocore.serialize.create_serializer("rest-json")
    for request in requests:
        if request["operation"] not in LAMBDA:
            continue
        model = operation_model(request["operation"])
        given = parameters(request)
        check_against_model(given, model.input_shape, request)
        theirs = serializer.serialize_to_request(given, model)
        assert request["method"] == theirs["method"]
        path, _, query = request["path"].partition("?")
        assert path == theirs["url_path"]
        assert urllib.parse.parse_qsl(query) == [
            (name, value) for name, values in theirs["query_string"].items()
            for value in (values if isinstance(values, list) else [values])]
        body = theirs["body"].decode() if isinstance(theirs["body"], bytes) else theirs["body"]
        assert request["body"] == body or json.loads(request["body"]) == json.loads(body)


def test_every_request_of_a_json_protocol_is_one_of_the_model():
    for request in ask()["requests"]:
        if request["operation"] in LAMBDA:
            continue
        assert (request["method"], request["path"]) == ("POST", "/")
        check_against_model(
            json.loads(request["body"]), operation_model(request["operation"]).input_shape, request)


def read(operation, bodies):
    answers = ask([{"operation": operation, "body": json.dumps(body)} for body in bodies])
    return answers["answers"]


@pytest.mark.parametrize("operation", ANSWERED)
def test_every_answer_of_the_model_is_understood(operation):
    source = SOURCES[service_of(operation)]
    whole = example(operation_model(operation).output_shape)
    assert read(operation, [whole]) == [""]
    found = list(places(whole))
    assert found
    # Members that this client has never heard of, wherever but among the tags.
    elsewhere = [path for path in found if path != ("Tags", "id")]
    assert not any(read(operation, [changed(whole, path, joined) for path in elsewhere]))
    # Without any of those it has, or with null for it: fine, unless it is needed.
    for change in (without, emptied):
        for path, text in zip(found, read(operation, [changed(whole, p, change) for p in found])):
            if path in NEEDED.get(operation, []):
                assert text.startswith(f"{source}: protocol: ") and path[-1] + " is" in text, path
            else:
                assert not text, (path, text)
    # Of another type: either nobody looks, or the error names the member.
    texts = read(operation, [changed(whole, path, wrong) for path in found])
    for path, text in zip(found, texts):
        assert not text or text.startswith(f"{source}: protocol: ") and str(path[-1]) in text, text
    for path in NEEDED.get(operation, []):
        assert texts[found.index(path)], path


def errors_of_the_models():
    """(operation, error shape) for every error of every operation, each error once."""
    seen = {}
    for operation in sorted(LAMBDA) + sorted(OTHERS):
        for shape in operation_model(operation).error_shapes:
            seen.setdefault((service_of(operation), shape.name), (operation, shape))
    return list(seen.values())


def retried_by_botocore(operation, code, status):
    checker = retries.OrRetryChecker(
        [retries.TransientRetryableChecker(), retries.ThrottledRetryableChecker()])
    return checker.is_retryable(retries.RetryContext(
        attempt_number=1, operation_model=operation_model(operation),
        parsed_response={"Error": {"Code": code, "Message": ""}},
        http_response=botocore.awsrequest.AWSResponse("", status, {}, None)))


def throttled_for_botocore(operation, code):
    return retries.ThrottledRetryableChecker().is_retryable(retries.RetryContext(
        attempt_number=1, operation_model=operation_model(operation),
        parsed_response={"Error": {"Code": code}}))


def test_every_error_of_the_models_is_classified_as_botocore_does():
    cases = errors_of_the_models()
    assert len(cases) > 50
    questions = []
    for operation, shape in cases:
        status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
        if service_of(operation) == "lambda":
            # The code in a header, with the address that AWS adds.
            headers = {"x-amzn-ErrorType": f"{shape.name}:http://internal.amazon.com/coral/"}
            body = {"Type": "User", "Message": "told"}
        else:
            headers, body = {}, {"__type": f"com.amazonaws#{shape.name}", "message": "told"}
        questions.append({"service": SOURCES[service_of(operation)], "status": status,
                          "headers": headers, "body": json.dumps(body)})
    for (operation, shape), question, answer in zip(cases, questions, ask(errors=questions)["errors"]):
        assert answer["code"] == shape.name
        assert "told" in answer["message"]
        assert answer["retryable"] == retried_by_botocore(
            operation, shape.name, question["status"]), shape.name
        assert answer["throttled"] == throttled_for_botocore(operation, shape.name), shape.name


def test_only_errors_that_may_come_after_the_start_say_that_the_function_may_have_run():
    shapes = operation_model("Invoke").error_shapes
    assert MAY_HAVE_RUN < {shape.name for shape in shapes}
    answers = ask(errors=[
        {"service": "lambda", "status": shape.metadata["error"]["httpStatusCode"],
         "headers": {"x-amzn-ErrorType": shape.name}, "body": ""} for shape in shapes])["errors"]
    found = {answer["code"] for answer in answers if answer["may_have_run"]}
    assert found == MAY_HAVE_RUN


def test_a_throttled_call_tells_lambdas_reason():
    reasons = MODELS["lambda"].shape_for("ThrottleReason").enum
    answers = ask(errors=[
        {"service": "lambda", "status": 429,
         "headers": {"x-amzn-ErrorType": "TooManyRequestsException", "Retry-After": "1"},
         "body": json.dumps({"Reason": reason, "Type": "User", "message": "Rate Exceeded."})}
        for reason in reasons])["errors"]
    assert reasons
    for reason, answer in zip(reasons, answers):
        assert answer["code"] == "TooManyRequestsException" and answer["throttled"]
        assert reason in answer["message"] and "Rate Exceeded." in answer["message"]
