"""One execution environment: a process with the real circuit breaker of AWS Powertools.

Lines on stdin are JSON commands, and each is answered by one line. The library's clock is the one
that a command sets, so that hours pass at once.

    {"do": "call", "circuit": NAME, "now": SECONDS, "works": BOOL}
        -> {"outcome": "ok" | "failed" | "refused", "state": of the refusal, "called": BOOL}
    {"do": "begin", …}   the same, but the call stays under way until {"do": "end", "now": SECONDS}
"""

import datetime
import json
import sys
import warnings

import boto3
import botocore.config

from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig, CircuitBreakerOpenError, base, circuit_breaker)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
    CircuitBreakerDynamoDBPersistence, base as persistence_base, dynamodb)

warnings.simplefilter("ignore")


class Clock:
    """Stands in for the module `datetime`, of which the library takes the time and nothing else."""

    seconds = 0

    class datetime:
        @staticmethod
        def now():
            return datetime.datetime.fromtimestamp(Clock.seconds)


for module in (base, persistence_base, dynamodb):
    assert module.dt is datetime
    module.dt = Clock


class Environment:
    def __init__(self, url, table, parameters, config):
        client = boto3.client(
            "dynamodb", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id="000000000000", aws_secret_access_key="test",
            config=botocore.config.Config(proxies={}))
        self.store = CircuitBreakerDynamoDBPersistence(
            table_name=table, boto3_client=client, **parameters)
        self.config = CircuitBreakerConfig(**config)

    def call(self, command):
        Clock.seconds = command["now"]
        called = []

        @circuit_breaker(name=command["circuit"], persistence_store=self.store, config=self.config)
        def dependency():
            called.append(True)
            if command["do"] == "begin":
                answer({"outcome": "begun"})
                Clock.seconds = json.loads(sys.stdin.readline())["now"]
            if not command["works"]:
                raise TimeoutError("the dependency does not answer")

        said = {"outcome": "ok", "state": None}
        try:
            dependency()
        except CircuitBreakerOpenError as refusal:
            said = {"outcome": "refused", "state": str(refusal.circuit.state)}
        except TimeoutError:
            said["outcome"] = "failed"
        return {**said, "called": bool(called)}


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    environment = Environment(**json.loads(sys.stdin.readline()))
    answer({"outcome": "ready"})
    for line in sys.stdin:
        answer(environment.call(json.loads(line)))


if __name__ == "__main__":
    main()
