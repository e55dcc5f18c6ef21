#include "lab/capacity.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "stores/dynamodb_item.h"
#include "stores/dynamodb_store.h"

namespace switchgear::lab {
namespace {

TEST(CircuitItem, SaysWhatTheStoreInMemoryKeepsThroughAnOutage) {
  FleetOptions options{.shape = lambda_like(20), .seed = 3};
  options.policy.view_refresh = 5s;
  const LeanFleet::Tables tables = LeanFleet::tables_of(options);
  LeanFleet fleet(options, tables);
  CircuitItem item;
  bool reports = false;
  bool slots = false;
  bool steps = false;
  fleet.on_operation([&](int, const fleet::Operation& operation, const LeanFleet& f) {
    const bool reads = std::holds_alternative<fleet::ReadOp>(operation);
    (void)item.carry_out(operation, f.store_time());
    const stores::MemoryTable::Cell& cell = f.stored();
    if (reads || !cell.read_record || !cell.read_record->has_value()) return;
    const fleet::Snapshot snapshot = stores::snapshot_of(item.item(), f.store_time());
    ASSERT_TRUE(snapshot.readable());
    fleet::Record record = cell.read_record->value();
    record.slots = cell.slots;
    EXPECT_EQ(fleet::encode_fields(*snapshot.readable()), fleet::encode_fields(record));
    EXPECT_LE(snapshot.reports.size(), cell.reports.size());
    EXPECT_NEAR(snapshot.meter.current.calls, cell.meter.current.calls, 1e-3);
    reports = reports || snapshot.reports.size() > 5;
    slots = slots || std::ranges::any_of(cell.slots, [](const auto& s) { return s.has_value(); });
    steps = steps || !snapshot.steps.empty();
  });
  fleet.run_until(65s);
  fleet.begin_failing(1);
  fleet.run_for(20s);
  fleet.begin_failing(0);
  fleet.run_for(40s);
  EXPECT_TRUE(reports);
  EXPECT_TRUE(slots);
  EXPECT_TRUE(steps);
}

TEST(Capacity, FiveHundredEnvironmentsWriteLittleInHealthAndNothingWhileIdle) {
  const CapacityFigures f =
      measure_capacity({.shape = lambda_like(500), .outage = 2min, .idle = 1h});
  EXPECT_TRUE(f.opened);
  EXPECT_TRUE(f.closed);
  const auto calls = static_cast<double>(f.healthy.calls);
  EXPECT_GT(calls, 35'000);
  EXPECT_LT(f.healthy.units.writes, 0.02 * calls);
  // Each reads every 5 s at the most.
  EXPECT_LE(f.healthy.units.reads, 0.5 * 500 * 60 / 5 * 1.05);
  // What was counted when the calls ended; and each reads every 30 s.
  EXPECT_LE(f.idle.units.writes, 1'000);
  EXPECT_LE(f.idle.units.reads, 0.5 * 500 * 3'600 / 30 * 1.05);
  const CapacityUnits counter = units_of_a_counter(f.healthy);
  EXPECT_DOUBLE_EQ(counter.writes, calls);
  EXPECT_GT(counter.usd(), 10 * f.healthy.units.usd());
}

TEST(Capacity, OneItemBearsALargeFleetInEverySecondOfAnOutage) {
  // 20,000 calls a second, by workers that call all the time.
  const FleetShape workers{
      .members = 60, .rate_low = 200, .rate_high = 500, .one_call_at_a_time = false};
  for (const FleetShape& shape : {workers, lambda_like(2'000)}) {
    const CapacityFigures f = measure_capacity({.shape = shape, .outage = 1min, .idle = 0s});
    EXPECT_TRUE(f.opened);
    for (const CapacityPhase* phase : {&f.healthy, &f.outage, &f.after}) {
      EXPECT_LT(phase->writes_max, 1'000) << shape.members;
      EXPECT_LT(phase->reads_max, 3'000) << shape.members;
      EXPECT_LT(phase->item_bytes_max, 6U << 10);
    }
  }
}

TEST(Capacity, TroubleThatOpensNothingTakesNoMoreReadsThanTheRecordBears) {
  // 1,000 processes that see 4,000 of 20,000 calls a second fail, and report few of them.
  FleetOptions options{.shape = {1'000, 5, 50, false}};
  options.policy.acceptable_failure_rate = 0.3;
  options.policy.unacceptable_failure_rate = 0.6;
  options.limits = stores::DynamoDbStore::kLimits;
  const LeanFleet::Tables tables = LeanFleet::tables_of(options);
  LeanFleet fleet(options, tables);
  fleet.run_until(5s);
  fleet.begin_failing(0.2);
  const std::uint64_t before = fleet.reads();
  fleet.run_for(10s);
  EXPECT_FALSE(fleet.opened());
  // And one by each process when it begins.
  const double bearable = 10 * options.limits.reads_per_second + options.shape.members;
  EXPECT_LE(static_cast<double>(fleet.reads() - before), bearable);
}

TEST(Powertools, ReadsEveryFiveSecondsAndWritesWhenItsStateChanges) {
  const CapacityFigures f = measure_powertools({.shape = lambda_like(100)});
  EXPECT_TRUE(f.opened);
  EXPECT_TRUE(f.closed);
  EXPECT_EQ(f.healthy.units.writes, 0);
  EXPECT_LE(f.healthy.units.reads, 0.5 * 100 * 60 / 5 * 1.05);
  EXPECT_GE(f.healthy.units.reads, 0.5 * 100 * 60 / 5 * 0.5);
  EXPECT_GT(f.outage.units.writes, 20);
  EXPECT_EQ(f.idle.units.reads, 0);
}

}  // namespace
}  // namespace switchgear::lab
