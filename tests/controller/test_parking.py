"""Messages that would expire while a function is kept off, moved to another queue and back."""

import json

from waiting import wait_until

MESSAGES = [f"m-{i}" for i in range(25)]
ATTRIBUTES = {"kind": {"DataType": "String", "StringValue": "order"},
              "amount": {"DataType": "Number.int", "StringValue": "12"},
              "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"}}


def waiting(function, url):
    """Visible or hidden."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = function.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(answer[name]) for name in names)


def test_what_would_expire_is_parked_and_comes_back_with_all_that_it_carries(guarded, control,
                                                                              run, redis):
    # As long as a test can wait. Nothing is dead-lettered, since raising a redrive policy alone
    # takes a minute until it acts, and nothing is tried, since trial messages stay hidden for long.
    function = guarded(retention=90, max_receive_count=None)
    parking = function.sqs.create_queue(QueueName=f"{function.name}-parked")["QueueUrl"]
    controller = control(function, raise_retention="false", parking_queue=function._arn(parking))
    controller.says("controls the circuit")
    function.handler.healthy = False
    function.send(["first"])
    function.wait_off()
    assert run("circuits", "hold", "payments", "--open", "--store", redis.url).returncode == 0
    function.send(MESSAGES, MessageAttributes=ATTRIBUTES)
    controller.says("that would expire are parked in", 120)
    wait_until(lambda: waiting(function, parking) >= len(MESSAGES), 60, "the messages parked")
    assert not function.enabled()

    function.handler.healthy = True
    assert run("circuits", "release", "payments", "--store", redis.url).returncode == 0
    wait_until(lambda: set(function.handler.done) >= {"first", *MESSAGES}, 120, "every message")
    function.wait_as_before()
    wait_until(lambda: waiting(function, parking) == 0, 60, "an empty parking queue")

    records = [record for event in function.handler.events for record in event["Records"]
               if record["body"] == "m-7"]
    last = records[-1]["messageAttributes"]
    mark = json.loads(last.pop("switchgear.parked")["stringValue"])
    assert mark["circuit"] == "payments"
    assert mark["queue"] == function.queue_arn
    assert mark["id"] != records[-1]["messageId"]
    assert mark["receive_count"] >= 1
    assert {name: (a["dataType"], a.get("stringValue") or a.get("binaryValue"))
            for name, a in last.items()} == {
        "kind": ("String", "order"), "amount": ("Number.int", "12"), "raw": ("Binary", "AAH/")}
