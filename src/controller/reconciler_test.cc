#include "controller/reconciler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "controller/world_for_tests.h"

namespace switchgear::controller {
namespace {

CircuitOptions watched(Evidence evidence = Evidence::alarm, HalfOpen half_open = HalfOpen::trial) {
  return {.name = "payments",
          .evidence = evidence,
          .alarms = {"payments-errors"},
          .mappings = {{Selector::By::function, "all"}},
          .half_open = half_open,
          .ramp_step = 90s};
}

class ReconcilerTest : public ::testing::Test {
 protected:
  World& begin(CircuitOptions options = watched(), int mappings = 1) {
    world.emplace(std::move(options));
    for (int i = 0; i < mappings; ++i)
      world->add_mapping(std::string(1, static_cast<char>('a' + i)));
    world->run(2min);
    EXPECT_EQ(world->state(), State::closed) << world->told();
    return *world;
  }
  bool open_by_outage() {
    world->healthy = false;
    return world->run_until([&] { return world->state() == State::open && all_off(); }, 5min);
  }
  bool all_off() const {
    return std::ranges::none_of(world->functions,
                                [](const auto& f) { return f.second.mapping.settings.enabled; });
  }
  bool as_it_was() const {
    return world->state() == State::closed && world->reconciler->ledger().entries.empty() &&
           std::ranges::all_of(world->functions, [](const auto& f) {
             return f.second.mapping.settings.enabled && f.second.mapping.settings.limit == 50 &&
                    f.second.mapping.settings.batch_size == 10 && f.second.tags.empty();
           });
  }
  std::optional<World> world;
};

TEST_F(ReconcilerTest, TouchesNothingWhileAllIsWell) {
  begin();
  world->run(10min);
  EXPECT_EQ(world->functions.at("a").updates, 0);
  EXPECT_TRUE(world->functions.at("a").tags.empty());
}

TEST_F(ReconcilerTest, IsQuietWhileAllIsWellAndNotBefore) {
  world.emplace(watched());
  world->add_mapping("a");
  EXPECT_FALSE(world->reconciler->quiet());
  const auto quiet = [&] { return world->reconciler->quiet(); };
  EXPECT_TRUE(world->run_until(quiet, 10s)) << world->told();
  EXPECT_EQ(world->functions.at("a").updates, 0);
}

TEST_F(ReconcilerTest, IsNotQuietUntilAnOutageIsOverAndEverythingIsAsItWas) {
  begin();
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::open; }, 5min));
  bool as_before = false;
  world->healthy = true;
  EXPECT_TRUE(world->run_until(
      [&] {
        as_before = as_it_was();
        return world->reconciler->quiet();
      },
      2h))
      << world->told();
  EXPECT_TRUE(as_before);
}

TEST_F(ReconcilerTest, IsNeverQuietWhereTheFleetOpensTheCircuit) {
  CircuitOptions options = watched(Evidence::circuit);
  options.alarms.clear();
  begin(options);
  EXPECT_FALSE(world->run_until([&] { return world->reconciler->quiet(); }, 1min));
}

TEST_F(ReconcilerTest, SwitchesOffWhenTheAlarmGoesToAlarmAndSaysWhatWasBefore) {
  begin();
  ASSERT_TRUE(open_by_outage()) << world->told();
  world->run(5s);
  EXPECT_EQ(world->functions.at("a").tags.at("switchgear:before"), "v1:enabled=true:max=50");
  EXPECT_EQ(world->functions.at("a").tags.at("switchgear:circuit"), "payments");
}

TEST_F(ReconcilerTest, ComesBackThroughTheRampOnceTrialsSucceed) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->run(5min);
  EXPECT_NE(world->state(), State::closed);
  EXPECT_TRUE(all_off());
  EXPECT_GT(world->trials, 0);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::recovering; }, 10min))
      << world->told();
  world->run(20s);
  EXPECT_EQ(world->limit("a"), 2);
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 30min)) << world->told();
}

TEST_F(ReconcilerTest, NeverHalfOpensBecauseAnIdleQueueHasNoData) {
  begin();
  world->backlog = 0;
  world->run(30min);
  EXPECT_EQ(world->state(), State::closed);
  EXPECT_EQ(world->functions.at("a").updates, 0);
}

TEST_F(ReconcilerTest, ComesBackWhenTheQueueIsEmptyAtTrialTime) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->backlog = 0;
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, TriesAfterMaxOpenDurationAlthoughTheAlarmNeverLeavesAlarm) {
  begin();
  world->alarm_stuck = true;
  ASSERT_TRUE(open_by_outage());
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  world->run(30min);
  EXPECT_EQ(world->state(), State::closed) << "the same alarm must not open it twice";
}

