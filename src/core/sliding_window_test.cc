#include "core/sliding_window.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "core/window_oracle_for_tests.h"

namespace switchgear::core {

void PrintTo(const WindowTrip& t, std::ostream* out) {
  *out << t.events << (t.slow ? " slow" : " failed") << " of " << t.calls;
}

namespace {

WindowRule by_count(int size, int minimum, double failure_rate = 0.5, double slow_rate = 0) {
  return window_rule(Policy{.slow_call_duration = slow_rate > 0 ? Duration{1s} : Duration{0},
                            .rule = Rule::classic,
                            .sliding_window_size = size,
                            .failure_rate_threshold = failure_rate,
                            .slow_call_rate_threshold = slow_rate > 0 ? slow_rate : 1,
                            .minimum_number_of_calls = minimum});
}
WindowRule by_time(int seconds, int minimum, double failure_rate = 0.5, double slow_rate = 0) {
  WindowRule rule = by_count(seconds, 1, failure_rate, slow_rate);
  rule.type = SlidingWindowType::time;
  rule.minimum_calls = minimum;
  return rule;
}

TEST(SlidingWindow, TripsAtTheMinimumOfCallsAndNotOneSooner) {
  SlidingWindow window(by_count(100, 10));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(window.add(true, false, 0s));
  EXPECT_EQ(window.add(true, false, 0s), (WindowTrip{.calls = 10, .events = 10}));
}

TEST(SlidingWindow, TripsAtTheThresholdItself) {
  SlidingWindow window(by_count(20, 20, 0.55));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(window.add(false, false, 0s));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(window.add(true, false, 0s));
  EXPECT_EQ(window.add(true, false, 0s), (WindowTrip{.calls = 20, .events = 11}));
}

TEST(SlidingWindow, MayTripAtASuccess) {
  SlidingWindow window(by_count(100, 10));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(window.add(true, false, 0s));
  EXPECT_EQ(window.add(false, false, 0s), (WindowTrip{.calls = 10, .events = 9}));
}

TEST(SlidingWindow, OfOneCallIsThatCall) {
  SlidingWindow window(by_count(1, 100));
  EXPECT_FALSE(window.add(false, false, 0s));
  EXPECT_EQ(window.add(true, false, 0s), (WindowTrip{.calls = 1, .events = 1}));
  EXPECT_FALSE(window.add(false, false, 0s));
  EXPECT_EQ(window.counts(), (WindowCounts{.calls = 1}));
}

TEST(SlidingWindow, OfOneSecondIsThatSecond) {
  SlidingWindow window(by_time(1, 3));
  EXPECT_FALSE(window.add(true, false, 100ms));
  EXPECT_FALSE(window.add(true, false, 999ms));
  EXPECT_FALSE(window.add(true, false, 1s));
  EXPECT_FALSE(window.add(true, false, 1500ms));
  EXPECT_TRUE(window.add(true, false, 1999ms));
}

TEST(SlidingWindow, ClampsTheMinimumToAWindowOfCalls) {
  EXPECT_EQ(by_count(20, 100).minimum_calls, 20);
  EXPECT_EQ(window_rule(Policy{.rule = Rule::classic,
                               .sliding_window_type = SlidingWindowType::time,
                               .sliding_window_size = 20})
                .minimum_calls,
            100);
}

TEST(SlidingWindow, JudgesSlowCallsWhateverTheirOutcome) {
  SlidingWindow window(by_count(10, 4, 1, 0.75));
  EXPECT_FALSE(window.add(false, true, 0s));
  EXPECT_FALSE(window.add(true, true, 0s));
  EXPECT_FALSE(window.add(false, false, 0s));
  EXPECT_EQ(window.add(false, true, 0s), (WindowTrip{.slow = true, .calls = 4, .events = 3}));
  SlidingWindow without(by_count(10, 4, 1));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(without.add(false, true, 0s));
}

TEST(SlidingWindow, ForgetsWhileNobodyCalls) {
  SlidingWindow window(by_time(10, 5));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(window.add(true, false, 5s));
  EXPECT_FALSE(window.add(true, false, 1h));
  EXPECT_EQ(window.counts(), (WindowCounts{.calls = 1, .failures = 1}));
}

TEST(SlidingWindow, TripsOnAsEverAfterItsClockStoodStillOrWentBack) {
  for (const Duration back : {0s, 1s, 2s, 5s, 3600s}) {
    SlidingWindow window(by_time(60, 100));
    Duration at = 2h;
    for (int i = 0; i < 6'000; ++i) EXPECT_FALSE(window.add(false, false, at += 10ms));
    at -= back;
    int calls = 1;
    while (!window.add(true, false, at) && calls < 20'000) {
      at += back == 0s ? 0ms : 10ms;
      calls++;
    }
    // Half of what a minute holds; standing still or set back by an hour, the newest second takes
    // all of it.
    EXPECT_GE(calls, 2'900) << to_seconds(back);
    EXPECT_LE(calls, 6'000) << to_seconds(back);
  }
}

TEST(SlidingWindow, StartsAnewAfterAReset) {
  for (const WindowRule& rule : {by_count(10, 10), by_time(10, 10)}) {
    SlidingWindow window(rule);
    for (int i = 0; i < 9; ++i) window.add(true, true, 5s);
    window.reset();
    EXPECT_EQ(window.counts(), WindowCounts{});
    for (int i = 0; i < 9; ++i) EXPECT_FALSE(window.add(true, false, 6s));
    EXPECT_TRUE(window.add(true, false, 6s));
  }
}

TEST(SlidingWindow, TellsHowNearItIs) {
  SlidingWindow window(by_count(100, 10));
  EXPECT_EQ(window.ratio(), 0);
  window.add(true, false, 0s);
  EXPECT_DOUBLE_EQ(window.ratio(), 0.2);
  for (int i = 0; i < 50; ++i) window.add(true, false, 0s);
  EXPECT_DOUBLE_EQ(window.ratio(), 1);
}

TEST(SlidingWindow, AgreesWithTheDefinitionOnRandomCalls) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto from = [&](std::initializer_list<int> sizes) {
      return sizes.begin()[random.next() % sizes.size()];
    };
    const double threshold = static_cast<double>(from({1, 20, 50, 55, 99, 100})) / 100;
    const double slow = random.chance(0.5) ? static_cast<double>(from({10, 50, 100})) / 100 : 0;
    const int size = from({1, 2, 3, 10, 60});
    const int minimum = from({1, 2, 10, 59, 60, 100});
    const WindowRule rule = random.chance(0.5) ? by_count(size, minimum, threshold, slow)
                                               : by_time(size, minimum, threshold, slow);
    SlidingWindow window(rule);
    WindowOracle oracle(rule);
    Duration at = 1min;
    double failing = random.unit();
    for (int i = 0; i < 400; ++i) {
      if (random.chance(0.02)) failing = random.unit();
      if (random.chance(0.02)) at -= std::chrono::milliseconds(random.next() % 3'000);
      if (random.chance(0.02)) at += std::chrono::milliseconds(random.next() % 100'000);
      at += std::chrono::milliseconds(random.next() % 200);
      if (random.chance(0.2)) {
        const std::uint64_t successes = random.next() % 80;
        std::optional<WindowTrip> expected;
        for (std::uint64_t n = 0; n < successes; ++n) {
          const auto trip = oracle.add(false, false, at);
          if (!expected) expected = trip;
        }
        const auto trip = window.add_successes(successes, at);
        // The oracle sees every trip; the window the first one, which is what opens the circuit.
        ASSERT_EQ(trip, expected) << "call " << i;
      } else {
        const bool failed = random.chance(failing);
        const bool late = random.chance(0.3);
        const auto expected = oracle.add(failed, late, at);
        ASSERT_EQ(window.add(failed, late, at), expected) << "call " << i;
      }
    }
  }
}

}  // namespace
}  // namespace switchgear::core
