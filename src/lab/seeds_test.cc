// Random lives of fleets. `make test` runs five thousand, and two hundred of them with the address
// sanitizer. SWITCHGEAR_SEEDS=50000 runs more, SWITCHGEAR_SEED=42 runs one, and
// SWITCHGEAR_SOAK_SECONDS=600 (`make soak`) those after the five thousand until that time is over.
// A life that fails is shrunk to the shortest that still does, and told.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "lab/chaos.h"

namespace switchgear::lab {
namespace {

// A fixed number, so that what passes on one machine passes on all: less than a minute.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    (defined(__has_feature) &&                                       \
     (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))
constexpr std::uint64_t kSeeds = 200;
#else
constexpr std::uint64_t kSeeds = 3'000;
#endif

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Seeds, KeepAllProperties) {
  const std::uint64_t only = number_from("SWITCHGEAR_SEED", 0);
  const std::uint64_t asked = number_from("SWITCHGEAR_SEEDS", 0);
  const std::chrono::seconds soak{number_from("SWITCHGEAR_SOAK_SECONDS", 0)};
  const std::uint64_t first = only > 0 ? only : soak > 0s ? kSeeds + 1 : 1;
  const std::uint64_t count = only > 0 ? 1 : asked > 0 ? asked : kSeeds;
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::steady_clock::now() - begin; };
  int violations = 0;
  std::uint64_t ran = 0;
  Duration lived{0};
  while (soak > 0s ? elapsed() < soak : ran < count) {
    const SeedVerdict verdict = check_seed(first + ran++);
    lived += verdict.lived;
    if (verdict.problem.empty()) continue;
    ADD_FAILURE() << verdict.problem;
    if (++violations == 3) break;  // more of the same helps nobody
  }
  RecordProperty("seeds", static_cast<int>(ran));
  const double seconds =
      std::max(1e-3, to_seconds(std::chrono::duration_cast<Duration>(elapsed())));
  std::printf("| seeds %llu to %llu | %.1f s | %.1f seeds/s | %.0f simulated seconds/s |\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + ran - 1), seconds,
              static_cast<double>(ran) / seconds, to_seconds(lived) / seconds);
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
