"""Calls of the clients of Lambda, CloudWatch and SQS by the program lambda_call."""

import json
import os
import subprocess

import peers

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")


def ask(server, **question):
    """One call, with the credentials that `server` names; see lambda_call.cc."""
    program = BUILD / "lambda_call"
    assert program.exists(), f"{program} is missing; build it with: scripts/build.sh dev"
    done = subprocess.run(
        [program, server.url], input=json.dumps(question) + "\n",
        env=peers.clean_environment(**server.environ),
        capture_output=True, text=True, timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ok(server, **question):
    """What a call that succeeds gives."""
    answer = ask(server, **question)
    assert "ok" in answer, answer
    return answer["ok"]


def error(server, **question):
    """How a call that fails ends."""
    answer = ask(server, **question)
    assert "error" in answer, answer
    return answer["error"]
