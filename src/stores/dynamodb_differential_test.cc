// Random operations on DynamoDB by two processes, and on the memory table, which must answer alike
// but for times, which are known to a second or two. A failure prints the seed and the operation.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "stores/dynamodb_table_for_tests.h"
#include "stores/memory_store.h"
#include "stores/store_operations_for_tests.h"

namespace switchgear::stores {
namespace {

using namespace fleet;

// What both say alike: expiries are cut to "given back", "over" and "leased", sums of both minutes
// are one, and of more reports than one set holds there may be different ones.
std::string comparable(Answer answer) {
  Snapshot& s = answer.snapshot;
  if (s.record && s.record->has_value()) {
    for (auto& slot : s.record->value().slots) {
      if (!slot || slot->expires == StoreTime{}) continue;
      slot->expires = store_time_ms(slot->expires > s.time ? 2 : 1);
    }
  }
  // A process removes the sums that it has seen: those of a step that has passed may stay a while.
  std::erase_if(s.steps, [&](const StepDelta& delta) {
    return s.readable() && delta.step + std::uint64_t{1} < s.readable()->step;
  });
  MeterMinute& sum = s.meter.current;
  sum.minute = 0;
  sum.calls += s.meter.previous.calls;
  sum.active_ms += s.meter.previous.active_ms;
  sum.members += s.meter.previous.members;
  sum.hellos += s.meter.previous.hellos;
  s.meter.previous = {};
  if (s.reports.size() > kReportsMax / 2) s.reports.clear();
  return describe(answer);
}

// A renewal only ever prolongs there: the generator's short leases are for those who take a slot.
void prolong(Operation& operation, const MemoryTable::Cell& cell) {
  auto* claim = std::get_if<ClaimOp>(&operation);
  if (!claim) return;
  const auto& slot = cell.slots[static_cast<std::size_t>(claim->claim.slot)];
  if (owner_of(slot) == claim->claim.owner()) claim->claim.lease = 60s;
}

class DynamoDbDifferential : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(DynamoDbDifferential, AnswersAsTheMemoryTableDoes) {
  constexpr int kOperations = 300;
  net::Loop loop;
  const auto one = dynamodb_store(loop, "dynalite");
  const auto other = dynamodb_store(loop, "dynalite");
  MemoryTable table;
  Generator generator(GetParam(), true);
  const std::string prefix = "differential/" + std::to_string(GetParam()) + "/";
  std::map<std::string, Snapshot> seen;
  std::map<std::string, Operation> before;
  std::map<Status, int> statuses;
  for (int i = 0; i < kOperations; ++i) {
    const std::string circuit = prefix + "xyz"[generator.below(3)];
    DynamoDbStore& store = generator.chance(0.5) ? *one : *other;
    Snapshot& last = seen[circuit];
    const bool crowded = last.reports.size() > kReportsMax / 2 - 4;
    if (crowded || (last.record && generator.chance(0.01))) {
      ASSERT_TRUE(ask_remove(loop, store, circuit));
      table.remove(circuit);
      last.record.reset();
      last.reports.clear();
    }
    const bool repeats = before.contains(circuit) && generator.chance(0.2);
    Operation operation = repeats ? before[circuit] : generator.next(last);
    if (table.cells().contains(circuit)) prolong(operation, table.cells().at(circuit));
    before[circuit] = operation;
    const Result<Answer> answer = ask(loop, store, circuit, operation);
    ASSERT_TRUE(answer) << answer.error().text() << "\nseed " << GetParam() << ", operation " << i
                        << ", " << name_of(operation) << "; before:\n"
                        << describe(last);
    const Answer of_memory = table.execute(circuit, operation, answer->snapshot.time);
    ASSERT_EQ(comparable(*answer), comparable(of_memory))
        << "seed " << GetParam() << ", operation " << i << ", " << name_of(operation) << " on "
        << circuit << "; before:\n"
        << describe(last);
    ++statuses[answer->status];
    last = answer->snapshot;
  }
  // The generator reaches every answer there is.
  for (const Status status : {Status::ok, Status::duplicate, Status::late, Status::out_of_range,
                              Status::taken, Status::gone, Status::conflict, Status::not_due}) {
    EXPECT_GT(statuses[status], 0) << to_string(status) << " with seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DynamoDbDifferential, ::testing::Values<std::uint64_t>(2));

}  // namespace
}  // namespace switchgear::stores
