"""Recorded histories of the shipped Redis store are linearizable, whatever the network and the
server go through; and those of a broken store are refused. README.md says what that proves."""

import json
import os
import subprocess

import pytest

import lossy_proxy
import peers
from child import Child
from waiting import wait_until

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
SOURCES = peers.REPOSITORY / "tests/linearizability/checker"
GO_CACHE = peers.CACHE / "porcupine"

DEFECTS = [
    "claim-takes-held", "claim-on-an-old-view", "claim-in-any-epoch", "claim-after-settle",
    "lost-call-forgotten", "claim-forgets-the-call", "settle-by-anybody", "settle-counts-twice",
    "settle-counts-late", "swap-without-condition", "swap-without-revision",
    "swap-forgets-itself", "swap-too-early", "slots-die-with-epoch", "leases-in-seconds",
    "claim-in-two-steps", "stale-reads",
]
# Much that only repeated operations and ended leases bring to light, at every interleaving.
REVEALING = ["--lease-min-ms", "1", "--lease-max-ms", "20", "--repeat", "0.3"]
SHORT_LEASES = ["--lease-min-ms", "1", "--lease-max-ms", "40"]


def go(*arguments):
    """Runs Go on the checker, with nothing but what scripts/peers.sh has put into the cache."""
    peers.installed(GO_CACHE / ".done")
    environment = peers.clean_environment(
        CGO_ENABLED="0", GOTOOLCHAIN="local", GOPROXY="off", GOWORK="off",
        GOFLAGS="-mod=readonly -buildvcs=false -modcacherw", GOPATH=str(GO_CACHE / "path"),
        GOCACHE=str(GO_CACHE / "build"), GOMODCACHE=str(GO_CACHE / "modules"),
    )
    done = subprocess.run(
        [peers.installed(peers.CACHE / "py/bin/go"), *map(str, arguments)],
        cwd=SOURCES, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    program = tmp_path_factory.mktemp("checker") / "checker"
    go("build", "-o", program, ".")
    return program


def recorder():
    path = BUILD / "record_history"
    assert path.exists(), f"{path} is missing; build it with: scripts/build.sh dev"
    return path


class Recording:
    """A recorder at work on 127.0.0.1:`port`, from entering to leaving the context; then the
    history is complete."""

    def __init__(self, folder, port, seed, operations, *options):
        self.path = folder / f"history-{seed}.jsonl"
        self.log = folder / f"recorder-{seed}.log"
        self.attempts_wanted = 5 * operations
        self.command = [recorder(), "--url", f"redis://127.0.0.1:{port}", "--output", self.path,
                        "--namespace", f"history-{seed}", "--seed", seed,
                        "--operations", operations, *options]

    def __enter__(self):
        self.child = Child(self.command, log=self.log)
        return self

    def __exit__(self, failure, *rest):
        try:
            if failure is None:
                assert self.child.wait(60) == 0, self.child.output()
        finally:
            self.child.stop()

    def attempts(self):
        return self._count(b"\n")

    def lost(self):
        return self._count(b'"status":"unknown"')

    def reached(self, share):
        """Waits until so much of the history is recorded."""
        wait_until(lambda: self.attempts() >= share * self.attempts_wanted, 30,
                   lambda: f"{share:.0%} of the history; {self.attempts()} attempts so far")

    def loses(self, more):
        """Waits until so many more attempts have gone unanswered."""
        wanted = self.lost() + more
        wait_until(lambda: self.lost() >= wanted, 20, f"{more} more attempts without an answer")

    def _count(self, what):
        return self.path.read_bytes().count(what) if self.path.exists() else 0


def judge(checker, *histories):
    """What the checker says of each history."""
    drawing = histories[0].with_suffix(".html")
    done = subprocess.run([checker, "-html", drawing, *histories], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def accept(checker, recordings, figures):
    """All histories are linearizable; prints how much was checked, and returns the verdicts."""
    paths = [recording.path for recording in recordings]
    verdicts = judge(checker, *paths)
    for path, verdict in zip(paths, verdicts, strict=True):
        assert verdict["verdict"] == "linearizable", f"{path}: {verdict.get('why')}"
        assert verdict["circuits"] == 3
    answered = sum(v["answered"] for v in verdicts)
    lost = sum(v["lost"] for v in verdicts)
    seconds = sum(v["seconds"] for v in verdicts)
    figures(f"{len(verdicts)} histories, {answered:,} answered operations and {lost:,} lost ones, "
            f"linearizable; judged {(answered + lost) / seconds:,.0f} operations/s")
    return verdicts


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


def refused(checker, recording):
    """The checker's reason to refuse a history."""
    (verdict,) = judge(checker, recording.path)
    assert verdict["verdict"] == "refused", verdict
    assert recording.path.with_suffix(".html").exists()
    return verdict["why"]


def test_a_server_that_forgets_what_it_acknowledged_is_refused(tmp_path, start_redis, checker):
    redis = start_redis(appendonly=False)
    with Recording(tmp_path, redis.port, 41, 250) as recording:
        recording.reached(0.5)
        redis.restart()
    assert "the model" in refused(checker, recording)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_broken_store_is_refused(tmp_path, redis, checker, defect):
    with Recording(tmp_path, redis.port, 51, 400, *REVEALING, "--broken", defect) as recording:
        pass
    refused(checker, recording)


def test_a_broken_store_is_refused_under_faults_too(tmp_path, redis, checker):
    with lossy_proxy.LossyProxy(redis.port, 61) as proxy:
        with Recording(tmp_path, proxy.port, 61, 150, "--broken", "claim-takes-held") as recording:
            pass
    refused(checker, recording)


def test_every_defect_of_the_recorder_is_tried():
    done = subprocess.run([recorder(), "--list-broken"], capture_output=True, text=True, check=True,
                          timeout=10, stdin=subprocess.DEVNULL)
    assert done.stdout.split() == DEFECTS
