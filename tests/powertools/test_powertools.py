"""`switchgear circuits` on the table of AWS Powertools' circuit breaker.

The items are those that the real library writes, each environment a process of its own
(environment.py) whose clock the test sets, and after each change it is the library that shows what
the change means to the functions.
"""

import http.client
import http.server
import itertools
import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

import peers
from child import Child

HOUR = 3600
CACHE = 5  # local_cache_max_age
RECOVERY = 30  # recovery_timeout
SIMPLE = {}
COMPOSITE = {"key_attr": "pk", "sort_key_attr": "sk", "static_pk_value": "circuit_breaker#orders",
             "state_attr": "st", "expiry_attr": "ttl"}
_numbers = itertools.count(1)


class Environment:
    def __init__(self, server, table, folder, parameters):
        self._child = Child([peers.PYTHON, Path(__file__).parent / "environment.py"],
                            stdin=subprocess.PIPE, env=peers.clean_environment())
        folder.mkdir(exist_ok=True)
        self._say({"url": server.url, "table": table, "parameters": parameters,
                   "config": {"failure_threshold": 2, "success_threshold": 1,
                              "recovery_timeout": RECOVERY, "local_cache_max_age": CACHE}})

    def ready(self):
        assert self._heard()["outcome"] == "ready"
        return self

    def call(self, circuit, now, works=True):
        self._say({"do": "call", "circuit": circuit, "now": now, "works": works})
        return self._heard()

    def begin(self, circuit, now, works=True):
        self._say({"do": "begin", "circuit": circuit, "now": now, "works": works})
        assert self._heard() == {"outcome": "begun"}

    def end(self, now):
        self._say({"do": "end", "now": now})
        return self._heard()

    def stop(self):
        self._child.process.stdin.close()
        self._child.stop()

    def _say(self, command):
        self._child.process.stdin.write((json.dumps(command) + "\n").encode())
        self._child.process.stdin.flush()

    def _heard(self):
        line = self._child.process.stdout.readline()
        assert line, self._child.process.stderr.read().decode()
        return json.loads(line)


class Fleet:
    """A table, two environments that use it, and the commands on it."""

    def __init__(self, server, binary, folder, parameters, table=None):
        self.table = table or f"breakers-{next(_numbers)}"
        self.binary = binary
        self.server = server
        self.folder = folder
        self.parameters = parameters
        self.key = parameters.get("key_attr", "id")
        self.sort_key = parameters.get("sort_key_attr")
        self.state = parameters.get("state_attr", "state")
        self.expiry = parameters.get("expiry_attr", "expiration")
        self.client = server.client("dynamodb")
        keys = [(self.key, "HASH")] + ([(self.sort_key, "RANGE")] if self.sort_key else [])
        self.client.create_table(
            TableName=self.table, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n, _ in keys],
            KeySchema=[{"AttributeName": n, "KeyType": kind} for n, kind in keys])
        self.environments = [Environment(server, self.table, folder, parameters) for _ in range(2)]
        for environment in self.environments:
            environment.ready()

    @property
    def store(self):
        query = "&".join(f"{n}={v.replace('#', '%23')}" for n, v in self.parameters.items())
        return f"powertools://{self.table}" + (f"?{query}" if query else "")

    def circuits(self, *arguments, code=0, url=None):
        """What a command writes to stdout; what it says beside goes to self.said."""
        environ = {**self.server.environ, **({"AWS_ENDPOINT_URL": url} if url else {})}
        done = subprocess.run(
            [str(self.binary), "circuits", *arguments, "--store", self.store], cwd=self.folder,
            capture_output=True, text=True, timeout=60,
            env=peers.clean_environment(**environ))
        assert done.returncode == code, done.stdout + done.stderr
        self.said = done.stderr
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.circuits(*arguments, "--output", "json"))

    def item_key(self, circuit):
        if not self.sort_key:
            return {self.key: {"S": circuit}}
        return {self.key: {"S": self.parameters["static_pk_value"]}, self.sort_key: {"S": circuit}}

    def item(self, circuit):
        got = self.client.get_item(TableName=self.table, Key=self.item_key(circuit),
                                   ConsistentRead=True)
        return got.get("Item")

    def put(self, circuit, **attributes):
        self.client.put_item(TableName=self.table, Item={**self.item_key(circuit), **attributes})

    def trip(self, circuit, now, environment=0):
        for _ in range(2):
            assert self.environments[environment].call(circuit, now, works=False)["called"]
        assert self.item(circuit)[self.state] == {"S": "OPEN"}

    def stop(self):
        for environment in self.environments:
            environment.stop()


