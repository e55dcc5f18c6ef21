#include "core/recovery_limit.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace switchgear::core {

void PrintTo(const RecoveryState& s, std::ostream* out) {
  *out << "{limit " << s.limit << ", threshold " << s.slow_start_threshold << ", base "
       << s.base_rtt_ms << " ms, phase " << static_cast<int>(s.phase) << ", phase_steps "
       << s.phase_steps << ", hold " << s.hold_steps << ", unbound " << s.unbound_steps << ", rate "
       << s.calls_per_second << ", resume " << s.resume_limit << "}";
}

namespace {

const Policy kPolicy{.acceptable_failure_rate = 0.01};

// Sums of a step whose limit was used in full by calls of `rtt_ms`.
StepSums busy(double limit, double rtt_ms, double overload = 0) {
  const double ok = std::floor(limit * 3000 / rtt_ms);
  return {.ok = ok,
          .overload = overload,
          .rtt_sum_ms = ok * rtt_ms,
          .rtt_count = ok,
          .busy_ms = limit * 3000,
          .members = 1};
}
RecoveryState step(const RecoveryState& state, const StepSums& sums) {
  return recovery_step(kPolicy, state, sums, state.limit, 3s);
}
// A state in the middle of a recovery, base known.
RecoveryState at_limit(double limit, double threshold = 0, double base_rtt_ms = 200) {
  return {.limit = limit, .slow_start_threshold = threshold, .base_rtt_ms = base_rtt_ms};
}

TEST(RecoveryLimit, StartsSmall) {
  const RecoveryState state = begin_recovery(kPolicy, 0);
  EXPECT_EQ(state.limit, 2);
  EXPECT_EQ(state.base_rtt_ms, 0);
  EXPECT_FALSE(recovery_done(kPolicy, state));
}

TEST(RecoveryLimit, GrowsByHalfAStepAtFirst) {
  RecoveryState state = begin_recovery(kPolicy, 0);
  state = step(state, busy(2, 200));
  EXPECT_DOUBLE_EQ(state.limit, 3);
  state = step(state, busy(3, 200));
  EXPECT_DOUBLE_EQ(state.limit, 4.5);
}

TEST(RecoveryLimit, GrowsFastToTheLastGoodLimitAndThenByOneOrTwoPercent) {
  RecoveryState state = begin_recovery(kPolicy, 4);
  state = step(state, busy(2, 200));
  EXPECT_DOUBLE_EQ(state.limit, 3);
  state = step(state, busy(3, 200));
  EXPECT_DOUBLE_EQ(state.limit, 4);
  state = step(state, busy(4, 200));
  EXPECT_DOUBLE_EQ(state.limit, 5);
  EXPECT_DOUBLE_EQ(step(at_limit(100, 50), busy(100, 200)).limit, 102);
}

TEST(RecoveryLimit, LearnsTheBaseFromTheFirstStepsAndKeepsTheSmallest) {
  RecoveryState state = step(begin_recovery(kPolicy, 0), busy(2, 200));  // 30 calls
  EXPECT_NEAR(state.base_rtt_ms, 200 * (1 + 1 / std::sqrt(30)), 0.01);
  state = step(at_limit(10), busy(10, 100));  // 300 calls
  EXPECT_NEAR(state.base_rtt_ms, 100 * (1 + 1 / std::sqrt(300)), 0.01);
  EXPECT_EQ(step(at_limit(10), busy(10, 300)).base_rtt_ms, 200);
}

TEST(RecoveryLimit, DoesNotJudgeLatencyByTwoCalls) {
  StepSums two = busy(10, 200);
  two.rtt_count = 2;
  two.rtt_sum_ms = 2 * 5000;
  EXPECT_GT(step(at_limit(10), two).limit, 10);
}

TEST(RecoveryLimit, TakesPlacesHeldPerCallForTheBaseOfCallsAsLongAsAStep) {
  // 5 calls of 1 s have ended, but 30 s of places were held: the others still run.
  const StepSums sums{.ok = 5, .rtt_sum_ms = 5000, .rtt_count = 5, .busy_ms = 30'000, .members = 1};
  EXPECT_GT(step(at_limit(10, 0, 0), sums).base_rtt_ms, 6'000);
}

TEST(RecoveryLimit, ShrinksOnOverloadAndRemembersWhatWasLeft) {
  const RecoveryState state = step(at_limit(100), busy(100, 200, /*overload=*/100));
  EXPECT_DOUBLE_EQ(state.limit, 70);
  EXPECT_DOUBLE_EQ(state.slow_start_threshold, 70);
}

TEST(RecoveryLimit, BearsOverloadOf5PercentAndASingleOne) {
  StepSums sums = busy(10, 200);
  sums.ok = 95;
  sums.overload = 5;
  EXPECT_GT(step(at_limit(10), sums).limit, 10);
  sums.overload = 6;
  EXPECT_LT(step(at_limit(10), sums).limit, 10);
  sums.ok = 4;
  sums.rtt_count = 0;
  sums.overload = 1;
  EXPECT_GT(step(at_limit(10), sums).limit, 10);
}

TEST(RecoveryLimit, ShrinksWhenTheMeanRoundTripDoubles) {
  EXPECT_GT(step(at_limit(10), busy(10, 399)).limit, 10);
  EXPECT_DOUBLE_EQ(step(at_limit(10), busy(10, 401)).limit, 7);
}

TEST(RecoveryLimit, HoldsOneStepAfterACut) {
  RecoveryState state = step(at_limit(100), busy(100, 200, 1000));
  state = step(state, busy(70, 200, 1000));  // the cut's own aftermath
  EXPECT_DOUBLE_EQ(state.limit, 70);
  state = step(state, busy(70, 200));
  EXPECT_DOUBLE_EQ(state.limit, 71.4);
}

TEST(RecoveryLimit, NeverFallsBelowOne) {
  RecoveryState state = at_limit(2);
  for (int i = 0; i < 50; ++i) state = step(state, {.overload = 100, .busy_ms = 6000});
  EXPECT_EQ(state.limit, 1);
}

TEST(RecoveryLimit, DoesNotGrowWhenLessThan70PercentWasUsed) {
  StepSums sums = busy(10, 200);
  sums.busy_ms = 0.69 * 10 * 3000;
  EXPECT_EQ(step(at_limit(10), sums).limit, 10);
  sums.busy_ms = 0.71 * 10 * 3000;
  EXPECT_GT(step(at_limit(10), sums).limit, 10);
}

TEST(RecoveryLimit, MeasuresUseByTheEffectiveLimit) {
  // Only 5 of 10 places could be taken, and they were: against the nominal limit this looks idle,
  // and the limit would never grow again.
  EXPECT_GT(recovery_step(kPolicy, at_limit(10), busy(5, 200), 5, 3s).limit, 10);
}

TEST(RecoveryLimit, CountsARefusalForWhatItWouldHaveUsed) {
  StepSums sums = busy(1, 200);  // 15 calls in one of 10 places
  sums.refused = 89;
  EXPECT_EQ(step(at_limit(10), sums).limit, 10);
  sums.refused = 90;  // 105 calls would have filled seven
  EXPECT_GT(step(at_limit(10), sums).limit, 10);
}

TEST(RecoveryLimit, OneRefusalKeepsNoIdleLimitAlive) {
  StepSums sums = busy(1, 200);
  sums.refused = 1;
  EXPECT_EQ(step(at_limit(10), sums).unbound_steps, 1);
}

TEST(RecoveryLimit, RemembersHowManyCallsWouldBeInFlightWithoutIt) {
  StepSums sums = busy(2, 200);  // 30 calls in 3 s, 200 ms each
  sums.refused = 120;
  EXPECT_DOUBLE_EQ(step(at_limit(2), sums).offered_in_flight, 10);
  // Nothing is known of the round trip yet: a tenth of the longest, 10 s.
  EXPECT_DOUBLE_EQ(step(at_limit(2, 0, 0), {.refused = 51}).offered_in_flight, 17);
}

TEST(RecoveryLimit, DoesNotGrowOnFailuresAlone) {
  EXPECT_EQ(step(at_limit(10), {.failure = 100, .busy_ms = 30'000}).limit, 10);
}

TEST(RecoveryLimit, LeavesTheLimitInAStepWithoutCalls) {
  const RecoveryState state = step(at_limit(10), {});
  EXPECT_EQ(state.limit, 10);
  EXPECT_EQ(state.unbound_steps, 1);
  EXPECT_EQ(recovery_step(kPolicy, at_limit(10), {}, 0, 3s).unbound_steps, 1);
}

TEST(RecoveryLimit, DoesNotTakeHangingCallsForQuiet) {
  const RecoveryState state = step(at_limit(10), {.busy_ms = 30'000});
  EXPECT_EQ(state.limit, 10);
  EXPECT_EQ(state.unbound_steps, 0);
}

TEST(RecoveryLimit, IsDoneWhenTheLimitHasNotBoundFor60Seconds) {
  RecoveryState state = at_limit(10);
  for (int i = 0; i < 19; ++i) state = step(state, {});
  EXPECT_FALSE(recovery_done(kPolicy, state));
  EXPECT_TRUE(recovery_done(kPolicy, step(state, {})));
  EXPECT_FALSE(recovery_done(kPolicy, step(state, busy(10, 200))));
}

TEST(RecoveryLimit, ReportsTheRateOfTheLastStep) {
  EXPECT_DOUBLE_EQ(step(at_limit(10), {.ok = 200, .overload = 60, .failure = 40}).calls_per_second,
                   100);
}

TEST(RecoveryLimit, MeasuresTheBaseAnewAfter300SecondsByHalvingForTwoSteps) {
  RecoveryState state = at_limit(100, 100);
  state.phase_steps = 99;
  state = step(state, busy(100, 200));
  EXPECT_EQ(state.phase, RecoveryPhase::measure_base);
  EXPECT_DOUBLE_EQ(state.limit, 51);
  EXPECT_DOUBLE_EQ(state.resume_limit, 102);
  state = step(state, busy(51, 390));  // still draining: not counted
  EXPECT_EQ(state.phase, RecoveryPhase::measure_base);
  state = step(state, busy(51, 300));
  EXPECT_EQ(state.phase, RecoveryPhase::grow);
  EXPECT_DOUBLE_EQ(state.limit, 102);
  EXPECT_NEAR(state.base_rtt_ms, 300 * (1 + 1 / std::sqrt(510)), 0.01);
  EXPECT_EQ(state.phase_steps, 0);
}

TEST(RecoveryLimit, DoesNotMeasureWhileTheLimitDoesNotBind) {
  RecoveryState state = at_limit(100);
  state.phase_steps = 500;
  EXPECT_EQ(step(state, busy(10, 200)).phase, RecoveryPhase::grow);
}

TEST(RecoveryLimit, ComesBackToLessWhenEvenHalfWasTooMuch) {
  RecoveryState state = at_limit(50, 50);
  state.phase = RecoveryPhase::measure_base;
  state.phase_steps = 2;
  state.resume_limit = 100;
  state = step(state, busy(50, 200, 1000));
  EXPECT_DOUBLE_EQ(state.limit, 35);
  state = step(state, busy(35, 200));
  EXPECT_DOUBLE_EQ(state.limit, 70);
  EXPECT_DOUBLE_EQ(state.slow_start_threshold, 70);
}

TEST(RecoveryLimit, TakesTheRoundTripAtTheFloorAsTheNewBase) {
  // With one call in flight nothing of the latency is our doing.
  const RecoveryState state = step(at_limit(1, 1), busy(1, 600));
  EXPECT_GT(state.base_rtt_ms, 600);
  EXPECT_GT(state.limit, 1);
}

TEST(RecoveryLimit, IsNoLimitWhenSwitchedOff) {
  const Policy off{.recovery_limit = false};
  const RecoveryState state = begin_recovery(off, 10);
  EXPECT_EQ(state.limit, 1e6);
  EXPECT_TRUE(recovery_done(off, state));
  EXPECT_EQ(recovery_step(off, state, busy(10, 200, 1000), 10, 3s), state);
}

TEST(RecoveryLimit, IgnoresAStepWithoutDuration) {
  EXPECT_EQ(recovery_step(kPolicy, at_limit(10), busy(10, 200), 10, 0s), at_limit(10));
}

TEST(RecoveryLimit, AddsSumsOfInstances) {
  StepSums sums{1, 2, 3, 4, 5, 6, 7, 8};
  sums += {10, 20, 30, 40, 50, 60, 70, 80};
  EXPECT_EQ(sums, (StepSums{11, 22, 33, 44, 55, 66, 77, 88}));
}

RC_GTEST_PROP(RecoveryLimit, StaysFiniteAndAtMostGrowsByHalfAStep, ()) {
  RecoveryState state = begin_recovery(kPolicy, *rc::gen::inRange(0, 100));
  const auto any = [](int top) { return static_cast<double>(*rc::gen::inRange(0, top)); };
  for (int i = 0; i < 150; ++i) {
    const StepSums sums{any(1000), any(20),        any(20), any(1'000'000),
                        any(1000), any(1'000'000), any(2),  any(10)};
    const RecoveryState next = recovery_step(kPolicy, state, sums, any(100), 3s);
    RC_ASSERT(next.limit >= 1 && next.limit <= 1e6);
    RC_ASSERT(std::isfinite(next.base_rtt_ms) && next.base_rtt_ms >= 0);
    RC_ASSERT(next.hold_steps >= 0);
    if (state.phase == RecoveryPhase::grow) {
      RC_ASSERT(next.limit <= std::max(1.5 * state.limit, state.limit + 1) + 1e-9);
    }
    state = next;
  }
}

TEST(RecoveryLimit, BearsSumsThatNoFleetWouldSend) {
  constexpr double kHuge = std::numeric_limits<double>::max();
  for (const double x : {-1.0, kHuge, -kHuge, static_cast<double>(NAN), HUGE_VAL}) {
    RecoveryState state = at_limit(10);
    for (int i = 0; i < 200; ++i) {
      state = recovery_step(kPolicy, state, {x, x, x, x, x, x, x, x}, x, 3s);
      ASSERT_GE(state.limit, 1) << x;
      ASSERT_LE(state.limit, 1e6) << x;
      ASSERT_TRUE(std::isfinite(state.base_rtt_ms)) << x;
      ASSERT_TRUE(std::isfinite(state.calls_per_second)) << x;
    }
  }
}

}  // namespace
}  // namespace switchgear::core
