"""A fleet of processes over the public library (scenario_client.cc), and what Redis holds of it. A
store is named by its URL, or by that and the environment that goes with it."""

import json
import os
import subprocess

import peers
from child import Child
from waiting import wait_until

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
CIRCUIT = "payments-api"


def client_program():
    path = BUILD / "scenario_client"
    assert path.exists(), f"{path} is missing; build it with: scripts/build.sh dev"
    return path


class Client(Child):
    """One process. Commands are answered at once; a stopped process answers when it goes on."""

    def __init__(self, store, circuit=CIRCUIT, **settings):
        url, environment = (store, {}) if isinstance(store, str) else store
        super().__init__(
            [client_program(), url, circuit, *(f"{name}={value}" for name, value in settings.items())],
            env=peers.clean_environment(**environment), stdin=subprocess.PIPE)

    def tell(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        assert line, f"the client ended: {self.process.stderr.read().decode()}"
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer

    def ask(self, *words):
        self.tell(*words)
        return self.hear()

    def acquire(self):
        """The permit's number, or None if the call is refused."""
        return self.ask("acquire").get("permit")

    def finish(self, permit, outcome):
        self.ask("finish", permit, outcome)

    def call(self, outcome):
        """One call that ends at once; whether it was admitted."""
        permit = self.acquire()
        if permit is None:
            return False
        self.finish(permit, outcome)
        return True

    def status(self):
        return self.ask("status")

    @property
    def state(self):
        return self.status()["state"]


def ask_all(clients, *words):
    """The answers of all, who work at the same time."""
    for client in clients:
        client.tell(*words)
    return [client.hear() for client in clients]


class Clients:
    """Starts clients, and ends them after the test."""

    def __init__(self):
        self.all = []

    def start(self, count, store, circuit=CIRCUIT, seen=True, **settings):
        # Views are refreshed ten times as often as by default, so that tests wait less.
        settings.setdefault("view_refresh_ms", 500)
        started = [Client(store, circuit, **settings) for _ in range(count)]
        self.all += started
        if seen:  # all have a view of the circuit
            ask_all(started, "acquire")
            wait_until(lambda: all(s["epoch"] > 0 for s in ask_all(started, "status")), 10,
                       "every process having a view of the circuit")
        return started

    def stop(self):
        for client in self.all:
            if client.alive():
                client.kill()
            client.stop()


class Shared:
    """What a Redis server holds of a circuit."""

    def __init__(self, redis, circuit=CIRCUIT, name_space="switchgear"):
        self.redis = redis
        self.key = f"{{sg:{len(name_space)}:{name_space}:{len(circuit)}:{circuit}}}"

    def record(self):
        flat = self.redis.command("HGETALL", self.key + ":r")
        return dict(zip(flat[::2], flat[1::2]))

    def state(self):
        return self.record().get("st")

    def reports(self):
        return self.redis.command("ZRANGE", self.key + ":e", 0, -1)

    def spoil(self, **fields):
        for name, value in fields.items():
            self.redis.command("HSET", self.key + ":r", name, value)

    def becomes(self, state, within=15):
        def is_so():
            try:
                return self.state() == state
            except ConnectionError:
                return False  # a Sentinel that promotes a replica ends its connections
        wait_until(is_so, within, lambda: f"the record {state}; it is {self.record()}", every=0.005)
        return self.record()

    def operations(self):
        """Store operations so far: each is one script."""
        return self._commands("evalsha", "eval")

    def reports_added(self):
        """Reports that the store took into the evidence of their epoch so far."""
        return self._commands("zadd")

    def _commands(self, *names):
        calls = 0
        for line in self.redis.command("INFO", "commandstats").splitlines():
            if line.startswith(tuple(f"cmdstat_{name}:" for name in names)):
                calls += int(line.partition("calls=")[2].partition(",")[0])
        return calls


def trip(clients, shared, within=15):
    """Every process fails until the circuit is open."""
    def failing():
        for permit, client in zip(ask_all(clients, "acquire"), clients):
            if "permit" in permit:
                client.finish(permit["permit"], "failure")
        return shared.state() == "OPEN"
    wait_until(failing, within, lambda: f"a trip; the record is {shared.record()}", every=0.02)
    return shared.record()


def all_see(clients, state, within=10):
    """Every process asks until it sees this state; idle, it would not look for half a minute."""
    def seen():
        for client, answer in zip(clients, ask_all(clients, "acquire")):
            if "permit" in answer:
                client.finish(answer["permit"], "ignored")
        return all(s["state"] == state for s in ask_all(clients, "status"))
    wait_until(seen, within, lambda: f"every process seeing {state}: {ask_all(clients, 'status')}")


def prober(clients, shared, within=10):
    """The process that is granted a probe, and its permit; all ask until one is."""
    found = []

    def granted():
        for client, answer in zip(clients, ask_all(clients, "acquire")):
            if "permit" in answer:
                found.append((client, answer["permit"]))
        return found
    wait_until(granted, within, lambda: f"a probe; the record is {shared.record()}", every=0.01)
    assert len(found) == 1, "more than one process may probe"
    assert shared.state() == "HALF_OPEN"
    return found[0]
