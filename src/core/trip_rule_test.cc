#include "core/trip_rule.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "core/random.h"

namespace switchgear::core {
namespace {

constexpr CusumRule kTenHundred{.weight = 10, .level = 100};

// Calls until the shipped rule trips, the tripping one included.
double calls_until_trip(CusumRule rule, double failure_rate, Random& random) {
  Cusum sum(rule);
  double calls = 1;
  while (!sum.add(random.chance(failure_rate))) ++calls;
  return calls;
}
double mean_calls(CusumRule rule, double failure_rate, int runs, std::uint64_t seed) {
  Random random(seed);
  double calls = 0;
  for (int i = 0; i < runs; ++i) calls += calls_until_trip(rule, failure_rate, random);
  return calls / runs;
}

TEST(Cusum, TripsAtTheTenthOfTenFailures) {
  Cusum sum(kTenHundred);
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(sum.add(true));
  EXPECT_TRUE(sum.add(true));
  EXPECT_TRUE(sum.tripped());
  EXPECT_DOUBLE_EQ(sum.ratio(), 1);
}

TEST(Cusum, ForgetsAFailureAfterItsWeightInSuccesses) {
  Cusum sum(kTenHundred);
  sum.add(true);
  for (int i = 0; i < 10; ++i) sum.add(false);
  EXPECT_EQ(sum.sum(), 0);
}

TEST(Cusum, NeverFallsBelowZero) {
  Cusum sum(kTenHundred);
  for (int i = 0; i < 1000; ++i) sum.add(false);
  sum.add_successes(1e9);
  EXPECT_EQ(sum.sum(), 0);
  EXPECT_FALSE(sum.add_failures(9));
  EXPECT_TRUE(sum.add_failures(1));
}

TEST(Cusum, StartsAgainAfterAReset) {
  Cusum sum(kTenHundred);
  EXPECT_TRUE(sum.add_failures(10));
  sum.reset();
  EXPECT_FALSE(sum.tripped());
  EXPECT_EQ(sum.ratio(), 0);
}

TEST(Cusum, NeverTripsWithoutAWeight) {
  Cusum sum(CusumRule{});
  EXPECT_FALSE(sum.add(true));
  EXPECT_FALSE(sum.add_failures(1e9));
  EXPECT_FALSE(sum.tripped());
  EXPECT_EQ(sum.ratio(), 0);
}

TEST(Cusum, TripsAtTheFirstFailureAtTheSmallestLevel) {
  Cusum sum({.weight = 1, .level = 1});
  EXPECT_FALSE(sum.add(false));
  EXPECT_TRUE(sum.add(true));
}

RC_GTEST_PROP(Cusum, CountsBatchesLikeSingleCalls, (const std::vector<bool>& calls)) {
  Cusum one_by_one(kTenHundred);
  Cusum in_batches(kTenHundred);
  for (std::size_t i = 0; i < calls.size();) {
    std::size_t end = i;
    while (end < calls.size() && calls[end] == calls[i]) one_by_one.add(calls[end++]);
    if (calls[i]) {
      in_batches.add_failures(static_cast<double>(end - i));
    } else {
      in_batches.add_successes(static_cast<double>(end - i));
    }
    RC_ASSERT(in_batches.sum() == one_by_one.sum());
    i = end;
  }
}

// The definition that the fleet's rule over a set of reports rests on.
RC_GTEST_PROP(Cusum, IsTheLargestSumOverTheWindowsThatEndNow, (const std::vector<bool>& calls)) {
  Cusum sum(kTenHundred);
  for (std::size_t n = 1; n <= calls.size(); ++n) {
    sum.add(calls[n - 1]);
    double window = 0;
    double largest = 0;
    for (std::size_t i = n; i-- > 0;) {
      window += calls[i] ? 10 : -1;
      largest = std::max(largest, window);
    }
    RC_ASSERT(sum.sum() == largest);
  }
}

TEST(CusumMonteCarlo, AgreesWithTheExactDelaysWithin3Percent) {
  for (const CusumRule rule :
       {kTenHundred, CusumRule{4, 40}, CusumRule{14, 95}, CusumRule{1, 10}}) {
    for (const double rate : {1.0, 0.5, 0.3}) {
      const double exact = mean_calls_until_trip(rule, rate);
      EXPECT_NEAR(mean_calls(rule, rate, 10'000, 7), exact, 0.03 * exact)
          << "+" << rule.weight << "/-1, level " << rule.level << " at " << rate;
    }
  }
  const double exact = mean_calls_until_trip(kTenHundred, 0.2);
  EXPECT_NEAR(mean_calls(kTenHundred, 0.2, 10'000, 7), exact, 0.03 * exact);
}

TEST(CusumMonteCarlo, AgreesWithTheExactTimeBetweenFalseTripsWithin3Percent) {
  // Small rules, whose false trips are frequent enough to be counted: 20,000 of them.
  for (const CusumRule rule : {CusumRule{4, 8}, CusumRule{10, 21}, CusumRule{3, 8}}) {
    const double exact = mean_calls_until_trip(rule, 0.05);
    EXPECT_NEAR(mean_calls(rule, 0.05, 20'000, 11), exact, 0.03 * exact)
        << "+" << rule.weight << "/-1, level " << rule.level;
  }
}

TEST(CusumMonteCarlo, DoesNotTripTheDefaultRuleInTenMillionHealthyCalls) {
  Random random(3);
  Cusum sum(compile(Policy{}, 100).failure_rule);
  bool tripped = false;
  for (int i = 0; i < 10'000'000; ++i) tripped = sum.add(random.chance(0.05)) || tripped;
  EXPECT_FALSE(tripped);
}

}  // namespace
}  // namespace switchgear::core
