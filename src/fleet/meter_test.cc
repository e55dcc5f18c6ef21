#include "fleet/meter.h"

#include <gtest/gtest.h>

#include "fleet/hold_clock.h"

namespace switchgear::fleet {
namespace {

constexpr StoreTime at_second(std::int64_t s) { return store_time_ms(s * 1'000); }

TEST(Meter, MovesOnWithTheMinutes) {
  const Meter m{.current = {.minute = 10, .calls = 5}, .previous = {.minute = 9, .calls = 3}};
  EXPECT_EQ(at_minute(m, 10), m);
  const Meter next = at_minute(m, 11);
  EXPECT_EQ(next.current, (MeterMinute{.minute = 11}));
  EXPECT_EQ(next.previous, m.current);
  const Meter later = at_minute(m, 12);
  EXPECT_EQ(later.previous, (MeterMinute{.minute = 11}));
}

TEST(Meter, EstimatesRateFromTheSampledMeanTimesTheMembers) {
  // 4 instances, each 50 calls/s over 30 s of counting.
  const Meter m{.current = {.minute = 10, .calls = 6'000, .active_ms = 120'000, .members = 4},
                .previous = {.minute = 9}};
  const auto fleet = estimate_fleet(m, {}, at_second(630), at_second(600));
  EXPECT_DOUBLE_EQ(fleet.members, 4);
  EXPECT_DOUBLE_EQ(fleet.calls_per_second, 200);
}

TEST(Meter, CountsReportersThatTheMeterHasNotSeen) {
  std::vector<Report> reports;
  for (std::uint64_t i = 0; i < 7; ++i) reports.push_back(Report{.instance = InstanceId{i % 5}});
  const auto fleet = estimate_fleet(Meter{}, reports, at_second(600), at_second(600));
  EXPECT_DOUBLE_EQ(fleet.members, 5);
}

TEST(Meter, CountsHellosOfAFleetThatHasJustStarted) {
  // 1,000 instances made their first call within 2 s: at least 500 calls/s.
  const Meter m{.current = {.minute = 10, .members = 1'000, .hellos = 1'000},
                .previous = {.minute = 9}};
  const auto fleet = estimate_fleet(m, {}, at_second(602), at_second(600));
  EXPECT_DOUBLE_EQ(fleet.members, 1'000);
  EXPECT_DOUBLE_EQ(fleet.calls_per_second, 500);
}

TEST(Meter, KnowsAFastFleetWithinItsFirstMoments) {
  // 2,000 of 10,000 processes have made their first call. Taken for 2,000 calls a second, 60
  // failures of them, 3 % as always, would look like an outage.
  const Meter m{.current = {.minute = 10, .members = 2'000, .hellos = 2'000},
                .previous = {.minute = 9}};
  const StoreTime born = at_second(600);
  EXPECT_NEAR(estimate_fleet(m, {}, born + 150ms, born).calls_per_second, 13'333, 1);
  const Meter one{.current = {.minute = 10, .members = 1, .hellos = 1}, .previous = {.minute = 9}};
  EXPECT_DOUBLE_EQ(estimate_fleet(one, {}, born + 1ms, born).calls_per_second, 10);
}

TEST(Meter, AnIdleCircuitHasNoRate) {
  const auto fleet = estimate_fleet(Meter{}, {}, at_second(6'000), at_second(1));
  EXPECT_DOUBLE_EQ(fleet.calls_per_second, 0);
  EXPECT_DOUBLE_EQ(fleet.members, 1);
}

Now reading(Duration mono, Duration boot, Duration wall) {
  return Now{.mono = MonoTime{mono}, .boot = BootTime{boot}, .wall = WallTime{wall}};
}

TEST(HoldClock, BelievesWhicheverClockMovedMost) {
  HoldClock clock(reading(0s, 0s, 1000s));
  EXPECT_EQ(clock.advance(reading(1s, 1s, 1001s)), 1s);
  // Frozen with the monotonic clock standing still.
  EXPECT_EQ(clock.advance(reading(1s, 1s, 1601s)), 601s);
  // The wall clock set back an hour while a minute passed.
  EXPECT_EQ(clock.advance(reading(61s, 61s, 1600s - 1h)), 661s);
  // Asleep: only the boot clock ran.
  EXPECT_EQ(clock.advance(reading(61s, 161s, 1600s - 1h)), 761s);
  // By the slowest: one second, then half a minute of the freeze at most.
  EXPECT_EQ(clock.at_least(), 1s);
}

TEST(HoldClock, NeverRunsBackwards) {
  HoldClock clock(reading(10s, 10s, 1000s));
  EXPECT_EQ(clock.advance(reading(5s, 5s, 900s)), 0s);
  EXPECT_EQ(clock.advance(reading(6s, 6s, 901s)), 1s);
}

}  // namespace
}  // namespace switchgear::fleet
