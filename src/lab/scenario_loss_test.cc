// Scenarios of a store that forgets: it fails over to a replica that lags, or loses the record.
#include <gtest/gtest.h>

#include <set>

#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

Policy long_open() {
  Policy policy;
  policy.open_duration = 10min;
  policy.max_open_duration = 10min;
  return policy;
}

// ---- 21 -------------------------------------------------------------------------------------

TEST(Scenario21Failover, WhatWasSeenIsPutBackInFrontWithinOneRefresh) {
  Fleet fleet(20, long_open());
  fleet.world.store.keep_history(1min);
  fleet.call_steadily(5);
  fleet.world.run_for(30s);
  fleet.world.dependency.set_down(Down::refusing);
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  // All who call have heard of it; none of it had reached the replica.
  fleet.world.run_for(3s);
  const std::int64_t seen = fleet.stored().epoch;
  const std::uint64_t refusals = fleet.world.refusals;
  const std::uint64_t received = fleet.world.dependency.received();
  fleet.world.store.fail_over(10s);
  fleet.properties.store_lost();
  ASSERT_EQ(fleet.state(), State::closed);
  ASSERT_LT(fleet.stored().epoch, seen);
  const TrueTime lost = fleet.world.scheduler.now();
  ASSERT_TRUE(fleet.reaches(State::open, 5s));
  EXPECT_LE(fleet.world.scheduler.now() - lost, Policy{}.view_refresh_in_trouble);
  EXPECT_EQ(fleet.stored().reason, "reassert");
  EXPECT_GT(fleet.stored().epoch, seen);
  fleet.world.run_for(10s);
  // Nobody has acted on the older epoch in the meantime.
  EXPECT_EQ(fleet.world.dependency.received(), received);
  EXPECT_GT(fleet.world.refusals, refusals);
  EXPECT_EQ(fleet.changed_to(State::open, "reassert"), 1);
}

TEST(Scenario21Failover, ASingleProcessThatHasSeenMoreIsEnough) {
  Fleet fleet(5, long_open());
  fleet.world.store.keep_history(1min);
  fleet.world.run_for(5s);
  fleet.trip();
  fleet.world.run_for(2s);
  const std::int64_t seen = fleet.stored().epoch;
  for (int i = 1; i < 5; ++i) fleet.process(i).kill();
  fleet.world.store.fail_over(10s);
  fleet.properties.store_lost();
  const TrueTime lost = fleet.world.scheduler.now();
  fleet.call_steadily(5);
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  EXPECT_GT(fleet.stored().epoch, seen);
  // Its next refresh shows the loss; then up to a second of jitter, since others may do it too.
  EXPECT_LE(fleet.world.scheduler.now() - lost, Policy{}.view_refresh_in_trouble + 1s + 50ms);
}

TEST(Scenario21Failover, EpochsAreNeverReusedThroughManyFailovers) {
  // Fails over at every kind of moment of many rounds. That an epoch never stands for two things
  // and nobody goes back is checked beside (P2).
  Policy policy;
  policy.open_duration = 1s;
  policy.max_open_duration = 2s;
  policy.call_timeout = 1s;
  policy.recovery_quiet_duration = 3s;
  Fleet fleet(10, policy);
  fleet.world.store.keep_history(1min);
  fleet.call_steadily(5);
  fleet.world.run_for(20s);
  std::set<std::int64_t> epochs;
  std::uint64_t last_swap = 0;
  fleet.world.store.on_step = [&, check = fleet.world.store.on_step](int p, const auto& op,
                                                                     const auto& answer) {
    const auto* swap = std::get_if<fleet::SwapOp>(&op);
    if (swap && answer.status == fleet::Status::ok && swap->next.epoch != swap->expected_epoch) {
      const bool repeated = swap->next.swap_id == last_swap;
      EXPECT_TRUE(repeated || epochs.insert(swap->next.epoch).second) << swap->next.epoch;
      last_swap = swap->next.swap_id;
    }
    check(p, op, answer);
  };
  for (int k = 0; k < 30; ++k) {
    fleet.world.dependency.set_down(k % 3 == 0 ? Down::no : Down::refusing);
    fleet.world.run_for(1s + 370ms * k);
    fleet.world.store.fail_over(200ms * (1 + k % 9));
    fleet.properties.store_lost();
  }
  fleet.world.dependency.set_down(Down::no);
  EXPECT_TRUE(fleet.reaches(State::closed, 3min));
  EXPECT_GE(epochs.size(), 60u);
}

// ---- 22 -------------------------------------------------------------------------------------

