"""`switchgear doctor` on a Redis Cluster and behind a Sentinel: each primary is looked at, and what
is wrong with one of them is told with its name."""

import json

import peers
from conftest import grade, grades_but_latency
from redis_cluster import PASSWORD

DONE, FAILED = 0, 1


def name(node):
    return f"127.0.0.1:{node.port}"


def circuits_left(cluster):
    return [key for node in cluster.primaries() for key in node.command("KEYS", "*doctor*")]


def test_a_cluster_that_is_well(doctor, redis_cluster):
    code, found = doctor(redis_cluster.url)
    assert code == DONE
    assert grades_but_latency(found) == {"ok"}, found
    for node in redis_cluster.primaries():
        assert name(node) in found["connection"]["found"]
    for check in ("version", "eviction", "memory", "durability", "rights", "clock"):
        assert found[check]["found"].startswith("all 3 primaries"), found[check]
    for operation in ("read", "swap", "report", "claim", "settle", "list", "remove", "push",
                      "slots", "redirects"):
        assert operation in found["rights"]["found"]
    assert circuits_left(redis_cluster) == []


def test_one_primary_that_may_evict_circuits(doctor, redis_cluster):
    node = redis_cluster.primaries()[1]
    before = node.command("CONFIG", "GET", "maxmemory-policy")[1]
    node.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        code, found = doctor(redis_cluster.url)
    finally:
        node.command("CONFIG", "SET", "maxmemory-policy", before)
    assert code == DONE, "warnings only"
    assert grade(found, "eviction") == "warning"
    assert found["eviction"]["found"].startswith(f"{name(node)}: "), found["eviction"]


def test_a_user_who_lacks_a_right_on_one_primary(doctor, redis_cluster):
    node = redis_cluster.primaries()[2]
    for each in redis_cluster.nodes:
        each.command("ACL", "SETUSER", "app", "on", ">secret-word", "~{sg:*", "&{sg:*",
                     "+@all")
    node.command("ACL", "SETUSER", "app", "-hset", "-asking")
    url = redis_cluster.url.replace(f":{PASSWORD}@", "app:secret-word@")
    try:
        code, found = doctor(url)
        assert code == FAILED
        assert found["rights"]["found"].startswith(f"{name(node)}: "), found["rights"]
        assert "swap" in found["rights"]["found"]
        assert "secret-word" not in json.dumps(found)
        fix = found["rights"]["fix"]
        assert fix.startswith("ACL SETUSER app ~{sg:* ") and "+asking" in fix
        node.command(*fix.split())
        code, found = doctor(url)
        assert (code, grade(found, "rights")) == (DONE, "ok")
    finally:
        for each in redis_cluster.nodes:
            each.command("ACL", "DELUSER", "app")
    assert circuits_left(redis_cluster) == []


def test_one_primary_that_knows_another_password(doctor, redis_cluster):
    node = redis_cluster.primaries()[0]
    node.command("CONFIG", "SET", "requirepass", "another-word")
    try:
        code, found = doctor(redis_cluster.url)
    finally:
        node.password, known = "another-word", node.password
        node.command("CONFIG", "SET", "requirepass", known)
        node.password = known
    assert code == FAILED
    assert grade(found, "login") == "error"
    assert found["login"]["found"].startswith(f"{name(node)}: "), found["login"]
    assert grade(found, "eviction") == "ok", "the others are looked at"


def test_a_primary_without_a_replica(doctor, redis_cluster):
    primary = redis_cluster.primaries()[0]
    redis_cluster.replica_of(primary).kill()
    primary.command("CLIENT", "KILL", "TYPE", "replica")
    code, found = doctor(redis_cluster.url)
    assert code == DONE
    assert grade(found, "durability") == "warning"
    assert found["durability"]["found"].startswith(f"{name(primary)}: no replica")


def test_a_primary_that_is_down(doctor, redis_cluster):
    primary = redis_cluster.primaries()[0]
    redis_cluster.replica_of(primary).kill()
    primary.kill()
    code, found = doctor(redis_cluster.url)
    assert code == FAILED
    assert grade(found, "connection") == "error"
    assert found["connection"]["found"].startswith(f"{name(primary)}: "), found["connection"]
    assert "start this node" in found["connection"]["fix"]
    assert "Redis 7" in found["version"]["found"], "the others are looked at"


def test_slots_that_nobody_serves(doctor, redis_cluster):
    key = "some key"
    owner, slot = redis_cluster.owner(key), redis_cluster.slot(key)
    for node in redis_cluster.nodes:
        node.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
        node.command("CLUSTER", "DELSLOTS", slot)
    try:
        code, found = doctor(redis_cluster.url)
    finally:
        owner.command("CLUSTER", "ADDSLOTS", slot)
        for node in redis_cluster.nodes:
            node.command("CONFIG", "SET", "cluster-require-full-coverage", "yes")
    assert code == FAILED
    assert grade(found, "rights") == "ok", "the other slots are served"
    assert "1 of the cluster's 16384 slots" in found["slots"]["found"]
    assert "redis-cli --cluster" in found["slots"]["fix"]


def test_behind_a_sentinel_the_primary_that_it_names_is_looked_at(doctor, start_redis, tmp_path):
    primary = start_redis(options=["maxmemory-policy allkeys-lru"])
    with peers.Sentinel(tmp_path / "sentinel", primary) as sentinel:
        code, found = doctor(sentinel.url)
    assert code == DONE
    assert f"the Sentinels name {name(primary)}" in found["connection"]["found"]
    assert grade(found, "eviction") == "warning"
    assert found["version"]["found"].startswith("Redis 7")