@pytest.fixture(scope="module", params=["simple", "composite"])
def fleet(request, ministack, dynalite, binary, tmp_path_factory):
    """A table with the defaults on MiniStack; one with other keys and attributes on dynalite."""
    simple = request.param == "simple"
    made = Fleet(ministack if simple else dynalite, binary, tmp_path_factory.mktemp(request.param),
                 SIMPLE if simple else COMPOSITE)
    yield made
    made.stop()


@pytest.fixture
def circuit():
    """A name that no other test uses; Powertools' names may hold what Switchgear's may not."""
    return f"payment backend #{next(_numbers)} (eu)"


@pytest.fixture
def now():
    return int(time.time())


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def refused(answer, state):
    return answer == {"outcome": "refused", "state": state, "called": False}


OK = {"outcome": "ok", "state": None, "called": True}


def test_a_circuit_that_an_environment_opened_is_listed_shown_and_explained(fleet, circuit, now):
    fleet.trip(circuit, now)
    (listed,) = [c for c in fleet.json("list")["circuits"] if c["name"] == circuit]
    shown = fleet.json("show", circuit)
    for view in (listed, shown):
        assert view["state"] == "OPEN" and view["open"] and view["hold"] is None
        assert view["failure_count"] == 2
        assert view["opened_at"] == iso(now)
        assert view["recovery_timeout_s"] == RECOVERY
        assert view["reopen"] == iso(now + RECOVERY)
        assert view["expires"] == iso(now + RECOVERY + HOUR)
        assert view["stuck"] is None
    assert circuit in fleet.circuits("list", "--exit-code", code=3)
    explained = fleet.json("explain", circuit)
    assert [fact["kind"] for fact in explained["because"]] == ["trip"]
    assert explained["next"][0]["kind"] == "probe"
    assert explained["next"][0]["at"] == iso(now + RECOVERY)
    assert "2 failures in a row" in fleet.circuits("explain", circuit)


def test_who_probes_is_shown_and_until_when(fleet, circuit, now):
    fleet.trip(circuit, now - RECOVERY)
    prober = fleet.environments[1]
    prober.begin(circuit, now)
    shown = fleet.json("show", circuit)
    assert shown["state"] == "HALF_OPEN"
    assert shown["probe"] == {"owner": fleet.item(circuit)["half_open_owner"]["S"],
                              "until": iso(now + RECOVERY)}
    assert re.fullmatch(r"\d+#[0-9a-f]{32}", shown["probe"]["owner"])
    assert "one thread probes" in fleet.circuits("explain", circuit)
    assert prober.end(now)["outcome"] == "ok"
    assert fleet.json("show", circuit)["state"] == "CLOSED"
    assert "CLOSED" in fleet.circuits("explain", circuit)


def test_a_failed_probe_is_told_from_a_trip(fleet, circuit, now):
    fleet.trip(circuit, now - RECOVERY)
    assert fleet.environments[1].call(circuit, now, works=False)["outcome"] == "failed"
    assert fleet.json("explain", circuit)["because"][0]["kind"] == "reopened"
    assert fleet.json("show", circuit)["recovery_timeout_s"] == RECOVERY


