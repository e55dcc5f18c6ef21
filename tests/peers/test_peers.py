"""Each test peer starts, does one real thing, and behaves where other tests rely on it."""

import time

import boto3
import botocore.config
import botocore.exceptions
import pytest

import peers
from child import Child
from dynamodb_faults import THROTTLING, DynamoDbFaults


def test_redis_answers_on_loopback_and_keeps_what_it_is_told(redis):
    assert redis.command("PING") == "PONG"
    assert redis.command("SET", "a", "1") == "OK"
    assert redis.command("GET", "a") == "1"
    assert redis.command("INFO", "server").count("redis_version:7.") == 1


def test_redis_restarts_on_its_port_with_what_its_append_only_file_holds(start_redis):
    redis = start_redis(appendonly=True)
    port = redis.port
    redis.command("SET", "a", "1")
    redis.restart()
    assert redis.port == port
    assert redis.command("GET", "a") == "1"


def test_redis_restarts_empty_if_asked_to(start_redis):
    redis = start_redis(appendonly=True)
    redis.command("SET", "a", "1")
    redis.restart(empty=True)
    assert redis.command("DBSIZE") == 0


def test_redis_refuses_who_has_no_password(start_redis):
    redis = start_redis(password="secret")
    assert redis.command("PING") == "PONG"
    redis.password = None
    with pytest.raises(peers.RedisError, match="NOAUTH"):
        redis.command("PING")


def test_redis_holds_a_user_to_its_rules(start_redis):
    redis = start_redis(user="agent", password="secret", acl="~circuit:* +@all -flushall")
    assert redis.url.startswith("redis://agent:secret@127.0.0.1:")
    assert redis.command("SET", "circuit:a", "1") == "OK"
    with pytest.raises(peers.RedisError, match="NOPERM"):
        redis.command("SET", "other", "1")


def test_redis_replica_follows_its_primary(start_redis):
    primary = start_redis(password="secret")
    replica = start_redis(replica_of=primary)
    replica.replicated()
    primary.command("SET", "a", "1")
    assert primary.command("WAIT", 1, 5000) == 1
    assert replica.command("GET", "a") == "1"


def test_redis_that_is_paused_does_not_answer_until_resumed(redis):
    redis.pause()
    with pytest.raises(TimeoutError):
        redis.command("PING", timeout=0.2)
    redis.resume()
    assert redis.command("PING") == "PONG"


def test_sqs_server_delivers_counts_and_deletes(sqs_server, queue_name):
    sqs = sqs_server.client("sqs")
    url = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    assert url.startswith(sqs_server.url)
    sqs.send_message(QueueUrl=url, MessageBody="hello")

    def receive():
        return sqs.receive_message(
            QueueUrl=url, AttributeNames=["ApproximateReceiveCount"], WaitTimeSeconds=5
        )["Messages"]

    (first,) = receive()
    assert first["Body"] == "hello"
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    (second,) = receive()
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    left = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert set(left.values()) == {"0"}


def test_sqs_server_moves_a_message_to_the_dead_letter_queue(sqs_server, queue_name):
    sqs = sqs_server.client("sqs")
    dead = sqs.create_queue(QueueName=queue_name + "-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = '{"deadLetterTargetArn":"%s","maxReceiveCount":"1"}' % arn["QueueArn"]
    url = sqs.create_queue(QueueName=queue_name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    assert not sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
    (moved,) = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"]
    assert moved["Body"] == "poison"


def test_dynamodb_server_holds_a_writer_to_its_condition(dynamodb_server, queue_name):
    dynamodb = dynamodb_server.client("dynamodb")
    dynamodb.create_table(
        TableName=queue_name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(
        TableName=queue_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    item = {"id": {"S": "a"}, "n": {"N": "1"}}
    once = {"TableName": queue_name, "Item": item,
            "ConditionExpression": "attribute_not_exists(id)"}
    dynamodb.put_item(**once)
    with pytest.raises(botocore.exceptions.ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(**once)
    got = dynamodb.get_item(TableName=queue_name, Key={"id": {"S": "a"}}, ConsistentRead=True)
    assert got["Item"] == item


def test_moto_keeps_a_queue(moto, queue_name):
    sqs = moto.client("sqs")
    url = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    assert sqs.list_queues()["QueueUrls"] == [url]


def test_moto_verifies_signatures_when_asked_to(moto, queue_name):
    moto.verify_signatures("sqs:CreateQueue")
    moto.client("sqs").create_queue(QueueName=queue_name)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied|not authorized"):
        moto.client("sqs").list_queues()
    moto.secret_key = "wrong"
    with pytest.raises(botocore.exceptions.ClientError, match="[Ss]ignature"):
        moto.client("sqs").create_queue(QueueName=queue_name)
    moto.access_key = "AKIAUNKNOWNUNKNOWN00"
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId|token"):
        moto.client("sqs").create_queue(QueueName=queue_name)


def test_botocore_signing_suite_is_there():
    cases = sorted(peers.SIGV4_SUITE.rglob("*.req"))
    assert len(cases) >= 30
    assert all(case.with_suffix(".authz").exists() for case in cases)


def test_a_child_ends_with_its_whole_group(tmp_path):
    child = Child(["sh", "-c", "tail -f /dev/null & wait"], log=tmp_path / "log")
    assert child.alive()
    child.stop()
    assert not child.alive()


def test_a_peer_that_cannot_start_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="redis did not start"):
        peers.Redis(tmp_path, options=["no-such-setting yes"]).start()


def test_toxiproxy_cuts_delays_loses_and_leads_elsewhere(redis, start_redis, toxiproxy):
    other = start_redis()
    other.command("SET", "who", "other")
    with toxiproxy.link(redis.port) as link:
        through = peers.RedisConnection(link.port, timeout=5)
        begin = time.monotonic()
        link.delay(0.1)
        assert through.command("PING") == "PONG"
        assert time.monotonic() - begin >= 0.2
        link.drop_replies()
        with pytest.raises(OSError):
            peers.RedisConnection(link.port, timeout=0.5).command("SET", "a", "1")
        assert redis.command("GET", "a") == "1"
        link.cut()
        with pytest.raises(ConnectionRefusedError):
            peers.RedisConnection(link.port, timeout=5)
        link.mend()
        assert peers.RedisConnection(link.port, timeout=5).command("GET", "a") == "1"
        link.lead_to(other.port)
        assert peers.RedisConnection(link.port, timeout=5).command("GET", "who") == "other"


def test_dynamodb_faults_refuse_in_the_service_s_own_words(ministack):
    with DynamoDbFaults(ministack.port) as faults:
        client = ministack.client("dynamodb")
        behind = boto3.client("dynamodb", endpoint_url=faults.url, region_name=peers.REGION,
                              aws_access_key_id=peers.ACCESS_KEY,
                              aws_secret_access_key=peers.SECRET_KEY,
                              config=botocore.config.Config(retries={"total_max_attempts": 1}))
        assert behind.list_tables()["TableNames"] == client.list_tables()["TableNames"]
        faults.throttle(ListTables=1)
        codes = set()
        for _ in THROTTLING:
            with pytest.raises(botocore.exceptions.ClientError) as refused:
                behind.list_tables()
            codes.add(refused.value.response["Error"]["Code"])
        assert codes == {"ProvisionedThroughputExceededException", "ThrottlingException",
                         "RequestLimitExceeded"}
        faults.throttle(None)
        faults.loses_answer = lambda request: True
        with pytest.raises(botocore.exceptions.ConnectionClosedError):
            behind.list_tables()
