"""Outages of a function's dependency, guarded from outside: real delivery, injected alarm states.

MiniStack's mappings have no states of transition and no concurrency limit; what it does have is
delivery, receive counts, batches and the update itself.
"""

import pytest

from waiting import wait_until

MESSAGES = [f"m-{i}" for i in range(60)]


def all_done(function, bodies=MESSAGES):
    return set(function.handler.done) >= set(bodies)


@pytest.mark.parametrize("evidence", ["alarm", "trial"])
def test_an_outage_is_survived_without_a_lost_message(guarded, control, evidence):
    function = guarded()
    controller = control(function, evidence=evidence)
    controller.says("controls the circuit")
    function.send(["before"])
    wait_until(lambda: "before" in function.handler.done, 20, "the first message")

    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    tags = function.tags()
    assert tags["switchgear:before"] == "v1:enabled=true:max=8"
    assert tags["switchgear:circuit"] == "payments"

    function.handler.healthy = True
    wait_until(lambda: all_done(function), 60, "every message")
    function.wait_as_before()
    wait_until(lambda: not function.tags(), 20, "the tags taken away")
    assert function.dead_letters() == 0
    controller.says("CLOSED")


def test_an_outage_longer_than_the_open_time_is_tried_one_message_at_a_time(guarded, control):
    function = guarded()
    controller = control(function, evidence="trial")
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    failed = function.handler.failed_calls()
    controller.says("probe_failed")
    wait_until(lambda: function.handler.failed_calls() >= failed + 2, 30, "two trials")
    assert not function.enabled()
    scouts = [e["Records"] for e in function.handler.events[failed:]]
    assert all(len(records) == 1 for records in scouts)
    assert len({records[0]["messageId"] for records in scouts}) == len(scouts), "scouts rotate"
    function.handler.healthy = True
    wait_until(lambda: all_done(function), 90, "every message")
    assert function.dead_letters() == 0


def test_a_relapse_during_the_ramp_switches_off_again(guarded, control):
    function = guarded()
    controller = control(function, ramp_step="3s")
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    function.handler.healthy = True
    wait_until(lambda: function.enabled() and function.limit() == 2, 30, "the ramp")
    function.handler.healthy = False
    function.send([f"relapse-{i}" for i in range(20)])
    function.wait_off()
    function.handler.healthy = True
    wait_until(lambda: all_done(function), 90, "every message")
    function.wait_as_before()
    assert function.dead_letters() == 0


def test_an_empty_queue_at_trial_time_does_not_keep_the_mapping_off(guarded, control):
    function = guarded()
    controller = control(function)
    controller.says("controls the circuit")
    function.alarm_pinned = True
    function.set_alarm("ALARM")
    function.wait_off()
    function.set_alarm("INSUFFICIENT_DATA")
    function.wait_as_before()
    controller.says("no message waits")


def test_an_idle_queue_without_data_opens_nothing(guarded, control):
    function = guarded()
    controller = control(function)
    controller.says("controls the circuit")
    function.alarm_pinned = True
    function.set_alarm("INSUFFICIENT_DATA")
    function.send(["one"])
    wait_until(lambda: "one" in function.handler.done, 20, "the message")
    before = controller.calls()
    wait_until(lambda: controller.calls() >= before + 6, 30, "several turns of the controller")
    assert "OPEN" not in controller.child.output()
    assert function.limit() == 8


def test_an_alarm_that_stays_in_alarm_is_overruled_by_trials(guarded, control):
    function = guarded()
    controller = control(function)
    controller.says("controls the circuit")
    function.alarm_stuck = True
    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    function.handler.healthy = True
    wait_until(lambda: all_done(function), 90, "every message")
    function.wait_as_before()
    controller.says("still in ALARM after max_open_duration")


def test_a_poison_message_does_not_hold_the_circuit_open(guarded, control):
    function = guarded(max_receive_count=20)
    controller = control(function, evidence="trial")
    controller.says("controls the circuit")
    function.handler.poison = {"poison"}
    function.handler.healthy = False
    function.send(["poison", *MESSAGES])
    function.wait_off()
    function.handler.healthy = True
    wait_until(lambda: function.enabled(), 60, "the mapping on again")
    wait_until(lambda: all_done(function), 60, "all but the poison")


def test_a_trial_honours_batch_item_failures(guarded, control):
    function = guarded(partial=True)
    controller = control(function)
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send(MESSAGES)
    # A function that reports item failures never fails as such, so its alarm is another one.
    function.set_alarm("ALARM")
    function.wait_off()
    controller.says("named the message in batchItemFailures")
    assert not function.handler.done
    function.handler.healthy = True
    wait_until(lambda: all_done(function), 90, "every message")
    assert function.dead_letters() == 0


def test_controllers_that_are_killed_lose_nothing(guarded, control):
    function = guarded()
    controller = control(function)
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    controller.child.kill()
    controller.start()
    controller.says("controls the circuit")
    function.handler.healthy = True
    wait_until(lambda: function.enabled(), 60, "the ramp")
    controller.child.kill()
    controller.start()
    wait_until(lambda: all_done(function), 90, "every message")
    function.wait_as_before()
    wait_until(lambda: not function.tags(), 20, "the tags taken away")
    assert function.dead_letters() == 0


def test_two_controllers_take_turns(guarded, control):
    function = guarded()
    first = control(function)
    first.says("controls the circuit")
    second = control(function)
    function.handler.healthy = False
    function.send(MESSAGES)
    function.wait_off()
    assert "controls the circuit" not in second.child.output()
    first.stop()
    assert first.child.process.returncode == 0
    second.says("controls the circuit")
    function.handler.healthy = True
    wait_until(lambda: all_done(function), 90, "every message")
    function.wait_as_before()
