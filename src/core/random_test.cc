#include "core/random.h"

#include <gtest/gtest.h>

namespace switchgear::core {
namespace {

TEST(Random, IsSplitMix64) {
  Random random(1234567);  // the reference sequence
  EXPECT_EQ(random.next(), 6457827717110365317ULL);
  EXPECT_EQ(random.next(), 3203168211198807973ULL);
}

TEST(Random, RepeatsASeed) {
  Random one(7);
  Random other(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.next(), other.next());
}

TEST(Random, StaysWithinItsRanges) {
  Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    const double unit = random.unit();
    EXPECT_GE(unit, 0);
    EXPECT_LT(unit, 1);
    EXPECT_LT(random.below(3), 3U);
    const double between = random.between(-2, 5);
    EXPECT_GE(between, -2);
    EXPECT_LE(between, 5);
  }
  EXPECT_LT(to_unit(~0ULL), 1);
  EXPECT_EQ(to_unit(0), 0);
}

TEST(Hash, IsFnv1aOnEveryMachine) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8ULL);
}

TEST(Hash, DependsOnTheOrderOfItsParts) { EXPECT_NE(hash2(1, 2), hash2(2, 1)); }

}  // namespace
}  // namespace switchgear::core
