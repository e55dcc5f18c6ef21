"""A proxy before a server that speaks AWS's JSON protocols. It refuses operations for want of rights,
as AWS words it, shifts the time in the Date of the answers, and holds operations up.

    with AwsProxy(ministack.url) as proxy:
        proxy.denied = {"Scan"}
        proxy.ahead = 600          # seconds
        proxy.on_request = lambda operation: ...
"""

import json
import threading
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import time

REFUSAL = ("User: arn:aws:iam::123456789012:user/ann is not authorized to perform: dynamodb:{} on "
           "resource: arn:aws:dynamodb:us-east-1:123456789012:table/circuits")


class AwsProxy:
    def __init__(self, target):
        self.target = target
        self.denied = set()
        self.ahead = 0
        self.on_request = lambda operation: None
        self.operations = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                proxy._answer(self)

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + proxy.ahead, usegmt=True)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        operation = handler.headers["X-Amz-Target"].split(".")[1]
        self.operations.append(operation)
        self.on_request(operation)
        if operation in self.denied:
            status, answer = 400, json.dumps({
                "__type": "com.amazon.coral.service#AccessDeniedException",
                "Message": REFUSAL.format(operation)}).encode()
        else:
            status, answer = self._forward(handler, body)
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/x-amz-json-1.0")
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)
        except OSError:
            pass  # the client has gone

    def _forward(self, handler, body):
        headers = {name: value for name, value in handler.headers.items()
                   if name.lower() not in ("host", "content-length", "connection")}
        request = urllib.request.Request(self.target, data=body, headers=headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
