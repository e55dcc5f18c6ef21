"""Recording histories of a store, and having them judged."""

import json
import os
import subprocess

import peers
from child import Child
from waiting import wait_until

BUILD = peers.REPOSITORY / os.environ.get("SWITCHGEAR_TEST_BUILD", "build/dev")
SOURCES = peers.REPOSITORY / "tests/linearizability/checker"
GO_CACHE = peers.CACHE / "porcupine"


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


def recorder():
    path = BUILD / "record_history"
    assert path.exists(), f"{path} is missing; build it with: scripts/build.sh dev"
    return path


class Recording:
    """A recorder at work on a store, from entering to leaving the context; then the history is
    complete. `store`: the port of a Redis on 127.0.0.1, or a URL with the environment that goes with
    it."""

    def __init__(self, folder, store, seed, operations, *options):
        url, environment = (f"redis://127.0.0.1:{store}", {}) if isinstance(store, int) else store
        self.environment = peers.clean_environment(**environment)
        self.path = folder / f"history-{seed}.jsonl"
        self.log = folder / f"recorder-{seed}.log"
        self.attempts_wanted = 5 * operations
        self.command = [recorder(), "--url", url, "--output", self.path,
                        "--namespace", f"history-{seed}", "--seed", seed,
                        "--operations", operations, *options]

    def __enter__(self):
        self.child = Child(self.command, log=self.log, env=self.environment)
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


def drawn(recording):
    return recording.path.with_suffix(".html").exists()


def judge(checker, *histories, how=()):
    """What the checker says of each history; `how` are options of it."""
    drawing = histories[0].with_suffix(".html")
    done = subprocess.run([checker, "-html", drawing, *how, *histories], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def accept(checker, recordings, figures, how=()):
    """All histories are linearizable; prints how much was checked, and returns the verdicts."""
    paths = [recording.path for recording in recordings]
    verdicts = judge(checker, *paths, how=how)
    for path, verdict in zip(paths, verdicts, strict=True):
        assert verdict["verdict"] == "linearizable", f"{path}: {verdict.get('why')}"
        assert verdict["circuits"] == 3
    answered = sum(v["answered"] for v in verdicts)
    lost = sum(v["lost"] for v in verdicts)
    seconds = sum(v["seconds"] for v in verdicts)
    figures(f"{len(verdicts)} histories, {answered:,} answered operations and {lost:,} lost ones, "
            f"linearizable; judged {(answered + lost) / seconds:,.0f} operations/s")
    return verdicts


def refused(checker, recording, how=()):
    """The checker's reason to refuse a history."""
    (verdict,) = judge(checker, recording.path, how=how)
    assert verdict["verdict"] == "refused", verdict
    return verdict["why"]
