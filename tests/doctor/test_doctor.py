"""`switchgear doctor` on real servers, each with one thing wrong with it."""

import itertools
import json
import signal
import socket
import subprocess
import threading

import pytest

import peers
from conftest import aws_environment, grade, grades_but_latency
from waiting import wait_until

DONE, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 4, 130
_numbers = itertools.count(1)


def circuits_left(redis):
    return [key for key in redis.command("KEYS", "*") if "doctor" in key]


# ---- Redis ----------------------------------------------------------------------------------------


def test_a_redis_that_is_well(doctor, start_redis):
    redis = start_redis(appendonly=True)
    code, found = doctor(redis.url)
    assert code == DONE
    assert grades_but_latency(found) == {"ok"}, found
    assert set(found) >= {"configuration", "connection", "version", "eviction", "memory",
                          "durability", "rights", "clock", "latency", "circuits"}
    for operation in ("read", "swap", "report", "claim", "settle", "list", "remove", "push"):
        assert operation in found["rights"]["found"]
    assert circuits_left(redis) == []


def test_a_redis_that_may_evict_circuits_and_is_nearly_full(doctor, start_redis):
    redis = start_redis(options=["maxmemory-policy allkeys-lru"])
    redis.command("SET", "large", "x" * 30_000_000)
    # Once the buffer of the connection that brought it is gone.
    def used():
        return int(redis._info("memory")["used_memory"])

    wait_until(lambda: 30_000_000 < used() < 40_000_000, 10, "one large value in memory")
    redis.command("CONFIG", "SET", "maxmemory", str(int(used() * 1.05)))
    code, found = doctor(redis.url)
    assert code == DONE, "warnings only"
    assert grade(found, "eviction") == "warning"
    assert "CONFIG SET maxmemory-policy volatile-ttl" in found["eviction"]["fix"]
    assert grade(found, "memory") == "warning"
    assert "raise maxmemory" in found["memory"]["fix"]
    assert grade(found, "durability") == "warning"
    assert "replica" in found["durability"]["fix"]


def test_a_redis_that_is_full(doctor, start_redis):
    redis = start_redis(options=["maxmemory 1mb", "maxmemory-policy noeviction"])
    code, found = doctor(redis.url)
    assert code == FAILED
    assert grade(found, "rights") == "error"
    assert "OOM" in found["rights"]["found"] and "raise maxmemory" in found["rights"]["fix"]


def test_a_replica(doctor, start_redis):
    primary = start_redis()
    replica = start_redis(replica_of=primary)
    replica.replicated()
    code, found = doctor(replica.url)
    assert code == FAILED
    assert "primary endpoint" in found["role"]["fix"]
    assert "READONLY" in found["rights"]["found"]


def test_a_user_who_lacks_rights_is_told_the_acl_rules_that_are_enough(doctor, start_redis):
    redis = start_redis(options=["user app on >secret-word -@all"])
    url = f"redis://app:secret-word@127.0.0.1:{redis.port}"
    code, found = doctor(url)
    assert code == FAILED
    assert grade(found, "connection") == "ok", "a login is one thing, rights are another"
    assert grade(found, "rights") == "error"
    assert grade(found, "eviction") == "not checked"
    assert "secret-word" not in json.dumps(found)
    fix = found["rights"]["fix"]
    assert fix.startswith("ACL SETUSER USER ~{sg:* &{sg:* +")
    redis.command(*fix.replace(" USER ", " app ").split())
    code, found = doctor(url)
    assert code == DONE, found
    assert grade(found, "rights") == "ok"
    assert grade(found, "circuits") == "ok"
    assert circuits_left(redis) == []


@pytest.mark.parametrize("lacking, operation", [("hset", "swap"), ("zadd", "report"),
                                                ("scan", "list"), ("subscribe", "push")])
def test_a_user_who_lacks_one_command(doctor, start_redis, lacking, operation):
    redis = start_redis(user="app", password="secret-word", acl=f"~* &* +@all -{lacking}")
    _, found = doctor(redis.url)
    assert operation in found["rights"]["found"]
    assert found["rights"]["fix"].startswith("ACL SETUSER app ")
    assert f"+{lacking} " in found["rights"]["fix"] + " "


def test_a_wrong_password(doctor, start_redis):
    redis = start_redis(password="right")
    code, found = doctor(f"redis://:wrong-word@127.0.0.1:{redis.port}")
    assert code == UNREACHABLE
    assert grade(found, "TCP") == "ok"
    assert grade(found, "login") == "error"
    assert "user and password in the store's URL" in found["login"]["fix"]
    assert "wrong-word" not in json.dumps(found)