def test_a_hold_lets_nobody_probe_before_its_end_and_then_one(fleet, circuit, now):
    one, other = fleet.environments
    fleet.trip(circuit, now - RECOVERY)
    assert refused(one.call(circuit, now - 1), "OPEN")
    fleet.circuits("hold", circuit, "--open", "--for", "1h", "--who", "anna", "--reason", "a sale")
    assert "local_cache_max_age" in fleet.said
    shown = fleet.json("show", circuit)
    assert shown["open"] and shown["probe"] is None
    assert shown["hold"]["kind"] == "FORCED_OPEN" and shown["hold"]["who"] == "anna"
    assert shown["hold"]["reason"] == "a sale"
    end = int(fleet.item(circuit)["probe_lease_expiry"]["N"])
    assert shown["hold"]["until"] == shown["reopen"] == iso(end)
    assert now + HOUR - 60 <= end <= now + HOUR + 60
    # One whose copy says OPEN is not elected, and goes by the hold once the copy is old.
    for moment in (now, now + RECOVERY, end - 1):
        for environment in (one, other):
            assert refused(environment.call(circuit, moment),
                           "OPEN" if (moment, environment) == (now, one) else "HALF_OPEN")
    assert fleet.item(circuit)[fleet.expiry] == {"N": str(end + HOUR)}
    assert "held open by anna: a sale" in fleet.circuits("explain", circuit)
    other.begin(circuit, end)
    assert refused(one.call(circuit, end), "HALF_OPEN")
    assert other.end(end) == OK
    item = fleet.item(circuit)
    assert item[fleet.state] == {"S": "CLOSED"}
    assert not [name for name in item if name.startswith("switchgear")]
    assert one.call(circuit, end + CACHE) == OK


def test_a_hold_of_a_closed_circuit_is_released_to_closed(fleet, circuit, now):
    one, other = fleet.environments
    assert one.call(circuit, now) == OK
    assert fleet.item(circuit) is None
    fleet.circuits("hold", circuit, "--open")
    assert "there is no item" in fleet.said
    assert fleet.expiry not in fleet.item(circuit), "a hold without an end must stay"
    assert fleet.json("show", circuit)["hold"]["until"] is None
    assert "until released" in fleet.circuits("show", circuit)
    # The copy of one is as old as it may be; the other has none.
    assert one.call(circuit, now + CACHE - 1) == OK
    for moment in (now + CACHE, now + 1000 * HOUR):
        assert refused(one.call(circuit, moment), "HALF_OPEN")
        assert refused(other.call(circuit, moment), "HALF_OPEN")
    fleet.circuits("release", circuit)
    assert fleet.json("show", circuit)["state"] == "CLOSED"
    assert fleet.expiry in fleet.item(circuit)
    for environment in (one, other):
        assert environment.call(circuit, now + 1000 * HOUR + CACHE) == OK
    fleet.circuits("release", circuit)
    assert "not held; nothing to release" in fleet.said


def test_the_release_of_a_circuit_that_was_open_lets_the_next_call_probe(fleet, circuit, now):
    fleet.trip(circuit, now)
    fleet.circuits("hold", circuit, "--open", "--for", "2h")
    fleet.circuits("hold", circuit, "--open", "--for", "3h", "--reason", "still")
    fleet.circuits("release", circuit)
    shown = fleet.json("show", circuit)
    assert shown["state"] == "HALF_OPEN" and shown["hold"] is None
    assert shown["probe"]["owner"] is None
    assert fleet.json("explain", circuit)["next"][0]["kind"] == "probe"
    # The server's Date may lag behind the clock, and one has a copy of this second.
    later = max(now, int(fleet.item(circuit)["probe_lease_expiry"]["N"])) + CACHE
    one, other = fleet.environments
    other.begin(circuit, later)
    assert refused(one.call(circuit, later), "HALF_OPEN")
    assert other.end(later) == OK
    assert one.call(circuit, later + CACHE) == OK


