// Scenarios of what is evidence and what it amounts to.
#include <gtest/gtest.h>

#include <set>

#include "lab/outage.h"
#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

std::uint64_t refused_locally(Process& p) {
  return p.member().counters().refused[static_cast<int>(RefusalReason::local)];
}

// ---- 13 -------------------------------------------------------------------------------------

struct Sick {
  int size;
  double per_second;  // each process
  double background;  // failure rate of the healthy ones
  Duration length;
  std::uint64_t seeds;
};

void PrintTo(const Sick& s, std::ostream* out) {
  *out << s.size << " processes at " << s.per_second << "/s, background " << s.background;
}

class Scenario13OneSickCaller : public testing::TestWithParam<Sick> {};

TEST_P(Scenario13OneSickCaller, StopsItselfAndNobodyElse) {
  const Sick& row = GetParam();
  for (std::uint64_t seed = 1; seed <= row.seeds; ++seed) {
    SCOPED_TRACE(seed);
    WorldOptions options = Fleet::options(Policy{}, {.servers = 10'000,
                                                     .service_mean = 2ms,
                                                     .exponential = false,
                                                     .failure_rate = row.background});
    options.seed = seed;
    Fleet fleet(row.size, options);
    Dependency broken(fleet.world.scheduler, fleet.world.random,
                      {.servers = 10'000, .service_mean = 2ms, .failure_rate = 1});
    fleet.call_steadily(row.per_second);
    fleet.world.run_for(65s);  // by now the fleet knows its size and rate
    fleet.process(0).use(broken);
    fleet.world.run_for(row.length);
    EXPECT_EQ(fleet.properties.entered(State::open), 0);
    EXPECT_EQ(fleet.state(), State::closed);
    EXPECT_GT(refused_locally(fleet.process(0)), 0u);
    // Until more from one process is no evidence, and a trial after each open time.
    EXPECT_LE(broken.received(), 40u);
    if (row.background == 0) {
      std::set<fleet::InstanceId> reporters;
      for (const fleet::Report& r : fleet.world.store.snapshot().reports) {
        reporters.insert(r.instance);
      }
      EXPECT_EQ(reporters, std::set{fleet.process(0).member().instance()});
      for (int i = 1; i < row.size; ++i) EXPECT_EQ(refused_locally(fleet.process(i)), 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fleets, Scenario13OneSickCaller,
                         testing::Values(Sick{500, 1, 0, 1min, 1}, Sick{500, 1, 0.03, 40s, 1},
                                         Sick{20, 2, 0.03, 3min, 3}, Sick{4, 100, 0.03, 1min, 3},
                                         Sick{4, 2, 0.03, 3min, 10}));

// ---- 15 -------------------------------------------------------------------------------------

TEST(Scenario15SlowEvidence, EverySecondCallFailingTripsByTheRule) {
  // A failure adds 4, a success takes 1, trip at 40: 14 pairs, and what the fleet's estimated rate
  // makes of the time in between.
  for (const int size : {1, 4, 10}) {
    SCOPED_TRACE(size);
    Policy policy;
    policy.failure_weight = 4;
    policy.trip_level = 40;
    Fleet fleet(size, policy);
    int calls = 0;
    for (int k = 0; k < 600; ++k) {  // a minute of calm, so that the rate is known
      const int i = k % size;
      fleet.finish(i, fleet.admit(i), Outcome::success, 5ms);
      fleet.world.run_for(100ms);
    }
    while (calls < 200 && fleet.state() == State::closed) {
      const int i = calls % size;
      const fleet::Admission admission = fleet.ask(i);
      if (std::holds_alternative<fleet::Refusal>(admission)) break;  // has seen the trip coming
      fleet.finish(i, std::get<fleet::Permit>(admission),
                   (calls / size) % 2 == 0 ? Outcome::failure : Outcome::success, 5ms);
      ++calls;
      fleet.world.run_for(100ms);
    }
    ASSERT_TRUE(fleet.reaches(State::open, 2s));
    EXPECT_GE(calls, 20);
    EXPECT_LE(calls, 40);
  }
}

TEST(Scenario15SlowEvidence, AFailureEvery19SecondsTripsWhereOtherCallsAreFew) {
  // Between two failures `others` calls succeed: the sum grows by 4 - others a failure.
  struct Row {
    int others;
    int failures_max;  // 0: it must not trip
  };
  for (const Row row : {Row{0, 14}, Row{1, 20}, Row{18, 0}}) {
    SCOPED_TRACE(row.others);
    Policy policy;
    policy.failure_weight = 4;
    policy.trip_level = 40;
    Fleet fleet(1, policy);
    const auto stopped = [&] { return fleet.state() == State::open; };
    int failures = 0;
    while (failures < 60 && !stopped()) {
      const fleet::Admission admission = fleet.ask(0);
      if (std::holds_alternative<fleet::Refusal>(admission)) break;
      fleet.finish(0, std::get<fleet::Permit>(admission), Outcome::failure, 5ms);
      ++failures;
      for (int k = 0; k < row.others && !stopped(); ++k) {
        fleet.world.run_for(19s / (row.others + 1));
        const fleet::Admission other = fleet.ask(0);
        if (const auto* permit = std::get_if<fleet::Permit>(&other)) {
          fleet.finish(0, *permit, Outcome::success, 5ms);
        }
      }
      fleet.world.run_for(19s / (row.others + 1));
    }
    EXPECT_EQ(stopped(), row.failures_max > 0);
    if (row.failures_max > 0) {
      EXPECT_LE(failures, row.failures_max);
      // The first failure, of minutes ago, is still in the evidence that tripped.
      EXPECT_GE(failures, 10);
    }
  }
}

// ---- 18 -------------------------------------------------------------------------------------

TEST(Scenario18DeliveredTwice, ARequestThatArrivesTwiceIsEvidenceOnce) {
  Fleet fleet(6, Policy{});
  fleet.world.store.network.repeated = 1;
  fleet.world.dependency.set_down(Down::refusing);
  int duplicates = 0;
  fleet.world.store.on_step = [&, check = fleet.world.store.on_step](int p, const auto& op,
                                                                     const auto& answer) {
    duplicates += answer.status == fleet::Status::duplicate;
    check(p, op, answer);
  };
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(fleet.call(i));
  fleet.world.run_for(5s);  // a repetition comes up to 3 s later
  EXPECT_EQ(duplicates, 6);
  EXPECT_EQ(fleet.properties.reports_counted(), 6u);
  EXPECT_EQ(fleet.world.store.snapshot().reports.size(), 6u);
  EXPECT_EQ(fleet.state(), State::closed);  // six failures: 24 of 40; twelve would have tripped
}

TEST(Scenario18DeliveredTwice, AMessageThatComesTwiceIsDoneOnceAndTripsNothingByItself) {
  // The queue hands out each message again while its first call is still out.
  OutageOptions o;
  o.dependency = {.servers = 50, .service_mean = 100ms};
  o.again_after = 20ms;
  o.max_receive_count = 10;
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 3s;
  o.consumer.handler_timeout = 2s;
  o.consumer.backoff = {.base = 1s, .cap = 5s, .jitter = core::Jitter::equal};
  o.finish = 60s;
  for (const bool outage : {false, true}) {
    SCOPED_TRACE(outage);
    o.down_at = 20s;
    o.up_at = outage ? 40s : o.down_at;
    o.longest = 100s;
    const OutageResult r = run_outage(o);
    EXPECT_GT(r.calls, r.sent * 3 / 2);  // most were called twice, and each call is a call
    EXPECT_EQ(r.trips, outage ? 1 : 0);
    EXPECT_EQ(r.done, r.sent);
    EXPECT_EQ(r.left, 0u);
    EXPECT_EQ(r.dead_lettered, 0u);
  }
}

}  // namespace
}  // namespace switchgear::lab
