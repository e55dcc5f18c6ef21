#include "fleet/window_rule.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/random.h"

namespace switchgear::fleet {
namespace {

constexpr StoreTime kStart = store_time_ms(1'766'000'000'000);

StoreTime at(Duration d) { return kStart + floor_ms(d); }

// A fleet of 20 that makes 40 calls a second: 100 calls are 2.5 s.
WindowQuery query_of_20() {
  return {.rule = core::window_rule(Policy{.rule = Rule::classic}),
          .threshold = 0.5,
          .calls_per_second = 40,
          .members = 20,
          .since = at(0s),
          .now = at(60s)};
}

// `count` reports of one failure each by instances in turn, evenly up to `end`, over `length`.
std::vector<Report> spread(int count, int instances, Duration end, Duration length) {
  std::vector<Report> reports;
  for (int i = 0; i < count; ++i) {
    reports.push_back({.sent = at(end - length * i / count),
                       .instance = InstanceId{static_cast<std::uint64_t>(1 + i % instances)},
                       .seq = static_cast<std::uint32_t>(i),
                       .failures = 1});
  }
  return reports;
}

bool trips(const std::vector<Report>& reports, const WindowQuery& query) {
  const auto window = weigh_window(reports, query);
  return window && window->trips;
}

TEST(WindowRule, TripsAtTheThresholdOfTheEstimatedTrafficAndItsError) {
  EXPECT_TRUE(trips(spread(58, 20, 60s, 2500ms), query_of_20()));
  EXPECT_FALSE(trips(spread(57, 20, 60s, 2500ms), query_of_20()));
}

TEST(WindowRule, SaysWhatItSaw) {
  const auto window = weigh_window(spread(60, 20, 60s, 2500ms), query_of_20());
  ASSERT_TRUE(window);
  EXPECT_EQ(window->text(), "60 of about 100 calls in 2.5 s, by 20 instances; 58 needed");
}

TEST(WindowRule, ByTimeIsTheTrafficOfItsSeconds) {
  WindowQuery query = query_of_20();
  query.rule.type = SlidingWindowType::time;
  query.rule.size = 1;
  query.rule.minimum_calls = 36;  // 20 + 1.5 * 3.16 of 40 are needed
  EXPECT_TRUE(trips(spread(25, 20, 60s, 1s), query));
  EXPECT_FALSE(trips(spread(24, 20, 60s, 1s), query));
}

TEST(WindowRule, NeedsItsMinimumOfCalls) {
  WindowQuery query = query_of_20();
  query.rule.type = SlidingWindowType::time;
  query.rule.size = 2;  // 80 calls
  EXPECT_FALSE(trips(spread(60, 20, 60s, 2s), query));
  query.rule.minimum_calls = 80;
  EXPECT_TRUE(trips(spread(60, 20, 60s, 2s), query));
}

TEST(WindowRule, CountsFailuresAsCallsWhereTheEstimateIsBelowThem) {
  WindowQuery query = query_of_20();
  query.calls_per_second = 1;
  query.rule.type = SlidingWindowType::time;
  query.rule.size = 10;
  std::vector<Report> reports = spread(60, 20, 60s, 9s);
  EXPECT_FALSE(trips(reports, query));
  for (Report& r : reports) r.failures = 2;
  EXPECT_TRUE(trips(reports, query));
}

TEST(WindowRule, LooksNoFurtherBackThanTheEpoch) {
  WindowQuery query = query_of_20();
  query.since = at(59s);
  EXPECT_FALSE(trips(spread(40, 20, 60s, 1s), query)) << "40 calls are short of the minimum";
  query.rule.minimum_calls = 40;
  EXPECT_TRUE(trips(spread(25, 20, 60s, 1s), query)) << "25 of the 40 since then";
}

TEST(WindowRule, IsNeverOpenedByOneOfFour) {
  WindowQuery query = query_of_20();
  query.members = 4;
  std::vector<Report> reports = spread(60, 1, 60s, 2400ms);
  EXPECT_FALSE(trips(reports, query));
  for (Report& r : reports) r.failures = 100;
  EXPECT_FALSE(trips(reports, query));
  EXPECT_FALSE(trips(spread(60, 2, 60s, 2400ms), query));
  EXPECT_TRUE(trips(spread(60, 3, 60s, 2400ms), query));
}

TEST(WindowRule, OfAFullSetJudgesTheTimeItCovers) {
  WindowQuery query = query_of_20();
  query.rule.size = 1'000;  // 25 s, of which 64 failures at 60 % cover 2.65 s
  EXPECT_TRUE(trips(spread(64, 20, 60s, 2650ms), query));
  EXPECT_FALSE(trips(spread(64, 20, 60s, 5300ms), query)) << "that is 30 %";
  EXPECT_FALSE(trips(spread(63, 20, 60s, 2650ms), query)) << "nothing else failed in 25 s";
}

TEST(WindowRule, OfAFullSetThatIsShortOfTheMinimumCountsTheRestAsSuccesses) {
  WindowQuery query = query_of_20();
  query.rule.size = 1'000;
  EXPECT_TRUE(trips(spread(64, 20, 60s, 1600ms), query)) << "64 or more of 100";
  query.rule.minimum_calls = 200;
  EXPECT_FALSE(trips(spread(64, 20, 60s, 1600ms), query)) << "64 or more of 200";
  std::vector<Report> thinned = spread(64, 20, 60s, 3200ms);
  for (Report& r : thinned) r.thinning = 1;
  EXPECT_TRUE(trips(thinned, query)) << "128 or more of 200, 115 needed";
}

TEST(WindowRule, ThinsSoThatAFullSetHoldsTheThresholdOfAWindow) {
  core::WindowRule rule = core::window_rule(Policy{.rule = Rule::classic});
  EXPECT_EQ(window_thinning(rule, 10'000), 0) << "50 of 100 calls, however fast";
  rule.size = 1'000;
  EXPECT_EQ(window_thinning(rule, 10'000), 3) << "500 of 1,000";
  rule.type = SlidingWindowType::time;
  rule.size = 10;
  EXPECT_EQ(window_thinning(rule, 10), 0);
  EXPECT_EQ(window_thinning(rule, 40), 2) << "200 of 400";
  EXPECT_EQ(window_thinning(rule, 1e12), 20);
}

TEST(WindowRule, ThinsSoThatAFullSetHoldsWhatTheMinimumNeeds) {
  core::WindowRule rule = core::window_rule(Policy{.rule = Rule::classic});
  rule.failure_rate = 0.8;
  EXPECT_EQ(window_thinning(rule, 1), 1);
  rule.failure_rate = 1;
  EXPECT_EQ(window_thinning(rule, 1), 1);
  rule.minimum_calls = 1'000;
  EXPECT_EQ(window_thinning(rule, 1), 4);
  rule.minimum_calls = 1;
  rule.size = 1;
  EXPECT_EQ(window_thinning(rule, 1), 0);
}

TEST(WindowRule, CountsOnlyThePartOfALongReportThatLiesWithin) {
  // A store that was away for 8 s gets one report of each instance, 15 % failures.
  std::vector<Report> reports;
  for (std::uint64_t i = 0; i < 20; ++i) {
    reports.push_back({.sent = at(59s + 1ms * i),
                       .span = 8s,
                       .instance = InstanceId{i + 1},
                       .failures = 2 + static_cast<std::uint32_t>(i % 2)});
  }
  EXPECT_FALSE(trips(reports, query_of_20()));
}

TEST(WindowRule, FindsATripThatNobodySawForAShortWhileOnly) {
  const std::vector<Report> reports = spread(60, 20, 60s, 2500ms);
  WindowQuery query = query_of_20();
  query.now = at(64s);
  EXPECT_TRUE(trips(reports, query));
  query.now = at(66s);
  EXPECT_FALSE(trips(reports, query));
}

TEST(WindowRule, IsTheSameInAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    core::Random random(seed);
    std::vector<Report> reports;
    for (std::uint32_t i = 0; i < 80; ++i) {
      reports.push_back({.sent = at(50s + 1ms * (random.next() % 10'000)),
                         .span = std::chrono::milliseconds(random.next() % 500),
                         .instance = InstanceId{1 + random.next() % 10},
                         .seq = i,
                         .failures = static_cast<std::uint32_t>(random.next() % 5),
                         .slow = static_cast<std::uint32_t>(random.next() % 5),
                         .thinning = static_cast<std::uint32_t>(random.next() % 3)});
    }
    const auto text = [&] {
      const auto window = weigh_window(reports, query_of_20());
      return window ? window->text() + (window->trips ? " trips" : "") : "";
    };
    const std::string before = text();
    for (std::size_t i = reports.size(); i > 1; --i) {
      std::swap(reports[i - 1], reports[random.next() % i]);
    }
    EXPECT_EQ(text(), before) << "seed " << seed;
  }
}

TEST(WindowRule, OfNoTrafficOrNoThresholdSaysNothing) {
  WindowQuery query = query_of_20();
  query.calls_per_second = 0;
  EXPECT_FALSE(weigh_window(spread(60, 20, 60s, 2s), query));
  query = query_of_20();
  query.threshold = 0;
  EXPECT_FALSE(weigh_window(spread(60, 20, 60s, 2s), query));
  EXPECT_FALSE(weigh_window({}, query_of_20()));
}

}  // namespace
}  // namespace switchgear::fleet
