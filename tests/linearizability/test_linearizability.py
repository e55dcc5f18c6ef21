"""Recorded histories of the shipped Redis store are linearizable, whatever the network and the
server go through; and those of a broken store are refused. README.md says what that proves."""

import subprocess

import pytest

import lossy_proxy
from histories import Recording, accept, drawn, go, judge, recorder, refused

DEFECTS = [
    "claim-takes-held", "claim-on-an-old-view", "claim-in-any-epoch", "claim-after-settle",
    "lost-call-forgotten", "claim-forgets-the-call", "settle-by-anybody", "settle-counts-twice",
    "settle-counts-late", "report-in-any-epoch", "swap-without-condition", "swap-without-revision",
    "swap-forgets-itself", "swap-too-early", "slots-die-with-epoch", "leases-in-seconds",
    "claim-in-two-steps", "stale-reads",
]
# Much that only repeated operations and ended leases bring to light, at every interleaving.
REVEALING = ["--lease-min-ms", "1", "--lease-max-ms", "20", "--repeat", "0.3"]
SHORT_LEASES = ["--lease-min-ms", "1", "--lease-max-ms", "40"]

def test_the_model_and_what_becomes_of_lost_attempts():
    assert "ok" in go("test", "./...")


def test_concurrent_clients_see_one_order(tmp_path, redis, checker, figures):
    recordings = [Recording(tmp_path, redis.port, seed, 600) for seed in (1, 2)]
    for recording in recordings:
        with recording:
            pass
    accept(checker, recordings, figures)


def test_leases_that_end_see_one_order(tmp_path, redis, checker, figures):
    recordings = [Recording(tmp_path, redis.port, seed, 600, *SHORT_LEASES) for seed in (4, 5)]
    for recording in recordings:
        with recording:
            pass
    accept(checker, recordings, figures)


@pytest.mark.parametrize("leases", [[], SHORT_LEASES], ids=["long_leases", "short_leases"])
def test_lost_and_late_requests_see_one_order(tmp_path, redis, checker, figures, leases):
    recordings = []
    for seed in (11, 12):
        with lossy_proxy.LossyProxy(redis.port, seed) as proxy:
            recordings.append(Recording(tmp_path, proxy.port, seed, 220, *leases))
            with recordings[-1]:
                pass
        assert all(proxy.counts[fault] > 5 for fault in lossy_proxy.LOSSY), proxy.counts
    for verdict in accept(checker, recordings, figures):
        assert verdict["lost"] > 20
        assert verdict["lost_kept"] > 5


def test_a_server_that_stands_still_sees_one_order(tmp_path, redis, checker, figures):
    recordings = []
    for seed in (21, 22):
        with lossy_proxy.LossyProxy(redis.port, seed) as proxy:
            recordings.append(Recording(tmp_path, proxy.port, seed, 200, *SHORT_LEASES))
            with recordings[-1] as recording:
                for share in (0.2, 0.4, 0.6, 0.8):
                    recording.reached(share)
                    redis.pause()
                    recording.loses(10)
                    redis.resume()
    for verdict in accept(checker, recordings, figures):
        assert verdict["lost"] > 40


def test_a_killed_server_with_an_append_only_file_sees_one_order(tmp_path, start_redis, checker,
                                                                 figures):
    recordings = []
    for seed in (31, 32):
        redis = start_redis(appendonly=True)
        recordings.append(Recording(tmp_path, redis.port, seed, 250))
        with recordings[-1] as recording:
            for share in (0.3, 0.6):
                recording.reached(share)
                redis.restart()
    accept(checker, recordings, figures)


def test_a_server_that_forgets_what_it_acknowledged_is_refused(tmp_path, start_redis, checker):
    redis = start_redis(appendonly=False)
    with Recording(tmp_path, redis.port, 41, 250) as recording:
        recording.reached(0.5)
        redis.restart()
    assert "the model" in refused(checker, recording)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_broken_store_is_refused(tmp_path, redis, checker, defect):
    # A defect shows where operations meet: which do is up to the machine, so one history may be
    # clean, and not five.
    for seed in range(51, 56):
        with Recording(tmp_path, redis.port, seed, 400, *REVEALING, "--broken", defect) as recording:
            pass
        (verdict,) = judge(checker, recording.path)
        if verdict["verdict"] == "refused":
            break
    refused(checker, recording)
    assert drawn(recording)


def test_a_broken_store_is_refused_under_faults_too(tmp_path, redis, checker):
    with lossy_proxy.LossyProxy(redis.port, 61) as proxy:
        with Recording(tmp_path, proxy.port, 61, 150, "--broken", "claim-takes-held") as recording:
            pass
    refused(checker, recording)


def test_every_defect_of_the_recorder_is_tried():
    done = subprocess.run([recorder(), "--list-broken"], capture_output=True, text=True, check=True,
                          timeout=10, stdin=subprocess.DEVNULL)
    assert done.stdout.split() == DEFECTS
