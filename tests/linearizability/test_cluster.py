"""Histories of the store on a Redis Cluster whose slots move and whose primaries are replaced. Those
are linearizable as long as the cluster keeps what it has acknowledged; README.md says more."""

import pytest

from test_linearizability import SHORT_LEASES, Recording, accept, go, refused

CIRCUITS = ["c0", "c1", "c2"]


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    program = tmp_path_factory.mktemp("checker") / "checker"
    go("build", "-o", program, ".")
    return program


class ClusterRecording(Recording):
    def __init__(self, folder, cluster, seed, operations, *options):
        super().__init__(folder, 0, seed, operations, *options)
        self.command[self.command.index("--url") + 1] = cluster.url
        name_space = f"history-{seed}"
        self.keys = [f"{{sg:{len(name_space)}:{name_space}:{len(name)}:{name}}}"
                     for name in CIRCUITS]


def test_moved_slots_and_replaced_primaries_see_one_order(tmp_path, redis_cluster, checker,
                                                          figures):
    cluster = redis_cluster
    with ClusterRecording(tmp_path, cluster, 71, 500, *SHORT_LEASES) as recording:
        for i, key in enumerate(recording.keys):
            recording.reached(0.1 + 0.1 * i)
            cluster.move(key, asked=True)
        recording.reached(0.4)
        cluster.hand_over(recording.keys[0])
        recording.reached(0.5)
        cluster.move(recording.keys[0])
        recording.reached(0.6)
        cluster.kill_primary_in_step(recording.keys[1])
        recording.reached(0.8)
        cluster.move(recording.keys[2])
    accept(checker, [recording], figures)
    figures(f"MOVED {cluster.errors_sent('MOVED')}, ASK {cluster.errors_sent('ASK')}, "
            f"TRYAGAIN {cluster.errors_sent('TRYAGAIN')}")


def test_a_failover_that_loses_what_was_acknowledged_is_refused(tmp_path, redis_cluster, checker):
    cluster = redis_cluster
    with ClusterRecording(tmp_path, cluster, 81, 250) as recording:
        recording.reached(0.3)
        replica = cluster.replica_of(cluster.owner(recording.keys[0]))
        cluster.leave_behind(replica)
        recording.reached(0.5)
        cluster.kill_primary(recording.keys[0], replica)
    assert "the model" in refused(checker, recording)
