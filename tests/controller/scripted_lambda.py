"""Lambda's side of the scripted stand-in: a function, its event source mappings, their delivery and
their metrics.

Written after AWS's documents, never checked on AWS:
- states and their names, LastModified: https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
- ResourceInUseException while a mapping is changing:
  https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
- batches, visibility, partial answers: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
  https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
- MaximumConcurrency: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
- 429 under a reserved concurrency, Reason, Retry-After: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
- metrics of mappings: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
How long a state of transition lasts, how late a list is and whether messages are delivered while a
mapping is disabling is documented nowhere: that they take time is, and the tests choose how long.
"""

import threading
import time
import uuid

from scripted_sqs import Refused

TRANSITIONAL = {"Creating", "Enabling", "Disabling", "Updating", "Deleting"}
POLL = 0.02


class FunctionFailed(Exception):
    """The handler failed: Lambda tells its caller so."""


class Function:
    """`handler(event)` gives the answer, or raises FunctionFailed."""

    def __init__(self, arn, handler, timeout=2):
        self.arn = arn
        self.name = arn.rsplit(":", 1)[1]
        self.handler = handler
        self.timeout = timeout
        self.reserved = None  # concurrency; None: as much as wanted
        self.busy_with_others = 0  # of it, by callers that the test does not show
        self.running = 0
        self.most_at_once = 0
        self.throttled = 0
        self._lock = threading.Lock()

    def invoke(self, event):
        with self._lock:
            if self.reserved is not None and self.running + self.busy_with_others >= self.reserved:
                self.throttled += 1
                # The members' names are those of the API reference.
                raise Refused("TooManyRequestsException", "Rate Exceeded.", 429,
                              {"Retry-After": "1"}, Type="User",
                              Reason="ReservedFunctionConcurrentInvocationLimitExceeded")
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        try:
            return self.handler(event)
        finally:
            with self._lock:
                self.running -= 1

    def configuration(self):
        return {"FunctionName": self.name, "FunctionArn": self.arn, "Timeout": self.timeout,
                "Runtime": "python3.12", "Handler": "index.handler", "State": "Active",
                "Role": "arn:aws:iam::000000000000:role/test", "Version": "$LATEST"}


