// What goes wrong around a reconciler: rights, mappings that stay as they are, lists that lag, a
// store that forgets.
#include <gtest/gtest.h>

#include <algorithm>

#include "controller/reconciler.h"
#include "controller/world_for_tests.h"

namespace switchgear::controller {
namespace {

CircuitOptions watched(HalfOpen half_open = HalfOpen::trial) {
  return {.name = "payments",
          .evidence = Evidence::alarm,
          .alarms = {"payments-errors"},
          .mappings = {{Selector::By::function, "all"}},
          .half_open = half_open,
          .ramp_step = 90s};
}

class ReconcilerFaultsTest : public ::testing::Test {
 protected:
  void begin(CircuitOptions options = watched(), int mappings = 1) {
    world.emplace(std::move(options));
    for (int i = 0; i < mappings; ++i) {
      world->add_mapping(std::string(1, static_cast<char>('a' + i)));
    }
    world->run(2min);
    ASSERT_EQ(world->state(), State::closed) << world->told();
  }
  bool comes_to(State state, Duration most = 20min) {
    return world->run_until([&] { return world->state() == state; }, most);
  }
  bool opens() {
    world->healthy = false;
    return world->run_until([&] { return world->state() == State::open && all_off(); }, 5min);
  }
  bool comes_back() {
    world->healthy = true;
    return world->run_until([&] { return as_it_was(); }, 90min);
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
  template <class T>
  void refuse(std::function<bool(const T&)> which, const std::string& code) {
    world->refusal = [which, code](const Action& action) -> std::optional<Error> {
      const T* a = std::get_if<T>(&action);
      if (!a || !which(*a)) return std::nullopt;
      return Error{code, "refused", false, "lambda"};
    };
  }
  std::optional<World> world;
};

TEST_F(ReconcilerFaultsTest, BringsMappingsBackAlthoughAnotherSelectorCannotBeListed) {
  CircuitOptions options = watched();
  options.mappings = {{Selector::By::function, "b"}, {Selector::By::function, "a"}};
  begin(options, 2);
  ASSERT_TRUE(opens());
  world->run(1min);
  refuse<ListMappingsAction>([](const auto& a) { return a.selector.text == "b"; },
                             "ResourceNotFoundException");
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, TriesTheOthersAlthoughOneMappingMayNotBeChanged) {
  begin(watched(), 2);
  refuse<UpdateMappingAction>([](const auto& a) { return a.uuid == "b"; }, "AccessDeniedException");
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  world->run(5min);
  world->healthy = true;
  ASSERT_TRUE(world->run_until(
      [&] { return world->state() == State::closed && world->limit("a") == 50; }, 90min))
      << world->told();
}

TEST_F(ReconcilerFaultsTest, TriesTheOthersAlthoughOneMappingNeverStopsChanging) {
  begin(watched(), 2);
  ASSERT_TRUE(opens());
  world->run(30s);
  world->functions.at("b").mapping.changing = true;
  world->functions.at("b").changes_until = world->elapsed() + 24h;
  world->healthy = true;
  ASSERT_TRUE(world->run_until(
      [&] { return world->state() == State::closed && world->limit("a") == 50; }, 2h))
      << world->told();
}

TEST_F(ReconcilerFaultsTest, KeepsTheLedgerThatItHasWhenTheStoreLosesTheNote) {
  begin();
  refuse<TagAction>([](const auto&) { return true; }, "AccessDeniedException");
  ASSERT_TRUE(opens());
  world->run(1min);
  world->note = {};
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, KeepsTheLedgerThatItHasWhenTheStoreGoesBackToAnOlderNote) {
  begin();
  refuse<TagAction>([](const auto&) { return true; }, "AccessDeniedException");
  const stores::Note older = world->note;
  ASSERT_TRUE(opens());
  world->run(1min);
  world->note = older;
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, GivesBackWhatItHadLimitedWhenTheStoreIsLostDuringTheRamp) {
  begin();
  ASSERT_TRUE(opens());
  world->healthy = true;
  ASSERT_TRUE(comes_to(State::recovering));
  world->run(30s);
  ASSERT_EQ(world->limit("a"), 2);
  world->store.clear();
  world->note = {};
  world->start();
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, TakesAwayTheTagsOfTheOthersWhenOneMappingIsDeleted) {
  begin(watched(), 3);
  ASSERT_TRUE(opens());
  world->healthy = true;
  ASSERT_TRUE(comes_to(State::recovering));
  world->refusal = [this](const Action& action) -> std::optional<Error> {
    if (std::holds_alternative<UntagAction>(action)) world->functions.erase("a");
    return std::nullopt;
  };
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, BelievesNoTagsOfAnOutageThatTheLedgerKnowsToBeOver) {
  begin();
  ASSERT_TRUE(opens());
  world->run(1min);
  refuse<UntagAction>([](const auto&) { return true; }, "AccessDeniedException");
  world->healthy = true;
  ASSERT_TRUE(world->run_until(
      [&] {
        return world->state() == State::closed && world->reconciler->ledger().entries.empty();
      },
      90min));
  ASSERT_FALSE(world->functions.at("a").tags.empty());
  world->set("a", {.enabled = false, .limit = 50});
  world->run(5min);
  world->start();
  world->run(10min);
  EXPECT_FALSE(world->enabled("a")) << world->told();
}

TEST_F(ReconcilerFaultsTest, TakesNoCapOfItsOwnForTheCapBeforeWhenItOpensAgainAtOnce) {
  begin();
  ASSERT_TRUE(opens());
  world->healthy = true;
  ASSERT_TRUE(world->run_until(
      [&] { return world->state() == State::recovering && world->limit("a").value_or(0) > 40; },
      60min))
      << world->told();
  // Lists go on to show what was before the last step.
  world->functions.at("a").list_lags_until = world->elapsed() + 60s;
  world->functions.at("a").listed.limit = 2;
  ASSERT_TRUE(comes_to(State::closed));
  world->run(2s);
  world->start();
  ASSERT_TRUE(opens()) << world->told();
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, NeverSwitchesOnWhatWasOffAndBeingUpdatedWhenItOpened) {
  begin(watched(), 2);
  world->set("b", {.enabled = false, .limit = 50});
  world->run(30s);
  world->healthy = false;
  ASSERT_TRUE(world->run_until(
      [&] {
        world->set_batch_size("b", 10);
        return world->state() == State::open && !world->enabled("a");
      },
      5min));
  world->run(1min);
  world->healthy = true;
  ASSERT_TRUE(comes_to(State::closed, 90min)) << world->told();
  world->run(5min);
  EXPECT_FALSE(world->enabled("b")) << world->told();
}

TEST_F(ReconcilerFaultsTest, OpensOnAnAlarmAlthoughTheStoreForgotThatItOpenedBefore) {
  begin();
  world->alarm_stuck = true;
  ASSERT_TRUE(opens());
  world->run(1min);
  world->store.clear();
  world->run(10s);
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::open && all_off(); }, 2min))
      << world->told();
}

