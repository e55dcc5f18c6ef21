// Random lives of fleets. `make test` runs two thousand; SWITCHGEAR_SEEDS=50000 runs more, and
// SWITCHGEAR_SEED=42 runs one. A life that fails is shrunk to the shortest that still does, and
// told.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "lab/chaos.h"

namespace switchgear::lab {
namespace {

// A fixed number, so that what passes on one machine passes on all: about half a minute.
constexpr std::uint64_t kSeeds = 2'000;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Seeds, KeepAllProperties) {
  const std::uint64_t only = number_from("SWITCHGEAR_SEED", 0);
  const std::uint64_t asked = number_from("SWITCHGEAR_SEEDS", 0);
  const std::uint64_t first = only > 0 ? only : 1;
  const std::uint64_t count = only > 0 ? 1 : asked > 0 ? asked : kSeeds;
  int violations = 0;
  std::uint64_t ran = 0;
  for (std::uint64_t seed = first; ran < count; ++seed, ++ran) {
    const std::string problem = check_seed(seed);
    if (problem.empty()) continue;
    ADD_FAILURE() << problem;
    if (++violations == 3) break;  // more of the same helps nobody
  }
  RecordProperty("seeds", static_cast<int>(ran));
}

TEST(Seeds, RunTheSameLifeTwice) {
  for (const std::uint64_t seed : {3u, 7u, 11u}) {
    const ChaosResult a = run_chaos({.seed = seed});
    const ChaosResult b = run_chaos({.seed = seed});
    EXPECT_EQ(a.calls, b.calls);
    EXPECT_EQ(a.store_operations, b.store_operations);
    EXPECT_EQ(a.lived, b.lived);
  }
}

TEST(Seeds, LiveThroughWhatTheyAreMeantToTest) {
  int trips = 0;
  int recoveries = 0;
  int probes = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const ChaosResult r = run_chaos({.seed = seed});
    trips += r.trips;
    recoveries += r.recovered;
    probes += r.probes;
  }
  EXPECT_GE(trips, 20);
  EXPECT_GE(recoveries, 10);
  EXPECT_GE(probes, 50);
}

}  // namespace
}  // namespace switchgear::lab
