"""The controller follows a circuit that workers share: a worker's calls open it and close it, and a
function that knows nothing of circuits is guarded with it."""

import http.server
import threading

import pytest

import peers
from child import Child
from waiting import wait_until


@pytest.fixture
def payments():
    """The dependency as the worker's handler: 200, or 500 while it is down."""
    class Request(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if server.healthy else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.healthy = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_function_is_guarded_with_the_circuit_of_a_fleet(guarded, control, payments, binary,
                                                           tmp_path):
    function = guarded()
    # The function's own alarm opens nothing: the fleet knows first.
    controller = control(function, evidence="circuit", alarms=[],
                         policy="    recovery_step: 1s\n    recovery_quiet_duration: 2s\n")
    controller.says("controls the circuit")
    queue = function.sqs.create_queue(QueueName=f"{function.name}-worker")["QueueUrl"]
    store = controller.config.read_text().split()[1]
    (tmp_path / "worker.yaml").write_text(
        f"store: {store}\ncircuits:\n  payments:\n    open_duration: 1s\n"
        "    max_open_duration: 4s\n    open_jitter: 0\n    recovery_step: 1s\n"
        "    recovery_quiet_duration: 2s\n"
        f"worker:\n  queue: {queue}\n  circuit: payments\n  concurrency: 4\n"
        f"  handler: http://127.0.0.1:{payments.server_port}/\n"
        "  backoff: {base: 1s, cap: 2s}\n")
    worker = Child([binary, "worker", "--config", tmp_path / "worker.yaml", "--endpoint-url",
                    function.endpoint, "--region", peers.REGION],
                   log=tmp_path / "worker.log",
                   env=peers.clean_environment(AWS_ACCESS_KEY_ID=peers.ACCESS_KEY,
                                               AWS_SECRET_ACCESS_KEY=peers.SECRET_KEY))
    try:
        payments.healthy = function.handler.healthy = False
        for start in range(0, 60, 10):
            function.sqs.send_message_batch(QueueUrl=queue, Entries=[
                {"Id": str(i), "MessageBody": f"w-{start + i}"} for i in range(10)])
        function.wait_off(within=40)
        function.send([f"m-{i}" for i in range(20)])
        payments.healthy = function.handler.healthy = True
        function.wait_as_before(within=90)
        wait_until(lambda: len(set(function.handler.done)) >= 20, 60, "every message")
        assert function.dead_letters() == 0
        controller.says("the circuit is CLOSED")
    finally:
        worker.stop()
