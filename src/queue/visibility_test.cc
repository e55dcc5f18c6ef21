#include "queue/visibility.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

namespace switchgear::queue {
namespace {

using std::chrono::seconds;
const core::Backoff kPlain{.base = 5s, .cap = 15min, .jitter = core::Jitter::none};

TEST(Visibility, RoundsUpSoThatNothingComesBackEarly) {
  EXPECT_EQ(visibility(1500ms, 1h, 0s), 2s);
  EXPECT_EQ(visibility(2s, 1h, 0s), 2s);
}

TEST(Visibility, IsAtLeastOneSecondAndAtMostTheCap) {
  EXPECT_EQ(visibility(0s, 1h, 0s), 1s);
  EXPECT_EQ(visibility(2h, 1h, 0s), 3600s);
  EXPECT_EQ(visibility(2h, 100ms, 0s), 1s);
}

TEST(Visibility, StaysWithinTheTwelveHoursSinceTheReceive) {
  EXPECT_EQ(visibility(24h, 24h, 0s), 43'195s);
  EXPECT_EQ(visibility(24h, 24h, 43'000s), 195s);
  EXPECT_EQ(visibility(24h, 24h, 43'194s), 1s);
}

TEST(Visibility, IsZeroWhenNothingIsLeftOfTheTwelveHours) {
  EXPECT_EQ(visibility(5s, 1h, 43'195s), 0s);
  EXPECT_EQ(visibility(5s, 1h, 100h), 0s);
}

TEST(BackOff, DoublesWithEachReceiveUpToTheCap) {
  core::Random random(1);
  EXPECT_EQ(back_off(kPlain, 1, 0s, random), 5s);
  EXPECT_EQ(back_off(kPlain, 2, 0s, random), 10s);
  EXPECT_EQ(back_off(kPlain, 4, 0s, random), 40s);
  EXPECT_EQ(back_off(kPlain, 9, 0s, random), 900s);
  EXPECT_EQ(back_off(kPlain, 1'000'000, 0s, random), 900s);
}

TEST(BackOff, IsAlwaysSomethingThatSqsTakes) {
  rc::check([] {
    const core::Backoff backoff{
        .base = std::chrono::milliseconds(*rc::gen::inRange(1, 100'000)),
        .cap = std::chrono::milliseconds(*rc::gen::inRange(1, 100'000'000)),
        .jitter = *rc::gen::element(core::Jitter::none, core::Jitter::full, core::Jitter::equal)};
    const int count = *rc::gen::inRange(-5, std::numeric_limits<int>::max());
    const seconds elapsed(*rc::gen::inRange(0, 43'194));
    core::Random random(*rc::gen::arbitrary<std::uint64_t>());
    const seconds wait = back_off(backoff, count, elapsed, random);
    RC_ASSERT(wait >= 1s);
    RC_ASSERT(wait <= kVisibilityMax - elapsed);
    RC_ASSERT(wait <= std::max(1s, std::chrono::ceil<seconds>(backoff.cap)));
  });
}

TEST(HideWhileOpen, IsNeverShorterThanTheOpenTimeAndSpreads) {
  rc::check([] {
    const auto open = std::chrono::milliseconds(*rc::gen::inRange(0, 3'600'000));
    core::Random random(*rc::gen::arbitrary<std::uint64_t>());
    const seconds wait = hide_while_open(open, 0s, random);
    RC_ASSERT(wait >= open);
    RC_ASSERT(wait <= std::chrono::ceil<seconds>(open + open / 4 + 1s));
  });
}

TEST(HideWhileOpen, SurvivesTheLargestWait) {
  core::Random random(1);
  EXPECT_EQ(hide_while_open(Duration::max(), 0s, random), kVisibilityMax);
}

TEST(RetryAfter, ReadsSeconds) {
  EXPECT_EQ(parse_retry_after("120", WallTime{}), Duration(120s));
  EXPECT_EQ(parse_retry_after(" 0 ", WallTime{}), Duration(0s));
}

TEST(RetryAfter, ReadsAllThreeFormsOfAnHttpDate) {
  const WallTime now{seconds(784'111'777 - 30)};  // 30 s before Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Duration(30s));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", now), Duration(30s));
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:37 1994", now), Duration(30s));
}

TEST(RetryAfter, TakesADateInThePastAsNow) {
  const WallTime now{seconds(2'000'000'000)};
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Duration(0s));
}

TEST(RetryAfter, BoundsHugeNumbersAndDropsNonsense) {
  EXPECT_EQ(parse_retry_after("99999999999999999999999", WallTime{}), Duration(365 * 24h));
  for (const char* bad : {"", "soon", "-1", "1.5", "12 monkeys", "Sun, 06 Nov 1994"}) {
    EXPECT_EQ(parse_retry_after(bad, WallTime{}), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace switchgear::queue
