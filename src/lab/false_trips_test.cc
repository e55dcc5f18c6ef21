// A day of ordinary failures opens no circuit.
#include "lab/false_trips.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

TEST(FalseTrips, TheDefaultPolicyHasNoneInADayOfIndependentFailures) {
  const core::CusumRule rule = core::compile(Policy{}, 1'000).failure_rule;
  EXPECT_LE(false_trips_of_cusum(rule, {.stream = kIndependent}), 1u);
}

TEST(FalseTrips, ThePolicyForBurstsHasNoneInADayOfBursts) {
  const core::CusumRule rule = core::compile(policy_for_bursts(), 1'000).failure_rule;
  EXPECT_LE(false_trips_of_cusum(rule, {.stream = kBursty}), 1u);
}

}  // namespace
}  // namespace switchgear::lab