// Whole-record writes, by process, and how many were granted.
class CountReassertions : public CountOperations {
 public:
  using CountOperations::CountOperations;
  void answered(Process& p, const fleet::Operation& o, const fleet::Answer* a) override {
    const auto* swap = std::get_if<fleet::SwapOp>(&o);
    if (swap && a && a->status == fleet::Status::ok) {
      ++(swap->next.reason == "reassert"  ? reasserted
         : swap->next.reason == "created" ? created
                                          : others);
    }
    CountOperations::answered(p, o, a);
  }
  int reasserted = 0;
  int created = 0;
  int others = 0;
};

TEST(Scenario22RecordVanishes, OneHolderOfALiveOpenViewPutsItBack) {
  Fleet fleet(20, long_open());
  fleet.call_steadily(5);
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::refusing);
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  fleet.world.run_for(3s);
  const std::int64_t seen = fleet.stored().epoch;
  const std::uint64_t received = fleet.world.dependency.received();
  CountReassertions observer(fleet.properties);
  fleet.world.observe(observer);
  fleet.world.store.flush();
  fleet.properties.store_lost();
  fleet.world.run_for(10s);
  ASSERT_NE(fleet.properties.stored(), nullptr);
  EXPECT_EQ(fleet.state(), State::open);
  EXPECT_GT(fleet.stored().epoch, seen);
  EXPECT_EQ(observer.reasserted, 1);
  EXPECT_EQ(observer.created, 0);
  // At most one attempt per instance and refresh, and one refresh was enough.
  for (const auto& [process, swaps] : observer.swaps) EXPECT_LE(swaps, 1) << process;
  EXPECT_EQ(fleet.world.dependency.received(), received);  // missing was never taken for CLOSED
}

TEST(Scenario22RecordVanishes, ALiveOpenViewWinsOverARecordThatANewcomerCreated) {
  Fleet fleet(10, long_open());
  fleet.call_steadily(5);
  fleet.world.run_for(5s);
  fleet.world.dependency.set_down(Down::refusing);
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  fleet.world.run_for(6s);  // all have seen it
  const std::int64_t seen = fleet.stored().epoch;
  CountReassertions observer(fleet.properties);
  fleet.world.observe(observer);
  // Those who know are cut off for a moment; a newcomer finds nothing and starts CLOSED.
  for (int i = 0; i < 10; ++i) fleet.world.store.cut_off.push_back(i);
  fleet.world.store.flush();
  fleet.properties.store_lost();
  Process& newcomer = fleet.world.add_process();
  fleet.call(newcomer.index());
  fleet.world.run_for(1s);
  ASSERT_NE(fleet.properties.stored(), nullptr);
  ASSERT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.stored().reason, "created");
  fleet.world.store.cut_off.clear();
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  fleet.world.run_for(10s);
  EXPECT_EQ(fleet.state(), State::open);
  EXPECT_GT(fleet.stored().epoch, seen);
  EXPECT_EQ(observer.reasserted, 1);
  EXPECT_EQ(observer.created, 1);
  fleet.call(newcomer.index());  // idle until now, it looks when it is used
  fleet.world.run_for(1s);
  EXPECT_EQ(newcomer.member().state(), State::open);
}

TEST(Scenario22RecordVanishes, WithNoLiveViewLeftItStartsClosedAndSaysSo) {
  Fleet fleet(10, long_open());
  fleet.trip();
  const std::int64_t seen = fleet.stored().epoch;
  for (int i = 0; i < 10; ++i) fleet.process(i).kill();
  fleet.world.run_for(1s);
  fleet.world.store.flush();
  fleet.properties.store_lost();
  Process& newcomer = fleet.world.add_process();
  EXPECT_TRUE(fleet.call(newcomer.index()));
  fleet.world.run_for(1s);
  ASSERT_NE(fleet.properties.stored(), nullptr);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.stored().reason, "created");
  EXPECT_EQ(fleet.stored().born, fleet.stored().since);
  EXPECT_GT(fleet.stored().epoch, seen);  // by the store's time: not even nobody's memory is reused
}

TEST(Scenario22RecordVanishes, AnOpenViewThatHasEndedPutsNothingBack) {
  // Frozen through the whole open time and more; when it thaws, the record is gone.
  Policy policy;
  policy.open_duration = 20s;
  policy.max_open_duration = 20s;
  Fleet fleet(3, policy);
  fleet.trip();
  fleet.world.run_for(2s);
  fleet.process(0).stop(Standstill::none, 10min);
  fleet.process(1).kill();
  fleet.process(2).kill();
  fleet.world.store.flush();
  fleet.properties.store_lost();
  fleet.world.dependency.set_down(Down::no);
  ASSERT_TRUE(fleet.world.run_until([&] { return !fleet.process(0).stopped(); }, 11min));
  fleet.call_steadily(5);
  ASSERT_TRUE(fleet.reaches(State::closed, 30s));
  EXPECT_EQ(fleet.stored().reason, "created");
}

}  // namespace
}  // namespace switchgear::lab
