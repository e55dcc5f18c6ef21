"""Bad input at the start: each says on stderr what is wrong and what to do, ends with the exit code
of the design, and touches no message."""

import errno
import os
import signal

import pytest

import peers
from guarded import DONE, FAILED, INTERRUPTED, SECRETS, UNREACHABLE, USAGE, Listener, Queue
from waiting import wait_until

MESSAGES = 3


@pytest.fixture
def queue(elasticmq, queue_name):
    queue = Queue(elasticmq, queue_name)
    queue.send(*(f"order {i}" for i in range(MESSAGES)))
    return queue


# ---- Configuration ---------------------------------------------------------------------------

WRONG = """\
store: redis://ann:{password}@127.0.0.1:6379x
circuits:
  payments-api:
    open_duraton: 5s
    acceptable_failure_rate: 150%
worker:
  queue: {queue}
  handler: localhost:8080
  circut: payments-api
  concurrency: 0
  backoff: {{base: 5, cap: 15m}}
"""


def test_every_problem_of_the_configuration_is_told_at_once(workers, elasticmq, queue, handler):
    text = WRONG.format(password=SECRETS["store"], queue=queue.url)
    code, err = workers.refused(elasticmq, queue.url, handler.url, text=text)
    assert code == USAGE
    for place, fix in [
        ("switchgear-0.yaml:1:8: store: ", "port"),
        ("switchgear-0.yaml:4:5: circuits.payments-api.open_duraton: ",
         "did you mean `open_duration`?"),
        ("switchgear-0.yaml:5:30: circuits.payments-api.acceptable_failure_rate: ", "at most 100%"),
        ("switchgear-0.yaml:8:12: worker.handler: ", "https://"),
        ("switchgear-0.yaml:9:3: worker.circut: ", "did you mean `circuit`?"),
        ("switchgear-0.yaml:10:16: worker.concurrency: ", "from 1 to 10000"),
        ("switchgear-0.yaml:11:19: worker.backoff.base: ", "write 5ms, 5s"),
    ]:
        line = next((line for line in err.splitlines() if place in line), "")
        assert fix in line, f"{place} ... {fix}\n{err}"
    assert "7 problems" in err
    assert queue.untouched()


def test_a_file_that_is_no_yaml_is_told_with_its_place(workers, elasticmq, queue, handler):
    code, err = workers.refused(elasticmq, queue.url, handler.url,
                                text="store: 'memory:'\nworker: {queue: [\n")
    assert code == USAGE
    assert "switchgear-0.yaml:" in err
    assert queue.untouched()


def test_wrong_variables_are_told_with_their_names(workers, elasticmq, queue, handler):
    code, err = workers.refused(elasticmq, queue.url, handler.url,
                                SWITCHGEAR_WORKER_CONCURRENCY="many",
                                SWITCHGEAR_STORE=f"redis://:{SECRETS['store']}@[::1")
    assert code == USAGE
    assert "SWITCHGEAR_WORKER_CONCURRENCY" in err
    assert "SWITCHGEAR_STORE" in err
    assert queue.untouched()


def test_an_address_in_use_is_told(workers, elasticmq, queue, handler):
    with Listener() as other:
        at = f"127.0.0.1:{other.port}"
        code, err = workers.refused(elasticmq, queue.url, handler.url, arguments=["--listen", at])
    assert code == FAILED
    assert at in err
    assert "in use" in err
    assert "--listen" in err
    assert queue.untouched()


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1:99999", "here:9464"])
def test_an_address_that_is_none_is_bad_configuration(workers, elasticmq, queue, handler, listen):
    code, err = workers.refused(elasticmq, queue.url, handler.url, arguments=["--listen", listen])
    assert code == USAGE
    assert "--listen" in err
    assert listen.removesuffix(":9464") in err
    assert "for example 127.0.0.1" in err
    assert queue.untouched()


# ---- The queue -------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["ministack", "elasticmq", "moto"])
def test_a_queue_that_does_not_exist_is_named(request, workers, handler, redis, server):
    sqs = request.getfixturevalue(server)
    url = f"{sqs.url}/000000000000/no-such-queue"
    secret = {} if server == "elasticmq" else {"AWS_SECRET_ACCESS_KEY": SECRETS["aws"]}
    code, err = workers.refused(sqs, url, handler.url, store=redis.url, **secret)
    assert code == FAILED
    assert url in err
    assert "QueueDoesNotExist" in err
    assert "check the queue's URL, its region and account" in err


