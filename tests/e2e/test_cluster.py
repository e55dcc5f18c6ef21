"""Workers whose circuit is in a Redis Cluster, which moves its slot and loses its primary while the
handler is down."""

from guarded import Queue
from redis_cluster import PASSWORD
from waiting import wait_until

KEY = "{sg:10:switchgear:12:payments-api}:r"


def test_workers_on_a_cluster_go_through_an_outage_and_lose_nothing(
        workers, elasticmq, queue_name, handler, redis_cluster, figures):
    queue = Queue(elasticmq, queue_name, max_receive_count=20)
    handler.answer = lambda call: 503
    queue.send(*(f"order {i}" for i in range(40)))
    two = [workers.start(elasticmq, queue.url, handler.url, store=redis_cluster.url)
           for _ in range(2)]

    def logs():
        return "\n".join(worker.stderr() for worker in two)

    for worker in two:
        worker.secrets.add(PASSWORD)
        worker.says("paused: nothing is received", within=40)
    epoch = int(redis_cluster.command("HGET", KEY, "ep"))
    redis_cluster.move(KEY)
    redis_cluster.kill_primary_in_step(KEY)

    def goes_on():
        return int(redis_cluster.command("HGET", KEY, "ep")) > epoch
    wait_until(goes_on, 20, lambda: f"a probe on the new primary\n{logs()}")
    handler.answer = lambda call: 200
    wait_until(lambda: queue.depth() == 0, 60,
               lambda: f"every message done; {queue.depth()} left\n{logs()}")
    assert sorted(call.message for call in handler.answered(200)) == sorted(queue.sent)
    assert queue.depth(queue.dead) == 0
    assert {worker.state() for worker in two} <= {"RECOVERING", "CLOSED"}, logs()
    probes = sum(worker.metric("switchgear_probes_total") for worker in two)
    figures(f"{probes:.0f} probes, MOVED {redis_cluster.errors_sent('MOVED')}, "
            f"ASK {redis_cluster.errors_sent('ASK')}, "
            f"TRYAGAIN {redis_cluster.errors_sent('TRYAGAIN')}")
