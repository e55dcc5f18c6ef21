// A fleet of workers drains an hour's backlog through the recovery limit, whatever the dependency
// is like, and notices at once when that dies again. `make bench-fleet` does the same with more
// seeds, and with a thousand environments of one call each.
#include "lab/recovery_figures.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

class RecoveryOf : public testing::TestWithParam<Profile> {};

TEST_P(RecoveryOf, AnyDependencyThatDiesAgainTakesATenthMoreThanTheIdeal) {
  const OutageResult r = run_outage(relapse_options(GetParam(), kFourWorkers, 216'000, 1));
  EXPECT_TRUE(r.drained);
  EXPECT_LE(r.drain_seconds, 1.1 * r.drain_seconds_ideal);
  EXPECT_EQ(r.trips, 2) << "the outage and the relapse";
  EXPECT_GE(r.relapse_reopened_seconds, 0);
  EXPECT_LE(r.relapse_reopened_seconds, 5);
  EXPECT_LE(r.relapse_calls, 200u);
}

INSTANTIATE_TEST_SUITE_P(Profiles, RecoveryOf,
                         testing::Values(Profile::shed, Profile::fifo, Profile::cold,
                                         Profile::thrash),
                         [](const auto& name) { return std::string(to_string(name.param)); });

// A smaller backlog, of which the two ramps are a larger part: the whole one takes minutes.
TEST(RecoveryOfEnvironments, OfOneCallEachIsNotLongerEither) {
  const OutageResult r = run_outage(relapse_options(Profile::shed, kEnvironments, 10'000, 1));
  EXPECT_TRUE(r.drained);
  EXPECT_LE(r.drain_seconds, 1.25 * r.drain_seconds_ideal);
  EXPECT_EQ(r.trips, 2) << "the outage and the relapse";
  EXPECT_GE(r.relapse_reopened_seconds, 0);
  EXPECT_LE(r.relapse_reopened_seconds, 5);
  EXPECT_LE(r.relapse_calls, 200u);
}

}  // namespace
}  // namespace switchgear::lab