def test_a_fifo_queue_is_refused(workers, elasticmq, handler, queue_name):
    url = elasticmq.client().create_queue(
        QueueName=f"{queue_name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    code, err = workers.refused(elasticmq, url, handler.url)
    assert code == USAGE
    assert url in err
    assert "standard queues only" in err


@pytest.mark.parametrize("answer", [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 19\r\n\r\n<html>hello</html>\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
], ids=["closed port", "a web page", "ssh"])
def test_an_endpoint_that_is_not_sqs_is_named(workers, elasticmq, queue, handler, answer):
    with Listener(answer) as other:
        endpoint = f"http://127.0.0.1:{other.port if answer else peers.free_port()}"
        code, err = workers.refused(elasticmq, queue.url, handler.url,
                                    AWS_ENDPOINT_URL=endpoint)
    assert code == FAILED
    assert queue.url in err
    assert endpoint in err
    assert "--endpoint-url" in err
    assert queue.untouched()


# ---- Credentials -----------------------------------------------------------------------------


@pytest.fixture
def verified(moto, queue_name):
    """A queue on a server that checks signatures and permissions."""
    queue = Queue(moto, queue_name)
    queue.send(*(f"order {i}" for i in range(MESSAGES)))
    moto.verify_signatures("sqs:*")
    yield queue
    moto.trust_everybody()
    queue.sqs = moto.client()
    assert queue.untouched()


def test_a_wrong_secret_key_is_told(workers, moto, verified, handler):
    code, err = workers.refused(moto, verified.url, handler.url)
    assert code == FAILED
    assert "SignatureDoesNotMatch" in err
    assert "check AWS_SECRET_ACCESS_KEY and this machine's clock" in err
    assert verified.url in err


def test_an_unknown_access_key_is_told(workers, moto, verified, handler):
    code, err = workers.refused(moto, verified.url, handler.url,
                                AWS_ACCESS_KEY_ID="AKIANOBODYKNOWSTHIS0",
                                AWS_SESSION_TOKEN=SECRETS["session"])
    assert code == FAILED
    assert "InvalidClientTokenId" in err
    assert "check AWS_ACCESS_KEY_ID" in err
    assert verified.url in err


def test_a_missing_permission_is_told(workers, moto, verified, handler):
    moto.verify_signatures("sqs:ListQueues")
    code, err = workers.refused(moto, verified.url, handler.url,
                                AWS_SECRET_ACCESS_KEY=moto.secret_key)
    assert code == FAILED
    assert "AccessDenied" in err
    assert "the credentials lack a permission" in err
    assert verified.url in err


def test_missing_credentials_are_bad_configuration(workers, elasticmq, queue, handler):
    code, err = workers.refused(elasticmq, queue.url, handler.url, AWS_SECRET_ACCESS_KEY=None)
    assert code == USAGE
    assert "AWS_SECRET_ACCESS_KEY" in err
    assert queue.untouched()


# ---- The store -------------------------------------------------------------------------------


def redis_url(port):
    return f"redis://ann:{SECRETS['store']}@127.0.0.1:{port}/0"


def check_store_refused(workers, elasticmq, queue, handler, store, *expected):
    code, err = workers.refused(elasticmq, queue.url, handler.url, store=store)
    assert code == UNREACHABLE, err
    for text in (*expected, "--store", "--start-without-store"):
        assert text in err, err
    assert handler.calls == []
    assert queue.untouched()


def test_a_store_that_does_not_run_is_named(workers, elasticmq, queue, handler):
    port = peers.free_port()
    check_store_refused(workers, elasticmq, queue, handler, redis_url(port), f"127.0.0.1:{port}")


NOT_REDIS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": b"\x00\xff\x1b[31m" * 100,
    "huge": b"$99999999999999\r\n",
    "chatter": b"+PONG\r\n" * 50,
}


@pytest.mark.parametrize("answer", NOT_REDIS.values(), ids=NOT_REDIS)
def test_a_store_that_is_not_redis_is_called_that(workers, elasticmq, queue, handler, answer):
    with Listener(answer) as other:
        check_store_refused(workers, elasticmq, queue, handler, redis_url(other.port),
                            f"127.0.0.1:{other.port}", "Redis")


def test_a_store_that_is_silent_is_named(workers, elasticmq, queue, handler):
    with Listener() as other:
        check_store_refused(workers, elasticmq, queue, handler, redis_url(other.port),
                            f"127.0.0.1:{other.port}")


def test_a_store_that_refuses_the_password_is_named(workers, elasticmq, queue, handler, start_redis):
    redis = start_redis(user="ann", password="another-one")
    check_store_refused(workers, elasticmq, queue, handler, redis_url(redis.port),
                        f"127.0.0.1:{redis.port}", "password")


def test_a_store_that_wants_a_password_is_named(workers, elasticmq, queue, handler, start_redis):
    redis = start_redis(password=SECRETS["store"])
    check_store_refused(workers, elasticmq, queue, handler, f"redis://127.0.0.1:{redis.port}",
                        f"127.0.0.1:{redis.port}", "password")


def test_a_store_that_forbids_scripts_is_named(workers, elasticmq, queue, handler, start_redis):
    redis = start_redis(user="ann", password=SECRETS["store"], acl="~* +@all -@scripting")
    check_store_refused(workers, elasticmq, queue, handler, redis.url,
                        f"127.0.0.1:{redis.port}", "NOPERM")


def test_a_store_with_a_key_of_somebody_else_is_left_alone(workers, elasticmq, queue, handler,
                                                           start_redis):
    redis = start_redis(user="ann", password=SECRETS["store"])
    name = "payments-api"
    key = f"{{sg:10:switchgear:{len(name)}:{name}}}:r"
    redis.command("SET", key, "mine")
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    wait_until(lambda: queue.depth() == 0, 20, lambda: f"every message done\n{worker.stderr()}")
    assert {call.message for call in handler.answered()} == set(queue.sent)
    assert key in worker.stderr()
    assert worker.metric("switchgear_record_unreadable", name) == 1
    assert worker.stop() == DONE
    assert redis.command("GET", key) == "mine"


def test_without_a_store_the_worker_works_if_it_is_told_to(workers, elasticmq, queue, handler):
    port = peers.free_port()
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis_url(port),
                           arguments=["--start-without-store"])
    wait_until(lambda: queue.depth() == 0, 20, lambda: f"every message done\n{worker.stderr()}")
    assert {call.message for call in handler.answered()} == set(queue.sent)
    assert "the store cannot be used" in worker.stderr()
    assert worker.metric("switchgear_store_up") == 0
    assert worker.stop() == DONE


