// The attacks that break distributed circuit breakers, one test each, with the shipped member of
// the fleet in a simulated world. What always holds is checked beside after every step.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "lab/outage.h"
#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

TEST(Scenario01LostUpdate, TwentyFailuresAtOnceOpenTheCircuitOnceAndAllAreAccountedFor) {
  Policy policy;
  policy.failure_weight = 20;
  policy.trip_level = 100;
  Fleet fleet(20, policy);
  fleet.world.dependency.set_down(Down::refusing);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(fleet.call(i));
  fleet.world.run_for(3s);
  EXPECT_EQ(fleet.state(), State::open);
  EXPECT_EQ(fleet.properties.entered(State::open), 1);
  // Each is in the evidence of the epoch that tripped, or counted as too late for it.
  EXPECT_GE(fleet.properties.reports_counted(), 5u);
  EXPECT_EQ(
      fleet.properties.reports_counted() + fleet.sum(&fleet::MemberCounters::failures_dropped),
      20u);
}

TEST(Scenario02LateSuccess, AnsweringAfterTheTripChangesNothing) {
  Policy policy;
  policy.open_duration = 5min;
  policy.max_open_duration = 5min;
  Fleet fleet(6, policy);
  const fleet::Permit early = fleet.admit(0);
  fleet.trip();
  fleet.world.run_for(40s);  // even those without calls have seen it
  const std::uint64_t writes = fleet.world.store.writes;
  const std::int64_t epoch = fleet.stored().epoch;
  const std::uint64_t late = fleet.process(0).member().counters().late_results;
  fleet.finish(0, early, Outcome::success, 3s);
  fleet.world.run_for(1s);
  EXPECT_EQ(fleet.stored().epoch, epoch);
  EXPECT_EQ(fleet.state(), State::open);
  EXPECT_EQ(fleet.process(0).member().counters().late_results, late + 1);
  EXPECT_EQ(fleet.world.store.writes, writes);
}

TEST(Scenario03LateFailure, AFailureFromBeforeTheTripIsNoEvidenceAfterTheRecovery) {
  Policy policy;
  policy.recovery_limit = false;  // closes right after the probes
  policy.open_duration = 2s;
  Fleet fleet(6, policy);
  std::vector<fleet::Permit> early;
  for (int i = 0; i < 6; ++i) {
    for (int k = 0; k < 10; ++k) early.push_back(fleet.admit(i));
  }
  fleet.trip();
  fleet.world.dependency.set_down(Down::no);
  fleet.call_steadily(2);
  ASSERT_TRUE(fleet.world.run_until([&] { return fleet.state() == State::closed; }, 60s));
  fleet.world.run_for(5s);
  const std::int64_t epoch = fleet.stored().epoch;
  const std::size_t reports = fleet.properties.reports_counted();
  for (std::size_t k = 0; k < early.size(); ++k) {
    fleet.finish(static_cast<int>(k / 10), early[k], Outcome::failure, 40s);
  }
  fleet.world.run_for(5s);
  EXPECT_EQ(fleet.stored().epoch, epoch);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.properties.reports_counted(), reports);
}