TEST_F(ReconcilerFaultsTest, GivesBackTheCapBeforeWhenAPersonSwitchesOffDuringTheRamp) {
  begin();
  ASSERT_TRUE(opens());
  world->healthy = true;
  ASSERT_TRUE(comes_to(State::recovering));
  world->run(30s);
  ASSERT_EQ(world->limit("a"), 2);
  world->set("a", {.enabled = false, .limit = 2});
  world->run(60min);
  EXPECT_FALSE(world->enabled("a"));
  EXPECT_EQ(world->limit("a"), 50) << "whoever switches it on by hand finds it as it was";
  EXPECT_TRUE(world->functions.at("a").tags.empty());
  EXPECT_TRUE(world->reconciler->ledger().entries.empty());
}

TEST_F(ReconcilerFaultsTest, TagsSayWhatAPersonChangedMeanwhile) {
  begin();
  ASSERT_TRUE(opens());
  world->run(30s);
  world->set("a", {.enabled = false, .limit = 10});
  world->run(3min);
  EXPECT_EQ(world->functions.at("a").tags.at("switchgear:before"), "v1:enabled=true:max=10");
}

TEST_F(ReconcilerFaultsTest, KeepsTheBatchSizeThatAPersonSetsWhileItIsOff) {
  begin(watched(HalfOpen::limited));
  ASSERT_TRUE(opens());
  world->run(15s);
  world->set_batch_size("a", 7);
  world->healthy = true;
  ASSERT_TRUE(world->run_until(
      [&] { return world->state() == State::closed && world->limit("a") == 50; }, 90min))
      << world->told();
  world->run(1min);
  EXPECT_EQ(world->functions.at("a").mapping.settings.batch_size, 7) << world->told();
}

