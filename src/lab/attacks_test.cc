// The fleet withstands each attack, with every seed.
#include "lab/attacks.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

TEST(Attacks, AreWithstood) {
  for (const Attack& attack : attacks()) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      EXPECT_EQ(attack.run(seed), "") << attack.name << ", seed " << seed;
    }
  }
}

TEST(Attacks, AreFoundByName) {
  for (const Attack& attack : attacks()) EXPECT_EQ(find_attack(attack.name)->run, attack.run);
  EXPECT_EQ(find_attack("none"), nullptr);
}

}  // namespace
}  // namespace switchgear::lab
