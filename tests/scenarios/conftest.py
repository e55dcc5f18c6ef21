"""Fixtures of the scenarios on a real Redis."""

import pytest

from clients import Clients, Shared
from fault_proxy import FaultProxy


@pytest.fixture
def clients():
    clients = Clients()
    yield clients
    clients.stop()


@pytest.fixture
def shared(redis):
    return Shared(redis)


@pytest.fixture
def proxy(redis):
    with FaultProxy(redis.port) as proxy:
        yield proxy
