"""The whole way, on real servers: workers, an SQS server, a handler and Redis; the dependency
behind the handler dies and comes back.

The dependency serves 20 calls at once at 0.1 s each and finishes abandoned ones; the fleet has
4 x 50 places for calls of up to 0.95 s, more than the dependency could serve within that time, so
nothing but the recovery limit keeps it from collapsing when it comes back.
"""

import collections
import time

import pytest

from fleet import (Arrivals, Dependency, Fleet, Queue, Record, Settings, Standstills,
                   processed)
from waiting import wait_until

CAPACITY, SERVICE_SECONDS = 20, 0.1
CALM_ARRIVALS = 150
ARRIVALS = 60  # once it is down: what comes on top of the backlog
PROBES_WANTED = 20
# The limit takes some seconds to find the dependency's capacity; a backlog of this size makes the
# drain, and not this search, what is measured.
BACKLOG = 6000


@pytest.fixture
def dependency(tmp_path):
    server = Dependency(tmp_path, CAPACITY, SERVICE_SECONDS)
    yield server
    server.stop()


class Run:
    """One outage: calm, off until enough probes have failed, on until drained."""

    def __init__(self, tmp_path, binary, redis, server, queue_name, dependency, settings=None):
        self.settings = settings or Settings()
        self.dependency = dependency
        self.redis = redis
        self.queue = Queue(server, queue_name, self.settings.max_receive_count)
        self.fleet = Fleet(tmp_path, binary, redis.url, server.environ, self.queue,
                           dependency.url, self.settings)
        self.record = Record(redis, self.fleet.circuit)
        self.standstills = Standstills()
        self.backlog = None
        self.how = None
        self.drained_at = None

    def calm(self, messages=400):
        wait_until(lambda: self.dependency.done() >= messages, 30,
                   lambda: f"{messages} messages processed\n{self.fleet.logs()}", every=0.2)

    def outage(self, arrivals, probes=PROBES_WANTED, backlog=0, how="fail", meanwhile=None):
        """`backlog`: messages that come on top of the steady arrivals while it lasts."""
        self.how = how
        self.dependency.switch_off(how)
        wait_until(lambda: self.record.trips(), 10, lambda: f"a trip\n{self.fleet.logs()}")
        arrivals.pace(ARRIVALS)
        if meanwhile:
            meanwhile()
        self.queue.send_many(backlog)
        wait_until(lambda: self.failed_probes() >= probes, 120,
                   lambda: f"{probes} probes; {self.failed_probes()} seen", every=0.1)
        self.backlog = self.queue.depth()
        self.dependency.switch_on()

    def failed_probes(self):
        return sum(1 for _, state, reason in self.record.transitions()
                   if state == "OPEN" and reason == "probe_failed")

    def drain(self, within, arrivals):
        """Waits until what waits is no more than what is on its way."""
        def empty():
            return self.queue.depth() <= ARRIVALS
        wait_until(empty, within, lambda: f"drained; {self.queue.depth()} left in "
                   f"{self.record.state}\n{self.fleet.logs()}", every=0.2)
        self.drained_at = time.time()
        arrivals.stop()
        wait_until(lambda: self.queue.depth() == 0, 30,
                   lambda: f"the queue empty; {self.queue.depth()} left", every=0.2)

    @property
    def standstill_seconds(self):
        """For how long the whole machine stood still since the dependency came back."""
        return self.standstills.seconds(self.dependency.on_at, self.drained_at or time.time())

    @property
    def drain_seconds(self):
        return self.drained_at - self.dependency.on_at - self.standstill_seconds

    @property
    def drain_seconds_ideal(self):
        # Messages arrive during a standstill too, or right after it.
        backlog = self.backlog + ARRIVALS * self.standstill_seconds
        return backlog / (self.dependency.calls_per_second - ARRIVALS)

    def retrips(self):
        return [t for t in self.record.trips() if t[0] > self.dependency.on_at]

    def timeline(self):
        """What came to the dependency around the switch, for the message of a failed check: calls
        per 50 ms after it and the states of the record."""
        off = self.dependency.off_at
        counts = collections.Counter(int((c["arrival"] - off) // 0.05) for c in self.dependency.calls()
                                     if -0.5 <= c["arrival"] - off < 2)
        calls = " ".join(f"{counts[n]}" for n in range(-10, 40))
        states = ", ".join(f"{at - off:+.3f} {state} ({reason})"
                           for at, state, reason in self.record.transitions()[:12])
        return (f"calls per 50 ms from -0.5 s to 2 s after the switch: {calls}\n"
                f"record: {states}\n{self.fleet.logs()}")

    def text(self):
        failed, allowed = self.stop_figures()
        return (f"{failed} failed calls before the stop, {allowed:.0f} allowed; "
                f"{self.failed_probes()} failed probes; {self.backlog} messages drained in "
                f"{self.drain_seconds:.1f} s, ideal {self.drain_seconds_ideal:.1f} s, "
                f"{self.standstill_seconds:.1f} s of standstill left out")

    def check_nothing_lost(self):
        missing = self.queue.sent - processed(self.dependency.calls())
        assert not missing, f"{len(missing)} messages never processed"
        assert self.queue.dead_letters() == 0

    def stop_figures(self):
        """(failed calls after the switch, allowed ones: those in flight, and 0.3 s at the pace)."""
        off = self.dependency.off_at
        first_probe = next((at for at, state, _ in self.record.transitions()
                            if state == "HALF_OPEN" and at > off), self.dependency.on_at)
        calls = self.dependency.calls()
        in_flight = sum(1 for c in calls if c["arrival"] < off and (c["end"] or 1e12) >= off)
        failed = sum(1 for c in calls
                     if off <= c["arrival"] < first_probe or
                     (c["arrival"] < off and c["status"] != 200))
        if self.how != "hang":
            return failed, in_flight + 0.3 * CALM_ARRIVALS
        # Of a dependency that hangs nobody hears before the first calls time out. By then a queue
        # server that had stood still before the switch has caught up.
        late = max(0, CALM_ARRIVALS - sum(1 for c in calls if off - 1 <= c["arrival"] < off))
        return failed, in_flight + late + (self.settings.handler_timeout + 0.3) * CALM_ARRIVALS

    def check_stopped_in_time(self):
        failed, allowed = self.stop_figures()
        assert failed <= allowed, f"{failed} failed calls, {allowed:.0f} allowed\n{self.timeline()}"

    def check_drain(self):
        assert self.retrips() == []
        assert self.drain_seconds <= 1.25 * self.drain_seconds_ideal, (
            f"{self.drain_seconds:.1f} s to drain {self.backlog} messages, "
            f"ideal {self.drain_seconds_ideal:.1f} s")
        self.check_nothing_lost()

    def check_probes(self):
        """Probe calls: at most one per slot granted, and one at a time."""
        off, on = self.dependency.off_at, self.dependency.on_at
        first_probe = next(at for at, state, _ in self.record.transitions()
                           if state == "HALF_OPEN" and at > off)
        # Calls of before the trip may still end; what comes after the first slot is a probe.
        probes = [c for c in self.dependency.calls() if first_probe - 0.05 <= c["arrival"] < on]
        granted = self.record.probe_slots(until=on + 0.05)  # a sample may come a little late
        assert len(probes) <= len(granted), (
            f"{len(probes)} probe calls, {len(granted)} slots\n{self.timeline()}")
        def ended(call):
            # One that was never answered was given up by its caller at the time-out.
            return call["end"] if call["status"] else call["arrival"] + self.settings.handler_timeout
        for earlier, later in zip(probes, probes[1:]):
            assert later["arrival"] >= ended(earlier) - 0.02, "two probes at a time"


@pytest.fixture
def run_outage(tmp_path, binary, redis, elasticmq, queue_name, dependency):
    def make(**settings):
        return Run(tmp_path, binary, redis, elasticmq, queue_name, dependency,
                   Settings(**settings))
    return make


def test_calm_on_each_sqs_server(tmp_path, binary, redis, sqs_server, queue_name, dependency):
    run = Run(tmp_path, binary, redis, sqs_server, queue_name, dependency)
    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()
        arrivals.stop()
        wait_until(lambda: run.queue.depth() == 0, 15, "every message deleted", every=0.2)
    calls = dependency.calls()
    assert len(calls) == len(run.queue.sent), "a message was handled twice in calm"
    assert {call["received"] for call in calls} == {1}
    assert not run.record.trips()
    run.check_nothing_lost()


def test_an_outage_is_noticed_probed_and_drained(run_outage, figures):
    run = run_outage()
    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()
        run.outage(arrivals, backlog=BACKLOG)
        run.drain(within=2 * run.drain_seconds_ideal + 20, arrivals=arrivals)
    figures(run.text())
    run.check_stopped_in_time()
    run.check_probes()
    run.check_drain()


def test_without_the_recovery_limit_the_same_fleet_trips_again(run_outage):
    """The control: shows that the run above could have failed."""
    run = run_outage(recovery_limit=False)
    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()
        run.outage(arrivals, probes=8)
        # Either it trips again, or the dependency does little but abandoned work.
        wait_until(lambda: run.retrips(), 60, "a second trip", every=0.2)
        arrivals.stop()
    assert run.retrips()


def test_a_worker_killed_during_the_outage_costs_no_message(run_outage, figures):
    run = run_outage()
    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()
        run.fleet.workers[0].kill()  # with calls in flight
        run.outage(arrivals, backlog=BACKLOG, meanwhile=run.fleet.workers[1].kill)
        run.fleet.start_worker()
        run.drain(within=2 * run.drain_seconds_ideal + 30, arrivals=arrivals)
    figures(run.text())
    run.check_stopped_in_time()
    run.check_probes()
    run.check_drain()


def test_a_prober_stopped_beyond_its_lease_starts_nothing_on_it(run_outage, figures):
    run = run_outage()
    frozen = []

    def freeze_the_prober():
        # The dependency hangs, so a probe lasts until its time-out: time enough to catch it.
        def caught():
            worker = run.fleet.worker_of(run.record.prober())
            if not worker:
                return False
            worker.pause()
            frozen.append((worker, time.time()))
            return True
        wait_until(caught, 20, "a worker with a probe slot", every=0.005)

    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()
        run.outage(arrivals, backlog=BACKLOG, how="hang", meanwhile=freeze_the_prober)
        worker, since = frozen[0]
        # A probe's lease is 2 x 0.95 s + 1 s; the others took the slot over when it had ended.
        assert time.time() - since > 2.9
        worker.resume()
        run.drain(within=2 * run.drain_seconds_ideal + 30, arrivals=arrivals)
    figures(run.text())
    run.check_stopped_in_time()
    run.check_probes()
    run.check_drain()


@pytest.mark.parametrize("empty", [False, True], ids=["with-its-file", "empty"])
def test_redis_restarted_during_the_outage(empty, tmp_path, binary, start_redis, elasticmq,
                                           queue_name, dependency, figures):
    redis = start_redis(appendonly=True)
    run = Run(tmp_path, binary, redis, elasticmq, queue_name, dependency)
    with run.record, run.standstills, run.fleet, Arrivals(run.queue, CALM_ARRIVALS) as arrivals:
        run.calm()

        def restart():
            # Once everybody has heard of the outage; before that nobody could put it back.
            wait_until(lambda: run.failed_probes() >= 3, 30, "three failed probes", every=0.05)
            redis.restart(empty=empty)

        run.outage(arrivals, backlog=BACKLOG, meanwhile=restart)
        run.drain(within=2 * run.drain_seconds_ideal + 30, arrivals=arrivals)
    # Those who knew that the circuit was open put it back so, also over a record that one who had not
    # heard of it made anew: it never tripped a second time.
    assert len(run.record.trips()) == 1
    seen = [(state, reason) for at, state, reason in run.record.transitions()
            if at > dependency.off_at]
    recovering = [state for state, _ in seen].index("RECOVERING")
    assert all(reason == "created" for state, reason in seen[:recovering] if state == "CLOSED")
    figures(run.text())
    run.check_stopped_in_time()
    run.check_probes()
    run.check_drain()