TEST_F(ReconcilerTest, LeavesTheDecisionToTrialsWhenTheAlarmIsDeleted) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->alarm_exists = false;
  world->run(10min);
  EXPECT_NE(world->state(), State::closed);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, LeavesTheDecisionToTrialsWhenAlarmsCannotBeRead) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->alarms_readable = false;
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  EXPECT_NE(world->told().find("cloudwatch:DescribeAlarms"), std::string::npos);
}

TEST_F(ReconcilerTest, OnlyWatchesWhereThePolicySaysObserve) {
  Policy policy;
  policy.mode = Mode::observe;
  world.emplace(watched(), policy);
  world->add_mapping("a");
  world->run(1min);
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::open; }, 5min));
  world->run(10min);
  EXPECT_TRUE(world->enabled("a"));
  EXPECT_EQ(world->functions.at("a").updates, 0);
  world->healthy = true;
  EXPECT_TRUE(world->run_until([&] { return world->state() == State::closed; }, 60min))
      << world->told();
}

TEST_F(ReconcilerTest, OpensAgainWhenTheRecoveryFails) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::recovering; }, 15min));
  world->run(3min);
  const int before = world->failed_calls;
  ASSERT_TRUE(open_by_outage()) << world->told();
  EXPECT_LT(world->failed_calls - before, 40 * 50) << "the ramp limits what a relapse costs";
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, LimitsTheMappingItselfWhereTrialsAreNotAllowed) {
  begin(watched(Evidence::alarm, HalfOpen::limited));
  ASSERT_TRUE(open_by_outage());
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::half_open; }, 15min))
      << world->told();
  ASSERT_TRUE(world->run_until([&] { return world->enabled("a"); }, 1min)) << world->told();
  EXPECT_EQ(world->limit("a"), 2);
  EXPECT_EQ(world->functions.at("a").mapping.settings.batch_size, 1);
  ASSERT_TRUE(world->run_until([&] { return all_off(); }, 2min)) << "the alarm goes to ALARM anew";
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 90min)) << world->told();
  EXPECT_EQ(world->trials, 0);
}

TEST_F(ReconcilerTest, KeepsOffWhatAPersonHadSwitchedOffBefore) {
  begin(watched(), 2);
  world->set("b", {.enabled = false, .limit = 50});
  world->run(30s);
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return all_off(); }, 5min));
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::closed; }, 60min))
      << world->told();
  world->run(5min);
  EXPECT_TRUE(world->enabled("a"));
  EXPECT_FALSE(world->enabled("b"));
  EXPECT_EQ(world->functions.at("b").updates, 1) << "only the person's own";
}

TEST_F(ReconcilerTest, LeavesAloneWhatAPersonSwitchesOnWhileOpenUntilNewEvidence) {
  begin(watched(), 2);
  ASSERT_TRUE(open_by_outage());
  world->run(20s);
  world->set("b", {.enabled = true, .limit = 50});
  world->run(3min);
  EXPECT_TRUE(world->enabled("b"));
  EXPECT_NE(world->told().find("is left alone now"), std::string::npos);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  ASSERT_TRUE(open_by_outage()) << world->told();
}

TEST_F(ReconcilerTest, KeepsWhatAPersonLimitsWhileOpen) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->run(20s);
  world->set("a", {.enabled = false, .limit = 10});
  world->run(3min);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::closed; }, 60min))
      << world->told();
  world->run(1min);
  EXPECT_TRUE(world->enabled("a"));
  EXPECT_EQ(world->limit("a"), 10);
}

TEST_F(ReconcilerTest, KeepsOffWhatAPersonSwitchesOffDuringTheRamp) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::recovering; }, 15min));
  world->run(30s);
  world->set("a", {.enabled = false, .limit = 2});
  world->run(60min);
  EXPECT_FALSE(world->enabled("a"));
  EXPECT_EQ(world->state(), State::closed);
}

TEST_F(ReconcilerTest, SwitchesMappingsOnOneAfterAnother) {
  begin(watched(), 4);
  ASSERT_TRUE(open_by_outage());
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::recovering; }, 15min));
  world->run(30s);
  EXPECT_TRUE(world->enabled("a"));
  EXPECT_FALSE(world->enabled("b"));
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, FindsWhatItHadSwitchedOffByTagsWhenTheStoreIsLost) {
  begin();
  ASSERT_TRUE(open_by_outage());
  world->run(30s);
  world->store.clear();
  world->note = {};
  world->healthy = true;
  world->start();
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, ForgetsNothingOfAMappingThatListsLeaveOut) {
  begin(watched(), 2);
  ASSERT_TRUE(open_by_outage());
  world->unlisted = {"b"};
  world->run(10min);
  world->start();
  world->run(10min);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, ForgetsAMappingThatWasDeleted) {
  begin(watched(), 2);
  ASSERT_TRUE(open_by_outage());
  world->run(1min);
  world->functions.erase("b");
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  EXPECT_NE(world->told().find("was deleted"), std::string::npos);
}