def test_a_closed_port_an_unknown_host_and_what_is_no_redis(doctor):
    code, found = doctor(f"redis://127.0.0.1:{peers.free_port()}")
    assert (code, grade(found, "TCP")) == (UNREACHABLE, "error")
    assert "start the server" in found["TCP"]["fix"]
    code, found = doctor("redis://no-such-host.invalid")
    assert (code, grade(found, "DNS")) == (UNREACHABLE, "error")
    assert "host's name" in found["DNS"]["fix"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            connection, _ = server.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()
            server.accept()[0].close()
        threading.Thread(target=serve, daemon=True).start()
        code, found = doctor(f"redis://127.0.0.1:{server.getsockname()[1]}")
    assert (code, grade(found, "answer")) == (UNREACHABLE, "error")
    assert "protocol" in found["answer"]["fix"]
    assert grade(found, "everything else") == "not checked"


def test_a_slow_way(doctor, redis, toxiproxy):
    with toxiproxy.link(redis.port) as link:
        link.delay(0.02)
        code, found = doctor(f"redis://127.0.0.1:{link.port}")
    assert code == DONE
    assert grade(found, "latency") == "warning"
    assert "the budget is 10 ms" in found["latency"]["found"]
    assert "nearer" in found["latency"]["fix"]


def test_circuits_that_cannot_be_read_and_other_settings(run, doctor, redis):
    for name in ("a", "b"):
        held = run("circuits", "hold", name, "--open", "--for", "1h", "--store", redis.url)
        assert held.returncode == DONE, held.stderr
    redis.command("HSET", "{sg:10:switchgear:1:a}:r", "v", "99")
    redis.command("HSET", "{sg:10:switchgear:1:b}:r", "fp", "another")
    code, found = doctor(redis.url)
    assert code == FAILED
    assert "circuits reset a --forget" in found["circuits"]["fix"]
    assert grade(found, "settings") == "warning"
    assert "circuits explain b" in found["settings"]["fix"]


def test_ctrl_c_leaves_nothing_behind(binary, tmp_path, redis, toxiproxy):
    with toxiproxy.link(redis.port) as link:
        link.delay(0.05)
        process = subprocess.Popen([str(binary), "doctor", "--store",
                                    f"redis://127.0.0.1:{link.port}"],
                                   stdout=subprocess.PIPE, text=True, cwd=tmp_path,
                                   env=peers.clean_environment())
        try:
            wait_until(lambda: circuits_left(redis), 20, "the throw-away circuit")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    assert "interrupted" in out
    assert circuits_left(redis) == []


# ---- DynamoDB -------------------------------------------------------------------------------------


@pytest.fixture
def table(request):
    return f"doctor-{next(_numbers)}"


def make(server, table, key="circuit", kind="S", ttl="ttl", **more):
    client = server.client("dynamodb")
    more.setdefault("BillingMode", "PAY_PER_REQUEST")
    client.create_table(TableName=table,
                        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind}],
                        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}], **more)
    if ttl:
        client.update_time_to_live(TableName=table, TimeToLiveSpecification={
            "Enabled": True, "AttributeName": ttl})
    return client


def test_a_table_that_is_well(doctor, ministack, table):
    client = make(ministack, table)
    code, found = doctor(f"dynamodb://{table}", **aws_environment(ministack.url))
    assert code == DONE
    assert grades_but_latency(found) == {"ok"}, found
    for action in ("GetItem", "UpdateItem", "DeleteItem", "Scan"):
        assert f"dynamodb:{action}" in found["rights"]["found"]
    assert client.scan(TableName=table)["Items"] == []


def test_the_way_to_a_table_behind_a_proxy_is_the_proxys(doctor):
    proxy = peers.free_port()
    code, found = doctor("dynamodb://circuits", HTTP_PROXY=f"http://127.0.0.1:{proxy}",
                         **aws_environment("http://dynamodb.invalid:8000"))
    assert code == UNREACHABLE
    assert "DNS" not in found and "TCP" not in found, "this machine need not know that host"
    assert f"127.0.0.1:{proxy}" in found["answer"]["found"]


def test_a_table_that_is_missing_or_has_another_key(doctor, ministack, table):
    environment = aws_environment(ministack.url)
    code, found = doctor(f"dynamodb://{table}", **environment)
    assert (code, grade(found, "table")) == (FAILED, "error")
    assert f"switchgear init dynamodb --create --table {table}" in found["table"]["fix"]
    make(ministack, table, key="id")
    code, found = doctor(f"dynamodb://{table}", **environment)
    assert (code, grade(found, "key")) == (FAILED, "error")
    assert '"id"' in found["key"]["found"] and "make another table" in found["key"]["fix"]


