"""What a handler is given and what its answers do, on each SQS server; and what a worker shows of
itself."""

import datetime
import email.utils
import time

import pytest

from guarded import DONE, SECRETS, Queue
from waiting import wait_until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def text(value):
    return {"DataType": "String", "StringValue": value}


def test_a_handler_gets_the_message_as_it_was_sent(workers, sqs_server, queue_name, handler):
    queue = Queue(sqs_server, queue_name)
    body = ' {"text": "Größe\\n\u2192 ✓ 😀", "more": "' + "x" * 200_000 + '"} \n'
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
    (message,) = queue.send(body, MessageAttributes={
        "tenant": text("blue whale"),
        "amount.eur": {"DataType": "Number", "StringValue": "12.5"},
        "picture": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "traceparent": text(TRACEPARENT),
        "tracestate": text("vendor=1"),
    })
    url = f"http://ann:{SECRETS['handler']}@127.0.0.1:{handler.port}/orders?from=queue"
    worker = workers.start(sqs_server, queue.url, url)
    (call,) = wait_until(lambda: handler.answered(200), 20, lambda: worker.stderr())
    assert call.body == body.encode()
    expected = {
        "x-aws-sqsd-msgid": message,
        "x-aws-sqsd-queue": queue_name,
        "x-aws-sqsd-receive-count": "1",
        "x-aws-sqsd-attr-tenant": "blue whale",
        "x-aws-sqsd-attr-amount.eur": "12.5",
        "x-aws-sqsd-attr-traceparent": TRACEPARENT,
        "traceparent": TRACEPARENT,
        "tracestate": "vendor=1",
        "content-type": "application/json",
    }
    assert {name: call.headers.get(name) for name in expected} == expected
    assert "x-aws-sqsd-attr-picture" not in call.headers
    assert call.headers["user-agent"].startswith("aws-sqsd/")
    assert call.headers["authorization"].startswith("Basic ")
    first = datetime.datetime.fromisoformat(call.headers["x-aws-sqsd-first-received-at"])
    assert before <= first <= datetime.datetime.now(datetime.timezone.utc)
    wait_until(lambda: queue.depth() == 0, 20, "the message deleted")
    assert worker.metric("switchgear_worker_attributes_left_out_total") == 1
    assert worker.stop() == DONE


def test_a_handler_that_knows_the_content_type_gets_it(workers, elasticmq, queue_name, handler):
    queue = Queue(elasticmq, queue_name)
    queue.send("<order/>", MessageAttributes={"Content-Type": text("application/xml")})
    workers.start(elasticmq, queue.url, handler.url)
    (call,) = wait_until(lambda: handler.answered(200), 20, "the call")
    assert call.headers["content-type"] == "application/xml"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_message_is_deleted_when_its_handler_succeeds(workers, elasticmq, queue_name, handler,
                                                        status):
    queue = Queue(elasticmq, queue_name)
    queue.send("order")
    handler.answer = lambda call: status
    worker = workers.start(elasticmq, queue.url, handler.url)
    wait_until(lambda: queue.depth() == 0, 20, lambda: worker.stderr())
    assert len(handler.calls) == 1


@pytest.mark.parametrize("status, outcome", [
    (408, "overload"), (429, "overload"), (503, "overload"), (504, "overload"),
    (500, "failure"), (501, "failure"), (502, "failure"),
    (400, "ignored"), (401, "ignored"), (404, "ignored"), (409, "ignored"), (422, "ignored"),
])
def test_an_answer_means_what_the_contract_says(workers, elasticmq, queue_name, handler, status,
                                                outcome):
    queue = Queue(elasticmq, queue_name)
    queue.send("order")
    handler.answer = lambda call: status if call.received == 1 else 200
    worker = workers.start(elasticmq, queue.url, handler.url)
    wait_until(lambda: queue.depth() == 0, 30, lambda: worker.stderr())
    first, second = handler.calls
    assert second.received == 2
    assert second.arrival - first.end >= 0.5
    assert worker.metric("switchgear_worker_calls_total", outcome) == 1
    assert worker.metric("switchgear_worker_calls_total", "success") == 1


