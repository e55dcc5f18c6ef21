"""One worker process on a queue of its own, as a person would run it, for tests of what it does in
trouble. Every secret that it is given must stay out of all that it writes."""

import copy
import json
import re
import socket
import threading
import urllib.error
import urllib.request

import yaml
from prometheus_client.parser import text_string_to_metric_families

import peers
from child import Child
from waiting import wait_until

DONE, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 4, 130

SECRETS = {
    "store": "hunter2-of-the-store",
    "handler": "hunter2-of-the-handler",
    "aws": "hunter2/of+the/cloud",
    "session": "hunter2-session-token",
}

# Small enough that an outage is a matter of seconds.
QUICK = {
    "circuits": {
        "payments-api": {
            "open_duration": "1s",
            "max_open_duration": "2s",
            "recovery_step": "1s",
            "view_refresh": "200ms",
            "view_refresh_in_trouble": "200ms",
        }
    },
    "worker": {
        "circuit": "payments-api",
        "concurrency": 5,
        "handler_timeout": "1s",
        "visibility_margin": "5s",
        "shutdown_grace": "5s",
        "backoff": {"base": "1s", "cap": "2s", "jitter": "equal"},
    },
}


class Queue:
    """A queue with a dead-letter queue, and the messages put into it."""

    def __init__(self, server, name, max_receive_count=5):
        self.sqs = server.client()
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(
            QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": str(max_receive_count)}
        self.url = self.sqs.create_queue(
            QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
        self.sent = []

    def send(self, *bodies, **more):
        """The ids of the messages, one for each body."""
        ids = [self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)["MessageId"]
               for body in bodies]
        self.sent += ids
        return ids

    def depth(self, url=None):
        """Messages in the queue, hidden and delayed ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                 "ApproximateNumberOfMessagesDelayed"]
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes.get(name, 0)) for name in names)

    def untouched(self):
        """Whether every message is there and has never been received."""
        counts = {}
        for _ in range(len(self.sent) + 5):
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"])
            for message in answer.get("Messages", []):
                counts[message["MessageId"]] = message["Attributes"]["ApproximateReceiveCount"]
        return counts == {message: "1" for message in self.sent} and self.depth(self.dead) == 0

    def bodies(self, url):
        """Receives and answers the bodies of what is visible in a queue."""
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        return [message["Body"] for message in answer.get("Messages", [])]


class Listener:
    """Takes connections and answers each with the same bytes, or with silence."""

    def __init__(self, answer=b"", port=0):
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            try:
                if self.answer:
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()


def merged(base, changes):
    """`base` with what is in `changes`, level by level; None takes a key out."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


class Workers:
    """Starts workers and, at the end, looks for secrets in all that they wrote."""

    def __init__(self, folder, binary):
        self.folder = folder
        self.binary = binary
        self.started = []

    def start(self, server, queue, handler, store="memory:", settings=None, arguments=(),
              text=None, file=None, **environ):
        """`queue` and `handler` are URLs. `text` replaces what is written into the configuration
        file, `file` names another one."""
        number = len(self.started)
        config = self.folder / f"switchgear-{number}.yaml"
        if text is None:
            given = {"store": store, "worker": {"queue": queue, "handler": handler}}
            text = yaml.safe_dump(merged(merged(QUICK, given), settings or {}))
        config.write_text(text, encoding="utf-8")
        environment = peers.clean_environment(
            **{**server.environ, "AWS_SECRET_ACCESS_KEY": SECRETS["aws"], **environ})
        environment = {k: v for k, v in environment.items() if v is not None}
        worker = Worker(
            [self.binary, "worker", "--config", file or config.name, *arguments],
            log=self.folder / f"worker-{number}.out",
            stderr_log=self.folder / f"worker-{number}.err",
            env=environment,
            cwd=self.folder,
        )
        worker.secrets = {*SECRETS.values(), environment.get("AWS_SECRET_ACCESS_KEY") or SECRETS["aws"]}
        self.started.append(worker)
        return worker

    def refused(self, *arguments, **more):
        """Starts a worker that must end by itself: (exit code, stderr). Nothing may be on stdout."""
        worker = self.start(*arguments, **more)
        code = worker.wait(60)
        assert worker.output() == ""
        return code, worker.stderr()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for worker in self.started:
            worker.stop(grace=15)
        for worker in self.started:
            worker.check_no_secrets()


class Worker(Child):
    """A worker process."""

    def __init__(self, args, log, stderr_log, **more):
        super().__init__(args, log=log, stderr_log=stderr_log, **more)
        self.stderr_path = stderr_log
        self.secrets = set()
        self.scraped = []

    def stderr(self):
        return self.stderr_path.read_text(encoding="utf-8", errors="replace")

    def says(self, text, within=20):
        """Waits until the worker has written `text`."""
        wait_until(lambda: text in self.stderr() or not self.alive(), within,
                   lambda: f"{text!r} on stderr:\n{self.stderr()}")
        assert text in self.stderr(), self.stderr()

    def get(self, path):
        """(status, media type, text) of a page of the worker's own server."""
        self.says("worker started")
        at = re.search(r"metrics=(http://\S+)/metrics", self.stderr()).group(1)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(at + path, timeout=10) as answer:
                status, media, body = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            status, media, body = error.code, error.headers["Content-Type"], error.read()
        self.scraped.append(body.decode())
        return status, media, body.decode()

    def metrics(self):
        """{(name, label values in order of label names): value} of /metrics, parsed."""
        families = text_string_to_metric_families(self.get("/metrics")[2])
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    def metric(self, name, *labels):
        """The sum over the samples of this name that have these label values."""
        return sum(value for key, value in self.metrics().items()
                   if key[0] == name and set(labels) <= set(key[1:]))

    def state(self):
        return next(key[2] for key, value in self.metrics().items()
                    if key[0] == "switchgear_circuit_state" and value == 1)

    def check_no_secrets(self):
        for text in [self.output(), self.stderr(), *self.scraped]:
            for secret in self.secrets:
                assert secret not in text
