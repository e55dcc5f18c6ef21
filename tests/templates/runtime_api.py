"""Lambda's Runtime API as its documentation has it, scripted: it gives the starts that it is told,
one after the other, and then answers nothing but errors."""

import http.server
import json
import threading
import time


class RuntimeApi:
    """starts: for each the seconds that the function's time-out leaves it. `before(n)` is called
    before the nth start is given.

        with RuntimeApi(starts=[15]) as api:
            …                                # AWS_LAMBDA_RUNTIME_API=api.address
        api.answers                          # [("response", "{}")]
    """

    def __init__(self, starts, before=lambda number: None):
        self.answers = []
        self._starts = list(starts)
        self._given = 0
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path != "/2018-06-01/runtime/invocation/next" or not api._starts:
                    return self.reply(500, b"no more starts")
                before(api._given + 1)
                api._given += 1
                deadline = int((time.time() + api._starts.pop(0)) * 1000)
                self.reply(200, json.dumps({"source": "aws.events"}).encode(), {
                    "Lambda-Runtime-Aws-Request-Id": f"start-{api._given}",
                    "Lambda-Runtime-Deadline-Ms": str(deadline)})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                start, _, kind = self.path.removeprefix(
                    "/2018-06-01/runtime/invocation/").partition("/")
                if start != f"start-{api._given}" or len(api.answers) >= api._given:
                    return self.reply(400, b'{"errorType":"InvalidRequestID"}')
                api.answers.append((kind, body))
                self.reply(202, b'{"status":"OK"}')

            def reply(self, status, body, headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self):
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