WAIT = 5


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503, 400])
def test_a_message_stays_hidden_until_retry_after(workers, elasticmq, queue_name, handler, form,
                                                  status):
    queue = Queue(elasticmq, queue_name)
    queue.send("order")

    def answer(call):
        if call.received > 1:
            return 200
        # A date has whole seconds, and is rounded up here.
        date = email.utils.formatdate(int(time.time()) + WAIT + 1, usegmt=True)
        return status, {"Retry-After": str(WAIT) if form == "seconds" else date}

    handler.answer = answer
    worker = workers.start(elasticmq, queue.url, handler.url)
    wait_until(lambda: worker.metric("switchgear_worker_given_back_total", "failed") == 1, 20,
               lambda: worker.stderr())
    assert worker.stop() == DONE
    assert queue.bodies(queue.url) == []
    assert queue.depth() == 1

    again = workers.start(elasticmq, queue.url, handler.url)
    wait_until(lambda: handler.answered(200), 30, lambda: again.stderr())
    first, second = handler.calls
    assert WAIT <= second.arrival - first.end <= 2 * WAIT + 2


# ---- What a worker shows ---------------------------------------------------------------------

OF_THE_DESIGN = {
    "switchgear_circuit_state", "switchgear_calls", "switchgear_refused",
    "switchgear_call_duration_seconds", "switchgear_evidence_ratio", "switchgear_inflight_limit",
    "switchgear_transitions", "switchgear_probes", "switchgear_late_results",
    "switchgear_store_operations", "switchgear_store_up", "switchgear_record_unreadable",
    "switchgear_expected_false_trips_per_day", "switchgear_source_paused",
    "switchgear_source_oldest_message_age_seconds", "switchgear_source_retention_seconds",
}


def test_metrics_have_the_names_of_the_design(workers, elasticmq, queue_name, redis, handler):
    from prometheus_client.parser import text_string_to_metric_families

    queue = Queue(elasticmq, queue_name)
    queue.send(*(f"order {i}" for i in range(20)))
    worker = workers.start(elasticmq, queue.url, handler.url, store=redis.url)
    wait_until(lambda: queue.depth() == 0, 20, lambda: worker.stderr())
    status, media, page = worker.get("/metrics")
    assert (status, media) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert OF_THE_DESIGN <= set(families)
    for family in families.values():
        assert family.documentation and family.type != "unknown", family.name

    states = {sample.labels["state"]: sample.value
              for sample in families["switchgear_circuit_state"].samples}
    assert states == {"CLOSED": 1, "OPEN": 0, "HALF_OPEN": 0, "RECOVERING": 0}
    assert worker.metric("switchgear_calls_total", "payments-api", "success") == 20
    assert worker.metric("switchgear_call_duration_seconds_count", "payments-api") == 20
    assert worker.metric("switchgear_source_retention_seconds", queue_name) > 0
    assert worker.metric("switchgear_source_oldest_message_age_seconds", queue_name) == 0
    assert worker.metric("switchgear_store_operations_total", "redis", "read", "ok") >= 1


def test_the_age_of_the_oldest_message_is_shown(workers, elasticmq, queue_name, handler):
    queue = Queue(elasticmq, queue_name)
    handler.answer = lambda call: 400
    sent = time.time()
    queue.send("order")
    worker = workers.start(elasticmq, queue.url, handler.url)
    name = "switchgear_source_oldest_message_age_seconds"
    wait_until(lambda: worker.metric(name, queue_name) >= 3, 20, lambda: worker.stderr())
    assert worker.metric(name, queue_name) <= time.time() - sent + 1
    handler.answer = lambda call: 200
    wait_until(lambda: worker.metric(name, queue_name) == 0, 20, lambda: worker.stderr())


def test_health_pages_answer(workers, elasticmq, queue_name, handler):
    worker = workers.start(elasticmq, Queue(elasticmq, queue_name).url, handler.url)
    assert worker.get("/healthz")[0] == 200
    assert worker.get("/readyz")[::2] == (200, "receiving\n")
    assert worker.get("/nothing")[0] == 404
