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

// Ten minutes each; `make bench-fleet ONLY=false-trips` runs the day.
constexpr std::uint64_t kTenMinutes = 600'000;

TEST(FalseTrips, AFleetHasNoneInTenMinutesOfIndependentFailures) {
  const FleetTrips f = false_trips_of_fleet({}, 10, {.stream = kIndependent, .calls = kTenMinutes});
  EXPECT_EQ(f.trips, 0u);
  EXPECT_EQ(f.refused, 0u);
}

TEST(FalseTrips, AFleetWithThePolicyForBurstsHasNoneInTenMinutesOfBursts) {
  const FleetTrips f =
      false_trips_of_fleet(policy_for_bursts(), 10, {.stream = kBursty, .calls = kTenMinutes});
  EXPECT_EQ(f.trips, 0u);
  EXPECT_EQ(f.refused, 0u);
}

TEST(FalseTrips, AFleetThatTakesBurstsForOutagesIsSeenToTrip) {
  EXPECT_GT(false_trips_of_fleet({}, 10, {.stream = kBursty, .calls = 100'000}).trips, 10u);
}

}  // namespace
}  // namespace switchgear::lab