def test_a_reset_lets_calls_through(fleet, circuit, now):
    fleet.trip(circuit, now)
    one, other = fleet.environments
    assert refused(other.call(circuit, now), "OPEN")
    fleet.circuits("reset", circuit)
    item = fleet.item(circuit)
    assert set(item) == {*fleet.item_key(circuit), fleet.state, "failure_count", fleet.expiry}
    for environment in (one, other):
        assert environment.call(circuit, now + CACHE) == OK
    before = fleet.item(circuit)
    fleet.circuits("reset", circuit)
    assert "CLOSED already" in fleet.said
    assert fleet.item(circuit) == before
    # Nothing is left of it that would open or close the circuit otherwise than before.
    assert one.call(circuit, now + CACHE, works=False)["called"]
    assert fleet.json("show", circuit)["state"] == "CLOSED"
    assert one.call(circuit, now + CACHE, works=False)["called"]
    assert fleet.json("show", circuit)["state"] == "OPEN"


def test_a_reset_ends_a_hold(fleet, circuit):
    fleet.circuits("hold", circuit, "--open")
    fleet.circuits("reset", circuit)
    assert fleet.json("show", circuit)["state"] == "CLOSED"
    assert not [name for name in fleet.item(circuit) if name.startswith("switchgear")]


def test_a_probe_that_was_under_way_writes_over_a_hold_and_that_is_told(fleet, circuit, now):
    fleet.trip(circuit, now - RECOVERY)
    prober = fleet.environments[1]
    prober.begin(circuit, now)
    fleet.circuits("hold", circuit, "--open", "--for", "1h")
    assert prober.end(now)["outcome"] == "ok"
    shown = fleet.json("show", circuit)
    assert shown["state"] == "CLOSED" and shown["hold"] is None and shown["hold_overwritten"]
    assert "wrote over it" in fleet.circuits("explain", circuit)
    # The next hold is a new one.
    fleet.circuits("hold", circuit, "--open", "--for", "1h")
    shown = fleet.json("show", circuit)
    assert shown["hold"] is not None and not shown["hold_overwritten"]


def test_a_trip_that_was_under_way_leaves_nothing_of_a_hold(fleet, circuit, now):
    one = fleet.environments[0]
    assert one.call(circuit, now, works=False)["outcome"] == "failed"
    one.begin(circuit, now, works=False)
    fleet.circuits("hold", circuit, "--open", "--for", "1h")
    assert one.end(now)["outcome"] == "failed"
    shown = fleet.json("show", circuit)
    assert shown["state"] == "OPEN" and shown["hold"] is None


def test_a_trip_between_reading_and_writing_is_not_written_over(fleet, circuit, now):
    fleet.trip(circuit, now)
    seen = fleet.item(circuit)
    opened_anew = {**seen, "opened_at": {"N": str(now + 1)}}
    for command in (["reset", circuit], ["hold", circuit, "--open"]):
        fleet.client.put_item(TableName=fleet.table, Item=seen)
        with Between(fleet.server, before=lambda: fleet.client.put_item(
                TableName=fleet.table, Item=opened_anew)) as between:
            assert fleet.circuits(*command, code=1, url=between.url) == ""
        assert "nothing was written" in fleet.said
        assert fleet.item(circuit) == opened_anew


def test_a_change_whose_answer_is_lost_is_made_once(fleet, circuit, now):
    fleet.trip(circuit, now)
    with Between(fleet.server, loses_answers=1) as between:
        fleet.circuits("hold", circuit, "--open", "--for", "1h", url=between.url)
    assert between.updates == 2
    assert fleet.json("show", circuit)["hold"]
    with Between(fleet.server, loses_answers=9) as between:
        fleet.circuits("release", circuit, code=4, url=between.url)
    assert "Whether the change was made is not known" in fleet.said


