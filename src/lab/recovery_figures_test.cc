// A fleet of workers drains its backlog through the recovery limit, whatever the dependency is
// like.
#include "lab/recovery_figures.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

class RecoveryOf : public testing::TestWithParam<Profile> {};

TEST_P(RecoveryOf, AnyDependencyTripsNoSecondTime) {
  OutageOptions o = recovery_options(GetParam(), kFourWorkers, 8'000, 1);
  o.longest = 10min;
  const OutageResult r = run_outage(o);
  EXPECT_TRUE(r.drained);
  EXPECT_EQ(r.trips, 1);
}

INSTANTIATE_TEST_SUITE_P(Profiles, RecoveryOf,
                         testing::Values(Profile::shed, Profile::fifo, Profile::cold,
                                         Profile::thrash),
                         [](const auto& name) { return std::string(to_string(name.param)); });

}  // namespace
}  // namespace switchgear::lab
