"""`switchgear verify aws` on servers that stand in for AWS, where it never ran."""

import json
import re
import signal
import subprocess

import pytest

import peers
from conftest import aws_environment
from dynamodb_faults import DynamoDbFaults
from waiting import wait_until

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
VERIFY = ("verify", "aws", "--store", "dynamodb", "--rounds", "5")


def tables(server):
    return server.client("dynamodb").list_tables()["TableNames"]


def ours(server):
    return [name for name in tables(server) if name.startswith("switchgear-verify-")]


def test_the_whole_report_on_ministack(run, ministack, figures):
    done = run(*VERIFY, "--yes", "--output", "json", **aws_environment(ministack.url))
    assert done.returncode == DONE, done.stdout + done.stderr
    assert "USD at most" in done.stderr
    report = json.loads(done.stdout)
    assert len(report["behaviours"]) > 50
    assert all(behaviour["holds"] for behaviour in report["behaviours"])
    assert report["made"] and report["removed"] and report["problems"] == []
    assert ours(ministack) == []
    kinds = {o["operation"]: o for o in report["operations"]}
    assert set(kinds) == {"create", "read", "report", "claim", "settle", "swap", "list", "remove"}
    assert kinds["read"]["times"] == 5 and kinds["read"]["failed"] == 0
    assert 0 < kinds["read"]["p50_ms"] <= kinds["read"]["max_ms"]
    assert kinds["read"]["write_units_each"] == 0
    assert kinds["swap"]["write_units_each"] >= 1
    assert report["consumed"]["requests"] < 20_000
    assert 0 < report["cost"]["usd"] < 0.0125
    assert "us-east-1" in report["cost"]["prices_of"]
    assert peers.ACCESS_KEY not in done.stdout
    figures(f"{report['consumed']}, {report['cost']['usd']} USD")


def test_the_report_in_markdown_on_dynalite(run, dynalite):
    done = run(*VERIFY, "--yes", "--region", "eu-west-1",
               **{**aws_environment(dynalite.url), "AWS_REGION": ""})
    assert done.returncode == DONE, done.stdout + done.stderr
    assert done.stdout.startswith("# switchgear verify aws\n")
    assert "region eu-west-1" in done.stdout
    assert re.search(r"^(\d+) of \1 hold\.$", done.stdout, re.M)
    assert "| read | 5 | 0 |" in done.stdout
    assert ours(dynalite) == []


def test_nothing_is_made_unasked_or_where_something_is(run, ministack):
    environment = aws_environment(ministack.url)
    unasked = run(*VERIFY, **environment)
    assert unasked.returncode == USAGE and "--yes" in unasked.stderr
    client = ministack.client("dynamodb")
    client.create_table(TableName="mine", BillingMode="PAY_PER_REQUEST",
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    there = run(*VERIFY, "--yes", "--table", "mine", **environment)
    assert there.returncode == FAILED
    assert "left as it is" in there.stderr
    assert "mine" in tables(ministack)


def test_rights_that_are_missing_are_named_and_no_account_is(run, ministack, aws):
    environment = aws_environment(aws.url)
    aws.denied = {"CreateTable"}
    done = run(*VERIFY, "--yes", **environment)
    assert done.returncode == FAILED
    assert "dynamodb:CreateTable is missing" in done.stdout and "--print-policy" in done.stdout
    aws.denied = {"UpdateItem"}
    done = run(*VERIFY, "--yes", **environment)
    assert done.returncode == FAILED
    assert "dynamodb:UpdateItem is missing" in done.stdout
    assert "123456789012" not in done.stdout and "user/ann" not in done.stdout
    assert ours(ministack) == []


def test_a_table_that_cannot_be_removed_is_named_with_the_command(run, ministack, aws):
    aws.denied = {"DeleteTable", "GetItem"}
    done = run(*VERIFY, "--yes", **aws_environment(aws.url))
    assert done.returncode == FAILED
    (left,) = ours(ministack)
    assert f"aws dynamodb delete-table --table-name {left} --region us-east-1" in done.stderr
    ministack.client("dynamodb").delete_table(TableName=left)


def test_ctrl_c_removes_the_table(binary, tmp_path, ministack, aws):
    process = subprocess.Popen([str(binary), *VERIFY, "--yes"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, cwd=tmp_path,
                               env=peers.clean_environment(**aws_environment(aws.url)))
    try:
        wait_until(lambda: "UpdateItem" in aws.operations, 20, "a behaviour under way")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert ours(ministack) == []


def test_a_table_whose_making_went_unanswered_is_removed_once_it_is_to_be_seen(run, ministack):
    with DynamoDbFaults(ministack.port) as faults:
        faults.loses_answer = lambda request: request.operation == "CreateTable"
        # The first request is whether there is such a table, which there is not.
        faults.unknown_table = lambda request: (request.operation in ("DescribeTable", "DeleteTable")
                                                and faults.counts["unknown"] < 4)
        done = run(*VERIFY, "--yes", **aws_environment(faults.url))
    assert done.returncode == FAILED
    assert faults.counts["lost on purpose"] == 1 and faults.counts["DeleteTable"] == 4
    assert "made, and removed" in done.stdout
    assert ours(ministack) == []


@pytest.mark.parametrize("store", ["momento", "redis"])
def test_other_stores_are_of_a_later_version(run, store):
    done = run("verify", "aws", "--store", store)
    assert done.returncode == USAGE and "is not in this version" in done.stderr


def test_the_policy_is_printed(run):
    done = run("verify", "aws", "--print-policy", "--region", "cn-north-1")
    assert done.returncode == DONE
    (statement,) = json.loads(done.stdout)["Statement"]
    assert "dynamodb:CreateTable" in statement["Action"]
    assert statement["Resource"] == "arn:aws-cn:dynamodb:cn-north-1:*:table/switchgear-verify-*"