@pytest.mark.parametrize("wrong, told", [
    ({"state": {"S": "FORCED_OPEN"}}, "its STATE is none of CLOSED, OPEN, HALF_OPEN"),
    ({"state": {"BOOL": True}}, "its STATE is no text"),
    ({"opened_at": {"N": "1700000000000"}}, "its opened_at is no time in seconds since 1970"),
    ({"opened_at": {"S": "1700000000"}}, "its opened_at is no number"),
    ({"failure_count": {"N": "1E30"}}, "its failure_count is no whole number"),
])
def test_an_item_that_is_not_understood_is_left_alone(fleet, circuit, now, wrong, told):
    fleet.trip(circuit, now)
    item = fleet.item(circuit)
    for name, value in wrong.items():
        item[fleet.state if name == "state" else name] = value
    fleet.client.put_item(TableName=fleet.table, Item=item)
    told = told.replace("STATE", fleet.state)
    before = fleet.item(circuit)
    for command in (["hold", circuit, "--open"], ["reset", circuit], ["release", circuit]):
        fleet.circuits(*command, code=1)
        assert "left alone" in fleet.said and told in fleet.said
    assert fleet.item(circuit) == before
    shown = fleet.json("show", circuit)
    assert shown["state"] == "UNREADABLE" and shown["error"] == told
    assert circuit in fleet.circuits("list")
    assert "unreadable" in fleet.circuits("explain", circuit)


def test_watch_tells_each_change(fleet, circuit, now):
    watch = Child([fleet.binary, "circuits", "watch", circuit, "--interval", "10ms", "--store",
                   fleet.store], cwd=fleet.folder,
                  env=peers.clean_environment(**fleet.server.environ))
    try:
        assert b"watching 1 circuit" in watch.process.stderr.readline()
        for change, told in (
                (lambda: fleet.trip(circuit, now), "NONE -> OPEN  trip: 2 failures in a row"),
                (lambda: fleet.circuits("hold", circuit, "--open", "--who", "anna"),
                 "OPEN -> HALF_OPEN (FORCED_OPEN)  operator: held by anna"),
                (lambda: fleet.circuits("reset", circuit), "HALF_OPEN -> CLOSED")):
            change()
            line = watch.process.stdout.readline().decode()
            assert f"  {circuit}  {told}\n" in line
    finally:
        watch.stop()


def test_watch_of_all_finds_new_circuits(fleet, circuit, now):
    watch = Child([fleet.binary, "circuits", "watch", "--interval", "10ms", "--output", "json",
                   "--store", fleet.store], cwd=fleet.folder,
                  env=peers.clean_environment(**fleet.server.environ))
    try:
        assert b"watching" in watch.process.stderr.readline()
        fleet.trip(circuit, now)
        told = json.loads(watch.process.stdout.readline())
        assert told["circuit"] == circuit and told["to"] == "OPEN" and told["epoch"] is None
    finally:
        watch.stop()


def test_an_item_by_which_nobody_will_ever_probe_is_told(fleet, circuit, now):
    fleet.trip(circuit, now - HOUR)
    item = fleet.item(circuit)
    for name, stuck in (("half_open_owner", {**item, "half_open_owner": {"S": "gone"}}),
                        ("opened_at", {n: v for n, v in item.items() if n != "opened_at"})):
        fleet.client.put_item(TableName=fleet.table, Item=stuck)
        assert refused(fleet.environments[1].call(circuit, now + HOUR), "OPEN"), name
        assert fleet.json("show", circuit)["stuck"], name
        assert "nobody will ever probe" in fleet.circuits("explain", circuit), name
        fleet.circuits("reset", circuit)
        assert fleet.environments[1].call(circuit, now + HOUR + CACHE) == OK, name
        now += HOUR


def test_what_the_table_cannot_do_is_refused_with_the_reason(fleet, circuit):
    for how in ("--closed", "--metrics-only"):
        fleet.circuits("hold", circuit, how, code=2)
        assert "can only be held open" in fleet.said
        assert "POWERTOOLS_CIRCUIT_BREAKER_DISABLED=true" in fleet.said
    fleet.circuits("reset", circuit, "--forget", code=2)
    assert "time to live" in fleet.said
    for command in ("show", "explain", "release", "reset"):
        fleet.circuits(command, circuit, code=1)
        assert "there is no item of a circuit" in fleet.said
    assert fleet.item(circuit) is None


