#include "core/assert.h"

#include <gtest/gtest.h>

namespace switchgear::core {
namespace {

TEST(AssertDeathTest, AbortsWithThePlaceAndTheExpression) {
  const int slots = 2;
  EXPECT_DEATH(SG_ASSERT(slots < 2), "broken invariant at .*assert_test.cc:[0-9]+: slots < 2");
}

TEST(Assert, DoesNothingWhenTheInvariantHolds) { SG_ASSERT(1 + 1 == 2); }

}  // namespace
}  // namespace switchgear::core
