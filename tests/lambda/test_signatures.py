"""The requests of Lambda as they come over the wire, each signed as botocore would sign it."""

import datetime

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import peers
from lambda_calls import HttpServer, ask

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
UUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
MAPPING = f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{UUID}"
CALLS = [
    {"call": "list"},
    {"call": "list", "function": FUNCTION + ":live",
     "source": "arn:aws:sqs:us-east-1:123456789012:q.fifo", "marker": "a+/= ä"},
    {"call": "get", "uuid": UUID},
    {"call": "update", "uuid": UUID, "enabled": False, "limit": None},
    {"call": "list_tags", "arn": MAPPING},
    {"call": "tag", "arn": MAPPING, "tags": {"switchgear:owner": "ä"}},
    {"call": "untag", "arn": MAPPING, "keys": ["switchgear:owner", "b"]},
    {"call": "function", "function": FUNCTION + ":live"},
    {"call": "invoke", "function": FUNCTION, "qualifier": "$LATEST", "payload": '{"a":"ä"}'},
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["call"])
def test_a_request_is_signed_as_botocore_would_sign_it(call, monkeypatch):
    # No stand-in for AWS verifies what is signed for Lambda.
    with HttpServer(lambda body: (200, b"{}")) as recorder:
        ask(recorder, **call)
    (method, target, headers, body), = recorder.requests
    headers = {name.lower(): value for name, value in headers.items()}
    theirs = headers.pop("authorization")
    signed = theirs.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date"} <= set(signed)
    when = datetime.datetime.strptime(headers.pop("x-amz-date"), "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: when)
    again = botocore.awsrequest.AWSRequest(
        method=method, url=f"http://{headers['host']}{target}", data=body,
        headers={name: headers[name] for name in signed if name in headers})
    credentials = botocore.credentials.Credentials(recorder.access_key, recorder.secret_key)
    botocore.auth.SigV4Auth(credentials, "lambda", peers.REGION).add_auth(again)
    assert again.headers["Authorization"] == theirs