def test_other_items_of_the_table_are_passed_over(fleet, circuit, now):
    fleet.trip(circuit, now)
    before = fleet.json("list")["circuits"]
    fleet.put("an idempotency record", status={"S": "COMPLETED"}, expiration={"N": str(now)})
    assert [c["name"] for c in fleet.json("list")["circuits"]] == [c["name"] for c in before]


def test_a_long_table_is_read_page_by_page(dynalite, binary, tmp_path, now):
    """dynalite cuts pages at 1 MB, as AWS does; its items here are large, a reason is long."""
    long = Fleet(dynalite, binary, tmp_path, SIMPLE)
    try:
        for i in range(6):
            long.put(f"c{i}", state={"S": "CLOSED"}, failure_count={"N": "0"},
                     switchgear_reason={"S": "x" * 300_000})
        assert [c["name"] for c in long.json("list")["circuits"]] == [f"c{i}" for i in range(6)]
        long.circuits("watch", code=1)
        assert "name the circuits to watch" in long.said
    finally:
        long.stop()


def test_a_wrong_url_is_told(fleet, binary, tmp_path):
    def said(url, *command):
        done = subprocess.run([str(binary), *command, "--store", url], capture_output=True,
                              text=True, timeout=60, cwd=tmp_path,
                              env=peers.clean_environment(**fleet.server.environ))
        assert done.returncode in (1, 2), done
        return done.stderr

    assert "there is no table nowhere in region" in said("powertools://nowhere", "circuits", "list")
    other = f"powertools://{fleet.table}?key_attr=other"
    assert "key_attr" in said(other, "circuits", "show", "x")
    for url in ("powertools://t", f"powertools://{fleet.table}?nonsense=1"):
        assert "write powertools://TABLE" in said(url, "circuits", "list")
    worker = said(fleet.store, "worker", "--queue", "http://127.0.0.1:1/000000000000/q",
                  "--handler", "http://127.0.0.1:1/", "--circuit", "payments")
    assert "`switchgear circuits` shows and holds" in worker


def test_the_commands_of_the_page_do_what_is_written(ministack, binary, tmp_path, now):
    text = (peers.REPOSITORY / "docs/powertools.md").read_text(encoding="utf-8")
    (yaml,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    written = Fleet(ministack, binary, tmp_path, SIMPLE, table="CircuitBreakerState")
    try:
        assert yaml == f"store: {written.store}\n"
        (tmp_path / "switchgear.yaml").write_text(yaml, encoding="utf-8")
        (tmp_path / "switchgear").symlink_to(binary)
        written.trip("payment-backend", now)
        environment = peers.clean_environment(**ministack.environ)
        environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
        for line in commands.splitlines():
            done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, timeout=60,
                                  capture_output=True, text=True)
            assert done.returncode == 0, line + done.stdout + done.stderr
            assert "payment-backend" in done.stdout
        assert json.loads(done.stdout)["state"] == "CLOSED"
    finally:
        written.stop()


class Between:
    """Passes requests on to a server. `before` is called before the first update goes on; so many
    answers to updates are lost."""

    def __init__(self, server, before=lambda: None, loses_answers=0):
        self.updates = 0
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                update = self.headers["X-Amz-Target"].endswith(".UpdateItem")
                if update:
                    between.updates += 1
                    if between.updates == 1:
                        before()
                onward = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
                onward.request("POST", self.path, body, dict(self.headers))
                answer = onward.getresponse()
                text = answer.read()
                onward.close()
                if update and between.updates <= loses_answers:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name in ("Content-Type", "Date", "x-amz-crc32", "x-amzn-RequestId"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={
            "poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
