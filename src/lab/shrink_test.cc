// A failing life is shrunk to one that a person can read. The failures come from stores that are
// broken on purpose.
#include "lab/shrink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace switchgear::lab {
namespace {

using testing::HasSubstr;

// A slot is granted although it is held.
fleet::Answer grant_held_slots(stores::MemoryTable& table, const std::string& circuit,
                               const fleet::Operation& op, StoreTime now) {
  const auto* claim = std::get_if<fleet::ClaimOp>(&op);
  if (claim && table.cells().contains(circuit)) {
    table.cells()[circuit].slots[static_cast<std::size_t>(claim->claim.slot)].reset();
  }
  return table.execute(circuit, op, now);
}

// The first seed that fails on a store.
ChaosOptions failing_on(const SimStore::Execute& broken) {
  ChaosOptions options{.broken_store = broken};
  while (options.seed < 100 && run_chaos(options).violation.empty()) ++options.seed;
  return options;
}

TEST(Shrink, LeavesOnlyWhatTheFailureNeeds) {
  const ChaosOptions failing = failing_on(grant_held_slots);
  const ChaosResult before = run_chaos(failing);
  ASSERT_EQ(property_of(before.violation), "P3");
  const Shrunk shrunk = shrink(failing);
  EXPECT_EQ(property_of(shrunk.result.violation), "P3");
  // An outage of some kind brings probes about; nothing else is needed but a few who claim.
  EXPECT_LE(shrunk.result.faults.size(), 2u);
  EXPECT_LE(shrunk.result.processes, 4);
  EXPECT_LT(shrunk.result.faults.size(), before.faults.size());
  EXPECT_LE(shrunk.runs, 300);
}

TEST(Shrink, TellsItSoThatAPersonCanReadIt) {
  const Shrunk shrunk = shrink(failing_on(grant_held_slots));
  const std::string text = to_text(shrunk);
  EXPECT_THAT(text, HasSubstr("P3 at "));
  EXPECT_THAT(text, HasSubstr("fault"));
  EXPECT_THAT(text, HasSubstr("are enough"));
  EXPECT_THAT(text, HasSubstr("VIOLATION"));
  EXPECT_THAT(text, HasSubstr("SWITCHGEAR_SEED="));
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 80);
}

TEST(Shrink, GivesALifeThatFailsAgainTheSameWay) {
  const Shrunk shrunk = shrink(failing_on(grant_held_slots));
  EXPECT_EQ(run_chaos(shrunk.options).violation, shrunk.result.violation);
}

TEST(Shrink, KeepsAFailureThatNeedsNoFaultAtAll) {
  // The evidence is kept twice, whatever happens.
  const auto broken = [](stores::MemoryTable& table, const std::string& circuit,
                         const fleet::Operation& op, StoreTime now) {
    fleet::Answer answer = table.execute(circuit, op, now);
    const auto* report = std::get_if<fleet::ReportOp>(&op);
    if (report && report->report && answer.status == fleet::Status::ok) {
      table.cells()[circuit].reports.push_back(*report->report);
    }
    return answer;
  };
  const Shrunk shrunk = shrink(failing_on(broken));
  EXPECT_EQ(property_of(shrunk.result.violation), "P1");
  EXPECT_TRUE(shrunk.result.faults.empty());
  EXPECT_FALSE(shrunk.options.noise);
}

TEST(Shrink, RepeatsALifeFromTheListOfItsFaults) {
  // What the list says is all that happened: the same life comes of it, without any failure too.
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    const ChaosResult drawn = run_chaos({.seed = seed});
    ChaosOptions listed{.seed = seed};
    listed.only = drawn.faults;
    const ChaosResult again = run_chaos(listed);
    EXPECT_EQ(again.calls, drawn.calls);
    EXPECT_EQ(again.store_operations, drawn.store_operations);
    EXPECT_EQ(again.faults.size(), drawn.faults.size());
  }
}

}  // namespace
}  // namespace switchgear::lab
