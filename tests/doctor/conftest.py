import json
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
def doctor(run):
    """The exit code and the findings by their check, of which the worst counts."""
    def call(store, **variables):
        done = run("doctor", "--store", store, "--output", "json", **variables)
        found = {}
        for finding in json.loads(done.stdout)["findings"]:
            grades = ["ok", "not checked", "warning", "error"]
            known = found.get(finding["check"])
            if not known or grades.index(finding["grade"]) > grades.index(known["grade"]):
                found[finding["check"]] = finding
        for finding in found.values():
            assert (finding["grade"] in ("warning", "error")) == bool(finding["fix"]), finding
        return done.returncode, found
    return call


@pytest.fixture
def aws(ministack):
    """MiniStack behind a proxy that denies rights and shifts the time."""
    with AwsProxy(ministack.url) as proxy:
        yield proxy


def aws_environment(url):
    return {"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_REGION": peers.REGION,
            "AWS_ACCESS_KEY_ID": peers.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": peers.SECRET_KEY}


def grade(found, check):
    return found[check]["grade"]


def grades_but_latency(found):
    """A busy machine answers as late as a far one."""
    return {finding["grade"] for check, finding in found.items() if check != "latency"}
