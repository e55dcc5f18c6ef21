"""The signer against AWS's own suite, against botocore on random requests, and against a server
that recomputes every signature."""

import datetime
import json
import os
import random
import re
import string
import subprocess

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import peers

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
REQUESTS = 400


def program(name):
    path = BUILD / name
    assert path.exists(), f"{path} is missing; build it with: scripts/build.sh dev"
    return path


def test_the_suite_of_aws_is_signed_as_it_says():
    done = subprocess.run(
        [program("sigv4_suite_test")],
        env={**os.environ, "SWITCHGEAR_SIGV4_SUITE": str(peers.SIGV4_SUITE)},
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout
    cases = {
        str(request.parent.relative_to(peers.SIGV4_SUITE))
        for request in peers.SIGV4_SUITE.rglob("*.req")
    }
    # botocore itself leaves out four; see kNotRun in sigv4_suite_test.cc.
    passed = re.findall(r"\[       OK \] Case/SigV4Suite", done.stdout)
    assert len(passed) == len(cases) - 4


def test_the_suite_fails_when_it_is_not_there():
    environment = {k: v for k, v in os.environ.items() if k != "SWITCHGEAR_SIGV4_SUITE"}
    done = subprocess.run(
        [program("sigv4_suite_test")], env=environment,
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert done.returncode != 0
    assert "SWITCHGEAR_SIGV4_SUITE" in done.stdout


def random_text(rng, alphabet, low, high):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def random_request(rng):
    """A request as a client may send it: path and query escaped, headers of any white space."""
    unreserved = string.ascii_letters + string.digits + "-_.~"
    pieces = list(unreserved) + ["%2F", "%3A", "%C3%A4", "%25", "%20", "%7E"]
    path_pieces = pieces + [":", "@", "=", "+", ",", "(", ")", "!", "$", "&", "'", ";", "*"]
    segments = [random_text(rng, path_pieces, 0, 8) for _ in range(rng.randint(0, 4))]
    segments = [rng.choice([s, s, s, s, ".", ".."]) for s in segments]
    target = "/" + "/".join(segments)
    # botocore takes a query as it is, so it must be escaped the one canonical way.
    canonical = list(unreserved.replace("~", "")) + ["%2F", "%3A", "%C3%A4", "%25", "%20", "%2B"]
    pairs = [
        random_text(rng, canonical, 1, 6) + "=" + random_text(rng, canonical, 0, 6)
        for _ in range(rng.randint(0, 5))
    ]
    if pairs:
        target += "?" + "&".join(pairs)
    headers = [("Host", rng.choice(["sqs.eu-central-1.amazonaws.com", "127.0.0.1:4566", "[::1]:1"]))]
    names = ["Content-Type", "X-Amz-Target", "X-Amz-Meta", "x-amz-meta-b", "X-AMZ-Meta-A", "Accept",
             "User-Agent", "Connection", "Expect", "X-Amzn-Trace-Id", "TE", "amz-sdk-request"]
    for name in rng.sample(names, rng.randint(0, len(names))):
        for _ in range(rng.choice([1, 1, 1, 2])):
            value = random_text(rng, string.ascii_letters + "  \t,;=/\"ä", 0, 20)
            headers.append((name, value))
    body = random_text(rng, string.printable + "äß€😀", 0, rng.choice([0, 10, 3000]))
    return {
        "method": rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
        "target": target,
        "headers": headers,
        "body": body,
        "access_key": random_text(rng, string.ascii_uppercase + string.digits, 16, 20),
        "secret_key": random_text(rng, string.ascii_letters + string.digits + "/+", 1, 70),
        "token": rng.choice(["", random_text(rng, string.ascii_letters + "/+=", 10, 400)]),
        "region": rng.choice(["eu-central-1", "us-gov-west-1", "cn-north-1"]),
        "service": rng.choice(["sqs", "lambda", "dynamodb", "execute-api"]),
        "time": rng.randint(0, 4_000_000_000),
    }


def signed_by_botocore(request, monkeypatch):
    when = datetime.datetime.fromtimestamp(request["time"], datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: when)
    host = dict(request["headers"])["Host"]
    aws_request = botocore.awsrequest.AWSRequest(
        method=request["method"],
        url=f"https://{host}{request['target']}",
        data=request["body"].encode(),
    )
    for name, value in request["headers"]:
        aws_request.headers.add_header(name, value)
    credentials = botocore.credentials.Credentials(
        request["access_key"], request["secret_key"], request["token"] or None
    )
    botocore.auth.SigV4Auth(credentials, request["service"], request["region"]).add_auth(aws_request)
    names = ["X-Amz-Date", "Authorization"] + (["X-Amz-Security-Token"] if request["token"] else [])
    return {name: aws_request.headers[name] for name in names}


def test_random_requests_are_signed_as_botocore_signs_them(monkeypatch):
    seed = int(os.environ.get("SWITCHGEAR_SEED") or random.randrange(2**32))
    rng = random.Random(seed)
    requests = [random_request(rng) for _ in range(REQUESTS)]
    done = subprocess.run(
        [program("sigv4_sign")],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True, text=True, check=True, timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == REQUESTS
    for request, answer in zip(requests, answers):
        expected = signed_by_botocore(request, monkeypatch)
        assert answer == expected, f"SWITCHGEAR_SEED={seed} {json.dumps(request)}"


@pytest.mark.parametrize("target", [
    # Encoded once on the wire and once more to be signed.
    "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Aevent-source-mapping%3Aa-1"
    "?tagKeys=switchgear%3Aowner&tagKeys=b",
    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Af%3Alive"
    "/invocations?Qualifier=%24LATEST",
    "/2015-03-31/event-source-mappings?EventSourceArn=arn%3Aaws%3Asqs%3Ar%3A1%3Aq&Marker=a%2B%2F%3D",
])
def test_an_arn_in_a_path_is_signed_as_botocore_signs_it(monkeypatch, target):
    request = {
        "method": "DELETE", "target": target, "body": "", "time": 1_750_000_000,
        "headers": [("Host", "lambda.eu-central-1.amazonaws.com")], "region": "eu-central-1",
        "service": "lambda", "access_key": "ASIAEXAMPLE", "secret_key": "s/+=", "token": "to/ken+==",
    }
    assert answers_of([request]) == [signed_by_botocore(request, monkeypatch)]


def answers_of(requests):
    done = subprocess.run(
        [program("sigv4_sign")],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True, text=True, check=True, timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


def presigned_by_botocore(request, monkeypatch):
    when = datetime.datetime.fromtimestamp(request["time"], datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: when)
    host = dict(request["headers"])["Host"]
    aws_request = botocore.awsrequest.AWSRequest(
        method=request["method"], url=f"https://{host}{request['target']}", data="")
    credentials = botocore.credentials.Credentials(
        request["access_key"], request["secret_key"], request["token"] or None
    )
    botocore.auth.SigV4QueryAuth(
        credentials, request["service"], request["region"], expires=request["expires"]
    ).add_auth(aws_request)
    return aws_request.url.removeprefix(f"https://{host}")


def parts(target):
    path, _, query = target.partition("?")
    return path, sorted(query.split("&"))


def test_random_requests_are_presigned_as_botocore_presigns_them(monkeypatch):
    seed = int(os.environ.get("SWITCHGEAR_SEED") or random.randrange(2**32))
    rng = random.Random(seed)
    requests = []
    while len(requests) < REQUESTS:
        request = {**random_request(rng), "body": "", "expires": rng.randint(1, 604800)}
        # botocore takes the query apart into a dict, so no key may come twice.
        keys = [pair.split("=")[0] for pair in request["target"].partition("?")[2].split("&")]
        # It signs every header; a presigned URL goes to somebody who sends none but Host.
        request["headers"] = [pair for pair in request["headers"] if pair[0] == "Host"]
        if len(set(keys)) == len(keys):
            requests.append(request)
    for request, answer in zip(requests, answers_of(requests)):
        expected = presigned_by_botocore(request, monkeypatch)
        why = f"SWITCHGEAR_SEED={seed} {json.dumps(request)}"
        # The order of parameters is no part of the signature.
        assert parts(answer["target"]) == parts(expected), why


@pytest.mark.parametrize("serverless", [False, True])
def test_a_token_for_elasticache_is_what_botocore_would_presign(monkeypatch, serverless):
    request = {
        "method": "GET", "body": "", "expires": 900, "time": 1_750_000_000,
        "headers": [("Host", "orders-cache")], "region": "eu-central-1", "service": "elasticache",
        "access_key": "ASIAEXAMPLE", "secret_key": "s/+=", "token": "to/ken+==",
        "target": "/?Action=connect&User=switch%20gear"
        + ("&ResourceType=ServerlessCache" if serverless else ""),
    }
    (answer,) = answers_of([
        {**request, "cache": "Orders-Cache", "user": "switch gear", "serverless": serverless}
    ])
    assert answer["token"] == "orders-cache" + presigned_by_botocore(request, monkeypatch)


def run_calls(server, queue, **changes):
    return subprocess.run(
        [program("sqs_call"), server.url, queue],
        env=peers.clean_environment(**{
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": peers.REGION,
            **changes,
        }),
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )


def check_calls(done):
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["attributes"]["QueueArn"]
    assert len(out["sent_batch"]) == 2
    by_body = {message["body"]: message for message in out["messages"]}
    assert set(by_body) == {'first "ä"', "second", "third"}
    first = by_body['first "ä"']
    assert first["id"] == out["sent"]
    assert first["attributes"] == {"kind": "letter", "raw": "2"}
    for message in out["messages"]:
        assert message["receive_count"] == 1
        assert message["sent_timestamp"] > 1_600_000_000_000
    assert out["change_errors"][0] == ""
    assert out["change_errors"][1] != ""
    assert out["all_deleted"]


def test_every_sqs_call_works_against_a_real_server(sqs_server, queue_name):
    sqs_server.client("sqs").create_queue(QueueName=queue_name)
    check_calls(run_calls(sqs_server, queue_name))


def test_a_server_that_verifies_signatures_accepts_every_sqs_call(moto, queue_name):
    moto.client("sqs").create_queue(QueueName=queue_name)
    moto.verify_signatures()
    check_calls(run_calls(moto, queue_name))


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "InvalidClientTokenId"),
    ],
)
def test_wrong_credentials_are_told_with_the_fix(moto, queue_name, changes, code):
    moto.client("sqs").create_queue(QueueName=queue_name)
    moto.verify_signatures()
    done = run_calls(moto, queue_name, **changes)
    assert done.returncode == 1
    assert code in done.stderr
    (variable,) = changes
    assert variable in done.stderr
    assert "wrong" not in done.stderr


def test_a_queue_that_does_not_exist_is_told(sqs_server):
    done = run_calls(sqs_server, "no-such-queue")
    assert done.returncode == 1
    assert "QueueDoesNotExist" in done.stderr