# ---- Signals before the start is through -----------------------------------------------------


@pytest.mark.parametrize("number, code", [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, DONE)])
@pytest.mark.parametrize("what", ["queue", "store"])
def test_a_signal_during_the_start_ends_it(workers, elasticmq, queue, handler, what, number, code):
    with Listener() as silent:
        at = f"127.0.0.1:{silent.port}"
        if what == "queue":
            worker = workers.start(elasticmq, queue.url, handler.url, AWS_ENDPOINT_URL=f"http://{at}")
        else:
            worker = workers.start(elasticmq, queue.url, handler.url, store=redis_url(silent.port))
        wait_until(lambda: silent.connections, 10, f"the worker waiting for the {what}")
        worker.signal(number)
        assert worker.wait(5) == code
    assert "stopped before the start" in worker.stderr()
    assert "error" not in worker.stderr().lower()
    assert queue.untouched()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, DONE)])
def test_a_signal_before_the_configuration_is_read_ends_it(workers, elasticmq, queue, handler,
                                                           tmp_path, number, code):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)

    def being_read():
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO  # Nobody reads yet.
            return None

    worker = workers.start(elasticmq, queue.url, handler.url, file=pipe)
    writer = wait_until(being_read, 10, lambda: worker.stderr())
    worker.signal(number)
    assert worker.wait(5) == code
    os.close(writer)
    assert queue.untouched()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, DONE)])
def test_a_signal_more_does_not_change_how_it_ends(workers, elasticmq, queue, handler, number, code):
    worker = workers.start(elasticmq, queue.url, handler.url)
    worker.says("worker started")
    while worker.alive():
        worker.signal(number)
    assert worker.wait(5) == code
