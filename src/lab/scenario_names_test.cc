// Scenarios of names that could be mistaken for one another, and of versions and settings that
// differ within a fleet.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/name.h"
#include "lab/scenario_for_tests.h"
#include "stores/memory_store.h"

namespace switchgear::lab {
namespace {

// ---- 19 -------------------------------------------------------------------------------------

TEST(Scenario19Names, SimilarNamesAreDistinctCircuits) {
  const StoreTime now = store_time_ms(1'767'225'600'000);
  const fleet::PolicyTable policy{Policy{}};
  const fleet::Decider person{.instance = {1}, .nonce = 7};
  const std::string names[] = {"a:b/c", "a/b:c", "a:b:c", "a/b", "a", "A", "a.b"};
  stores::MemoryTable table;
  for (const std::string& name : names) {
    ASSERT_EQ(core::problem_with_circuit_name(name), std::nullopt) << name;
    const auto snapshot = table.execute(name, fleet::ReadOp{}, now).snapshot;
    EXPECT_FALSE(snapshot.record.has_value()) << name << " shares a record with another";
    // Each is held open by a person of its own.
    table.execute(name,
                  fleet::set_hold(policy, snapshot, person,
                                  {.kind = HoldKind::forced_open, .who = name, .why = ""}),
                  now);
  }
  for (const std::string& name : names) {
    const auto snapshot = table.execute(name, fleet::ReadOp{}, now).snapshot;
    ASSERT_NE(snapshot.readable(), nullptr);
    EXPECT_EQ(snapshot.readable()->hold.who, name);
  }
  EXPECT_EQ(table.names().size(), std::size(names));
}

TEST(Scenario19Names, WhatCannotBeANameIsRefusedWithTheReason) {
  const std::string too_long(2'048, 'a');
  for (const std::string& name :
       {std::string(), std::string("zahlung\xC3\xA9n"), std::string("\xE6\x94\xAF\xE6\x89\x95"),
        std::string("a b"), std::string("a\nb"), std::string("a\0b", 3), std::string("a/b/c"),
        std::string("/a"), std::string("a/"), std::string("{a}"), too_long}) {
    const auto problem = core::problem_with_circuit_name(name);
    ASSERT_TRUE(problem) << name;
    EXPECT_GT(problem->size(), 20u) << *problem;
    EXPECT_LT(problem->size(), 600u) << "a refusal is no place for 2 KB of name";
  }
  EXPECT_EQ(core::problem_with_circuit_name(std::string(256, 'a')), std::nullopt);
}

// ---- 20 -------------------------------------------------------------------------------------

void set_field(SimStore& store, const std::string& name, const std::string& value) {
  for (auto& [key, old] : store.table().cells()[kCircuit].fields) {
    if (key == name) old = value;
  }
}

TEST(Scenario20MixedVersions, ARecordOfAnotherVersionIsLeftAloneAndNamed) {
  struct Row {
    std::string field;
    std::string value;
  };
  for (const Row& row : {Row{"st", "HALF_SHUT"}, Row{"v", "2"}, Row{"ep", "many"}}) {
    SCOPED_TRACE(row.field);
    WorldOptions options = Fleet::options(Policy{}, {.servers = 1'000, .service_mean = 20ms});
    World world(options);  // no properties: they would call the foreign write a violation
    for (int i = 0; i < 5; ++i) world.add_process().run([] {});
    for (Process* p : world.living()) world.call_at_random(*p, 5);
    world.run_for(5s);
    auto& cell = world.store.table().cells()[kCircuit];
    const fleet::Fields before = cell.fields;
    set_field(world.store, row.field, row.value);
    const fleet::Fields foreign = cell.fields;
    world.dependency.set_down(Down::refusing);
    world.run_for(60s);
    // Hands off: not a field of the record is written, and no slot taken, however broken the
    // dependency is.
    EXPECT_EQ(world.store.table().cells()[kCircuit].fields, foreign);
    EXPECT_EQ(world.store.table().cells()[kCircuit].slots, fleet::Slots{});
    for (Process* p : world.living()) {
      // The alarm names the field; the process goes on by its own guard.
      EXPECT_NE(p->member().unreadable().find(row.field), std::string::npos)
          << p->member().unreadable();
      EXPECT_GT(p->member().counters().refused[static_cast<int>(RefusalReason::local)], 0u);
    }
    // Readable again: they go on together.
    cell.fields = before;
    world.run_for(35s);
    for (Process* p : world.living()) EXPECT_EQ(p->member().unreadable(), "");
  }
}

// A process with settings of its own in a fleet.
struct Newer {
  Newer(World& world, const Policy& policy)
      : table(policy),
        site{.scheduler = world.scheduler,
             .random = world.random,
             .store = world.store,
             .dependency = world.dependency,
             .table = table,
             .member = world.options.member,
             .observer = world.site.observer,
             .next_call = 1'000'000} {
    const int index = static_cast<int>(world.processes.size());
    world.processes.push_back(std::make_unique<Process>(
        site, index, world.options.seed, LocalClocks(world.scheduler.now(), 1, Duration{0})));
    process = world.processes.back().get();
    process->run([] {});
  }
  fleet::PolicyTable table;
  Site site;
  Process* process;
};

TEST(Scenario20MixedVersions, AnUpgradeWithOtherSettingsDoesNotResetOpen) {
  Policy old;
  old.open_duration = 10min;
  old.max_open_duration = 10min;
  Policy next = old;
  next.unacceptable_failure_rate = 0.9;
  next.open_duration = 1s;
  next.max_open_duration = 2s;
  Fleet fleet(5, old);
  fleet.trip();
  const fleet::Record before = fleet.stored();
  EXPECT_EQ(before.fingerprint, old.fingerprint());
  const Newer newer(fleet.world, next);
  fleet.world.run_for(1s);
  for (int i = 0; i < 5; ++i) fleet.process(i).kill();  // all the old ones are gone
  fleet.world.call_at_random(*newer.process, 5);
  fleet.world.run_for(1min);
  // The open time is the one that was decided; the newcomer's settings begin with the next epoch.
  EXPECT_EQ(fleet.stored(), before);
  EXPECT_EQ(newer.process->member().state(), State::open);
  EXPECT_NE(newer.table.fingerprint(), before.fingerprint);  // what a mismatch is told by
  fleet.world.dependency.set_down(Down::no);
  ASSERT_TRUE(fleet.reaches(State::half_open, 11min));
  EXPECT_EQ(fleet.stored().fingerprint, next.fingerprint());
}

TEST(Scenario20MixedVersions, DifferingThresholdsDoNotFightOverTheState) {
  // Half the fleet would trip early, half late; whoever trips first decides, once.
  Policy sharp;
  sharp.acceptable_failure_rate = 0.01;
  sharp.unacceptable_failure_rate = 0.3;
  Fleet fleet(5, sharp);
  std::vector<std::unique_ptr<Newer>> mild;
  for (int i = 0; i < 5; ++i) {
    mild.push_back(std::make_unique<Newer>(fleet.world, Policy{}));
  }
  fleet.call_steadily(5);
  fleet.world.run_for(65s);
  fleet.changes.clear();
  fleet.world.dependency.set_down(Down::refusing);
  ASSERT_TRUE(fleet.reaches(State::open, 20s));
  fleet.world.run_for(2min);
  EXPECT_EQ(fleet.changed_to(State::open, "failure_rate"), 1);
  fleet.world.dependency.set_down(Down::no);
  ASSERT_TRUE(fleet.reaches(State::closed, 5min));
  fleet.world.run_for(1min);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.changed_to(State::open, "failure_rate"), 1);
}

}  // namespace
}  // namespace switchgear::lab
