#include "guard/tick_clock.h"

#include <gtest/gtest.h>

#include "guard/coarse_time.h"

namespace switchgear::guard {
namespace {

// A clock that has learnt its rate over an hour that was made up.
struct Learnt {
  Learnt() { clock.check(ticks, mono); }
  // `pace` 1: as before.
  void later(Duration passed, double pace) {
    mono += passed;
    ticks += static_cast<std::int64_t>(3.0 * static_cast<double>(passed.count()) * pace);
    clock.check(ticks, mono);
  }
  TickClock clock;
  MonoTime mono = read_monotonic() + 1h;
  std::uint64_t ticks = read_ticks() + 3 * std::uint64_t{3'600'000'000'000};
};

TEST(TickClock, DoesNotKnowTheRateAtOnce) {
  TickClock clock;
  clock.check();
  EXPECT_EQ(clock.ns_per_tick(), 0);
}

TEST(TickClock, LearnsTheRateFromTheSystemsClock) {
  TickClock clock;
  const std::uint64_t ticks = read_ticks();
  const MonoTime from = read_monotonic();
  while (read_monotonic() < from + 300ms) {
  }
  clock.check();
  if (!has_invariant_ticks()) {
    EXPECT_EQ(clock.ns_per_tick(), 0);
    return;
  }
  // Wide bounds: this thread may lose the processor between any two readings.
  const double rate = static_cast<double>((read_monotonic() - from).count()) /
                      static_cast<double>(read_ticks() - ticks);
  EXPECT_NEAR(clock.ns_per_tick() / rate, 1, 0.2);
}

TEST(TickClock, KeepsItsCreditWhileTheCounterKeepsItsPace) {
  Learnt learnt;
  ASSERT_EQ(learnt.clock.ns_per_tick() > 0, has_invariant_ticks());
  learnt.later(10s, 1.001);
  learnt.later(10s, 0.999);
  EXPECT_EQ(learnt.clock.ns_per_tick() > 0, has_invariant_ticks());
}

TEST(TickClock, LosesItsCreditForGoodWhenTheCounterChangesItsPace) {
  Learnt learnt;
  learnt.later(10s, 1.1);
  EXPECT_EQ(learnt.clock.ns_per_tick(), 0);
  learnt.later(10s, 1);
  EXPECT_EQ(learnt.clock.ns_per_tick(), 0);
}

TEST(TickClock, LosesItsCreditWhenTheCounterGoesBack) {
  Learnt learnt;
  learnt.later(10s, -1);
  EXPECT_EQ(learnt.clock.ns_per_tick(), 0);
}

TEST(CoarseTime, AgreesWithTheSystemsClocks) {
  const auto precise = [](clockid_t id) {
    timespec t{};
    EXPECT_EQ(::clock_gettime(id, &t), 0);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  };
  for (const auto& [coarse, fine] : {std::pair{CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC},
                                     std::pair{CLOCK_REALTIME_COARSE, CLOCK_REALTIME}}) {
    const std::int64_t lag = precise(fine) - read_coarse(coarse);
    EXPECT_GE(lag, 0);
    EXPECT_LT(lag, 1'000'000'000);
  }
}

}  // namespace
}  // namespace switchgear::guard