class Mapping:
    """One event source mapping, and the pollers that it stands for."""

    def __init__(self, queue, function, change_takes, list_lag, maximum_concurrency=8,
                 batch_size=10, partial=False):
        self.queue = queue
        self.function = function
        self.uuid = str(uuid.uuid4())
        self.arn = function.arn.replace(":function:" + function.name,
                                        ":event-source-mapping:" + self.uuid)
        self.change_takes = change_takes
        self.list_lag = list_lag
        self.tags = {}
        self.states = []  # that it went through
        self.updates = []  # bodies that were carried out
        self.most_at_once = 0
        self.metrics = []  # (time, name, value): of MetricsConfig EventCount
        self._lock = threading.RLock()
        self._running = 0
        self._told = []  # (time, configuration), for lists
        self._settings = {"BatchSize": batch_size, "MaximumBatchingWindowInSeconds": 0,
                          "ScalingConfig": {"MaximumConcurrency": maximum_concurrency},
                          "MetricsConfig": {"Metrics": ["EventCount"]}}
        if partial:
            self._settings["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        self._enabled = True
        self._settles_at = 0.0
        self._stop = threading.Event()
        self._begin("Creating")
        self._poller = threading.Thread(target=self._poll, daemon=True)
        self._poller.start()

    # ---- The control plane ---------------------------------------------------------------------
    def _begin(self, state):
        self._state = state
        self._settles_at = time.monotonic() + self.change_takes
        self._note()

    def _note(self):
        self._modified = time.time()
        self.states.append(self._state)
        self._told.append((time.monotonic(), self._configuration()))

    def _settle(self):
        if self._state in TRANSITIONAL and time.monotonic() >= self._settles_at:
            self._state = "Enabled" if self._enabled else "Disabled"
            self._note()

    def _configuration(self):
        return {"UUID": self.uuid, "EventSourceArn": self.queue.arn,
                "FunctionArn": self.function.arn, "EventSourceMappingArn": self.arn,
                "LastModified": self._modified, "State": self._state,
                "StateTransitionReason": "USER_INITIATED", **self._settings}

    def get(self):
        with self._lock:
            self._settle()
            return self._configuration()

    def listed(self):
        """As lists tell it: late."""
        with self._lock:
            self._settle()
            then = time.monotonic() - self.list_lag
            known = [told for at, told in self._told if at <= then]
            return known[-1] if known else self._told[0][1]

    def update(self, body):
        """Lambda's UpdateEventSourceMapping: what is not named stays."""
        with self._lock:
            self._settle()
            if self._state in TRANSITIONAL:
                raise Refused(
                    "ResourceInUseException",
                    "Cannot update the event source mapping because it is in use.", Type="User")
            limit = body.get("ScalingConfig", {}).get("MaximumConcurrency", 2)
            if not 2 <= limit <= 1000:
                raise Refused("InvalidParameterValueException", "MaximumConcurrency", Type="User")
            was = self._enabled
            self._enabled = body.get("Enabled", was)
            for name in ("BatchSize", "MaximumBatchingWindowInSeconds", "ParallelizationFactor"):
                if name in body:
                    self._settings[name] = body[name]
            if "ScalingConfig" in body:
                if body["ScalingConfig"]:
                    self._settings["ScalingConfig"] = body["ScalingConfig"]
                else:
                    self._settings.pop("ScalingConfig", None)
            self.updates.append(body)
            self._begin("Updating" if self._enabled == was else
                        "Enabling" if self._enabled else "Disabling")
            return self._configuration()

    # ---- Delivery ------------------------------------------------------------------------------
    def _delivers(self):
        """How many more calls there may be now."""
        with self._lock:
            state = self.get()["State"]
            if state not in ("Enabled", "Updating", "Disabling") or \
                    state == "Updating" and not self._enabled:
                return 0
            limit = self._settings.get("ScalingConfig", {}).get("MaximumConcurrency", 1250)
            return limit - self._running

    def _poll(self):
        while not self._stop.wait(POLL):
            for _ in range(max(0, self._delivers())):
                messages = self.queue.receive(self._settings["BatchSize"])
                if not messages:
                    break
                with self._lock:
                    self._running += 1
                    self.most_at_once = max(self.most_at_once, self._running)
                threading.Thread(target=self._deliver, args=(messages,), daemon=True).start()

    def _count(self, name, value):
        self.metrics.append((time.monotonic(), name, value))

    def _deliver(self, messages):
        try:
            self._count("PolledEventCount", len(messages))
            event = {"Records": [m.record(self.queue.arn) for m in messages]}
            failed = {m.id for m in messages}
            try:
                answer = self.function.invoke(event)
                self._count("InvokedEventCount", len(messages))
                failed = self._failed_of(answer, failed)
            except FunctionFailed:
                self._count("InvokedEventCount", len(messages))
            except Refused:
                pass  # throttled: not invoked, and back when the visibility timeout ends
            self._count("FailedInvokeEventCount", len(failed))
            for message in messages:
                if message.id not in failed:
                    self.queue.delete(message.handle)
            self._count("DeletedEventCount", len(messages) - len(failed))
        finally:
            with self._lock:
                self._running -= 1

    def _failed_of(self, answer, all_of_them):
        if "FunctionResponseTypes" not in self._settings:
            return set()
        named = {f.get("itemIdentifier") for f in (answer or {}).get("batchItemFailures") or []}
        return named if named <= all_of_them else all_of_them

    def sum_of(self, name, seconds):
        """Of a metric in the last seconds; None: no data."""
        begin = time.monotonic() - seconds
        found = [value for at, metric, value in list(self.metrics) if metric == name and at > begin]
        return sum(found) if found else None

    def close(self):
        self._stop.set()
        self._poller.join()
