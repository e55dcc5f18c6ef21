"""One worker whose handler, store or queue is in trouble, or that is told to stop in the middle of
its work: it says so, goes on as soon as it can, and loses nothing."""

import itertools
import signal
import threading

import pytest

import peers
from guarded import DONE, INTERRUPTED, SECRETS, Listener, Queue
from handler import HANG, Handler
from waiting import wait_until

BACKOFF_LEAST = 0.5  # Half of backoff.base: equal jitter.
TIMEOUT = 1.0


@pytest.fixture
def redis(start_redis):
    return start_redis(user="ann", password=SECRETS["store"])


@pytest.fixture
def queue(elasticmq, queue_name):
    return Queue(elasticmq, queue_name)


def drained(queue, worker, within=60):
    wait_until(lambda: queue.depth() == 0, within,
               lambda: f"every message done; {queue.depth()} left\n{worker.stderr()}")


def check_each_done_once(queue, handler):
    done = [call.message for call in handler.answered(200)]
    assert sorted(done) == sorted(queue.sent)
    assert queue.depth(queue.dead) == 0


# ---- The handler -----------------------------------------------------------------------------


def hangs(handler):
    handler.answer = lambda call: HANG


def is_not_there(handler):
    handler.__exit__()


def speaks_no_http(handler):
    handler.answer = lambda call: b"220 mail.example.org ESMTP\r\n"


def breaks_off(handler):
    handler.answer = lambda call: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"


@pytest.mark.parametrize("trouble, outcome", [
    (hangs, "overload"),
    (is_not_there, "failure"),
    (speaks_no_http, "failure"),
    (breaks_off, "failure"),
])
def test_a_handler_in_trouble_stops_the_worker_and_loses_nothing(
        workers, elasticmq, queue, redis, handler, trouble, outcome):
    queue.send(*(f"order {i}" for i in range(20)))
    trouble(handler)
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url,
                           settings={"worker": {"concurrency": 4}})
    worker.says("paused: nothing is received", within=40)
    worker.says("next_probe_at")
    wait_until(lambda: worker.metric("switchgear_probes_total", outcome) >= 2, 40,
               lambda: f"failed probes\n{worker.stderr()}")
    calls = worker.metric("switchgear_worker_calls_total", outcome)
    assert calls >= 10
    assert worker.metric("switchgear_worker_calls_total", "success") == 0
    if outcome == "overload":
        assert worker.metric("switchgear_worker_call_timeouts_total") == calls
    else:
        assert worker.metric("switchgear_worker_call_connection_errors_total") == calls
        assert "the handler cannot be reached" in worker.stderr()
        assert f"127.0.0.1:{handler.port}" in worker.stderr()
    assert worker.metric("switchgear_source_paused") == 1

    handler.answer = lambda call: 200
    if trouble is is_not_there:
        handler.__enter__()
    drained(queue, worker)
    check_each_done_once(queue, handler)
    worker.says("resumed")
    for message in queue.sent:
        for earlier, later in itertools.pairwise(handler.of(message)):
            assert later.received > earlier.received
            tried_for = TIMEOUT if outcome == "overload" else 0
            assert later.arrival - earlier.arrival >= tried_for + BACKOFF_LEAST
    assert worker.stop() == DONE


def test_a_poison_message_backs_off_alone_and_ends_in_the_dead_letter_queue(
        workers, elasticmq, queue_name, redis, handler):
    receives = 4
    queue = Queue(elasticmq, queue_name, max_receive_count=receives)
    handler.answer = lambda call: 400 if call.body == b"poison" else 200
    (poison,) = queue.send("poison")
    others = queue.send(*(f"order {i}" for i in range(30)))
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    wait_until(lambda: queue.depth(queue.dead) == 1, 60,
               lambda: f"the poison message dead-lettered\n{worker.stderr()}")
    drained(queue, worker)

    tries = handler.of(poison)
    assert [call.received for call in tries] == list(range(1, receives + 1))
    for earlier, later in itertools.pairwise(tries):
        assert later.arrival - earlier.end >= BACKOFF_LEAST
    assert sorted(call.message for call in handler.answered(200)) == sorted(others)
    assert worker.state() == "CLOSED"
    assert worker.metric("switchgear_transitions_total", "OPEN") == 0
    assert worker.metric("switchgear_worker_calls_total", "ignored") == receives
    assert worker.metric("switchgear_evidence_ratio") == 0
    assert worker.stop() == DONE
    assert queue.bodies(queue.dead) == ["poison"]


# ---- Told to stop ----------------------------------------------------------------------------