TEST(Scenario04ProbeHerd, OfAThousandInstancesThreeProbe) {
  Policy policy;
  policy.probes = 3;
  policy.probe_successes = 1'000;
  policy.open_duration = 60s;
  policy.max_open_duration = 60s;
  Fleet fleet(1'000, policy);
  fleet.trip();
  fleet.world.run_for(40s);  // all have seen it
  fleet.world.dependency.set_down(Down::black_hole);
  fleet.call_steadily(2);
  const std::uint64_t received = fleet.world.dependency.received();
  ASSERT_TRUE(fleet.world.run_until([&] { return fleet.state() == State::half_open; }, 30s));
  const std::uint64_t operations = fleet.world.store.operations;
  fleet.world.run_for(policy.view_refresh_in_trouble);
  // A loser spends its claim and the read of its next refresh.
  EXPECT_LE(fleet.world.store.operations - operations, 2 * 1'000u);
  // From then on no loser spends more than one operation a refresh.
  CountOperations observer(fleet.properties);
  fleet.world.observe(observer);
  fleet.world.run_for(5 * policy.view_refresh_in_trouble);
  for (const auto& [process, count] : observer.of) EXPECT_LE(count, 5 + 1) << process;
  EXPECT_EQ(fleet.world.dependency.received() - received, 3u);
  EXPECT_EQ(fleet.properties.probes_at_once_max(), 3);
}

TEST(Scenario05ProberCrash, AnotherTakesTheSlotWhenTheLeaseEnds) {
  Policy policy;
  policy.open_duration = 2s;
  policy.call_timeout = 2s;
  Fleet fleet(5, policy);
  fleet.trip();
  fleet.world.dependency.set_down(Down::black_hole);
  TrueTime killed_at{0};
  OnFirstProbe observer(fleet.properties, [&](Process& p, const SimCall&) {
    killed_at = fleet.world.scheduler.now();
    p.kill();
    fleet.world.dependency.set_down(Down::no);
  });
  fleet.world.observe(observer);
  fleet.call_steadily(5);
  ASSERT_TRUE(fleet.world.run_until([&] { return observer.probes.size() >= 2; }, 60s));
  const Duration lease = fleet::probe_lease(policy.call_timeout);
  EXPECT_GE(fleet.world.scheduler.now() - killed_at, lease - 100ms);
  EXPECT_LE(fleet.world.scheduler.now() - killed_at, lease + 2 * policy.view_refresh_in_trouble);
  EXPECT_TRUE(fleet.world.run_until([&] { return fleet.state() == State::recovering; }, 30s));
}

TEST(Scenario06ZombieProber, AStoppedProberChangesNothingWhenItComesBack) {
  for (const Standstill standstill : {Standstill::none, Standstill::local, Standstill::wall}) {
    Policy policy;
    policy.call_timeout = 1s;
    policy.open_duration = 20s;
    policy.max_open_duration = 10min;
    Fleet fleet(5, policy);
    fleet.trip();
    fleet.world.dependency.set_down(Down::no);
    const Duration length = 3 * fleet::probe_lease(policy.call_timeout);
    Process* zombie = nullptr;
    OnFirstProbe observer(fleet.properties, [&](Process& p, const SimCall&) {
      zombie = &p;
      p.stop(standstill, length);
      // Its own call is answered while it is stopped; the next ones fail.
      fleet.world.scheduler.after(2s, [&] { fleet.world.dependency.set_down(Down::refusing); });
    });
    fleet.world.observe(observer);
    fleet.call_steadily(5);
    ASSERT_TRUE(fleet.world.run_until([&] { return zombie != nullptr; }, 60s));
    fleet.world.run_for(length - 100ms);
    ASSERT_TRUE(zombie->stopped());
    ASSERT_EQ(fleet.state(), State::open);  // another took the slot, and failed
    const std::int64_t epoch = fleet.stored().epoch;
    const std::uint64_t late = zombie->member().counters().late_results;
    fleet.world.run_for(2s);
    EXPECT_FALSE(zombie->stopped());
    EXPECT_EQ(fleet.stored().epoch, epoch);
    EXPECT_EQ(fleet.stored().probe_ok, 0);
    EXPECT_EQ(zombie->member().counters().late_results, late + 1);
    const auto token = observer.probes.front();
    EXPECT_EQ(std::count(observer.probes.begin(), observer.probes.end(), token), 1);
  }
}

TEST(Scenario08StaleViewAfterThaw, AtMostOneCallGoesOutOnTheOldView) {
  for (const Standstill standstill : {Standstill::none, Standstill::local, Standstill::wall}) {
    Policy policy;
    policy.open_duration = 30min;
    policy.max_open_duration = 30min;
    Fleet fleet(5, policy);
    EXPECT_TRUE(fleet.call(0));
    fleet.world.run_for(1s);
    fleet.process(0).stop(standstill, 10min);
    fleet.world.run_for(1s);
    fleet.world.dependency.set_down(Down::refusing);
    for (int i = 1; i < 5; ++i) fleet.world.call_at_random(fleet.process(i), 5);
    ASSERT_TRUE(fleet.world.run_until([&] { return fleet.state() == State::open; }, 60s));
    fleet.world.run_until([&] { return !fleet.process(0).stopped(); }, 11min);
    int admitted = 0;
    for (int k = 0; k < 200; ++k) {
      admitted += fleet.call(0);
      fleet.world.run_for(1ms);
    }
    EXPECT_LE(admitted, 1);
    EXPECT_EQ(fleet.process(0).member().state(), State::open);
  }
}

TEST(Scenario08StaleViewAfterThaw, NoneGoesOutWhereViewsAreStrict) {
  for (const Standstill standstill : {Standstill::none, Standstill::local, Standstill::wall}) {
    Policy policy;
    policy.strict = true;
    policy.open_duration = 30min;
    policy.max_open_duration = 30min;
    Fleet fleet(5, policy);
    EXPECT_TRUE(fleet.call(0));
    fleet.world.run_for(1s);
    fleet.process(0).stop(standstill, 10min);
    fleet.world.run_for(1s);
    fleet.world.dependency.set_down(Down::refusing);
    for (int i = 1; i < 5; ++i) fleet.world.call_at_random(fleet.process(i), 5);
    ASSERT_TRUE(fleet.reaches(State::open, 60s));
    fleet.world.run_until([&] { return !fleet.process(0).stopped(); }, 11min);
    for (int k = 0; k < 200; ++k) {
      EXPECT_FALSE(fleet.call(0)) << k << " ms after the thaw";
      fleet.world.run_for(1ms);
    }
  }
}

TEST(Scenario14ThinTraffic, AThousandEnvironmentsOfOneCallAMinuteTripWithin30Failures) {
  Fleet fleet(1'000, Policy{});
  fleet.call_steadily(1.0 / 60);
  fleet.world.run_for(150s);  // by now the fleet's rate is known
  fleet.world.dependency.set_down(Down::refusing);
  const std::uint64_t failed = fleet.world.outcomes[static_cast<int>(Outcome::failure)];
  ASSERT_TRUE(fleet.world.run_until([&] { return fleet.state() == State::open; }, 5min));
  EXPECT_LE(fleet.world.outcomes[static_cast<int>(Outcome::failure)] - failed, 30u);
}

TEST(Scenario28Backlog, ABacklogMeetsATenthOfTheCapacityAndDrainsWithoutATrip) {
  OutageOptions o;
  o.dependency = {.servers = 20, .service_mean = 200ms, .exponential = true, .failure_rate = 0.002};
  o.consumer.handler_timeout = 2s;
  o.consumer.backoff = {.base = 1s, .cap = 20s, .jitter = core::Jitter::equal};
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 5s;
  o.backlog = 12'000;
  o.down_at = 1s;
  o.up_at = 20s;
  o.weak_servers = 2;
  o.weak_until = 80s;
  o.stop_when_drained = true;
  const OutageResult r = run_outage(o);
  EXPECT_TRUE(r.drained);
  EXPECT_EQ(r.trips, 1);
  EXPECT_EQ(r.dead_lettered, 0u);
  EXPECT_EQ(r.expired, 0u);
  // No storm: what fails after the outage is what the limit finds out by touching the edge.
  EXPECT_LE(r.failed_calls, r.calls / 20);
  std::uint64_t best = 0;  // full rate, over ten seconds
  for (std::size_t i = 10; i < r.seconds.size(); ++i) {
    std::uint64_t ok = 0;
    for (std::size_t k = i - 10; k < i; ++k) ok += r.seconds[k].ok;
    best = std::max(best, ok);
  }
  EXPECT_GE(best, 900u);
}

}  // namespace
}  // namespace switchgear::lab