TEST_F(ReconcilerTest, TellsEveryChangeOnceAndWhatIsPausedAndResumed) {
  begin();
  EXPECT_TRUE(world->announcements.empty());
  ASSERT_TRUE(open_by_outage());
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  std::string states;
  std::vector<std::int64_t> epochs;
  int paused = 0, resumed = 0;
  for (const Announcement& a : world->announcements) {
    if (a.kind == Announcement::Kind::paused) ++paused;
    if (a.kind == Announcement::Kind::resumed) ++resumed;
    if (a.kind != Announcement::Kind::state) continue;
    states += std::string(to_string(a.from)) + ">" + std::string(to_string(a.to)) + " ";
    epochs.push_back(a.epoch);
    EXPECT_FALSE(a.why.empty());
  }
  EXPECT_EQ(states, "CLOSED>OPEN OPEN>HALF_OPEN HALF_OPEN>RECOVERING RECOVERING>CLOSED ");
  EXPECT_TRUE(std::ranges::is_sorted(epochs));
  EXPECT_EQ(paused, 1);
  EXPECT_EQ(resumed, 1);
}

TEST_F(ReconcilerTest, TellsAChangeThatTheControllerBeforeItDidNotLiveToTell) {
  begin();
  world->healthy = false;
  // Dies with the answer to the write that opens: whoever comes next sees the circuit open.
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::open; }, 5min));
  world->announcements.clear();
  const auto text = world->note.text;
  world->start();
  world->run(90s);
  const bool told = std::ranges::any_of(world->announcements, [](const Announcement& a) {
    return a.from == State::closed && a.to == State::open;
  });
  EXPECT_TRUE(told) << "the note of " << text << " did not say that it had been told";
}

TEST_F(ReconcilerTest, LeavesAMappingOnThatWouldLoseRecordsUnlessToldOtherwise) {
  for (const bool accept : {false, true}) {
    CircuitOptions options = watched();
    options.accept_loss = accept;
    begin(options, 2);
    world->functions.at("b").mapping.loses = "MaximumRecordAgeInSeconds is 60";
    world->run(2min);
    world->healthy = false;
    ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
    world->run(2min);
    EXPECT_EQ(world->enabled("b"), !accept);
    if (!accept) EXPECT_NE(world->told().find("accept_loss: true"), std::string::npos);
    world->healthy = true;
    ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  }
}

TEST_F(ReconcilerTest, SwitchesTheBusiestMappingOffFirst) {
  world.emplace(watched());
  for (const char* uuid : {"a", "b", "c"}) world->add_mapping(uuid);
  world->waiting = {{world->functions.at("a").mapping.source_arn, 10},
                    {world->functions.at("b").mapping.source_arn, 1'000},
                    {world->functions.at("c").mapping.source_arn, 100}};
  world->run(2min);
  ASSERT_TRUE(open_by_outage()) << world->told();
  EXPECT_EQ(world->changed, (std::vector<std::string>{"b", "c", "a"}));
}

TEST_F(ReconcilerTest, RefusesALimitedHalfOpenThatReceivesCannotBear) {
  CircuitOptions options = watched(Evidence::alarm, HalfOpen::limited);  // of 90 s
  world.emplace(options);
  world->add_mapping("a");
  world->max_receive_count = 5;
  world->visibility_timeout = 30s;  // 4 receives
  world->run(2min);
  EXPECT_NE(world->told().find("half_open: limited is refused"), std::string::npos)
      << world->told();
  ASSERT_TRUE(open_by_outage());
  world->run(5min);
  EXPECT_TRUE(all_off());
  EXPECT_GT(world->trials, 0);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
}

TEST_F(ReconcilerTest, SaysHowManyReceivesALimitedHalfOpenMayUse) {
  CircuitOptions options = watched(Evidence::alarm, HalfOpen::limited);
  world.emplace(options);
  world->add_mapping("a");
  world->max_receive_count = 20;
  world->run(2min);
  EXPECT_NE(world->told().find("may use 4 receives of a message each time of 20"),
            std::string::npos)
      << world->told();
}

TEST_F(ReconcilerTest, ObeysAHoldAndGivesBackAfterIt) {
  begin();
  world->hold(HoldKind::forced_open);
  ASSERT_TRUE(world->run_until([&] { return all_off(); }, 1min)) << world->told();
  world->run(10min);
  EXPECT_TRUE(all_off());
  world->hold(HoldKind::none);
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 5min)) << world->told();
  world->hold(HoldKind::forced_closed);
  world->healthy = false;
  world->run(10min);
  EXPECT_TRUE(world->enabled("a"));
}

