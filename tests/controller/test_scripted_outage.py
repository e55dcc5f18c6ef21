"""The shipped controller against the scripted stand-in: states of transition, refusals, throttles,
lists that lag, limits of concurrency. Nothing of it was checked on AWS; see scripted_aws.py."""

import base64
import threading
import time

import pytest

from scripted_aws import ScriptedAws
from scripted_lambda import FunctionFailed
from scripted_sqs import Refused
from waiting import wait_until


class Dependency:
    """What the function calls: up to `capacity` calls at once; more of them all fail."""

    def __init__(self, capacity=1000):
        self.capacity = capacity
        self.takes = 0.05
        self.calls = []  # (time, succeeded)
        self.done = []
        self.events = []
        self._inside = 0
        self._lock = threading.Lock()

    def handle(self, event):
        with self._lock:
            self._inside += 1
            well = self._inside <= self.capacity
        threading.Event().wait(self.takes)
        with self._lock:
            self._inside -= 1
            self.calls.append((time.monotonic(), well))
            self.events.append(event)
            if well:
                self.done += [r["body"] for r in event["Records"]]
        if not well:
            raise FunctionFailed("the dependency is down")
        return {}

    def failed(self):
        with self._lock:
            return sum(not well for _, well in self.calls)


@pytest.fixture
def dependency():
    return Dependency()


@pytest.fixture
def scripted(dependency):
    made = []

    def make(**options):
        made.append(ScriptedAws(dependency.handle, **options))
        made[-1].wait_state("Enabled")
        return made[-1]

    yield make
    for aws in made:
        aws.close()
        assert aws.problems == [], "a request or an answer is not as botocore's models say"


MESSAGES = [f"m-{i}" for i in range(60)]


def all_done(dependency, bodies=MESSAGES):
    return set(dependency.done) >= set(bodies)


def test_an_outage_passes_through_every_state_of_transition(scripted, dependency, control):
    aws = scripted(change_takes=1.5, list_lag=1.5)
    controller = control(aws)
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    dependency.capacity = 1000
    aws.wait_as_before()
    wait_until(lambda: all_done(dependency), 60, "every message")
    wait_until(lambda: not aws.mapping.tags, 20, "the tags taken away")
    assert aws.queue.dead == []
    seen = aws.mapping.states
    assert {"Creating", "Disabling", "Disabled", "Enabling", "Enabled", "Updating"} <= set(seen)
    assert "was changed by somebody" not in controller.child.output()


@pytest.mark.parametrize("code, status", [
    ("ResourceInUseException", 400), ("ResourceConflictException", 409),
    ("ServiceException", 500), ("TooManyRequestsException", 429)])
def test_every_update_may_be_refused_at_first(scripted, dependency, control, code, status):
    aws = scripted(change_takes=0.5)
    allowed = set()

    def refuse(body):
        # Each update is refused until it is asked for a second time.
        change = (body.get("Enabled"), str(body.get("ScalingConfig")))
        if change not in allowed:
            allowed.add(change)
            raise Refused(code, "refused by the test", status, Type="User")
        allowed.remove(change)

    aws.before_update = refuse
    controller = control(aws)
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    dependency.capacity = 1000
    aws.wait_as_before(within=90)
    wait_until(lambda: all_done(dependency), 60, "every message")
    assert aws.queue.dead == []
    # Off, 2, 4, and as before.
    assert aws.refused("UpdateEventSourceMapping") >= 4
    assert len(aws.mapping.updates) == aws.counted("UpdateEventSourceMapping") - \
        aws.refused("UpdateEventSourceMapping")


def test_a_control_plane_that_others_use_up_delays_and_no_more(scripted, dependency, control):
    aws = scripted(change_takes=0.5)
    aws.rate = 2
    controller = control(aws, mapping_interval="10s")
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled", within=60)
    dependency.capacity = 1000
    aws.wait_as_before(within=120)
    wait_until(lambda: all_done(dependency), 60, "every message")
    throttled = [status for _, service, _, status in aws.calls
                 if service == "lambda" and status == 429]
    assert throttled
    controller.says("the control plane is busy")
    # Whoever is throttled asks less often, not more.
    of_lambda = [at for at, service, operation, _ in aws.calls
                 if service == "lambda" and operation != "Invoke"]
    assert len(of_lambda) < 3 * (of_lambda[-1] - of_lambda[0])


