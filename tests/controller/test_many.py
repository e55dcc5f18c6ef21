"""One controller and 500 mappings."""

import re
import time

MAPPINGS = 500
CALLS_PER_SECOND = 15


def memory_mb(child):
    status = open(f"/proc/{child.process.pid}/status", encoding="utf-8").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def add_mappings(function, number):
    uuids = [function.uuid]
    for each in range(number - 1):
        queue = function.sqs.create_queue(QueueName=f"{function.name}-{each}")["QueueUrl"]
        uuids.append(function.functions.create_event_source_mapping(
            EventSourceArn=f"{function.queue_arn}-{each}", FunctionName=function.name,
            BatchSize=10)["UUID"])
    return uuids


def states(function):
    pages = function.functions.get_paginator("list_event_source_mappings")
    return {m["UUID"]: m["State"] for page in pages.paginate(FunctionName=function.name)
            for m in page["EventSourceMappings"]}


def test_five_hundred_mappings_are_switched_off_within_the_budget(guarded, control, figures):
    function = guarded()
    uuids = add_mappings(function, MAPPINGS)
    controller = control(function, mapping_interval="1m")
    # A store that knows nothing: whether another controller left them off stands in their tags.
    controller.says(f"looked through the tags of {MAPPINGS} mappings", within=120)
    before = controller.calls()
    function.alarm_pinned = True
    opened = time.monotonic()
    function.set_alarm("ALARM")

    controller.says(f"{MAPPINGS} mappings are off", within=120)
    seconds = time.monotonic() - opened
    found = states(function)
    assert all(found[uuid] == "Disabled" for uuid in uuids)
    calls = controller.calls() - before
    figures(f"{MAPPINGS} mappings off in {seconds:.0f} s at {CALLS_PER_SECOND} calls/s: {calls} "
            f"calls of the control plane, {memory_mb(controller.child):.0f} MB")
    assert seconds > (MAPPINGS - 2 * CALLS_PER_SECOND) / CALLS_PER_SECOND, "the budget is kept"
