"""The service behind the handler, for tests: a limited one that queues, goes down and comes back.

    python dependency.py PORT CAPACITY SERVICE_SECONDS

Serves CAPACITY calls at once, the others wait in arrival order, and a call that its caller has
abandoned is served all the same, as real services do. Any POST is a call. While switched off it
answers 502 after 30 ms ("fail") or not at all ("hang"), and so do the calls that were waiting.

A call that waited is served from the moment at which the one before it was due to end, so that the
capacity is what it says even where this process gets its turns late.

    PUT /control/off?fail | /control/off?hang    PUT /control/on
    GET /control/done (calls answered 200 so far)    GET /control/log

The log has one entry a call: message id, receive count, arrival, end, status (0: abandoned or
unanswered), and how many calls were in the house when it came.
"""

import asyncio
import collections
import json
import sys
import time

OFF_ANSWER_SECONDS = 0.03


class Call:
    def __init__(self, message, received):
        self.message = message
        self.received = received
        self.arrival = time.time()
        self.came = asyncio.get_running_loop().time()
        self.end = None
        self.status = 0
        self.inside = 0
        self.answered = asyncio.get_running_loop().create_future()

    def finish(self, status):
        if self.end is None:
            self.end = time.time()
            self.status = status
            self.answered.set_result(status)

    def entry(self):
        return {"message": self.message, "received": self.received, "arrival": self.arrival,
                "end": self.end, "status": self.status, "inside": self.inside}


class Dependency:
    def __init__(self, capacity, service_seconds):
        self.capacity = capacity
        self.service_seconds = service_seconds
        self.off = None
        self.calls = []
        self.waiting = collections.deque()
        self.serving = set()
        self.inside = 0
        self.done = 0

    def call(self, message, received):
        call = Call(message, received)
        self.inside += 1
        call.inside = self.inside
        call.answered.add_done_callback(lambda _: self._left())
        self.calls.append(call)
        if self.off:
            self._fail(call)
        else:
            self.waiting.append(call)
            self._serve()
        return call

    def switch_off(self, how):
        self.off = how
        for call in list(self.waiting) + list(self.serving):
            self._fail(call)
        self.waiting.clear()
        self.serving.clear()

    def switch_on(self):
        self.off = None
        for call in self.calls:
            if call.end is None:
                call.finish(0)  # hung while it was off; nobody waits for it any more
        self._serve()

    def _left(self):
        self.inside -= 1

    def _fail(self, call):
        if self.off == "fail":
            asyncio.get_running_loop().call_later(OFF_ANSWER_SECONDS, call.finish, 502)

    def _serve(self, free_since=0.0):
        loop = asyncio.get_running_loop()
        while not self.off and self.waiting and len(self.serving) < self.capacity:
            call = self.waiting.popleft()
            self.serving.add(call)
            due = max(free_since, call.came) + self.service_seconds
            loop.call_at(due, self._served, call, due)

    def _served(self, call, due):
        if call in self.serving:
            self.serving.discard(call)
            call.finish(200)
            self.done += 1
            self._serve(due)


async def read_request(reader):
    """(method, target, headers) with the body read and dropped; None at the end of the stream."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
    await reader.readexactly(int(headers.get("content-length", 0)))
    return method, target, headers


def answer(status, body=b"", reason="x"):
    return (f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


async def serve(dependency, reader, writer):
    try:
        while True:
            request = await read_request(reader)
            if request is None:
                return
            method, target, headers = request
            if method == "POST":
                call = dependency.call(headers.get("x-aws-sqsd-msgid", ""),
                                       int(headers.get("x-aws-sqsd-receive-count", 0)))
                status = await call.answered
                if status:
                    writer.write(answer(status))
            elif target == "/control/done":
                writer.write(answer(200, str(dependency.done).encode()))
            elif target == "/control/log":
                entries = [call.entry() for call in dependency.calls]
                writer.write(answer(200, json.dumps(entries).encode()))
            elif target.startswith("/control/off?"):
                dependency.switch_off(target.partition("?")[2])
                writer.write(answer(200))
            elif target == "/control/on":
                dependency.switch_on()
                writer.write(answer(200))
            else:
                writer.write(answer(200, b"up"))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    port, capacity, service_seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    dependency = Dependency(capacity, service_seconds)
    server = await asyncio.start_server(lambda r, w: serve(dependency, r, w), "127.0.0.1", port,
                                        backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
