#include "core/backoff.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>

namespace switchgear::core {
namespace {

constexpr auto kLastAttempt = std::numeric_limits<std::uint64_t>::max();

rc::Gen<Backoff> any_backoff(Jitter jitter) {
  return rc::gen::map(
      rc::gen::pair(rc::gen::positive<std::int64_t>(), rc::gen::positive<std::int64_t>()),
      [jitter](const std::pair<std::int64_t, std::int64_t>& pair) {
        return Backoff{.base = Duration(std::min(pair.first, pair.second)),
                       .cap = Duration(std::max(pair.first, pair.second)),
                       .jitter = jitter};
      });
}

TEST(Backoff, DoublesFromTheBaseToTheCap) {
  const Backoff backoff{.base = 5s, .cap = 60s};
  EXPECT_EQ(exponential(backoff, 1), 5s);
  EXPECT_EQ(exponential(backoff, 2), 10s);
  EXPECT_EQ(exponential(backoff, 3), 20s);
  EXPECT_EQ(exponential(backoff, 4), 40s);
  EXPECT_EQ(exponential(backoff, 5), 60s);
}

TEST(Backoff, TakesAttemptZeroAsTheFirst) { EXPECT_EQ(exponential({}, 0), 5s); }

TEST(Backoff, StaysAtTheCapForEveryLaterAttempt) {
  const Backoff widest{.base = 1ns, .cap = Duration::max()};
  EXPECT_EQ(exponential(widest, 63), Duration(std::int64_t{1} << 62));
  for (const std::uint64_t attempt : {std::uint64_t{64}, std::uint64_t{65}, kLastAttempt}) {
    EXPECT_EQ(exponential({}, attempt), 15min);
    EXPECT_EQ(exponential(widest, attempt), Duration::max());
  }
}

RC_GTEST_PROP(Backoff, NeverFallsAndNeverLeavesBaseToCap, (std::uint64_t attempt)) {
  const Backoff backoff = *any_backoff(Jitter::none);
  const Duration now = exponential(backoff, attempt);
  RC_ASSERT(now >= backoff.base);
  RC_ASSERT(now <= backoff.cap);
  if (attempt < kLastAttempt) RC_ASSERT(exponential(backoff, attempt + 1) >= now);
}

RC_GTEST_PROP(Backoff, NeverFallsAmongTheFirst100Attempts, ()) {
  const Backoff backoff = *any_backoff(Jitter::none);
  for (std::uint64_t attempt = 1; attempt < 100; ++attempt) {
    RC_ASSERT(exponential(backoff, attempt) <= exponential(backoff, attempt + 1));
  }
}

RC_GTEST_PROP(Backoff, KeepsFullJitterBetweenZeroAndTheExponential,
              (std::uint64_t attempt, std::uint64_t seed)) {
  const Backoff backoff = *any_backoff(Jitter::full);
  Random random(seed);
  const Duration wait = delay(backoff, attempt, random);
  RC_ASSERT(wait >= Duration::zero());
  RC_ASSERT(wait <= exponential(backoff, attempt));
}

RC_GTEST_PROP(Backoff, KeepsEqualJitterInTheUpperHalf,
              (std::uint64_t attempt, std::uint64_t seed)) {
  const Backoff backoff = *any_backoff(Jitter::equal);
  Random random(seed);
  const Duration wait = delay(backoff, attempt, random);
  RC_ASSERT(wait >= exponential(backoff, attempt) / 2);
  RC_ASSERT(wait <= exponential(backoff, attempt));
}

TEST(Backoff, SpreadsItsJitterEvenly) {
  Random random(2);
  const auto mean_ms = [&](Jitter jitter) {
    const Backoff backoff{.base = 1s, .cap = 1s, .jitter = jitter};
    double sum = 0;
    for (int i = 0; i < 10'000; ++i) sum += to_seconds(delay(backoff, 1, random)) * 1e3;
    return sum / 10'000;
  };
  EXPECT_NEAR(mean_ms(Jitter::full), 500, 10);
  EXPECT_NEAR(mean_ms(Jitter::equal), 750, 5);
  EXPECT_EQ(mean_ms(Jitter::none), 1000);
}

TEST(Backoff, AcceptsItsDefaults) { EXPECT_TRUE(Backoff{}.validate().empty()); }

TEST(Backoff, RefusesNoBaseAndACapBelowTheBase) {
  EXPECT_EQ(Backoff{.base = 0s}.validate().at(0).place, "base");
  EXPECT_EQ((Backoff{.base = 10s, .cap = 5s}.validate().at(0).place), "cap");
  EXPECT_EQ((Backoff{.base = -1s, .cap = -2s}.validate().size()), 2U);
}

TEST(OpenTime, DoublesToItsCap) {
  const Policy policy;  // 5 s to 30 s
  EXPECT_EQ(open_time(policy, 1, 0.5), 5s);
  EXPECT_EQ(open_time(policy, 2, 0.5), 10s);
  EXPECT_EQ(open_time(policy, 3, 0.5), 20s);
  EXPECT_EQ(open_time(policy, 4, 0.5), 30s);
  EXPECT_EQ(open_time(policy, std::numeric_limits<int>::max(), 0.5), 30s);
}

TEST(OpenTime, TakesNoOpeningsAsTheFirst) {
  EXPECT_EQ(open_time({}, 0, 0.5), 5s);
  EXPECT_EQ(open_time({}, -7, 0.5), 5s);
}

TEST(OpenTime, LiesWithinItsJitter) {
  const Policy policy;  // ± 10 %
  EXPECT_EQ(open_time(policy, 1, 0), 4500ms);
  EXPECT_LE(open_time(policy, 1, 0.999999), 5500ms);
  EXPECT_GT(open_time(policy, 1, 0.999999), 5499ms);
  EXPECT_EQ(open_time({.open_jitter = 0}, 1, 0.999), 5s);
}

}  // namespace
}  // namespace switchgear::core
