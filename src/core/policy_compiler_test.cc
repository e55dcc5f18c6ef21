#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/policy.h"

namespace switchgear::core {

void PrintTo(const CusumRule& rule, std::ostream* out) {
  *out << "+" << rule.weight << "/-1, level " << rule.level;
}

namespace {

constexpr CusumRule kTenHundred{.weight = 10, .level = 100};

// The obvious way: the full linear system by Gaussian elimination. Exact while runs are short.
double mean_calls_by_elimination(CusumRule rule, double p) {
  const auto n = static_cast<std::size_t>(rule.level);
  std::vector<std::vector<long double>> a(n, std::vector<long double>(n + 1, 0));
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t up = i + static_cast<std::size_t>(rule.weight);
    const std::size_t down = i == 0 ? 0 : i - 1;
    a[i][i] += 1;
    if (up < n) a[i][up] -= p;
    a[i][down] -= 1 - p;
    a[i][n] = 1;
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t j = i; j < n; ++j) {
      if (std::abs(a[j][i]) > std::abs(a[pivot][i])) pivot = j;
    }
    std::swap(a[i], a[pivot]);
    for (std::size_t j = 0; j < n; ++j) {
      if (j == i || a[j][i] == 0) continue;
      const long double f = a[j][i] / a[i][i];
      for (std::size_t k = i; k <= n; ++k) a[j][k] -= f * a[i][k];
    }
  }
  return static_cast<double>(a[0][n] / a[0][0]);
}

// For weight 1 (a birth-death chain) the answer has a recursion of its own.
long double mean_calls_of_weight_one(int level, long double p) {
  long double up = 1 / p;
  long double total = up;
  for (int i = 1; i < level; ++i) {
    up = (1 + (1 - p) * up) / p;
    total += up;
  }
  return total;
}

TEST(MeanCallsUntilTrip, IsExactForWeight10Level100) {
  EXPECT_DOUBLE_EQ(mean_calls_until_trip(kTenHundred, 1), 10);
  EXPECT_NEAR(mean_calls_until_trip(kTenHundred, 0.5), 22.89, 0.005);
  EXPECT_NEAR(mean_calls_until_trip(kTenHundred, 0.2), 82.35, 0.005);
}

TEST(MeanCallsUntilTrip, IsAstronomicalAtAHealthyRate) {
  EXPECT_GT(mean_calls_until_trip(kTenHundred, 0.01), 1e15);
  EXPECT_NEAR(mean_calls_until_trip(kTenHundred, 0.03) / 1e9, 2.1, 0.05);
}

TEST(MeanCallsUntilTrip, IsInfiniteWhereNothingTrips) {
  EXPECT_TRUE(std::isinf(mean_calls_until_trip(kTenHundred, 0)));
  EXPECT_TRUE(std::isinf(mean_calls_until_trip({.weight = 0, .level = 0}, 0.5)));
}

TEST(MeanCallsUntilTrip, IsOneOverTheRateWhereOneFailureTrips) {
  EXPECT_DOUBLE_EQ(mean_calls_until_trip({.weight = 7, .level = 5}, 0.125), 8);
}

RC_GTEST_PROP(MeanCallsUntilTrip, AgreesWithTheFullLinearSystem, ()) {
  const CusumRule rule{.weight = *rc::gen::inRange(1, 20), .level = *rc::gen::inRange(1, 60)};
  const double p = *rc::gen::inRange(20, 1001) / 1000.0;
  const double obvious = mean_calls_by_elimination(rule, p);
  RC_PRE(obvious > 0 && obvious < 1e6);  // beyond, the obvious way loses digits
  const double exact = mean_calls_until_trip(rule, p);
  RC_ASSERT(std::abs(exact - obvious) <= 1e-9 * obvious);
}