class Gate:
    """A handler's answer that waits until it is opened."""

    def __init__(self):
        self.opened = threading.Event()

    def __call__(self, call):
        self.opened.wait(60)
        return 200


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, DONE), (signal.SIGINT, INTERRUPTED)])
def test_calls_in_flight_end_before_the_worker_does(workers, elasticmq, queue, redis, handler,
                                                    number, code):
    in_flight, waiting = 5, 3
    handler.answer = gate = Gate()
    queue.send(*(f"order {i}" for i in range(in_flight + waiting)))
    slow = {"worker": {"concurrency": in_flight, "handler_timeout": "30s"}}
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url, settings=slow)
    wait_until(lambda: len(handler.calls) == in_flight, 20, "every place taken")
    worker.signal(number)
    worker.says("stopping: receiving no more")
    assert worker.get("/readyz")[0] == 503
    assert worker.get("/healthz")[0] == 200
    gate.opened.set()
    assert worker.wait(10) == code
    assert len(handler.answered(200)) == in_flight
    assert queue.depth() == waiting

    after = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    drained(queue, after)
    check_each_done_once(queue, handler)


def test_calls_that_outlive_the_grace_time_give_their_messages_back(workers, elasticmq, queue,
                                                                    redis, handler):
    queue.send(*(f"order {i}" for i in range(5)))
    handler.answer = lambda call: HANG
    slow = {"worker": {"handler_timeout": "60s", "shutdown_grace": "1s"}}
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url, settings=slow)
    wait_until(lambda: len(handler.calls) == 5, 20, "every message called")
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == DONE
    assert "did not end within the grace time" in worker.stderr()
    assert queue.depth() == 5

    handler.answer = lambda call: 200
    after = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    drained(queue, after)
    check_each_done_once(queue, handler)
    assert {call.received for call in handler.answered(200)} == {2}


def test_a_second_signal_ends_the_grace_time(workers, elasticmq, queue, redis, handler):
    queue.send("order")
    handler.answer = lambda call: HANG
    slow = {"worker": {"handler_timeout": "60s", "shutdown_grace": "60s"}}
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url, settings=slow)
    wait_until(lambda: handler.calls, 20, "the call")
    worker.signal(signal.SIGTERM)
    worker.says("stopping: receiving no more")
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == DONE
    assert queue.depth() == 1


# ---- The store -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["dies", "hangs", "is something else"])
def test_the_worker_goes_on_without_its_store(workers, elasticmq, queue, redis, handler, how):
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    queue.send("before")
    drained(queue, worker)
    assert worker.metric("switchgear_store_up") == 1

    def working():
        queue.send("meanwhile")
        drained(queue, worker)

    def store_up():
        working()
        return worker.metric("switchgear_store_up")

    other = None
    if how == "hangs":
        redis.pause()
    else:
        redis.kill()
    if how == "is something else":
        other = Listener(b"HTTP/1.1 400 Bad Request\r\n\r\n", port=redis.port)
    wait_until(lambda: store_up() == 0, 30, "the store missed")
    assert "the store does not answer" in worker.stderr()
    assert f"127.0.0.1:{redis.port}" in worker.stderr()
    assert worker.get("/healthz")[0] == 200
    for _ in range(5):
        working()

    if other:
        other.__exit__()
    if how == "hangs":
        redis.resume()
    else:
        redis.restart(empty=True)
    wait_until(lambda: store_up() == 1, 30, lambda: f"the store found again\n{worker.stderr()}")
    worker.says("the store answers again")
    check_each_done_once(queue, handler)
    assert worker.state() == "CLOSED"
    assert worker.stop() == DONE


def test_without_a_store_a_dead_dependency_dead_letters_nothing(workers, elasticmq, queue, handler):
    handler.answer = lambda call: 500
    worker = workers.start(elasticmq, queue.url, handler.url,
                           store=f"redis://127.0.0.1:{peers.free_port()}",
                           arguments=["--start-without-store"])
    queue.send(*[f"order {i}" for i in range(60)])

    def tried():
        return worker.metric("switchgear_worker_scouts_total") or 0
    wait_until(lambda: tried() >= 6, 60, lambda: f"six trials\n{worker.stderr()}")
    # Its own guard stopped it; each trial took another message, and none spent its receives.
    assert queue.depth(queue.dead) == 0
    assert "resumed" not in worker.stderr()
    handler.answer = lambda call: 200
    drained(queue, worker)
    assert queue.depth(queue.dead) == 0
    worker.says("resumed")


# ---- The queue -------------------------------------------------------------------------------


def test_a_queue_that_goes_away_and_comes_back_is_received_again(workers, elasticmq, queue_name,
                                                                 redis, handler):
    queue = Queue(elasticmq, queue_name)
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url,
                           settings={"worker": {"receive_wait": "1s"}})
    queue.send("before")
    drained(queue, worker)
    queue.sqs.delete_queue(QueueUrl=queue.url)
    worker.says("nothing can be received, trying again")
    assert "QueueDoesNotExist" in worker.stderr()
    queue.sqs.create_queue(QueueName=queue_name)
    queue.send("after")
    worker.says("receiving again", within=60)
    drained(queue, worker)
    check_each_done_once(queue, handler)
    assert worker.stop() == DONE
