#include "fleet/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <tuple>
#include <vector>

#include "core/random.h"
#include "core/trip_rule.h"

namespace switchgear::fleet {
namespace {

constexpr core::CusumRule kRule{.weight = 10, .level = 100};

StoreTime at(std::int64_t ms) { return store_time_ms(1'000'000'000 + ms); }

Report failure(std::int64_t ms, std::uint64_t instance, std::uint32_t seq,
               std::uint32_t failures = 1) {
  return Report{.sent = at(ms), .instance = InstanceId{instance}, .seq = seq, .failures = failures};
}

TripQuery query(double calls_per_second, double members, std::int64_t now_ms) {
  return TripQuery{
      .rule = kRule, .calls_per_second = calls_per_second, .members = members, .now = at(now_ms)};
}

bool trips(std::span<const Report> reports, const TripQuery& q) {
  const auto w = weigh(reports, q);
  return w && w->trips;
}

TEST(Evidence, ShareBoundFollowsTheFleet) {
  EXPECT_DOUBLE_EQ(share_bound(1), 1);
  EXPECT_DOUBLE_EQ(share_bound(1.4), 1);
  EXPECT_DOUBLE_EQ(share_bound(2), 0.5);
  EXPECT_DOUBLE_EQ(share_bound(4), 0.35);
  EXPECT_DOUBLE_EQ(share_bound(1000), 0.25);
}

TEST(Evidence, NothingTripsWithoutReportsOrWithoutARule) {
  EXPECT_FALSE(weigh({}, query(100, 1, 0)));
  TripQuery none = query(0, 1, 0);
  none.rule = {};
  const std::vector<Report> reports{failure(0, 1, 0, 1000)};
  EXPECT_FALSE(weigh(reports, none));
}

TEST(Evidence, TenFailuresInARowTripAtFullRate) {
  // 100 calls/s, every call fails: one failure each 10 ms. The serial rule trips with the tenth.
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 9; ++i) reports.push_back(failure(10L * i, 1 + i % 5, i));
  EXPECT_FALSE(trips(reports, query(100, 1, 80)));
  reports.push_back(failure(90, 3, 9));
  EXPECT_TRUE(trips(reports, query(100, 1, 90)));
}

TEST(Evidence, SuccessesBetweenFailuresDrainIt) {
  // 10 failures spread over 10 s of 100 calls/s are 1 %: far below the neutral rate.
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 10; ++i) reports.push_back(failure(1000L * i, 1 + i % 5, i));
  EXPECT_FALSE(trips(reports, query(100, 1, 9000)));
}

TEST(Evidence, IsTheSerialCusumOnRandomInterleavingsWhereTheShareDoesNotBind) {
  // Calls at a fixed pace, outcomes at random, reporters at random: the set must trip at exactly
  // the call at which the serial rule does. One member in the books, so the share is 1.
  core::Random random(20260101);
  int trips_seen = 0;
  for (int run = 0; run < 300; ++run) {
    const double p = random.between(0.05, 0.9);
    const core::CusumRule rule{.weight = static_cast<int>(1 + random.below(12)),
                               .level = static_cast<int>(20 + random.below(60))};
    const double rate = 100;
    core::Cusum serial(rule);
    std::vector<Report> set;
    for (std::uint32_t call = 0; call < 400; ++call) {
      const bool failed = random.chance(p);
      const bool serial_trips = serial.add(failed);
      if (!failed) {
        ASSERT_FALSE(serial_trips);
        continue;
      }
      set.push_back(failure(10L * call, 1 + random.below(7), call));
      // Any order of arrival: insert at a random place.
      std::swap(set.back(), set[random.below(set.size())]);
      if (set.size() > kReportsMax) break;
      const TripQuery q{.rule = rule,
                        .calls_per_second = rate,
                        .members = 1,
                        .now = at(10 * static_cast<std::int64_t>(call))};
      ASSERT_EQ(trips(set, q), serial_trips) << "run " << run << " call " << call << " p " << p
                                             << " w " << rule.weight << " H " << rule.level;
      if (serial_trips) {
        trips_seen++;
        break;
      }
    }
  }
  EXPECT_GT(trips_seen, 100);
}

TEST(Evidence, OneSickInstanceOfFourNeverSuppliesEnough) {
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 60; ++i) reports.push_back(failure(10L * i, 1, i, 50));
  EXPECT_FALSE(trips(reports, query(100, 4, 590)));
  EXPECT_TRUE(trips(reports, query(100, 1, 590)));
}

TEST(Evidence, ThreeOfFourInstancesTogetherTrip) {
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 3; ++i) reports.push_back(failure(10L * i, 1 + i, i, 5));
  EXPECT_TRUE(trips(reports, query(100, 4, 30)));
  reports.pop_back();
  EXPECT_FALSE(trips(reports, query(100, 4, 30)));
}