def test_a_throttled_function_is_no_verdict(scripted, dependency, control):
    aws = scripted(change_takes=0.5)
    controller = control(aws, evidence="trial")
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    # Others take what the function may run at once.
    aws.function.reserved = aws.function.busy_with_others = 5
    dependency.capacity = 1000
    asked = aws.counted("Invoke")
    wait_until(lambda: aws.counted("Invoke") >= asked + 3, 60, "it asked again")
    assert aws.function.throttled >= 3
    assert aws.mapping.get()["State"] == "Disabled"
    aws.function.busy_with_others = 0
    aws.wait_as_before()
    wait_until(lambda: all_done(dependency), 60, "every message")
    assert aws.queue.dead == []


def test_lists_that_are_seconds_old_mislead_nobody(scripted, dependency, control):
    aws = scripted(change_takes=0.5, list_lag=6)
    controller = control(aws)
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    dependency.capacity = 1000
    aws.wait_as_before(within=90)
    wait_until(lambda: all_done(dependency), 60, "every message")
    assert "was changed by somebody" not in controller.child.output()
    assert "switched off by somebody" not in controller.child.output()


def test_the_ramp_is_what_the_mapping_delivers_at_most(scripted, dependency, control):
    aws = scripted(change_takes=0.3, batch_size=1)
    controller = control(aws, ramp_step="2s")
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send([f"m-{i}" for i in range(1500)])
    aws.wait_state("Disabled")
    dependency.capacity = 1000
    aws.wait_state("Enabled")
    aws.mapping.most_at_once = 0
    wait_until(lambda: aws.mapping.most_at_once == 2, 10, "two at a time")
    assert aws.mapping.get()["ScalingConfig"] == {"MaximumConcurrency": 2}
    aws.wait_as_before()
    wait_until(lambda: aws.mapping.most_at_once == 8, 20, "eight at a time")
    limits = [u["ScalingConfig"]["MaximumConcurrency"] for u in aws.mapping.updates
              if u["Enabled"]]
    assert limits == [2, 4, 8]


def test_a_trial_gives_the_function_the_event_that_its_mapping_does(scripted, dependency, control):
    aws = scripted()
    attributes = {"trace": {"StringValue": "abc", "DataType": "String"},
                  "size": {"StringValue": "7", "DataType": "Number.int"},
                  "raw": {"BinaryValue": base64.b64encode(b"\x00\xff").decode(),
                          "DataType": "Binary"}}
    controller = control(aws, evidence="trial")
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(["körper \"1\""], attributes)
    aws.wait_state("Disabled")
    by_mapping = {r["messageId"]: r for e in dependency.events for r in e["Records"]}
    wait_until(lambda: aws.events, 30, "a trial")
    (record,) = aws.events[0]["Records"]
    assert list(aws.events[0]) == ["Records"]
    wanted = by_mapping[record["messageId"]]
    # What differs between two receives of one message, and nothing else.
    for changing in (wanted, record):
        changing.pop("receiptHandle")
        changing["attributes"].pop("ApproximateReceiveCount")
    assert record == wanted
    dependency.capacity = 1000


def test_what_a_person_limits_while_open_is_kept(scripted, dependency, control):
    aws = scripted(change_takes=0.5)
    controller = control(aws)
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    # Before it has seen that its own update is done, it would take this one for what it was before.
    controller.says("mappings are off")
    aws.mapping.update({"ScalingConfig": {"MaximumConcurrency": 7}})
    controller.says("kept for when it is on again")
    dependency.capacity = 1000
    aws.wait_as_before(limit=7)
    wait_until(lambda: all_done(dependency), 60, "every message")


def test_a_mapping_that_is_deployed_anew_while_open_delivers(scripted, dependency, control):
    aws = scripted(change_takes=0.5)
    controller = control(aws)
    controller.says("controls the circuit")
    dependency.capacity = 0
    aws.queue.send(MESSAGES)
    aws.wait_state("Disabled")
    old = aws.mapping.uuid
    aws.redeploy()
    controller.says(f"the mapping {old} is gone")
    dependency.capacity = 1000
    wait_until(lambda: all_done(dependency), 60, "every message")
    controller.says("the circuit is CLOSED")
    aws.wait_as_before()
    wait_until(lambda: not aws.mapping.tags, 20, "no tags on the new one")
