"""A person's hand on the mapping, and on the circuit."""

from waiting import wait_until


def outage(function, controller):
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send([f"m-{i}" for i in range(30)])
    function.wait_off()
    wait_until(function.tags, 20, "the tags")


def test_what_was_off_before_stays_off(guarded, control):
    working, resting = guarded(), guarded()
    resting.functions.update_event_source_mapping(UUID=resting.uuid, Enabled=False)
    controller = control(working, resting)
    outage(working, controller)
    working.handler.healthy = True
    working.wait_as_before()
    assert not resting.enabled()
    assert not resting.tags()


def test_what_a_person_switches_on_while_open_stays_on(guarded, control):
    function = guarded()
    controller = control(function)
    outage(function, controller)
    function.functions.update_event_source_mapping(UUID=function.uuid, Enabled=True)
    controller.says("is left alone now")
    assert function.enabled()
    function.handler.healthy = True
    controller.says("the circuit is CLOSED")
    assert function.enabled() and function.limit() == 8


def test_a_cap_that_a_person_sets_while_open_is_kept(guarded, control):
    function = guarded()
    controller = control(function)
    outage(function, controller)
    function.functions.update_event_source_mapping(
        UUID=function.uuid, ScalingConfig={"MaximumConcurrency": 7})
    controller.says("kept for when it is on again")
    function.handler.healthy = True
    function.wait_as_before(limit=7)


def test_a_hold_keeps_the_mapping_off_until_it_is_released(guarded, control, run):
    function = guarded()
    controller = control(function)
    controller.says("controls the circuit")
    store = controller.config.read_text().split()[1]
    assert run("circuits", "hold", "payments", "--open", "--store", store).returncode == 0
    function.wait_off()
    assert run("circuits", "release", "payments", "--store", store).returncode == 0
    function.wait_as_before()


def test_a_mapping_that_is_deleted_while_open_is_forgotten(guarded, control):
    function, other = guarded(), guarded()
    controller = control(function, other)
    outage(function, controller)
    other.wait_off()
    other.functions.delete_event_source_mapping(UUID=other.uuid)
    controller.says("is gone")
    function.handler.healthy = True
    function.wait_as_before()
