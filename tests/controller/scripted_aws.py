"""A stand-in that does what none of the emulators does: mappings that take their time to change,
refuse updates meanwhile and show in lists late, limits of concurrency, throttles of the control
plane and of functions, metrics of mappings and an alarm that evaluates them.

It is written after AWS's documents, each named where it is followed, and was **never checked on
AWS**. Every request that it is sent and every answer that it gives is checked against botocore's
service models.
- Errors of REST-JSON and of the JSON protocols:
  https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization,
  https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization
- 15 requests of the control plane a second, for the whole account:
  https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests
- alarms, and how they treat missing data:
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import http.server
import json
import re
import threading
import time
import urllib.parse

import botocore.session
import botocore.validate

import peers
import scripted_sqs
from scripted_lambda import Function, FunctionFailed, Mapping
from scripted_sqs import Queue, Refused
from service_model import enums_of
from waiting import wait_until

SESSION = botocore.session.get_session()
MODELS = {name: SESSION.get_service_model(name) for name in ("lambda", "cloudwatch", "sqs")}
TARGETS = {"AmazonSQS": "sqs", "GraniteServiceVersion20100801": "cloudwatch"}
ACCOUNT = "123456789012"


def problems_with(service, operation, value, answer=True):
    """Where this answer, or request, is not what botocore's model of the service says."""
    model = MODELS[service].operation_model(operation)
    shape = model.output_shape if answer else model.input_shape
    if shape is None:
        return [f"{operation} answers nothing"] if value else []
    report = botocore.validate.ParamValidator().validate(value, shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(enums_of(shape, value)) + list(unknown_to(shape, value))


def unknown_to(shape, value, path=""):
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{path}.{name} is not in the model"
            else:
                yield from unknown_to(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            yield from unknown_to(shape.member, inner, f"{path}[]")


class Alarm:
    """FailedInvokeEventCount over InvokedEventCount of the mapping, one period; missing data stays
    missing. `pinned`: the test alone sets it."""

    def __init__(self, name, mapping, period):
        self.name = name
        self.mapping = mapping
        self.period = period
        self.pinned = None
        self.state = "INSUFFICIENT_DATA"
        self.since = time.time()

    def evaluate(self):
        state = self.pinned
        if state is None:
            mapping = self.mapping()
            failed = mapping.sum_of("FailedInvokeEventCount", self.period)
            state = "INSUFFICIENT_DATA" if failed is None else "ALARM" if failed else "OK"
        if state != self.state:
            self.state, self.since = state, time.time()

    def described(self):
        self.evaluate()
        return {"AlarmName": self.name, "StateValue": self.state,
                "AlarmArn": f"arn:aws:cloudwatch:{peers.REGION}:{ACCOUNT}:alarm:{self.name}",
                "StateReason": "Threshold Crossed", "StateTransitionedTimestamp": self.since,
                "StateUpdatedTimestamp": time.time()}


class ScriptedAws:
    """One account with one queue, one function and its mapping. What a test may turn:

    aws.rate = 3               # of the control plane a second; the rest is used by others
    aws.before_update = f      # f(body) may raise Refused
    aws.mapping.change_takes   # how long a state of transition lasts
    aws.mapping.list_lag       # how late lists are
    aws.function.reserved      # concurrency
    aws.alarm_object.pinned    # its state, instead of the evaluated one
    """

    def __init__(self, handler, change_takes=1.0, list_lag=1.0, alarm_period=2.0, visibility=2,
                 max_receive_count=20, **mapping):
        self.name = "charge"
        place = f"{peers.REGION}:{ACCOUNT}"
        self.queue = Queue(f"arn:aws:sqs:{place}:orders", visibility, max_receive_count)
        self.function = Function(f"arn:aws:lambda:{place}:function:{self.name}", handler)
        self._mapping = {"change_takes": change_takes, "list_lag": list_lag, **mapping}
        self.mapping = Mapping(self.queue, self.function, **self._mapping)
        self.alarm = "charge-errors"
        self.alarm_object = Alarm(self.alarm, lambda: self.mapping, alarm_period)
        self.rate = 15
        self.before_update = None
        self.calls = []  # (time, service, operation, status)
        self.events = []  # that functions were invoked with by others than mappings
        self.problems = []  # with requests and answers
        self._recent = []
        self._lock = threading.Lock()
        aws = self

        class Request(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, text = aws.respond(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def redeploy(self):
        """The mapping is deleted, and made anew with what the template says."""
        self.mapping.close()
        self.mapping = Mapping(self.queue, self.function, **self._mapping)

    def counted(self, operation):
        return sum(called == operation for _, _, called, _ in list(self.calls))

    def refused(self, operation):
        return sum(called == operation and status >= 400
                   for _, _, called, status in list(self.calls))

    def wait_state(self, *states, within=30):
        wait_until(lambda: self.mapping.get()["State"] in states, within,
                   lambda: f"the mapping {states}; it is {self.mapping.get()}")

    def wait_as_before(self, limit=8, within=60):
        def as_before():
            now = self.mapping.get()
            return now["State"] == "Enabled" and \
                now["ScalingConfig"]["MaximumConcurrency"] == limit
        wait_until(as_before, within, lambda: f"the mapping as before; it is {self.mapping.get()}")

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.mapping.close()

    # ---- The protocols -------------------------------------------------------------------------
    def respond(self, method, path, headers, body):
        target = headers.get("X-Amz-Target")
        service = TARGETS[target.partition(".")[0]] if target else "lambda"
        operation = target.partition(".")[2] if target else "unknown"
        try:
            if service == "lambda":
                operation, request = self._lambda_request(method, path, body)
                status, out, answer = self._lambda(operation, request)
            else:
                request = json.loads(body)
                self._check(service, operation, request, answer=False)
                status, out = 200, {"Content-Type": "application/x-amz-json-1.0"}
                answer = self._cloudwatch(request) if service == "cloudwatch" else \
                    scripted_sqs.answer(self.queue, operation, request)
            if operation != "Invoke":
                self._check(service, operation, answer, answer=True)
            text = b"" if status == 204 else json.dumps(answer).encode()
        except Refused as error:
            status, out, text = self._error(service, error)
        self.calls.append((time.monotonic(), service, operation, status))
        return status, out, text

    def _check(self, service, operation, value, answer):
        self.problems += [f"{operation} {'answer' if answer else 'request'}: {problem}"
                          for problem in problems_with(service, operation, value, answer)]

    def _error(self, service, error):
        if service == "lambda":
            shape = MODELS["lambda"].shape_for(error.code)
            # Some errors of Lambda spell it so, some so.
            name = "Message" if "Message" in shape.members else "message"
            body = {name: error.message, **error.members}
            self.problems += [f"{error.code}: {found}" for found in unknown_to(shape, body)]
            return error.status, {"Content-Type": "application/json",
                                  "x-amzn-ErrorType": error.code, **error.headers}, \
                json.dumps(body).encode()
        body = {"__type": f"com.amazonaws.{service}#{error.code}", "message": error.message}
        return error.status, {"Content-Type": "application/x-amz-json-1.0"}, \
            json.dumps(body).encode()

    # ---- Lambda --------------------------------------------------------------------------------
    ROUTES = (
        ("GET", r"/2015-03-31/event-source-mappings", "ListEventSourceMappings", ()),
        ("GET", r"/2015-03-31/event-source-mappings/([^/]+)", "GetEventSourceMapping", ("UUID",)),
        ("PUT", r"/2015-03-31/event-source-mappings/([^/]+)", "UpdateEventSourceMapping",
         ("UUID",)),
        ("GET", r"/2015-03-31/functions/([^/]+)/configuration", "GetFunctionConfiguration",
         ("FunctionName",)),
        ("POST", r"/2015-03-31/functions/([^/]+)/invocations", "Invoke", ("FunctionName",)),
        ("GET", r"/2017-03-31/tags/(.+)", "ListTags", ("Resource",)),
        ("POST", r"/2017-03-31/tags/(.+)", "TagResource", ("Resource",)),
        ("DELETE", r"/2017-03-31/tags/(.+)", "UntagResource", ("Resource",)),
    )

    def _lambda_request(self, method, target, body):
        path, _, query = target.partition("?")
        for verb, pattern, operation, names in self.ROUTES:
            match = re.fullmatch(pattern + "/?", path)
            if verb != method or not match:
                continue
            request = dict(zip(names, map(urllib.parse.unquote, match.groups())))
            for name, value in urllib.parse.parse_qsl(query):
                if name == "tagKeys":
                    request.setdefault("TagKeys", []).append(value)
                else:
                    request[name] = int(value) if name == "MaxItems" else value
            if operation == "Invoke":
                request["Payload"] = body
            elif body:
                request |= json.loads(body)
            self._check("lambda", operation, request, answer=False)
            return operation, request
        raise Refused("ResourceNotFoundException", f"{method} {path}", 404, Type="User")

    def _lambda(self, operation, request):
        """Status, headers and answer."""
        out = {"Content-Type": "application/json"}
        if operation == "Invoke":
            return self._invoke(request)
        self._spend()
        if operation == "GetFunctionConfiguration":
            return 200, out, self.function.configuration()
        if operation == "ListEventSourceMappings":
            ours = request.get("FunctionName") in (None, self.name, self.function.arn)
            return 200, out, {"EventSourceMappings": [self.mapping.listed()] if ours else []}
        if operation in ("ListTags", "TagResource", "UntagResource"):
            return self._tags(operation, request, out)
        mapping = self.mapping
        if request["UUID"] != mapping.uuid:
            raise Refused("ResourceNotFoundException", "The resource you requested does not exist.",
                          404, Type="User")
        if operation == "GetEventSourceMapping":
            return 200, out, mapping.get()
        if self.before_update:
            self.before_update(request)
        return 202, out, mapping.update({k: v for k, v in request.items() if k != "UUID"})

    def _tags(self, operation, request, out):
        mapping = self.mapping
        if request["Resource"] != mapping.arn:
            raise Refused("ResourceNotFoundException", "no such resource", 404, Type="User")
        if operation == "ListTags":
            return 200, out, {"Tags": dict(mapping.tags)}
        if operation == "TagResource":
            mapping.tags |= request["Tags"]
        else:
            for key in request["TagKeys"]:
                mapping.tags.pop(key, None)
        return 204, {}, {}

    def _spend(self):
        """All calls of the control plane share the account's rate."""
        with self._lock:
            now = time.monotonic()
            self._recent = [at for at in self._recent if at > now - 1]
            if len(self._recent) >= self.rate:
                raise Refused("TooManyRequestsException", "Rate exceeded", 429,
                              {"Retry-After": "1"}, Type="User", Reason="CallerRateLimitExceeded")
            self._recent.append(now)

    def _invoke(self, request):
        event = json.loads(request["Payload"])
        self.events.append(event)
        out = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
        try:
            return 200, out, self.function.invoke(event)
        except FunctionFailed as error:
            return 200, {**out, "X-Amz-Function-Error": "Unhandled"}, \
                {"errorMessage": str(error), "errorType": "DependencyDown"}

    # ---- CloudWatch ----------------------------------------------------------------------------
    def _cloudwatch(self, request):
        wanted = request.get("AlarmNames") or [self.alarm]
        return {"MetricAlarms": [self.alarm_object.described()] if self.alarm in wanted else [],
                "CompositeAlarms": []}
