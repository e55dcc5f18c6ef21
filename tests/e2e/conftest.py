"""Fixtures of the end-to-end tests: a handler in this process, and workers that keep secrets."""

import pytest

from guarded import Workers
from handler import Handler


@pytest.fixture
def handler():
    with Handler() as handler:
        yield handler


@pytest.fixture
def workers(tmp_path, binary, handler):
    """Stopped before the handler is."""
    with Workers(tmp_path, binary) as workers:
        yield workers
