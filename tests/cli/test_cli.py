"""The binary as a person or a script meets it: help, exit codes, messages, output."""

import json
import os
import pty
import socket
import subprocess
import threading
import time

import jsonschema
import pytest
import yaml

from waiting import wait_until

DONE, FAILED, USAGE, FOUND_OPEN, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

COMMANDS = [
    [],
    ["demo"],
    ["worker"],
    ["circuits"],
    ["circuits", "list"],
    ["circuits", "show"],
    ["circuits", "explain"],
    ["circuits", "watch"],
    ["circuits", "hold"],
    ["circuits", "release"],
    ["circuits", "reset"],
    ["config"],
    ["config", "check"],
    ["config", "schema"],
    ["init"],
    ["init", "dynamodb"],
    ["doctor"],
    ["verify"],
    ["verify", "aws"],
    ["version"],
]


def environment(**variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHGEAR_", "NO_COLOR"))}
    return {**clean, **variables}


@pytest.fixture
def run(binary, tmp_path):
    """Runs the binary in an empty folder."""

    def call(*arguments, **variables):
        return subprocess.run(
            [str(binary), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=environment(**variables),
        )

    return call


@pytest.fixture
def on_store(run, redis):
    """Runs the binary on a Redis of its own."""
    return lambda *arguments, **variables: run(
        *arguments, SWITCHGEAR_STORE=f"redis://127.0.0.1:{redis.port}", **variables
    )


def in_terminal(binary, arguments, **variables):
    """Runs the binary with a terminal as its output, and answers what was written to it."""
    master, slave = pty.openpty()
    try:
        subprocess.run(
            [str(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            timeout=60,
            env=environment(TERM="xterm", **variables),
        )
        return os.read(master, 1 << 16)
    finally:
        os.close(slave)
        os.close(master)


# ---- Help and arguments ------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_leads_with_examples(run, command):
    result = run(*command, "--help")
    assert result.returncode == DONE
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith(" ".join(["switchgear", *command]) + ": ")
    assert lines[1:3] == ["", "Examples:"]
    assert lines[3].startswith("  switchgear ")


def test_help_lists_nothing_that_is_not_there(run):
    text = run("--help").stdout
    commands = text.partition("\nCommands:\n")[2].partition("\n\n")[0].splitlines()
    for line in commands:
        assert run(line.split()[0], "--help").returncode == DONE
    for later in ("agent", "extension", "replay", "dlq"):
        assert later not in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "a command is missing: one of "),
        (["circiuts"], "did you mean `circuits`?"),
        (["circuits", "lst"], "did you mean `list`?"),
        (["agent"], "agent is not in this version"),
        (["circuits", "list", "--stroe", "x"], "did you mean `--store`?"),
        (["circuits", "list", "--output", "yaml"], "is not in this version; write table or json"),
        (["circuits", "list", "--output", "csv"], "is not known; write table or json"),
        (["circuits", "show"], "NAME is required"),
        (["circuits", "show", "a b"], "contains a space"),
        (["circuits", "hold", "a", "--open", "--for", "30"], "has no unit; write 30ms, 30s"),
        (["circuits", "hold", "a", "--open", "--for", "0s"], "leave it out to hold the circuit until"),
        (["circuits", "hold", "a"], "exactly one of --open, --closed and --metrics-only"),
        (["circuits", "hold", "a", "--open", "--closed"], "exactly one of"),
        (["demo", "--seed", "x"], "is no seed; write a whole number from 0"),
        (["demo", "--seed", "-1"], "is no seed; write a whole number from 0"),
        (["circuits", "list"], "no store is given"),
        (["circuits", "list", "--store", "memory:"], "no store is given"),
        (["circuits", "list", "--store", "momento://x"], "is not in this version"),
        (["circuits", "list", "--store", "rediss://x?cafile=y"], "did you mean `ca_file`?"),
        (["circuits", "list", "--config", "missing.yaml"], "No such file or directory"),
    ],
)
def test_wrong_arguments_are_usage_errors_with_the_fix(run, arguments, message):
    result = run(*arguments)
    assert result.returncode == USAGE
    assert result.stdout == ""
    assert message in result.stderr


def test_version_says_what_it_was_built_with(run):
    assert run("version").stdout.startswith("switchgear ")
    assert run("--version").stdout == run("version").stdout
    assert set(json.loads(run("version", "--output", "json").stdout)) == {
        "version",
        "compiler",
        "openssl",
        "build_type",
    }


def test_output_that_cannot_be_written_is_a_failure(binary):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([str(binary), "version"], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == FAILED
    assert b"could not be written" in result.stderr


# ---- Colour --------------------------------------------------------------------------------------


def test_colour_is_for_terminals_that_want_it(binary, redis, on_store):
    assert on_store("circuits", "hold", "payments-api", "--open").returncode == DONE
    arguments = ["circuits", "list", "--store", f"redis://127.0.0.1:{redis.port}"]
    assert b"\x1b[" in in_terminal(binary, arguments)
    assert b"\x1b[" not in in_terminal(binary, arguments, NO_COLOR="1")
    assert "\x1b[" not in on_store("circuits", "list").stdout


# ---- Configuration ---------------------------------------------------------------------------------

EXAMPLE = """
store: redis://127.0.0.1:6379
circuits:
  payments-api:
    acceptable_failure_rate: 1%
    unacceptable_failure_rate: 0.3
    slow_call_duration: 2s
    wait_duration_in_open_state: 10s
  refunds: {mode: observe, failure_weight: 10, trip_level: 100}
worker:
  queue: https://sqs.eu-central-1.amazonaws.com/123456789012/orders
  handler: http://127.0.0.1:8080/orders
  circuit: payments-api
  concurrency: 80
  backoff: {base: 5s, cap: 15m, jitter: equal}
"""

WRONG = """
stroe: redis://127.0.0.1:6379
circuits:
  payments-api:
    probes: 64
    open_duration: 5000
    mode: on
worker:
  concurrency: many
"""


def test_config_check_finds_all_problems_at_once(run, tmp_path):
    (tmp_path / "switchgear.yaml").write_text(WRONG)
    result = run("config", "check", SWITCHGEAR_WORKER_BACKOFF_CAP="soon")
    assert result.returncode == USAGE
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "switchgear: 6 problems in the configuration:"
    places = [line.split(": ")[0].strip() for line in lines[1:]]
    assert places == [
        "switchgear.yaml:2:1",
        "switchgear.yaml:5:13",
        "switchgear.yaml:6:20",
        "switchgear.yaml:7:11",
        "switchgear.yaml:9:16",
        "SWITCHGEAR_WORKER_BACKOFF_CAP",
    ]
    assert "did you mean `store`?" in lines[1]


def test_config_check_tells_programs_of_problems_too(run, tmp_path):
    (tmp_path / "switchgear.yaml").write_text(WRONG)
    result = run("config", "check", "--output", "json")
    assert result.returncode == USAGE
    answer = json.loads(result.stdout)
    assert answer["valid"] is False
    assert len(answer["problems"]) == 5
    assert all(p["place"] and p["message"] for p in answer["problems"])


def test_config_check_shows_what_the_settings_come_down_to(run, tmp_path):
    (tmp_path / "prod.yaml").write_text(EXAMPLE)
    result = run("config", "check", "--config", "prod.yaml", "--output", "json")
    assert result.returncode == DONE, result.stderr
    payments, refunds = json.loads(result.stdout)["circuits"]
    assert payments["settings"]["open_duration"] == "10s"
    assert [rule["rule"] for rule in payments["rules"]] == ["failure_rate", "slow_call_rate"]
    (rule,) = refunds["rules"]
    assert (rule["weight"], rule["level"]) == (10, 100)
    calls = rule["mean_calls_to_trip"]
    assert calls["100%"] == 10
    assert calls["50%"] == pytest.approx(22.89, abs=0.005)
    assert calls["20%"] == pytest.approx(82.35, abs=0.005)

    table = run("config", "check", SWITCHGEAR_CONFIG="prod.yaml").stdout
    assert [line.split()[0] for line in table.splitlines()] == [
        "CIRCUIT",
        "payments-api",
        "payments-api",
        "refunds",
    ]


def test_config_check_shows_the_classic_rule(run, tmp_path):
    (tmp_path / "switchgear.yaml").write_text(
        "circuits:\n  a:\n    rule: classic\n    sliding_window_size: 20\n"
        "    slow_call_duration: 2s\n"
    )
    header, failures, slow = run("config", "check").stdout.splitlines()
    assert header.split() == ["CIRCUIT", "MODE", "RULE", "WINDOW", "MINIMUM", "OPENS", "AT"]
    assert failures.split() == ["a", "enforce", "failure_rate", *"20 calls 20 calls 50%".split()]
    assert slow.split() == ["a", "enforce", "slow_call_rate", *"20 calls 20 calls 100%".split()]
    answer = json.loads(run("config", "check", "--output", "json").stdout)
    assert answer["circuits"][0]["rules"][0] == {
        "rule": "failure_rate",
        "window": 20,
        "window_unit": "calls",
        "minimum_calls": 20,
        "threshold": 0.5,
    }


def test_config_check_warns_of_false_trips_at_the_measured_rate(run, tmp_path):
    (tmp_path / "switchgear.yaml").write_text(EXAMPLE)
    assert "trip falsely" not in run("config", "check", "--baseline", "0.5%").stderr
    result = run("config", "check", "--baseline", "10%")
    assert result.returncode == DONE
    assert "payments-api would trip falsely once in" in result.stderr


CONTROLLER = """
controller:
  circuits:
    payments-api:
      alarms: [payments-errors, payments-latency]
      mappings: orders-function
"""


def test_config_check_reads_the_controllers_section(run, tmp_path):
    (tmp_path / "switchgear.yaml").write_text(CONTROLLER)
    result = run("config", "check", "--output", "json")
    assert result.returncode == DONE, result.stderr
    (payments,) = json.loads(result.stdout)["circuits"]  # its policy, of defaults
    assert payments["name"] == "payments-api"

    result = run("config", "check", SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_ALARMS="a,,b")
    assert result.returncode == USAGE
    assert (
        "SWITCHGEAR_CONTROLLER_CIRCUITS_PAYMENTS_API_ALARMS: entry 2 is empty; write a value, "
        "or remove it" in result.stderr
    )


def test_a_misspelt_variable_is_a_warning(run):
    result = run("config", "check", SWITCHGEAR_STROE="redis://user:secret@x")
    assert result.returncode == DONE
    assert "did you mean `SWITCHGEAR_STORE`?" in result.stderr
    assert "secret" not in result.stderr


def schema(run):
    return json.loads(run("config", "schema").stdout)


def leaves(node, path=()):
    """Every key of the schema that has no keys below it."""
    children = node.get("properties") or {}
    if isinstance(node.get("additionalProperties"), dict):
        children = {**children, "*": node["additionalProperties"]}
    if not children:
        yield path, node
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def test_schema_is_draft_7_and_describes_every_key(run):
    document = schema(run)
    jsonschema.Draft7Validator.check_schema(document)
    found = dict(leaves(document))
    assert ("circuits", "*", "probes") in found
    assert ("worker", "backoff", "jitter") in found
    assert ("controller", "lease") in found
    assert ("controller", "circuits", "*", "alarms") in found
    for path, leaf in found.items():
        assert leaf["description"].endswith("."), path
        assert "default" in leaf, path


def test_schema_accepts_what_the_program_accepts_and_refuses_what_it_refuses(run, tmp_path):
    validator = jsonschema.Draft7Validator(schema(run))
    good = [
        EXAMPLE,
        CONTROLLER,
        "circuits:\nworker:\ncontroller:\n",
        "controller: {circuits: }",
        "circuits: {a/b: {false_trip_interval: 1y}}",
    ]
    bad = [
        WRONG,
        "circuits: {a: {probs: 1}}",
        "circuits: {a: {probes: 33}}",
        "circuits: {'a b': {}}",
        "circuits: {a: {open_duration: 5 s}}",
        "circuits: {a: {acceptable_failure_rate: a lot}}",
        "worker: {backoff: {jitter: some}}",
        "worker: {backoff: 5s}",
        "controller: {calls_per_second: 16}",
        "controller: {circuits: {'a b': {alarms: x, mappings: y}}}",
        "controller: {circuits: {a: {alarms: x, mappings: [y, y]}}}",
        "controller: {circuits: {a: {alarms: x, mappings: [y, '']}}}",
        "controller: {circuits: {a: {alarms: {x: y}, mappings: y}}}",
        "controller: {circuits: {a: {alarms: x, mappings: y, evidence: z}}}",
    ]
    for text, expected in [(t, True) for t in good] + [(t, False) for t in bad]:
        (tmp_path / "switchgear.yaml").write_text(text)
        assert (run("config", "check").returncode == DONE) is expected, text
        assert validator.is_valid(yaml.safe_load(text)) is expected, text


def test_schemas_defaults_are_accepted_by_the_program(run, tmp_path):
    of_classic = "With rule: classic"
    controlled = {"alarms": ["x"], "mappings": ["y"]}  # which have no default that would do
    document = {
        "circuits": {"a": {}},
        "worker": {"backoff": {}},
        "controller": {"circuits": {"a": controlled}},
    }
    classic = {}
    for path, leaf in leaves(schema(run)):
        if leaf["default"] in ("", []) or leaf["description"].startswith("Synonym of "):
            continue
        at = document
        for name in path[:-1]:
            at = at["a" if name == "*" else name]
        if leaf["description"].startswith(of_classic):  # refused beside those of the other rule
            at = classic
        at[path[-1]] = leaf["default"]
    assert classic
    for circuits in document["circuits"], {"a": {"rule": "classic", **classic}}:
        document["circuits"] = circuits
        (tmp_path / "switchgear.yaml").write_text(json.dumps(document))
        result = run("config", "check")
        assert result.returncode == DONE, result.stderr


# ---- Circuits on a real store ------------------------------------------------------------------------


def test_list_of_an_empty_store_is_empty(on_store):
    result = on_store("circuits", "list")
    assert (result.returncode, result.stdout) == (DONE, "")
    assert "no circuits" in result.stderr
    told = json.loads(on_store("circuits", "list", "--output", "json").stdout)
    assert told == {"circuits": [], "keys": []}


def test_hold_is_shown_and_released(on_store):
    hold = ["circuits", "hold", "payments-api", "--open", "--for", "30m"]
    result = on_store(*hold, "--reason", "maintenance", "--who", "ann", "--output", "json")
    assert result.returncode == DONE, result.stderr
    assert "nobody has used the circuit payments-api yet" in result.stderr
    held = json.loads(result.stdout)
    assert held["hold"]["kind"] == "FORCED_OPEN"
    assert (held["hold"]["who"], held["hold"]["reason"]) == ("ann", "maintenance")
    assert held["hold"]["until"] > held["store_time"]
    assert held["open"] is True

    shown = on_store("circuits", "show", "payments-api").stdout
    assert "FORCED_OPEN by ann, for another 29m" in shown
    assert "maintenance" in shown
    assert on_store("circuits", "list", "--exit-code").returncode == FOUND_OPEN
    assert on_store("circuits", "list").returncode == DONE

    released = json.loads(
        on_store("circuits", "release", "payments-api", "--output", "json").stdout
    )
    assert released["hold"] is None
    assert released["open"] is False
    assert released["epoch"] > held["epoch"]
    assert released["revision"] > held["revision"]
    assert on_store("circuits", "list", "--exit-code").returncode == DONE


@pytest.mark.parametrize(
    "flag, kind", [("--closed", "FORCED_CLOSED"), ("--metrics-only", "METRICS_ONLY")]
)
def test_hold_that_admits_calls_is_not_open(on_store, flag, kind):
    result = on_store("circuits", "hold", "a", flag, "--output", "json")
    held = json.loads(result.stdout)
    assert held["hold"]["kind"] == kind
    assert held["hold"]["until"] is None
    assert held["open"] is False


def test_release_of_what_is_not_held_changes_nothing(on_store):
    on_store("circuits", "hold", "a", "--open")
    first = json.loads(on_store("circuits", "release", "a", "--output", "json").stdout)
    again = on_store("circuits", "release", "a", "--output", "json")
    assert again.returncode == DONE
    assert "not held" in again.stderr
    assert json.loads(again.stdout)["epoch"] == first["epoch"]


def test_hold_leaves_the_fleets_settings_alone(on_store, run, redis, tmp_path):
    (tmp_path / "fleet.yaml").write_text("circuits: {a: {probes: 4}}")
    made = on_store("circuits", "hold", "a", "--open", "--config", "fleet.yaml", "--output", "json")
    assert json.loads(made.stdout)["probes"]["at_a_time"] == 4
    after = json.loads(on_store("circuits", "hold", "a", "--closed", "--output", "json").stdout)
    assert after["probes"]["at_a_time"] == 4
    assert after["settings_match"] is False


def test_reset_closes_the_circuit_and_ends_the_hold(on_store):
    on_store("circuits", "hold", "a", "--open")
    result = json.loads(on_store("circuits", "reset", "a", "--output", "json").stdout)
    assert (result["state"], result["hold"], result["reason"]) == ("CLOSED", None, "operator")


def test_reset_with_forget_removes_the_circuit(on_store):
    on_store("circuits", "hold", "a", "--open")
    assert on_store("circuits", "reset", "a", "--forget").returncode == DONE
    told = json.loads(on_store("circuits", "list", "--output", "json").stdout)
    assert told == {"circuits": [], "keys": []}


@pytest.mark.parametrize("command", ["show", "explain", "release", "reset"])
def test_a_circuit_that_is_not_there_is_a_failure_with_a_suggestion(on_store, command):
    on_store("circuits", "hold", "payments-api", "--open")
    result = on_store("circuits", command, "payment-api")
    assert result.returncode == FAILED
    assert result.stdout == ""
    assert "did you mean `payments-api`?" in result.stderr


def test_a_record_of_a_newer_version_is_left_alone(on_store, redis):
    on_store("circuits", "hold", "a", "--open")
    (key,) = [k for k in redis.command("KEYS", "*") if text_of(k).endswith(":r")]
    fields = [text_of(f) for f in redis.command("HGETALL", key)]
    names = fields[::2]
    schema_field = next(n for n, v in zip(names, fields[1::2]) if v == "1" and n in ("schema", "v"))
    redis.command("HSET", key, schema_field, "99")
    assert "unreadable" in on_store("circuits", "list").stdout
    assert "unreadable" in on_store("circuits", "show", "a").stdout
    assert "schema 99" in on_store("circuits", "explain", "a").stdout
    before = redis.command("HGETALL", key)
    for command in (["hold", "a", "--closed"], ["release", "a"], ["reset", "a"]):
        result = on_store("circuits", *command)
        assert result.returncode == FAILED
        assert "left alone" in result.stderr
        assert text_of(key) in result.stderr
    assert redis.command("HGETALL", key) == before


def text_of(value):
    return value.decode() if isinstance(value, bytes) else value


def test_explain_says_who_holds_the_circuit_and_until_when(on_store):
    on_store(
        *("circuits", "hold", "a", "--open", "--for", "30m"), "--who", "ann", "--reason", "repairs"
    )
    text = on_store("circuits", "explain", "a").stdout
    assert text.startswith("a is held open: calls are refused, for another 29m")
    assert "FORCED_OPEN by ann: repairs" in text
    told = json.loads(on_store("circuits", "explain", "a", "--output", "json").stdout)
    assert [step["kind"] for step in told["next"]] == ["hold_end"]
    assert 0 < told["next"][0]["in_ms"] <= 30 * 60 * 1000
    assert told["trip"] is None


class Watch:
    """`circuits watch`, from the moment it watches."""

    def __init__(self, binary, port, *arguments):
        self.process = subprocess.Popen(
            [str(binary), "circuits", "watch", "--interval", "20ms", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(SWITCHGEAR_STORE=f"redis://127.0.0.1:{port}"),
        )
        self.greeting = self.process.stderr.readline()

    def line(self):
        return self.process.stdout.readline()

    def interrupt(self):
        self.process.send_signal(2)
        self.process.communicate(timeout=10)
        return self.process.returncode


def test_watch_tells_each_change_as_it_happens_until_ctrl_c(binary, redis, on_store):
    on_store("circuits", "hold", "a", "--open")
    watch = Watch(binary, redis.port)
    assert watch.greeting == "switchgear: watching 1 circuit, until Ctrl-C\n"
    on_store("circuits", "release", "a", "--who", "ann")
    assert "  a  CLOSED -> CLOSED  operator: released by ann" in watch.line()
    on_store("circuits", "hold", "b", "--closed", "--who", "bob")
    assert "  b  NONE -> CLOSED (FORCED_CLOSED)  operator: held by bob" in watch.line()
    on_store("circuits", "reset", "b", "--forget")
    assert "  b  CLOSED -> NONE  removed" in watch.line()
    assert watch.interrupt() == INTERRUPTED


def test_watch_of_one_circuit_gives_programs_a_line_of_json_each(binary, redis, on_store):
    watch = Watch(binary, redis.port, "a", "--output", "json")
    on_store("circuits", "hold", "b", "--open")
    held = json.loads(on_store("circuits", "hold", "a", "--open", "--output", "json").stdout)
    told = json.loads(watch.line())
    assert (told["circuit"], told["epoch"], told["hold"]) == ("a", held["epoch"], "FORCED_OPEN")
    assert set(told) == {"time", "circuit", "epoch", "from", "to", "hold", "reason", "why"}
    assert watch.interrupt() == INTERRUPTED


def test_watch_goes_on_when_the_store_has_been_away(binary, redis, on_store):
    watch = Watch(binary, redis.port, "a")
    redis.stop()
    assert "trying again" in watch.process.stderr.readline()
    redis.start()
    assert "answers again" in watch.process.stderr.readline()
    on_store("circuits", "hold", "a", "--open")
    assert "a  NONE -> CLOSED (FORCED_OPEN)" in watch.line()
    assert watch.interrupt() == INTERRUPTED


def test_list_rolls_keys_up_under_their_parent(on_store):
    on_store("circuits", "hold", "payments-api", "--metrics-only")
    on_store("circuits", "hold", "payments-api/a", "--open")
    on_store("circuits", "hold", "payments-api/b", "--closed")
    on_store("circuits", "hold", "orders/a", "--closed")
    lines = on_store("circuits", "list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["payments-api", "payments-api/*", "orders/*"]
    assert "1 of 2 open" in lines[1]
    assert "2 held" in lines[1]
    assert on_store("circuits", "list", "--exit-code").returncode == FOUND_OPEN

    told = json.loads(on_store("circuits", "list", "--output", "json").stdout)
    assert [circuit["name"] for circuit in told["circuits"]] == ["payments-api"]
    keys = {"keys": 2, "open": 1, "recovering": 0, "held": 2, "unreadable": 0}
    assert told["keys"][1] == {"circuit": "payments-api", **keys}
    lines = on_store("circuits", "list", "--keys").stdout.splitlines()[1:]
    assert sorted(line.split()[0] for line in lines) == [
        *("orders/a", "payments-api", "payments-api/a", "payments-api/b")
    ]

    assert "1 of 2 open, 2 held" in on_store("circuits", "show", "payments-api").stdout
    shown = json.loads(on_store("circuits", "show", "payments-api", "--output", "json").stdout)
    assert shown["keys"] == keys
    assert shown["hold"]["kind"] == "METRICS_ONLY"
    alone = on_store("circuits", "show", "orders").stdout
    assert "only its keys are called" in alone
    assert "0 of 1 open, 1 held" in alone


def test_two_hands_at_once_both_leave_their_mark(on_store):
    on_store("circuits", "hold", "a", "--open")
    results = []

    def hold(who):
        results.append(on_store("circuits", "hold", "a", "--closed", "--who", who).returncode)

    hands = [threading.Thread(target=hold, args=(f"hand{i}",)) for i in range(6)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert results == [DONE] * 6
    shown = json.loads(on_store("circuits", "show", "a", "--output", "json").stdout)
    assert shown["revision"] == 7


# ---- Demo --------------------------------------------------------------------------------------------


def test_demo_prints_one_object_and_the_same_bytes_for_the_same_seed(run):
    first = run("demo", "--fast", "--json", "--seed", "7")
    assert first.returncode == DONE, first.stderr
    assert first.stderr == ""
    assert json.loads(first.stdout)["seed"] == 7
    assert run("demo", "--fast", "--json", "--seed", "7").stdout == first.stdout


def test_demo_ends_with_130_on_ctrl_c(binary):
    process = subprocess.Popen([str(binary), "demo"], stdout=subprocess.PIPE, env=environment())
    assert process.stdout.readline()
    process.send_signal(2)
    process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED


# ---- Worker: what keeps it from starting -------------------------------------------------------------


def test_worker_names_all_that_is_missing(run):
    result = run("worker", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert result.returncode == USAGE
    assert result.stdout == ""
    for text in ("worker.queue: is missing", "worker.handler: is missing"):
        assert text in result.stderr


def test_a_profile_that_does_not_exist_is_told(run):
    at = ["--queue", "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
          "--handler", "http://127.0.0.1:1"]
    result = run("worker", *at, "--profile", "prod")
    assert result.returncode == USAGE
    assert "no profile 'prod', which --profile names" in result.stderr
    result = run("circuits", "list", "--store", "dynamodb://circuits?region=eu-central-1",
                 AWS_PROFILE="prod")
    assert result.returncode == USAGE
    assert "no profile 'prod', which AWS_PROFILE names" in result.stderr


def test_worker_reports_wrong_flags_as_flags(run):
    result = run("worker", "--concurrency", "0", "--handler", "localhost:8080")
    assert result.returncode == USAGE
    assert "--concurrency: is 0, but must be from 1 to 10000" in result.stderr
    assert "--handler: " in result.stderr


def test_worker_names_the_queue_that_it_cannot_reach(run):
    at = f"http://127.0.0.1:{free_port()}"
    arguments = ["--queue", f"{at}/000000000000/orders", "--handler", at, "--endpoint-url", at]
    result = run(
        "worker",
        *arguments,
        *("--region", "us-east-1"),
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="hunter2",
    )
    assert result.returncode == FAILED
    assert result.stdout == ""
    assert "/000000000000/orders" in result.stderr
    assert "--endpoint-url" in result.stderr
    assert "hunter2" not in result.stderr


# ---- Stores that are not there, or are something else ------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


CIRCUIT_COMMANDS = [
    ["list"],
    ["show", "a"],
    ["explain", "a"],
    ["watch"],
    ["watch", "a"],
    ["hold", "a", "--open"],
    ["release", "a"],
    ["reset", "a"],
]


@pytest.mark.parametrize("command", CIRCUIT_COMMANDS, ids=" ".join)
def test_unreachable_store_is_named(run, command):
    port = free_port()
    result = run("circuits", *command, "--store", f"redis://ann:hunter2@127.0.0.1:{port}")
    assert result.returncode == UNREACHABLE
    assert result.stdout == ""
    assert f"127.0.0.1:{port}" in result.stderr
    assert "SWITCHGEAR_STORE" in result.stderr
    assert "hunter2" not in result.stderr


class Peer:
    """A server that answers every connection with the same bytes, or with silence."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.answer:
                connection.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.close()
        for connection in self.connections:
            connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff\x00\xff" * 100,
        b"$99999999999999\r\n",
        b"+PONG\r\n" * 50,
    ],
    ids=["http", "ssh", "binary", "huge", "chatter"],
)
def test_a_peer_that_is_not_redis_is_called_that(run, answer):
    with Peer(answer) as peer:
        result = run("circuits", "list", "--store", f"redis://127.0.0.1:{peer.port}")
    assert result.returncode == UNREACHABLE
    assert result.stdout == ""
    assert f"127.0.0.1:{peer.port}" in result.stderr
    assert "\x00" not in result.stderr


def test_a_silent_peer_is_given_up(run):
    with Peer(b"") as peer:
        began = time.monotonic()
        result = run("circuits", "list", "--store", f"redis://127.0.0.1:{peer.port}")
    assert result.returncode == UNREACHABLE
    assert time.monotonic() - began < 30


def test_ctrl_c_while_waiting_exits_with_130(binary, tmp_path):
    with Peer(b"") as peer:
        process = subprocess.Popen(
            [str(binary), "circuits", "list", "--store", f"redis://127.0.0.1:{peer.port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(),
        )
        wait_until(lambda: peer.connections, 10, "the connection")
        process.send_signal(2)
        out, err = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED
    assert (out, err) == (b"", b"switchgear: interrupted\n")