def test_a_table_without_time_to_live_on_provisioned_capacity(doctor, ministack, table):
    make(ministack, table, ttl=None, BillingMode="PROVISIONED",
         ProvisionedThroughput={"ReadCapacityUnits": 7, "WriteCapacityUnits": 3})
    code, found = doctor(f"dynamodb://{table}", **aws_environment(ministack.url))
    assert code == DONE
    assert grade(found, "time to live") == "warning"
    assert "aws dynamodb update-time-to-live" in found["time to live"]["fix"]
    assert grade(found, "billing") == "warning"
    assert "7 reads and 3 writes" in found["billing"]["found"]
    assert "--billing-mode PAY_PER_REQUEST" in found["billing"]["fix"]


def test_time_to_live_by_another_attribute_and_an_item_that_is_too_large(doctor, run, ministack,
                                                                         table):
    client = make(ministack, table, ttl="expires")
    environment = aws_environment(ministack.url)
    held = run("circuits", "hold", "big", "--open", "--store", f"dynamodb://{table}", **environment)
    assert held.returncode == DONE, held.stderr
    client.update_item(TableName=table, Key={"circuit": {"S": "switchgear/big"}},
                       UpdateExpression="SET note = :n",
                       ExpressionAttributeValues={":n": {"S": "x" * 17000}})
    code, found = doctor(f"dynamodb://{table}", **environment)
    assert code == FAILED
    assert '"expires"' in found["time to live"]["found"]
    assert "Enabled=false" in found["time to live"]["fix"]
    assert grade(found, "item size") == "warning"
    assert "big" in found["item size"]["found"] and "console" in found["item size"]["fix"]


def test_each_right_that_is_missing_is_named(doctor, ministack, aws, table):
    client = make(ministack, table)
    environment = aws_environment(aws.url)
    aws.denied = {"DescribeTable", "DescribeTimeToLive", "UpdateItem", "Scan"}
    code, found = doctor(f"dynamodb://{table}", **environment)
    assert code == FAILED
    assert grade(found, "table") == "not checked"
    assert "dynamodb:DescribeTimeToLive" in found["time to live"]["found"]
    assert "dynamodb:UpdateItem is missing" in found["rights"]["found"]
    assert "allow dynamodb:UpdateItem" in found["rights"]["fix"]
    assert "dynamodb:LeadingKeys" in found["rights"]["fix"]
    assert grade(found, "circuits") == "not checked"
    assert "a read takes" in found["latency"]["found"]
    aws.denied = {"DeleteItem"}
    code, found = doctor(f"dynamodb://{table}", **environment)
    assert code == DONE, "only people need it"
    assert "allow dynamodb:DeleteItem" in found["rights"]["fix"]
    assert grade(found, "clean-up") == "not checked"
    assert "ttl" in client.scan(TableName=table)["Items"][0], "what stays has an end"


@pytest.mark.parametrize("ahead, wanted", [(600, "error"), (-30, "warning")])
def test_a_clock_that_is_off(doctor, ministack, aws, table, ahead, wanted):
    make(ministack, table)
    aws.ahead = ahead
    _, found = doctor(f"dynamodb://{table}", **aws_environment(aws.url))
    assert grade(found, "clock") == wanted
    assert ("ahead of" if ahead > 0 else "behind") in found["clock"]["found"]
    assert "NTP" in found["clock"]["fix"]


def test_no_time_to_live_to_be_asked_for(doctor, dynalite, table):
    make(dynalite, table, ttl=None)
    code, found = doctor(f"dynamodb://{table}", **aws_environment(dynalite.url))
    assert code == DONE
    assert grade(found, "rights") == "ok"


# ---- Configuration and output ---------------------------------------------------------------------


def test_a_configuration_with_problems(run, tmp_path):
    none = run("doctor", "--store", "memory:")
    assert none.returncode == USAGE
    assert "--store redis://HOST:PORT" in " ".join(none.stdout.split())
    (tmp_path / "switchgear.yaml").write_text("stoer: x\ncircuits: {a: {probes: -1}}\n")
    done = run("doctor", "--output", "json")
    assert done.returncode == USAGE
    findings = json.loads(done.stdout)["findings"]
    assert sum(finding["grade"] == "error" for finding in findings) == 2
    assert "switchgear config check" in findings[0]["fix"]


def test_the_table_is_for_people(run, redis):
    done = run("doctor", "--store", redis.url)
    assert done.returncode == DONE
    assert "\033" not in done.stdout + done.stderr
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    assert done.stdout.startswith("ok           configuration")
    assert "Fix: " in done.stdout
    assert done.stderr.startswith("no errors, ")
