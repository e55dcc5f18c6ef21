"""A queue, a function and the event source mapping between them on MiniStack, with an alarm.

The function is a handler in this process (MiniStack's proxy mode); mapping, queue and receive
counts are the server's. The state of the alarm is set by the test, since no stand-in evaluates
alarms as CloudWatch does: `Alarm` follows what the handler answered in the last seconds.
"""

import http.server
import json
import threading
import time

import boto3

import peers
from waiting import wait_until


class Handler:
    """What the function does: answers for a batch, and remembers it."""

    def __init__(self):
        self.healthy = True
        self.poison = set()  # bodies that always fail
        self.partial = False  # answers batchItemFailures instead of failing
        self.calls = []  # (time, bodies, succeeded)
        self.events = []
        self.done = []  # bodies that succeeded
        self._lock = threading.Lock()
        self._running = 0
        self.most_at_once = 0
        handler = self

        class Request(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = handler.answer(event)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, event):
        records = event["Records"]
        bodies = [r["body"] for r in records]
        with self._lock:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        threading.Event().wait(0.01)  # the work itself
        with self._lock:
            self._running -= 1
            bad = [r for r in records if not self.healthy or r["body"] in self.poison]
            good = [r["body"] for r in records if r not in bad]
            self.calls.append((time.monotonic(), bodies, not bad))
            self.events.append(event)
            if not bad or self.partial:
                self.done += good
        if bad and self.partial:
            failures = [{"itemIdentifier": r["messageId"]} for r in bad]
            return 200, json.dumps({"batchItemFailures": failures}).encode()
        if bad:
            return 500, b'{"errorMessage": "the dependency is down"}'
        return 200, b"{}"

    def recent(self, seconds):
        now = time.monotonic()
        with self._lock:
            return [ok for at, _, ok in self.calls if now - at < seconds]

    def failed_calls(self):
        with self._lock:
            return sum(not ok for _, _, ok in self.calls)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class GuardedFunction:
    def __init__(self, server, name, max_receive_count=20, concurrency=8, visibility=2,
                 fifo=False, partial=False, retention=345600):
        self.handler = Handler()
        self.name = name[-40:]
        options = {"endpoint_url": server.url, "region_name": peers.REGION,
                   "aws_access_key_id": peers.ACCESS_KEY,
                   "aws_secret_access_key": peers.SECRET_KEY}
        self.sqs = boto3.client("sqs", **options)
        self.functions = boto3.client("lambda", **options)
        self.cloudwatch = boto3.client("cloudwatch", **options)
        self.endpoint = server.url
        suffix = ".fifo" if fifo else ""
        extra = {"FifoQueue": "true"} if fifo else {}
        self.dead = self.sqs.create_queue(QueueName=f"{self.name}-dead{suffix}",
                                          Attributes=extra)["QueueUrl"]
        if max_receive_count:
            extra["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": self._arn(self.dead),
                                                 "maxReceiveCount": max_receive_count})
        self.queue = self.sqs.create_queue(
            QueueName=f"{self.name}{suffix}",
            Attributes={**extra, "VisibilityTimeout": str(visibility),
                        "MessageRetentionPeriod": str(retention)},
        )["QueueUrl"]
        self.queue_arn = self._arn(self.queue)
        self.functions.create_function(
            FunctionName=self.name, Runtime="python3.12", Handler="index.handler",
            Role="arn:aws:iam::000000000000:role/test", Code={"ZipFile": b"none"}, Timeout=2,
            Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": self.handler.url}},
        )
        response_types = {"FunctionResponseTypes": ["ReportBatchItemFailures"]} if partial else {}
        self.handler.partial = partial
        self.uuid = self.functions.create_event_source_mapping(
            EventSourceArn=self.queue_arn, FunctionName=self.name, BatchSize=10,
            ScalingConfig={"MaximumConcurrency": concurrency}, **response_types,
        )["UUID"]
        self.alarm = f"{self.name}-errors"
        # Of a metric that nobody writes: MiniStack counts the errors of all functions as one.
        self.cloudwatch.put_metric_alarm(
            AlarmName=self.alarm, Namespace="Nobody", MetricName="Errors", Statistic="Sum",
            Period=60, EvaluationPeriods=1, Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="missing",
        )
        self.alarm_stuck = False
        self.alarm_pinned = False  # the test alone sets it
        self._alarm_state = None
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._drive_alarm, daemon=True)
        self._watch.start()

    def _arn(self, url):
        return self.sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def _drive_alarm(self):
        while not self._stop.wait(0.2):
            if self.alarm_pinned:
                continue
            recent = self.handler.recent(3)
            state = ("INSUFFICIENT_DATA" if not recent else "OK" if all(recent) else "ALARM")
            if self.alarm_stuck and self._alarm_state == "ALARM":
                continue
            if state != self._alarm_state:
                self.set_alarm(state)

    def set_alarm(self, state):
        self.cloudwatch.set_alarm_state(AlarmName=self.alarm, StateValue=state,
                                        StateReason=f"set to {state} by the test")
        self._alarm_state = state

    def send(self, bodies, **extra):
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body, **extra}
                       for i, body in enumerate(bodies[start:start + 10])]
            answer = self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
            assert not answer.get("Failed")

    def mapping(self):
        return self.functions.get_event_source_mapping(UUID=self.uuid)

    def enabled(self):
        return self.mapping()["State"] in ("Enabled", "Enabling")

    def limit(self):
        return self.mapping().get("ScalingConfig", {}).get("MaximumConcurrency")

    def tags(self):
        # MiniStack's mappings have an ARN that takes tags, but do not tell it.
        arn = self.mapping()["FunctionArn"].split(":function:")[0]
        return self.functions.list_tags(
            Resource=f"{arn}:event-source-mapping:{self.uuid}")["Tags"]

    def dead_letters(self):
        return int(self.sqs.get_queue_attributes(
            QueueUrl=self.dead, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"])

    def wait_off(self, within=20):
        wait_until(lambda: not self.enabled(), within, "the mapping switched off")

    def wait_as_before(self, limit=8, within=60):
        wait_until(lambda: self.enabled() and self.limit() == limit, within,
                   "the mapping as it was before")

    def close(self):
        self._stop.set()
        self._watch.join()
        mappings = self.functions.list_event_source_mappings(FunctionName=self.name)
        for mapping in mappings["EventSourceMappings"]:
            self.functions.delete_event_source_mapping(UUID=mapping["UUID"])
        self.handler.close()
