"""The command line on servers that speak DynamoDB: the table it makes, and circuits in it."""

import itertools
import json
import subprocess

import boto3
import pytest
import yaml

import peers

_numbers = itertools.count(1)


@pytest.fixture
def table(request):
    """A table name that no other test uses."""
    return f"circuits-{next(_numbers)}"


# dynalite knows no time to live, without which a table is not as it should be.
on_ministack = pytest.mark.parametrize("dynamodb_server", ["ministack"], indirect=True)


@pytest.fixture
def client(dynamodb_server):
    return boto3.client("dynamodb", endpoint_url=dynamodb_server.url, region_name=peers.REGION,
                        aws_access_key_id=peers.ACCESS_KEY,
                        aws_secret_access_key=peers.SECRET_KEY)


@pytest.fixture
def run(binary, tmp_path, dynamodb_server):
    def call(*arguments, **variables):
        environment = peers.clean_environment(**{
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_server.url, "AWS_REGION": peers.REGION,
            "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY,
            **variables})
        return subprocess.run([str(binary), *arguments], capture_output=True, text=True,
                              timeout=60, cwd=tmp_path, env=environment)
    return call


def done(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@on_ministack
def test_the_template_is_the_table_that_create_makes(run, client, table):
    template = yaml.load(done(run("init", "dynamodb", "--table", table)).stdout,
                         Loader=type("Loader", (yaml.SafeLoader,), {
                             "yaml_multi_constructors": {"!": lambda loader, tag, node: node.value}}))
    wanted = template["Resources"]["Circuits"]["Properties"]
    done(run("init", "dynamodb", "--table", table, "--create"))
    made = client.describe_table(TableName=table)["Table"]
    assert made["TableName"] == wanted["TableName"]
    assert made["KeySchema"] == wanted["KeySchema"]
    assert made["AttributeDefinitions"] == wanted["AttributeDefinitions"]
    assert made["BillingModeSummary"]["BillingMode"] == wanted["BillingMode"]
    time_to_live = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert time_to_live["AttributeName"] == wanted["TimeToLiveSpecification"]["AttributeName"]


@on_ministack
def test_a_table_that_is_there_is_left_as_it_is(run, client, table):
    done(run("init", "dynamodb", "--table", table, "--create"))
    again = done(run("init", "dynamodb", "--table", table, "--create"))
    assert "exists already" in again.stderr
    create(client, table + "-other", key="id")
    other = run("init", "dynamodb", "--table", table + "-other", "--create")
    assert other.returncode == 1
    assert "another key" in other.stderr and "--table" in other.stderr


def create(client, table, key="circuit"):
    client.create_table(TableName=table, BillingMode="PAY_PER_REQUEST",
                        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}])


def test_circuits_are_held_shown_released_and_forgotten(run, client, table):
    create(client, table)
    store = ("--store", f"dynamodb://{table}")
    listed = done(run("circuits", "list", "--output", "json", *store))
    assert json.loads(listed.stdout)["circuits"] == []
    done(run("circuits", "hold", "payments-api", "--open", "--for", "1h", "--reason", "a test",
             *store))
    item = client.get_item(TableName=table, ConsistentRead=True,
                           Key={"circuit": {"S": "switchgear/payments-api"}})["Item"]
    assert item["hold"]["S"] == "FORCED_OPEN"
    assert "ttl" not in item, "a record under a hold must stay"
    shown = done(run("circuits", "show", "payments-api", *store)).stdout
    assert "FORCED_OPEN" in shown and "a test" in shown
    done(run("circuits", "release", "payments-api", *store))
    item = client.get_item(TableName=table, ConsistentRead=True,
                           Key={"circuit": {"S": "switchgear/payments-api"}})["Item"]
    assert item["hold"]["S"] == ""
    assert "ttl" in item
    done(run("circuits", "reset", "payments-api", "--forget", *store))
    assert "payments-api" not in done(run("circuits", "list", *store)).stdout
    note = {"circuit": {"S": "switchgear/payments-api#note"}}
    client.put_item(TableName=table, Item={**note, "rev": {"N": "1"}, "note": {"S": "left over"}})
    done(run("circuits", "reset", "payments-api", "--forget", *store))
    assert "Item" not in client.get_item(TableName=table, ConsistentRead=True, Key=note)
    assert run("circuits", "reset", "payments-api", "--forget", *store).returncode != 0


def test_a_table_that_is_not_there_is_told(run, table):
    listed = run("circuits", "list", "--store", f"dynamodb://{table}")
    assert listed.returncode == 1
    assert "ResourceNotFoundException" in listed.stderr
    assert "init dynamodb" in listed.stderr


def test_credentials_that_are_missing_are_told(run, table):
    told = run("circuits", "list", "--store", f"dynamodb://{table}", AWS_SECRET_ACCESS_KEY="")
    assert told.returncode == 2
    assert "AWS_SECRET_ACCESS_KEY" in told.stderr
