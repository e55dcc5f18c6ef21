"""Fixtures of the scenarios on real servers."""

import pytest

from backends import OnDynamoDb, OnRedis
from clients import Clients, Shared
from dynamodb_faults import DynamoDbFaults


@pytest.fixture
def clients():
    clients = Clients()
    yield clients
    clients.stop()


@pytest.fixture
def shared(redis):
    return Shared(redis)


@pytest.fixture
def on_redis(redis, toxiproxy):
    store = OnRedis(redis, toxiproxy)
    yield store
    store.close()


def dynamodb_on(server, toxiproxy):
    with DynamoDbFaults(server.port) as faults:
        store = OnDynamoDb(server, faults, toxiproxy)
        yield store
        store.close()


@pytest.fixture
def on_dynamodb(ministack, toxiproxy):
    yield from dynamodb_on(ministack, toxiproxy)


@pytest.fixture
def on_dynalite(dynalite, toxiproxy):
    """As on_dynamodb, but on a server that does not show the old item of a failed condition."""
    yield from dynamodb_on(dynalite, toxiproxy)


@pytest.fixture(params=["redis", "dynamodb"])
def store(request):
    """Each store in turn, for scenarios that are the same on all."""
    return request.getfixturevalue(f"on_{request.param}")
