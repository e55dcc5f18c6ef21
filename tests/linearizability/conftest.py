"""The checker, built once."""

import pytest

from histories import go


@pytest.fixture(scope="session")
def checker(tmp_path_factory):
    program = tmp_path_factory.mktemp("checker") / "checker"
    go("build", "-o", program, ".")
    return program
