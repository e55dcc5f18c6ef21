"""A fleet of worker processes over one queue, one handler and one circuit, for end-to-end tests."""

import dataclasses
import json
import threading
import time
import urllib.request

import peers
from child import Child
from waiting import wait_until

DEPENDENCY = peers.REPOSITORY / "tests/e2e/dependency.py"


class Dependency:
    """The service behind the handler (dependency.py) as a process."""

    def __init__(self, folder, capacity, service_seconds):
        self.port = peers.free_port()
        self.capacity = capacity
        self.service_seconds = service_seconds
        self.child = Child(
            [peers.PYTHON, DEPENDENCY, self.port, capacity, service_seconds],
            log=folder / "dependency.log",
            env=peers.clean_environment(),
        )
        self.off_at = None
        self.on_at = None
        wait_until(self._up, 10, "the dependency answering")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/orders"

    @property
    def calls_per_second(self):
        return self.capacity / self.service_seconds

    def switch_off(self, how="fail"):
        self.off_at = time.time()
        self._control("PUT", f"/control/off?{how}")

    def switch_on(self):
        self.on_at = time.time()
        self._control("PUT", "/control/on")

    def done(self):
        """Calls answered 200 so far."""
        return int(self._control("GET", "/control/done"))

    def calls(self):
        """Every call so far, in order of arrival; see dependency.py."""
        return json.loads(self._control("GET", "/control/log"))

    def _control(self, method, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return answer.read()

    def _up(self):
        assert self.child.alive(), self.child.output()
        try:
            return self._control("GET", "/") == b"up"
        except OSError:
            return False

    def stop(self):
        self.child.stop(grace=1)


@dataclasses.dataclass
class Settings:
    """What a fleet is told. Times in seconds."""

    handler_timeout: float = 0.95
    open_duration: float = 0.5
    max_open_duration: float = 1.0
    recovery_step: float = 1.0
    recovery_initial_limit: int = 5
    recovery_limit: bool = True
    concurrency: int = 50
    workers: int = 4
    max_receive_count: int = 5
    guarded: bool = True


class Queue:
    """A queue with a dead-letter queue, and what was put into it."""

    def __init__(self, server, name, max_receive_count):
        self.sqs = server.client()
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        dead_arn = self.sqs.get_queue_attributes(
            QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": str(max_receive_count)}
        self.url = self.sqs.create_queue(
            QueueName=name,
            Attributes={"VisibilityTimeout": "30", "RedrivePolicy": json.dumps(redrive)},
        )["QueueUrl"]
        self.sent = set()

    def send(self):
        body = json.dumps({"order": len(self.sent)})
        answer = self.sqs.send_message(QueueUrl=self.url, MessageBody=body)
        self.sent.add(answer["MessageId"])

    def send_many(self, count):
        for start in range(0, count, 10):
            entries = [{"Id": str(i), "MessageBody": json.dumps({"more": start + i})}
                       for i in range(min(10, count - start))]
            answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            assert len(answer["Successful"]) == len(entries), answer
            self.sent.update(entry["MessageId"] for entry in answer["Successful"])

    def depth(self, url=None):
        """Messages in the queue, hidden and delayed ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                 "ApproximateNumberOfMessagesDelayed"]
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes.get(name, 0)) for name in names)

    def dead_letters(self):
        return self.depth(self.dead)


class Arrivals:
    """Sends messages at a steady pace from threads of its own until stopped. One at a time: a
    batch would go to a single worker, and the others would hear nothing of an outage."""

    THREADS = 3

    def __init__(self, queue, per_second):
        self.queue = queue
        self.gap = self.THREADS / per_second
        self._stop = threading.Event()
        self._error = None
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(self.THREADS)]

    def _run(self, number):
        try:
            due = time.monotonic() + self.gap * number / self.THREADS
            while not self._stop.wait(max(0, due - time.monotonic())):
                self.queue.send()
                due += self.gap
        except Exception as error:  # handed to the test by stop()
            self._error = error

    def pace(self, per_second):
        self.gap = self.THREADS / per_second

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        if self._error:
            raise self._error

    def __exit__(self, *exc):
        self.stop()


class Record:
    """Follows the circuit's record in Redis from a thread: what the whole fleet saw, and when."""

    def __init__(self, redis, circuit):
        self.redis = redis
        self.key = f"{{sg:10:switchgear:{len(circuit)}:{circuit}}}:r"
        self.samples = []  # (wall time, fields), one a change
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        last = None
        connection = None
        while not self._stop.wait(0.005):
            try:
                connection = connection or self.redis.connect()
                flat = connection.command("HGETALL", self.key)
            except (OSError, peers.RedisError):
                connection = None
                continue
            fields = dict(zip(flat[::2], flat[1::2]))
            if fields != last:
                self.samples.append((time.time(), fields))
                last = fields

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(10)

    @property
    def state(self):
        return self.samples[-1][1].get("st") if self.samples else None

    def transitions(self):
        """(wall time, state, reason) of every epoch seen, in order."""
        seen, result = set(), []
        for at, fields in self.samples:
            if fields and fields["ep"] not in seen:
                seen.add(fields["ep"])
                result.append((at, fields["st"], fields["reason"]))
        return result

    def trips(self):
        return [t for t in self.transitions()
                if t[1] == "OPEN" and t[2] in ("failure_rate", "overload", "slow_call_rate")]

    def prober(self, probes=1):
        """The instance that holds a probe slot right now; None if none does."""
        fields = self.samples[-1][1] if self.samples else {}
        if fields.get("st") != "HALF_OPEN":
            return None
        for slot in range(probes):
            # "inst.token@expiry", and "!epoch" once its call has begun.
            holder, _, expiry = fields.get(f"s{slot}", "@0").partition("!")[0].partition("@")
            if int(expiry) > 0:
                return holder.partition(".")[0]
        return None

    def probe_slots(self, until, probes=1):
        """Distinct grants of the first `probes` slots up to then. A slot shows its last owner until
        the next one takes it, so a short probe is not missed."""
        return {
            (slot, fields[f"s{slot}"].partition("@")[0])
            for at, fields in self.samples
            for slot in range(probes)
            if at <= until and f"s{slot}" in fields
        }


class Standstills:
    """Notes when this machine stood still, so that a timed check judges the fleet and not the
    machine. What is shorter than a tenth of a second is not counted."""

    TURN_SECONDS = 0.02
    SHORTEST_SECONDS = 0.1

    def __init__(self):
        self.seen = []  # (end, seconds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        last = time.time()
        while not self._stop.wait(self.TURN_SECONDS):
            now = time.time()
            late = now - last - self.TURN_SECONDS
            if late > self.SHORTEST_SECONDS:
                self.seen.append((now, late))
            last = now

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(10)

    def seconds(self, since, until):
        return sum(late for end, late in self.seen if since < end <= until)


class Fleet:
    """The worker processes. `environ` is the SQS server's."""

    def __init__(self, folder, binary, store, environ, queue, handler, settings, circuit="payments-api"):
        self.folder = folder
        self.binary = binary
        self.settings = settings
        self.environment = peers.clean_environment(**environ)
        self.circuit = circuit
        self.config = folder / "switchgear.yaml"
        self.config.write_text(self._yaml(store, queue.url, handler), encoding="utf-8")
        self.workers = []

    def _yaml(self, store, queue, handler):
        s = self.settings
        guard = f"\n  circuit: {self.circuit}" if s.guarded else ""
        return f"""store: {store}
circuits:
  {self.circuit}:
    open_duration: {round(s.open_duration * 1000)}ms
    max_open_duration: {round(s.max_open_duration * 1000)}ms
    call_timeout: {round(s.handler_timeout * 1000)}ms
    recovery_step: {round(s.recovery_step * 1000)}ms
    recovery_limit: {str(s.recovery_limit).lower()}
    recovery_initial_limit: {s.recovery_initial_limit}
worker:
  queue: {queue}
  handler: {handler}{guard}
  concurrency: {s.concurrency}
  visibility_margin: 5s
  receives_max: 1
  backoff: {{base: 1s, cap: 4s, jitter: equal}}
"""

    def start_worker(self):
        number = len(self.workers)
        worker = Child(
            [self.binary, "worker", "--config", self.config],
            log=self.folder / f"worker-{number}.log",
            env=self.environment,
            cwd=self.folder,
        )
        self.workers.append(worker)
        return worker

    def __enter__(self):
        for _ in range(self.settings.workers):
            self.start_worker()
        return self

    def __exit__(self, *exc):
        for worker in self.workers:
            if worker.alive():
                worker.resume()
                worker.signal(15)
        for worker in self.workers:
            worker.stop(grace=10)

    def worker_of(self, instance):
        """The worker whose log says that it is this instance of the circuit; None if none does."""
        return next((w for w in self.workers if f"instance={instance}" in w.output()), None)

    def logs(self):
        return "\n".join(f"--- worker {i}\n{w.output()[-3000:]}" for i, w in enumerate(self.workers))


def processed(calls):
    """The ids of messages that the handler answered 200."""
    return {call["message"] for call in calls if call["status"] == 200}
