"""Calls of the clients of Lambda, CloudWatch and SQS by the program lambda_call."""

import http.server
import json
import os
import subprocess
import threading

import peers

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")


def ask(server, **question):
    """One call, with the credentials that `server` names; see lambda_call.cc."""
    program = BUILD / "lambda_call"
    assert program.exists(), f"{program} is missing; build it with: scripts/build.sh dev"
    done = subprocess.run(
        [program, server.url], input=json.dumps(question) + "\n",
        env=peers.clean_environment(**server.environ),
        capture_output=True, text=True, timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ok(server, **question):
    """What a call that succeeds gives."""
    answer = ask(server, **question)
    assert "ok" in answer, answer
    return answer["ok"]


def error(server, **question):
    """How a call that fails ends."""
    answer = ask(server, **question)
    assert "error" in answer, answer
    return answer["error"]


class HttpServer(peers.AwsPeer):
    """Keeps what it is sent, as (method, target, headers, body), and answers with the status and
    the body that answer(body) gives."""

    def __init__(self, answer):
        self.requests = []
        keep = self.requests.append

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_request(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                keep((self.command, self.path, dict(self.headers.items()), body))
                status, text = answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = handle_request

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
