// The fleet withstands each attack, with every seed. SWITCHGEAR_SEEDS=50 tries more of them.
#include "lab/attacks.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace switchgear::lab {
namespace {

TEST(Attacks, AreWithstood) {
  const char* asked = std::getenv("SWITCHGEAR_SEEDS");
  const std::uint64_t seeds = asked == nullptr ? 3 : std::strtoull(asked, nullptr, 10);
  for (const Attack& attack : attacks()) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
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
