"""Fixtures shared by all tests: real servers on free ports, and the binary under test.

Servers that take long to start live for the session; a test gives its queues names of their own
(`queue_name`) instead of wiping them.
"""

import itertools
import os
from pathlib import Path

import pytest

import peers
from redis_cluster import RedisCluster

_numbers = itertools.count(1)
_figures = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def binary():
    """The release binary; SWITCHGEAR_BINARY names another one, such as a sanitizer's."""
    path = Path(
        os.environ.get("SWITCHGEAR_BINARY") or peers.REPOSITORY / "build/release/switchgear"
    )
    assert path.exists(), f"{path} is missing; build it with: make build"
    return path


@pytest.fixture
def redis(tmp_path):
    """An empty Redis of this test alone."""
    with peers.Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def start_redis(tmp_path):
    """Starts Redis servers with the options of peers.Redis, and stops them after the test."""
    started = []

    def start(**options):
        server = peers.Redis(tmp_path / f"redis-{len(started)}", **options)
        started.append(server)
        return server.start()

    yield start
    for server in reversed(started):
        server.stop()


@pytest.fixture(scope="module")
def _redis_cluster(tmp_path_factory):
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def redis_cluster(_redis_cluster):
    """A Redis Cluster with all its nodes, emptied before each test."""
    _redis_cluster.renew()
    return _redis_cluster


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    with peers.MiniStack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def elasticmq(tmp_path_factory):
    with peers.ElasticMq(tmp_path_factory.mktemp("elasticmq")) as server:
        yield server


@pytest.fixture(scope="session")
def dynalite(tmp_path_factory):
    with peers.Dynalite(tmp_path_factory.mktemp("dynalite")) as server:
        yield server


@pytest.fixture(scope="session")
def toxiproxy(tmp_path_factory):
    with peers.Toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as server:
        yield server


@pytest.fixture(scope="session")
def _moto(tmp_path_factory):
    with peers.Moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def moto(_moto):
    """Moto, emptied before each test and not verifying anything until asked to."""
    _moto.reset()
    return _moto


@pytest.fixture(params=["ministack", "elasticmq"])
def sqs_server(request):
    """Each SQS server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["ministack", "dynalite"])
def dynamodb_server(request):
    """Each DynamoDB server in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def queue_name(request):
    """A queue name that no other test uses."""
    plain = "".join(c if c.isalnum() else "-" for c in request.node.name)[:50].strip("-")
    return f"{plain}-{next(_numbers)}"


@pytest.fixture
def figures(request):
    """figures("text") prints a line of what was measured below the results, passed or not."""
    lines = request.config.stash.setdefault(_figures, [])
    return lambda text: lines.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash.get(_figures, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