TEST_F(ReconcilerFaultsTest, GivesTheBatchSizeBackWhereTrialsBecameImpossibleMeanwhile) {
  begin();
  ASSERT_TRUE(opens());
  world->run(30s);
  world->functions.at("a").mapping.filters = true;
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, KeepsTheNoteOfFiveHundredMappings) {
  world.emplace(watched());
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(1000 + i);
    world->add_mapping("f7b3c2d1-aaaa-bbbb-cccc-ddddeeee" + number);
  }
  world->backlog = 2'000'000'000;
  world->run(3min);
  ASSERT_EQ(world->state(), State::closed) << world->told();
  ASSERT_TRUE(opens()) << world->told();
}

TEST_F(ReconcilerFaultsTest, KeepsTheLedgerThatItHasWhenTheStoreComesBackWithAnOlderNote) {
  begin();
  ASSERT_TRUE(opens());
  world->run(30s);
  // Lost, begun anew by another controller, and back as it was before, with more revisions behind
  // it than the new one has.
  stores::Note old = world->note;
  const stores::MemoryTable table = world->store;
  world->store.clear();
  world->note = {};
  world->start();
  world->run(2min);
  old.revision = world->note.revision + 10;
  world->note = old;
  world->store = table;
  world->run(2min);
  EXPECT_EQ(world->told().find("somebody else has written"), std::string::npos) << world->told();
  EXPECT_TRUE(comes_back()) << world->told();
}

TEST_F(ReconcilerFaultsTest, KeepsAStreamOffAlthoughTheStoreForgotSinceWhen) {
  world.emplace(watched(HalfOpen::limited));
  world->add_mapping("a", std::nullopt);
  world->functions.at("a").mapping.source_arn = "arn:aws:kinesis:eu-central-1:1:stream/s";
  world->run(2min);
  world->healthy = false;
  const auto after_a_failed_trial = [&] {
    const auto cell = world->store.cells().find("payments");
    if (cell == world->store.cells().end() || !all_off()) return false;
    stores::MemoryTable copy = world->store;
    const auto answer = copy.execute("payments", fleet::ReadOp{}, StoreTime{});
    const auto* record = answer.snapshot.readable();
    return record && record->state == State::open && record->reason == "probe_failed";
  };
  ASSERT_TRUE(world->run_until(after_a_failed_trial, 30min)) << world->told();
  world->run(20s);
  // The note is lost, and with it when the circuit opened first.
  world->note = {};
  world->start();
  world->run(30s);
  EXPECT_EQ(world->told().find("is switched on with the least"), std::string::npos)
      << world->told();
}

TEST_F(ReconcilerFaultsTest, RestsWhenThereIsNothingToDo) {
  begin();
  world->functions.at("a").mapping.changing = true;
  world->functions.at("a").changes_until = world->elapsed() + 24h;
  world->run(65s);
  world->shortest_rest = 1h;
  world->run(50s);
  EXPECT_GE(world->shortest_rest, 20ms);
}

}  // namespace
}  // namespace switchgear::controller
