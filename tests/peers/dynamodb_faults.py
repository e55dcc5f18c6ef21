"""An HTTP proxy in front of a stand-in for DynamoDB that does to requests what DynamoDB and the way
there do, and no stand-in does: it throttles, fails, loses answers of what was carried out, and
answers eventually consistent reads from the past. It is scripted: what it answers follows the
service's model, not anything that was seen of AWS.

    with DynamoDbFaults(ministack.port) as faults:
        faults.throttle(UpdateItem=0.8)     # shares of requests refused, by operation
        faults.throttle(None)               # no more
        faults.loses_answer = lambda request: request.operation == "UpdateItem"
    assert faults.counts["throttled"] > 0

It has to look into HTTP, so that it knows where a request ends: toxiproxy does not.
"""

import asyncio
import email.utils
import itertools
import json
import re
import time
import zlib

from lossy_proxy import LATE_S, SLOW_S, LossyProxy

_SERVICE = "com.amazonaws.dynamodb.v20120810#"
# What DynamoDB says when it throttles: a hot item or too small a table; an account's or a control
# plane's limit.
THROTTLING = [
    (_SERVICE + "ProvisionedThroughputExceededException",
     "The level of configured provisioned throughput for the table was exceeded.", {}),
    ("com.amazon.coral.availability#ThrottlingException", "Rate of requests exceeds the allowed.",
     {"throttlingReasons": [{"reason": "TableWriteKeyRangeThroughputExceeded",
                             "resource": "arn:aws:dynamodb:us-east-1:0:table/circuits"}]}),
    (_SERVICE + "RequestLimitExceeded",
     "Throughput exceeds the current throughput limit for your account.", {}),
]
FAILURES = [(500, _SERVICE + "InternalServerError"),
            (503, "com.amazon.coral.service#ServiceUnavailableException")]


class Message:
    """A request or an answer: its first line, headers and body, as bytes."""

    def __init__(self, head, body):
        self.head = head
        self.body = body

    def header(self, name):
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return None

    def set_header(self, name, value):
        """None takes it away."""
        lines = [line for line in self.head.split(b"\r\n")
                 if not line.lower().startswith(name.lower().encode() + b":")]
        if value is not None:
            lines.append(f"{name}: {value}".encode())
        self.head = b"\r\n".join(lines)

    @property
    def operation(self):
        """Of a request: "UpdateItem" and the like."""
        return (self.header("x-amz-target") or "").rpartition(".")[2]

    @property
    def fields(self):
        return json.loads(self.body)

    def bytes(self):
        self.set_header("Transfer-Encoding", None)
        self.set_header("Content-Length", str(len(self.body)))
        return self.head + b"\r\n\r\n" + self.body

    def ok(self):
        return self.head.split(b" ", 2)[1] == b"200"


async def read_message(stream):
    """None at the end of the connection."""
    try:
        head = (await stream.readuntil(b"\r\n\r\n"))[:-4]
        message = Message(head, b"")
        if (message.header("transfer-encoding") or "").lower() == "chunked":
            while size := int((await stream.readuntil(b"\r\n")).split(b";")[0], 16):
                message.body += await stream.readexactly(size)
                await stream.readexactly(2)
            await stream.readuntil(b"\r\n")
        else:
            message.body = await stream.readexactly(int(message.header("content-length") or 0))
        return message
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def error(status, code, text, **more):
    body = json.dumps({"__type": code, "message": text, **more}).encode()
    head = (f"HTTP/1.1 {status} Error\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"x-amzn-RequestId: SCRIPTED\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
            f"Date: {email.utils.formatdate(usegmt=True)}")
    return Message(head.encode(), body)


