"""Histories of the store on a Redis Cluster whose slots move and whose primaries are replaced. Those
are linearizable as long as the cluster keeps what it has acknowledged; README.md says more."""

import signal

from histories import Recording, accept, refused
from test_linearizability import SHORT_LEASES
from waiting import wait_until

CIRCUITS = ["c0", "c1", "c2"]


class ClusterRecording(Recording):
    """Goes on until enough() is called."""

    def __init__(self, folder, cluster, seed, *options):
        super().__init__(folder, 0, seed, 1_000_000, "--pause-ms", 4, *options)
        self.command[self.command.index("--url") + 1] = cluster.url
        name_space = f"history-{seed}"
        self.keys = [f"{{sg:{len(name_space)}:{name_space}:{len(name)}:{name}}}"
                     for name in CIRCUITS]

    def goes_on(self, more=200):
        wanted = self.attempts() + more
        wait_until(lambda: self.attempts() >= wanted, 20, f"{more} more attempts")

    def enough(self):
        self.goes_on()
        self.child.signal(signal.SIGTERM)


def test_moved_slots_and_replaced_primaries_see_one_order(tmp_path, redis_cluster, checker,
                                                          figures):
    cluster = redis_cluster
    with ClusterRecording(tmp_path, cluster, 71, *SHORT_LEASES) as recording:
        for key in recording.keys:
            recording.goes_on()
            cluster.move(key, asked=True)
        recording.goes_on()
        cluster.hand_over(recording.keys[0])
        recording.goes_on()
        cluster.move(recording.keys[0], asked=True)
        recording.goes_on()
        cluster.kill_primary_in_step(recording.keys[1])
        recording.goes_on()
        cluster.move(recording.keys[1])
        recording.enough()
    accept(checker, [recording], figures)
    figures(f"MOVED {cluster.errors_sent('MOVED')}, ASK {cluster.errors_sent('ASK')}, "
            f"TRYAGAIN {cluster.errors_sent('TRYAGAIN')}")


def test_a_failover_that_loses_what_was_acknowledged_is_refused(tmp_path, redis_cluster, checker):
    cluster = redis_cluster
    with ClusterRecording(tmp_path, cluster, 81) as recording:
        recording.goes_on()
        replica = cluster.replica_of(cluster.owner(recording.keys[0]))
        cluster.leave_behind(replica)
        recording.goes_on()
        cluster.kill_primary(recording.keys[0], replica)
        recording.enough()
    assert "the model" in refused(checker, recording)
