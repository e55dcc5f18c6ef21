"""A handler whose answers the test decides, call by call, in the test's own process."""

import dataclasses
import http.server
import threading
import time

HANG = object()   # No answer until release() or the end.


@dataclasses.dataclass
class Call:
    """One call as it arrived. `status` is what was answered: 0 none yet, -1 raw bytes."""

    headers: dict  # Names in lower case.
    body: bytes
    arrival: float  # time.monotonic()
    end: float = 0
    status: int = 0

    @property
    def message(self):
        return self.headers["x-aws-sqsd-msgid"]

    @property
    def received(self):
        return int(self.headers["x-aws-sqsd-receive-count"])


class Handler:
    """`answer(call)` gives a status, (status, headers), raw bytes to be sent instead of HTTP, or
    HANG. It may be replaced at any time."""

    def __init__(self, answer=lambda call: 200):
        self.answer = answer
        self.calls = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = None
        self.port = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/orders"

    def release(self):
        """Ends the calls that hang; those answered HANG from now on end at once."""
        self._released.set()

    def answered(self, status=200):
        """Calls that ended with this status so far."""
        with self._lock:
            return [call for call in self.calls if call.status == status]

    def of(self, message):
        """The calls for one message, in order of arrival."""
        with self._lock:
            return [call for call in self.calls if call.message == message]

    def __enter__(self):
        handler = self

        class Requests(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                handler._serve(self)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *arguments):
                pass  # A worker that gave up its call.

        self._server = Server(("127.0.0.1", self.port or 0), Requests)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers.get("content-length", 0)))
        call = Call(headers, body, time.monotonic())
        with self._lock:
            self.calls.append(call)
        answer = self.answer(call)
        if answer is HANG:
            self._released.wait(120)
            request.close_connection = True
            return
        if isinstance(answer, bytes):
            self._end(call, -1)
            request.wfile.write(answer)
            request.close_connection = True
            return
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        self._end(call, status)
        request.send_response(status)
        for name, value in extra.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _end(self, call, status):
        with self._lock:
            call.end = time.monotonic()
            call.status = status