TEST(Evidence, FourInstancesTogetherTrip) {
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 4; ++i) reports.push_back(failure(10L * i, 1 + i, i, 4));
  EXPECT_TRUE(trips(reports, query(100, 4, 40)));
}

TEST(Evidence, ABatchIsJudgedByItsSpan) {
  // 12 failures that took 10 s of 100 calls/s are harmless, 12 at once are not.
  Report batch = failure(10'000, 1, 0, 12);
  EXPECT_TRUE(trips(std::vector{batch}, query(100, 1, 10'000)));
  batch.span = std::chrono::milliseconds{10'000};
  EXPECT_FALSE(trips(std::vector{batch}, query(100, 1, 10'000)));
}

TEST(Evidence, ThinnedReportsStandForTheCallsLeftOut) {
  // 1,600 calls/s, half of them failing; reported with probability 1/16.
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 12; ++i) {
    Report r = failure(20L * i, 1 + i % 6, i);
    r.thinning = 4;
    reports.push_back(r);
  }
  EXPECT_TRUE(trips(reports, query(1'600, 1, 220)));
  for (Report& r : reports) r.thinning = 0;  // as if 12 of 350 calls had failed
  EXPECT_FALSE(trips(reports, query(1'600, 1, 220)));
}

TEST(Evidence, OldReportsTripNothing) {
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 20; ++i) reports.push_back(failure(i, 1 + i, i));
  EXPECT_TRUE(trips(reports, query(100, 1, 1'000)));
  EXPECT_FALSE(trips(reports, query(100, 1, 5'100)));
}

TEST(Evidence, ATripMissedAtItsTimeIsFoundInAnOlderPrefix) {
  // A burst trips; two seconds of calm later a lone failure would not. The burst still counts.
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 12; ++i) reports.push_back(failure(i, 1 + i, i));
  reports.push_back(failure(3'000, 50, 99));
  EXPECT_TRUE(trips(reports, query(500, 1, 3'000)));
}

TEST(Evidence, EveryOrderOfTheSetGivesTheSameAnswer) {
  core::Random random(7);
  for (int run = 0; run < 50; ++run) {
    std::vector<Report> reports;
    for (std::uint32_t i = 0; i < 40; ++i) {
      reports.push_back(failure(static_cast<std::int64_t>(random.below(2'000)), 1 + random.below(8),
                                i, static_cast<std::uint32_t>(1 + random.below(3))));
    }
    const auto first = weigh(reports, query(200, 4, 2'000));
    for (int shuffle = 0; shuffle < 5; ++shuffle) {
      for (std::size_t i = reports.size(); i > 1; --i) {
        std::swap(reports[i - 1], reports[random.below(i)]);
      }
      const auto again = weigh(reports, query(200, 4, 2'000));
      ASSERT_TRUE(first && again);
      ASSERT_EQ(first->trips, again->trips);
      ASSERT_DOUBLE_EQ(first->ratio(), again->ratio());
    }
  }
}

// The rule of the header, spelled out: every run of reports that ends at a recent one, and the need
// by bisection.
bool trips_by_the_letter(std::vector<Report> reports, const TripQuery& query) {
  std::ranges::sort(reports, {}, [](const Report& r) { return std::tuple(r.sent, r.seq); });
  const double weight = query.rule.weight;
  for (std::size_t end = 1; end <= reports.size(); ++end) {
    const Report& last = reports[end - 1];
    if (last.sent <= query.now - kTripAgeMax) continue;
    for (std::size_t begin = 0; begin < end; ++begin) {
      std::map<InstanceId, double> by_instance;
      StoreTime first = last.sent;
      for (std::size_t i = begin; i < end; ++i) {
        by_instance[reports[i].instance] += weight * reports[i].failures;
        first = std::min(first, reports[i].sent - reports[i].span);
      }
      const double calls =
          query.calls_per_second * std::chrono::duration<double>(last.sent - first).count();
      const auto counted = [&](double need) {
        double sum = 0;
        for (const auto& [id, e] : by_instance)
          sum += std::min(e, share_bound(query.members) * need);
        return sum;
      };
      const auto wants = [&](double need) {
        return query.rule.level + std::max(0.0, calls + 1 - counted(need) / weight);
      };
      double low = query.rule.level;
      double high = query.rule.level + calls + 1;
      for (int i = 0; i < 100; ++i) {
        const double middle = (low + high) / 2;
        (wants(middle) > middle ? low : high) = middle;
      }
      if (counted(high) >= high * (1 - 1e-12)) return true;
    }
  }
  return false;
}

TEST(Evidence, TripsWhereTheRuleByTheLetterDoes) {
  core::Random random(11);
  int trips = 0;
  for (int round = 0; round < 600; ++round) {
    const TripQuery query{
        .rule = {.weight = static_cast<int>(1 + random.below(12)),
                 .level = static_cast<int>(20 + random.below(80))},
        .calls_per_second = random.between(0, 60),
        .members = static_cast<double>(1 + random.below(8)),
        .now = at(static_cast<std::int64_t>(3'000 + random.below(4'000))),
    };
    std::vector<Report> reports;
    for (std::uint32_t i = 0; i < 5 + random.below(40); ++i) {
      reports.push_back(failure(static_cast<std::int64_t>(random.below(3'000)), 1 + random.below(6),
                                i, static_cast<std::uint32_t>(1 + random.below(3))));
    }
    const auto window = weigh(reports, query);
    const bool expected = trips_by_the_letter(reports, query);
    trips += expected;
    EXPECT_EQ(window && window->trips, expected) << "round " << round;
  }
  EXPECT_GT(trips, 100);
  EXPECT_LT(trips, 500);
}

TEST(Evidence, OverloadCountsWhereTheRuleSaysSo) {
  Report r = failure(0, 1, 0, 0);
  r.overloads = 30;
  TripQuery q = query(100, 1, 0);
  EXPECT_TRUE(trips(std::vector{r}, q));
  q.evidence = Evidence::hard_failures;
  EXPECT_FALSE(trips(std::vector{r}, q));
  q.evidence = Evidence::overloads;
  EXPECT_TRUE(trips(std::vector{r}, q));
  q.evidence = Evidence::slow;
  EXPECT_FALSE(trips(std::vector{r}, q));
}

TEST(Evidence, TellsWhatItSaw) {
  std::vector<Report> reports;
  for (std::uint32_t i = 0; i < 12; ++i) reports.push_back(failure(100L * i, 1 + i % 3, i));
  const auto w = weigh(reports, query(10, 1, 1'100));
  ASSERT_TRUE(w);
  EXPECT_EQ(w->text(), "12 failures by 3 instances in 1.1 s; evidence 120 of 100 needed");
}

}  // namespace
}  // namespace switchgear::fleet
