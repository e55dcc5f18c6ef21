// Scenario 12: clocks that are wrong, drift, and step.
#include <gtest/gtest.h>

#include <map>

#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

constexpr int kSize = 50;

// 10 % of the processes are 10 minutes off, half of them ahead; clocks drift by up to 500 ppm.
WorldOptions with_wrong_clocks(std::uint64_t seed, const Policy& policy) {
  WorldOptions o = Fleet::options(policy, {.servers = 1'000, .service_mean = 20ms});
  o.seed = seed;
  o.clock_drift = 0.0005;
  return o;
}

void add_those_who_are_off(Fleet& fleet) {
  for (int i = 0; i < kSize / 10; ++i) {
    fleet.world.add_process(i % 2 == 0 ? Duration{10min} : Duration{-10min}).run([] {});
  }
  fleet.world.run_for(1s);
}

TEST(Scenario12Clocks, TheOpenTimeIsThePolicysWhateverTheClocksSay) {
  Policy policy;
  policy.open_duration = 10s;
  policy.max_open_duration = 10s;
  policy.open_jitter = 0;
  policy.probes = 3;
  policy.call_timeout = 1s;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    SCOPED_TRACE(seed);
    Fleet fleet(kSize - kSize / 10, with_wrong_clocks(seed, policy));
    add_those_who_are_off(fleet);
    fleet.call_steadily(5);
    fleet.world.run_for(5s);
    fleet.world.dependency.set_down(Down::refusing);
    ASSERT_TRUE(fleet.reaches(State::open, 30s));
    // While it is open, one clock goes back by 10 minutes and one ahead.
    fleet.world.run_for(5s);
    fleet.process(0).clocks().step_wall(fleet.world.scheduler.now(), -10min);
    fleet.process(1).clocks().step_wall(fleet.world.scheduler.now(), 10min);
    fleet.changes.clear();
    fleet.world.run_for(2min);
    int rounds = 0;
    StoreTime opened = fleet.stored().since;
    for (const Fleet::Change& change : fleet.changes) {
      if (change.record.state == State::open) opened = change.record.since;
      if (change.record.state != State::half_open || rounds++ == 0) continue;
      // ε: 5 ms and the round trip of the claim, which is 12 ms at the most here.
      const Duration open = change.record.since - opened;
      EXPECT_GE(open, 10s);
      EXPECT_LE(open, 10s + 5ms + 12ms);
    }
    EXPECT_GE(rounds, 8);
    EXPECT_LE(fleet.properties.probes_at_once_max(), 3);  // no lease was taken from its holder
  }
}

TEST(Scenario12Clocks, AHolderWhoseClockStepsBackStartsNothingOnALeaseThatIsOver) {
  for (const Duration step : {Duration{-10min}, Duration{10min}}) {
    Policy policy;
    policy.open_duration = 1s;
    policy.call_timeout = 2s;
    Fleet fleet(3, policy);
    fleet.trip();
    const auto probe = fleet.probe();
    Process& holder = fleet.process(probe.process);
    holder.clocks().step_wall(fleet.world.scheduler.now(), step);
    // A step ahead ends the lease for its holder at once, a step back never prolongs it.
    EXPECT_EQ(holder.member().may_start(probe.permit, holder.now()), step < 0s);
    fleet.world.run_for(fleet::probe_lease(policy.call_timeout));
    EXPECT_FALSE(holder.member().may_start(probe.permit, holder.now()));
  }
}

TEST(Scenario12Clocks, OneWhoseClocksAllAreAheadTakesNoLeaseThatIsHeld) {
  Policy policy;
  policy.open_duration = 1s;
  policy.call_timeout = 2s;
  WorldOptions options = Fleet::options(policy, {.servers = 10});
  Fleet fleet(2, options);
  Process& ahead = fleet.world.add_process(Duration{10min});
  ahead.run([] {});
  fleet.trip();
  const auto probe = fleet.probe();
  fleet.world.run_for(120ms);  // the store is told that its call is out
  for (int i = 0; i < 3; ++i) {
    if (i != probe.process) {
      fleet.process(i).clocks().step_wall(fleet.world.scheduler.now(), 10min);
    }
  }
  // The others ask all the time, and think that ten minutes have passed.
  const auto slot = fleet.stored().slots[static_cast<std::size_t>(probe.permit.slot)];
  const TrueTime end = fleet.world.scheduler.now() + fleet::probe_lease(policy.call_timeout) - 50ms;
  while (fleet.world.scheduler.now() < end) {
    for (int i = 0; i < 3; ++i) {
      if (i != probe.process) fleet.call(i);
    }
    fleet.world.run_for(10ms);
    if (fleet.state() == State::half_open) {
      // Its holder may give it back.
      ASSERT_EQ(fleet::owner_of(fleet.stored().slots[static_cast<std::size_t>(probe.permit.slot)]),
                fleet::owner_of(slot));
    }
  }
  EXPECT_LE(fleet.properties.probes_started(), 0);
}

}  // namespace
}  // namespace switchgear::lab