class DynamoDbFaults(LossyProxy):
    """As LossyProxy, but for HTTP; by default without any fault. `counts` also counts requests by
    operation, and "reports" that were taken in."""

    def __init__(self, server_port, seed=1, faults=None):
        super().__init__(server_port, seed, faults or {})
        self._throttled = {}
        self._codes = itertools.cycle(THROTTLING)
        self._failures = itertools.cycle(FAILURES)
        self.failing = 0  # share of requests answered with 500 or 503, not carried out
        self.loses_answer = lambda request: False  # carried out; the connection ends instead
        # Answered as if there were no such table, as for some seconds after one was made.
        self.unknown_table = lambda request: False
        self.alters = lambda request: None  # may change a request's body before it is passed on
        self.stale = 0  # share of eventually consistent reads answered from the past
        self.stale_although_consistent = False  # the others as well, which DynamoDB never does
        self.date_lag = 0  # seconds by which answers' Date is behind; None: there is no Date
        self._seen = {}  # answers to reads so far, by key

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def throttle(self, shares=(), **by_operation):
        """The share of an operation's requests that is refused from now on; all others are not."""
        self._throttled = dict(shares or (), **by_operation)

    def requests(self, *operations):
        """How many came in so far, answered with whatever."""
        return sum(self.counts[name] for name in operations or ("GetItem", "UpdateItem"))

    async def _serve(self, reader, writer):
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            while request := await read_message(reader):
                self.counts[request.operation] += 1
                answer = await self._answer_to(request, writer, from_server, to_server)
                if answer is None:
                    return
                writer.write(answer.bytes())
                await writer.drain()
        finally:
            to_server.close()

    async def _answer_to(self, request, writer, from_server, to_server):
        """None ends the connection."""
        if refusal := self._refusal(request):
            return refusal
        fault = self._draw()
        if fault == "lost request":
            return None
        if fault == "late request":
            writer.close()
            await self._wait(LATE_S)
        if fault == "slow":
            await self._wait(SLOW_S)
        lost = self.loses_answer(request)
        self.alters(request)
        to_server.write(request.bytes())
        answer = await read_message(from_server)
        if answer is None or lost or fault in ("lost answer", "late request"):
            self.counts["lost on purpose"] += bool(lost)
            return None
        self.counts["reports"] += is_report(request) and answer.ok()
        return self._altered(request, answer)

    def _refusal(self, request):
        if self._random.random() < self._throttled.get(request.operation, 0):
            self.counts["throttled"] += 1
            code, text, more = next(self._codes)
            return error(400, code, text, **more)
        if self._random.random() < self.failing:
            self.counts["failed"] += 1
            status, code = next(self._failures)
            return error(status, code, "The service has trouble.")
        if self.unknown_table(request):
            self.counts["unknown"] += 1
            return error(400, _SERVICE + "ResourceNotFoundException",
                         "Requested resource not found: Table: not found")
        return None

    def _altered(self, request, answer):
        if request.operation == "GetItem" and answer.ok():
            fields = request.fields
            past = self._seen.setdefault(json.dumps(fields["Key"]), [])
            past.append(answer.body)
            may = self.stale_although_consistent or not fields.get("ConsistentRead")
            if may and self._random.random() < self.stale:
                self.counts["stale"] += 1
                answer.body = self._random.choice(past[-10:])
                answer.set_header("x-amz-crc32", None)
        if self.date_lag is None:
            answer.set_header("Date", None)
        elif self.date_lag:
            answer.set_header("Date", email.utils.formatdate(time.time() - self.date_lag,
                                                             usegmt=True))
        return answer


def condition_dropped(attributes):
    """For `alters`: updates go through whatever their conditions say of these attributes (a regular
    expression), if there is an item at all."""
    def alter(request):
        if request.operation != "UpdateItem":
            return
        fields = request.fields
        names = fields.get("ExpressionAttributeNames", {})
        clauses = []
        for clause in _clauses(fields.get("ConditionExpression", "")):
            spoken_of = re.findall(r"#\w+", clause)
            if any(re.fullmatch(attributes, names[name]) for name in spoken_of):
                clause = f"({clause} OR attribute_exists(circuit))"
            clauses.append(clause)
        fields["ConditionExpression"] = " AND ".join(clauses)
        request.body = json.dumps(fields).encode()
    return alter


def _clauses(condition):
    """What is joined by AND outside of brackets."""
    clauses, depth = [""], 0
    for part in re.split(r"( AND |[()])", condition):
        depth += (part == "(") - (part == ")")
        if part == " AND " and depth == 0:
            clauses.append("")
        else:
            clauses[-1] += part
    return clauses


def is_report(request):
    """Whether an update adds to a set: only reports are kept in one."""
    if request.operation != "UpdateItem":
        return False
    values = request.fields.get("ExpressionAttributeValues", {}).values()
    return any("SS" in value for value in values)
