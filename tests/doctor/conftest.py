import subprocess

import pytest

import peers
from aws_proxy import AwsProxy


@pytest.fixture
def run(binary, tmp_path):
    """Runs the binary in an empty folder."""
    def call(*arguments, **variables):
        return subprocess.run([str(binary), *arguments], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=tmp_path,
                              env=peers.clean_environment(**variables))
    return call


@pytest.fixture
def aws(ministack):
    """MiniStack behind a proxy that denies rights and shifts the time."""
    with AwsProxy(ministack.url) as proxy:
        yield proxy


def aws_environment(url):
    return {"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_REGION": peers.REGION,
            "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY}
