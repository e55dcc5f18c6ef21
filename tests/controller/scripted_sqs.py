"""SQS's side of the scripted stand-in: a standard queue with its dead-letter queue, in memory.

Written after AWS's documents, never checked on AWS:
- visibility, receipt handles: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
- the receive that passes maxReceiveCount dead-letters:
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
- attributes of a message:
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
- what a mapping's event has of them: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

import dataclasses
import hashlib
import itertools
import json
import threading
import time
import uuid

_handles = itertools.count(1)


class Refused(Exception):
    """An error that the service answers."""

    def __init__(self, code, message, status=400, headers=None, **members):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}
        self.members = members


def milliseconds(seconds):
    return str(int(seconds * 1000))


@dataclasses.dataclass
class Message:
    body: str
    attributes: dict  # the sender's: name to {"StringValue" or "BinaryValue" (base64), "DataType"}
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    sent: float = dataclasses.field(default_factory=time.time)
    first_received: float | None = None
    receives: int = 0
    visible_at: float = 0.0  # monotonic
    handle: str | None = None

    def system_attributes(self):
        return {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": milliseconds(self.sent),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": milliseconds(self.first_received),
        }

    def received(self):
        """As ReceiveMessage answers, where all attributes are asked for."""
        out = {"MessageId": self.id, "ReceiptHandle": self.handle, "Body": self.body,
               "MD5OfBody": hashlib.md5(self.body.encode()).hexdigest(),
               "Attributes": self.system_attributes()}
        if self.attributes:
            out["MessageAttributes"] = self.attributes
        return out

    def record(self, queue_arn):
        """As a mapping gives it to its function."""
        return {
            "messageId": self.id,
            "receiptHandle": self.handle,
            "body": self.body,
            "attributes": self.system_attributes(),
            "messageAttributes": {
                name: {**{key[0].lower() + key[1:]: value for key, value in given.items()},
                       "stringListValues": [], "binaryListValues": []}
                for name, given in self.attributes.items()},
            "md5OfBody": hashlib.md5(self.body.encode()).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": queue_arn.split(":")[3],
        }


class Queue:
    def __init__(self, arn, visibility=2, max_receive_count=20):
        self.arn = arn
        self.dead = []
        self.max_receive_count = max_receive_count
        self.settings = {
            "VisibilityTimeout": str(visibility),
            "MessageRetentionPeriod": "345600",
            "DelaySeconds": "0",
            "QueueArn": arn,
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn + "-dead",
                                         "maxReceiveCount": max_receive_count}),
        }
        self._messages = []
        self._lock = threading.Lock()

    def send(self, bodies, attributes=None):
        with self._lock:
            self._messages += [Message(body, attributes or {}) for body in bodies]

    def waiting(self):
        with self._lock:
            return len(self._messages)

    def receive(self, most, visibility=None):
        visibility = int(self.settings["VisibilityTimeout"]) if visibility is None else visibility
        now = time.monotonic()
        with self._lock:
            found = []
            for message in list(self._messages):
                if len(found) == most:
                    break
                if message.visible_at > now:
                    continue
                if message.receives >= self.max_receive_count:
                    self._messages.remove(message)
                    self.dead.append(message)
                    continue
                message.receives += 1
                message.first_received = message.first_received or time.time()
                message.visible_at = now + visibility
                message.handle = f"AQEB{next(_handles)}"
                # As it is now: who has it may hold it while another receives it anew.
                found.append(dataclasses.replace(message))
            return found

    def _held_by(self, handle):
        found = [m for m in self._messages if m.handle == handle]
        return found[0] if found else None

    def delete(self, handle):
        """A message that is gone was deleted before: no error. By an old handle it may stay."""
        with self._lock:
            message = self._held_by(handle)
            if message:
                self._messages.remove(message)

    def change_visibility(self, handle, seconds):
        with self._lock:
            message = self._held_by(handle)
            if not message or message.visible_at <= time.monotonic():
                raise Refused("MessageNotInflight", "the message is not in flight")
            message.visible_at = time.monotonic() + seconds

    def attributes(self):
        now = time.monotonic()
        with self._lock:
            hidden = sum(m.visible_at > now for m in self._messages)
            return {**self.settings,
                    "ApproximateNumberOfMessages": str(len(self._messages) - hidden),
                    "ApproximateNumberOfMessagesNotVisible": str(hidden),
                    "ApproximateNumberOfMessagesDelayed": "0"}


def answer(queue, operation, request):
    """What SQS's JSON protocol answers to this operation on this queue."""
    if operation == "GetQueueUrl":
        return {"QueueUrl": f"http://127.0.0.1/{queue.arn.split(':')[4]}/{request['QueueName']}"}
    if operation == "GetQueueAttributes":
        return {"Attributes": queue.attributes()}
    if operation == "SetQueueAttributes":
        queue.settings.update(request["Attributes"])
        return {}
    if operation == "ReceiveMessage":
        most = request.get("MaxNumberOfMessages", 1)
        end = time.monotonic() + request.get("WaitTimeSeconds", 0)
        while True:
            found = queue.receive(most, request.get("VisibilityTimeout"))
            if found or time.monotonic() >= end:
                return {"Messages": [m.received() for m in found]} if found else {}
            threading.Event().wait(0.02)
    one = {"DeleteMessageBatch": lambda e: queue.delete(e["ReceiptHandle"]),
           "ChangeMessageVisibilityBatch":
               lambda e: queue.change_visibility(e["ReceiptHandle"], e["VisibilityTimeout"])}
    if operation not in one:
        raise Refused("UnsupportedOperation", operation)
    result = {"Successful": [], "Failed": []}
    for entry in request["Entries"]:
        try:
            one[operation](entry)
            result["Successful"].append({"Id": entry["Id"]})
        except Refused as error:
            result["Failed"].append({"Id": entry["Id"], "SenderFault": True, "Code": error.code,
                                     "Message": error.message})
    return result
