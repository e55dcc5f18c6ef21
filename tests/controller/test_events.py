"""What the outside is told: an event bus and a topic on MiniStack, and a webhook in this process."""

import http.server
import json
import threading

import boto3
import pytest

import peers
from waiting import wait_until


@pytest.fixture
def webhook():
    """Takes every POST; refuses the first with 503."""
    got = []

    class Request(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(503 if len(got) == 1 else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/hook/very-secret"
    server.got = got
    yield server
    server.shutdown()
    server.server_close()


def test_a_change_reaches_bus_topic_and_webhook(guarded, control, webhook, ministack):
    function = guarded()
    options = {"endpoint_url": ministack.url, "region_name": peers.REGION,
               "aws_access_key_id": peers.ACCESS_KEY, "aws_secret_access_key": peers.SECRET_KEY}
    sqs, events, sns = (boto3.client(name, **options) for name in ("sqs", "events", "sns"))
    heard = {}
    for place in ("bus", "topic"):
        url = sqs.create_queue(QueueName=f"{function.name}-{place}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        heard[place] = url, arn["Attributes"]["QueueArn"]
    rule = f"{function.name}-rule"
    events.put_rule(Name=rule, EventPattern=json.dumps(
        {"source": ["switchgear"], "detail": {"state": {"value": ["OPEN"]},
                                              "previousState": {"value": ["CLOSED"]}}}))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": heard["bus"][1]}])
    topic = sns.create_topic(Name=f"{function.name}-topic")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard["topic"][1])

    controller = control(function, controller=f"  event_bus: default\n  sns_topic: {topic}\n"
                                              f"  webhook: {webhook.url}\n")
    controller.says("controls the circuit")
    function.alarm_pinned = True
    function.set_alarm("ALARM")
    function.wait_off()

    def received(place):
        answer = sqs.receive_message(QueueUrl=heard[place][0], MaxNumberOfMessages=10)
        return [json.loads(m["Body"]) for m in answer.get("Messages", [])]

    on_bus = wait_until(lambda: received("bus"), 20, "the event on the bus")
    assert on_bus[0]["detail-type"] == "Switchgear Circuit State Change"
    detail = on_bus[0]["detail"]
    assert detail["state"]["value"] == "OPEN" and "is in ALARM" in detail["state"]["why"]
    on_topic = wait_until(lambda: received("topic"), 20, "the message of the topic")
    assert json.loads(on_topic[0]["Message"]) == detail
    assert on_topic[0]["Subject"] == "payments is OPEN"
    wait_until(lambda: any(e["kind"] == "paused" for e in webhook.got), 20, "the webhook told")
    assert webhook.got[0] == webhook.got[1] == detail, "refused once, sent again, in order"
    assert "very-secret" not in controller.child.output()