TEST(MeanCallsUntilTrip, KeepsNineDigitsUpTo1e300) {
  for (const int level : {1, 10, 50, 100, 150, 200}) {
    const double exact = static_cast<double>(mean_calls_of_weight_one(level, 0.05L));
    EXPECT_NEAR(mean_calls_until_trip({.weight = 1, .level = level}, 0.05) / exact, 1, 1e-9)
        << level;
  }
  EXPECT_EQ(mean_calls_until_trip({.weight = 1, .level = 400}, 0.01), 1e300);
}

RC_GTEST_PROP(MeanCallsUntilTrip, GrowsWithTheLevelAndFallsWithTheRate, ()) {
  const CusumRule rule{.weight = *rc::gen::inRange(1, 50), .level = *rc::gen::inRange(1, 300)};
  const double p = *rc::gen::inRange(1, 990) / 1000.0;
  const double run = mean_calls_until_trip(rule, p);
  RC_ASSERT(mean_calls_until_trip({rule.weight, rule.level + 1}, p) >= run * (1 - 1e-12));
  RC_ASSERT(mean_calls_until_trip(rule, p + 0.01) <= run * (1 + 1e-12));
}

// The ready-made lattices: acceptable rate, unacceptable rate, rule, and the mean calls until the
// trip at 100 %, 50 %, 20 % and at the unacceptable rate.
struct Lattice {
  double p0;
  double p1;
  CusumRule rule;
  double at_100, at_50, at_20, at_p1;
};
constexpr Lattice kLattices[] = {
    {0.001, 0.10, {44, 186}, 5, 10, 25, 55},   {0.005, 0.20, {17, 94}, 6, 12, 37, 37},
    {0.01, 0.20, {14, 95}, 7, 16, 48, 48},     {0.01, 0.30, {10, 62}, 7, 14, 51, 28},
    {0.03, 0.30, {7, 64}, 10, 22, 100, 46},    {0.05, 0.50, {4, 39}, 10, 26, 410, 26},
    {0.10, 0.50, {3, 42}, 14, 42, 15'082, 42},
};

TEST(CompileCusum, FindsTheLatticesForTenBillionCallsBetweenFalseTrips) {
  for (const Lattice& lattice : kLattices) {
    const CusumRule rule = compile_cusum(lattice.p0, lattice.p1, 1e10);
    EXPECT_EQ(rule, lattice.rule) << lattice.p0 << " -> " << lattice.p1;
    EXPECT_EQ(std::round(mean_calls_until_trip(rule, 1)), lattice.at_100);
    EXPECT_EQ(std::round(mean_calls_until_trip(rule, 0.5)), lattice.at_50);
    EXPECT_EQ(std::round(mean_calls_until_trip(rule, 0.2)), lattice.at_20);
    EXPECT_EQ(std::round(mean_calls_until_trip(rule, lattice.p1)), lattice.at_p1);
  }
}

RC_GTEST_PROP(CompileCusum, FindsTheSmallestLevel, ()) {
  const double p0 = *rc::gen::inRange(1, 200) / 1000.0;
  const double p1 = std::min(1.0, p0 * (2 + *rc::gen::inRange(0, 100) / 10.0));
  const double calls = std::pow(10, *rc::gen::inRange(0, 140) / 10.0);
  const CusumRule rule = compile_cusum(p0, p1, calls);
  RC_ASSERT(rule.weight >= 1);
  RC_ASSERT(mean_calls_until_trip(rule, p0) >= calls);
  if (rule.level > 1) {
    RC_ASSERT(mean_calls_until_trip({rule.weight, rule.level - 1}, p0) < calls);
  }
}

TEST(CompileCusum, TreatsCertainFailureAs999PerMille) {
  EXPECT_EQ(compile_cusum(0.05, 1, 1e10), compile_cusum(0.05, 0.999, 1e10));
}

TEST(CompileCusum, StopsAtTheHighestLevelWhenTheRatesCannotBeToldApart) {
  EXPECT_EQ(compile_cusum(0.9, 0.95, 1e10).level, kMaxTripLevel);
  EXPECT_EQ(compile_cusum(0.9999, 1, 1e13).level, kMaxTripLevel);
}

// The default policy: 5 % acceptable, 50 % unacceptable, a year between false trips.
TEST(CompileDefaultPolicy, TripsIn10CallsAtTotalFailureAndIn26AtHalf) {
  const CusumRule rule = compile(Policy{}, 1000).failure_rule;
  EXPECT_EQ(rule.weight, 4);
  EXPECT_NEAR(rule.level, 40, 1);
  EXPECT_NEAR(mean_calls_until_trip(rule, 1), 10, 1);
  EXPECT_NEAR(mean_calls_until_trip(rule, 0.5), 26, 2);
}

TEST(CompileDefaultPolicy, RaisesTheLevelByAFewStepsPerDecadeOfTheRate) {
  const struct {
    double rate;
    int level;
  } kTable[] = {{10, 33}, {100, 37}, {1e3, 41}, {1e4, 46}, {1e5, 50}, {1e6, 54}};
  for (const auto& [rate, level] : kTable) {
    EXPECT_EQ(compile(Policy{}, rate).failure_rule, (CusumRule{4, level})) << rate;
  }
}

TEST(CompileDefaultPolicy, KeepsFalseTripsAYearApart) {
  for (const double rate : {10.0, 1e3, 1e6}) {
    const CusumRule rule = compile(Policy{}, rate).failure_rule;
    EXPECT_LE(expected_false_trips_per_day(rule, 0.05, rate) * 365, 1) << rate;
  }
}

TEST(Compile, RoundsTheRateUpSoThatInstancesAgree) {
  const Policy policy;
  EXPECT_EQ(compile(policy, 101).failure_rule, compile(policy, 1000).failure_rule);
  EXPECT_EQ(compile(policy, 999).failure_rule, compile(policy, 1000).failure_rule);
  EXPECT_NE(compile(policy, 1001).failure_rule, compile(policy, 1000).failure_rule);
  EXPECT_EQ(compile(policy, 0).failure_rule, compile(policy, 10).failure_rule);
  EXPECT_EQ(compile(policy, NAN).failure_rule, compile(policy, 10).failure_rule);
  EXPECT_EQ(compile(policy, 1e12).failure_rule, compile(policy, 1e6).failure_rule);
}

TEST(Compile, TakesTheRuleOfAnExpertAsItIs) {
  const Policy policy{.failure_weight = 10, .trip_level = 100};
  EXPECT_EQ(compile(policy, 1e6).failure_rule, kTenHundred);
}

TEST(Compile, MakesASlowCallRuleOnlyIfOneIsAskedFor) {
  EXPECT_EQ(compile(Policy{}, 100).slow_rule, CusumRule{});
  const CompiledPolicy slow = compile({.slow_call_duration = 2s,
                                       .acceptable_slow_call_rate = 0.01,
                                       .unacceptable_slow_call_rate = 0.3},
                                      100);
  EXPECT_EQ(slow.slow_rule.weight, 10);
  EXPECT_EQ(slow.failure_rule, compile(Policy{}, 100).failure_rule);
}

TEST(Compile, JudgesOverloadByItsOwnRuleWhileRecovering) {
  const CusumRule rule = compile(Policy{}, 100).recovery_overload_rule;
  EXPECT_EQ(rule, (CusumRule{1, 10}));
  EXPECT_DOUBLE_EQ(mean_calls_until_trip(rule, 1), 10);
  EXPECT_DOUBLE_EQ(rule.neutral_rate(), 0.5);
}

TEST(ExpectedFalseTrips, CountsTripsOfADay) {
  EXPECT_EQ(expected_false_trips_per_day(kTenHundred, 0, 1000), 0);
  EXPECT_NEAR(expected_false_trips_per_day(kTenHundred, 0.2, 10), 864'000 / 82.35, 1);
}

}  // namespace
}  // namespace switchgear::core