TEST_F(ReconcilerTest, RaisesTheRetentionBeforeMessagesExpireAndLowersItAfterwards) {
  begin();
  world->retention = 1h;
  ASSERT_TRUE(open_by_outage());
  world->run(20min);
  EXPECT_EQ(world->retention, 1h);
  ASSERT_TRUE(world->run_until([&] { return world->retention == queue::kRetentionMax; }, 20min))
      << world->told();
  world->run(1h);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return as_it_was(); }, 60min)) << world->told();
  EXPECT_EQ(world->retention, queue::kRetentionMax) << "old messages may be there still";
  world->backlog = 0;
  world->run(10min);
  world->backlog = 5;
  world->run(10min);
  EXPECT_EQ(world->retention, 1h) << world->told();
  EXPECT_EQ(world->reconciler->ledger().queues.begin()->second.wanted, std::chrono::seconds(0));
}

TEST_F(ReconcilerTest, LeavesARetentionAloneThatAPersonChangesMeanwhile) {
  begin();
  world->retention = 1h;
  ASSERT_TRUE(open_by_outage());
  ASSERT_TRUE(world->run_until([&] { return world->retention == queue::kRetentionMax; }, 60min));
  world->run(5min);
  world->retention = std::chrono::days(7);
  world->run(30min);
  EXPECT_EQ(world->retention, std::chrono::days(7)) << world->told();
}

TEST_F(ReconcilerTest, SaysThatMessagesWillExpireWhereTheRetentionMayNotBeChanged) {
  begin();
  world->retention = 1h;
  world->retention_may_be_set = false;
  ASSERT_TRUE(open_by_outage());
  world->run(50min);
  EXPECT_NE(world->told().find("sqs:SetQueueAttributes"), std::string::npos);
  EXPECT_NE(world->told().find("move them away"), std::string::npos);
}

TEST_F(ReconcilerTest, LeavesTheNoteOfANewerVersionAndTheMappingsAlone) {
  begin();
  world->note = {.revision = 900, .text = R"({"v":2,"news":true})"};
  world->start();
  world->healthy = false;
  world->run(20min);
  EXPECT_TRUE(world->enabled("a"));
  EXPECT_EQ(world->note.revision, 900u);
  EXPECT_NE(world->told().find("newer controller"), std::string::npos);
}

// At every action of an outage with its recovery, before it and after it.
TEST_F(ReconcilerTest, ConvergesWhereverItIsKilled) {
  const auto life = [&](std::optional<World::Kill> kill) {
    world.emplace(watched());
    world->add_mapping("a");
    world->add_mapping("b");
    world->run(90s);
    world->kill = kill;
    const int first = world->actions;
    world->healthy = false;
    world->run(6min);
    world->healthy = true;
    const bool back =
        world->run_until([&] { return as_it_was() && world->elapsed() > 1000s + 10min; }, 2h);
    EXPECT_TRUE(back) << "killed at " << (kill ? kill->number : 0) << "\n" << world->told();
    return world->actions - first;
  };
  const int actions = life(std::nullopt);
  ASSERT_GT(actions, 100);
  int kills = 0;
  for (int n = 1; n <= actions; ++n) {
    for (const bool after : {false, true}) {
      const World::Kill kill{n, after};
      life(kill);
      kills += world->kills;
      if (HasFailure()) FAIL() << "killed " << (after ? "after" : "before") << " action " << n;
    }
  }
  EXPECT_GE(kills, 2 * actions - 20);
}

TEST_F(ReconcilerTest, OnlyOneOfTwoControls) {
  begin();
  const fleet::PolicyTable table{Policy{}};
  Reconciler other(watched(), table, 1min, fleet::InstanceId{999}, 5, world->now());
  const auto action = other.next_action(world->now());
  ASSERT_TRUE(action && std::holds_alternative<ReadNoteAction>(*action));
  stores::NoteAnswer answer{.note = world->note};
  answer.note.time = world->store_time();
  other.note_answered(answer, world->now());
  EXPECT_FALSE(other.next_action(world->now()));
  EXPECT_FALSE(other.in_control(world->now()));
}

}  // namespace
}  // namespace switchgear::controller
