#include "core/mutant.h"

#include <gtest/gtest.h>

namespace switchgear::core {
namespace {

// What is compiled without SWITCHGEAR_MUTANTS has no defect, known while compiling.
constexpr bool none_is_planted() {
  for (unsigned char m = 0; m < static_cast<unsigned char>(Mutant::count); ++m) {
    if (mutant(static_cast<Mutant>(m))) return false;
  }
  return true;
}

TEST(Mutant, IsNeverInANormalBuild) { static_assert(none_is_planted()); }

}  // namespace
}  // namespace switchgear::core
