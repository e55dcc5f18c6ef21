// Random operations on Redis and on the memory table, which must answer alike: the table is the
// plain statement of what the scripts mean. A failure prints the seed and the operation.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/redis_server_for_tests.h"
#include "stores/memory_store.h"
#include "stores/redis_store.h"
#include "stores/store_operations_for_tests.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using namespace fleet;

// describe() says the same, ten times slower.
bool same(const Answer& a, const Answer& b) {
  const Snapshot& x = a.snapshot;
  const Snapshot& y = b.snapshot;
  const bool same_record =
      x.record.has_value() == y.record.has_value() &&
      (!x.record ||
       (x.record->has_value() == y.record->has_value() &&
        (*x.record ? **x.record == **y.record : x.record->error() == y.record->error())));
  return a.status == b.status && same_record && x.reports == y.reports &&
         x.unreadable_reports == y.unreadable_reports && x.meter == y.meter && x.steps == y.steps &&
         x.time == y.time;
}

class StoreDifferential : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  StoreDifferential()
      : address_(*net::redis_address(server_.url())),
        redis_(loop_, address_, RedisStoreOptions{.redis = {.command_timeout = 10s}}),
        raw_(loop_, address_) {}

  // Where the server knows the scripts, operations are carried out in the order of their sending.
  void SetUp() override {
    const RedisScripts& scripts = redis_scripts();
    for (const RedisScript* script :
         {&scripts.read, &scripts.report, &scripts.claim, &scripts.settle, &scripts.swap}) {
      command({"SCRIPT", "LOAD", script->text});
    }
  }

  void command(std::vector<std::string> words) {
    bool done = false;
    raw_.command(std::move(words), [&](const Result<net::resp::Value>& value) {
      EXPECT_TRUE(value) << value.error().text();
      done = true;
    });
    ASSERT_TRUE(loop_.run_until([&] { return done; }, 10s));
  }

  // Writes into the record past all rules.
  void spoil(const std::string& circuit, const std::string& field, const std::string& value) {
    auto& cell = table_.cells()[circuit];
    for (auto& [name, old] : cell.fields) {
      if (name == field) old = value;
    }
    command({"HSET", redis_.key(circuit) + ":r", field, value});
  }

  net::RedisServer server_;
  net::Loop loop_;
  net::RedisAddress address_;
  RedisStore redis_;
  net::RedisClient raw_;
  MemoryTable table_;
};

TEST_P(StoreDifferential, RedisAnswersAsTheMemoryTableDoes) {
  constexpr int kBatches = 600;
  Generator generator(GetParam());
  const std::vector<std::string> circuits{"payments", "payments/eu", "a.b-c_d:e", "x", "y", "z"};
  std::map<std::string, Snapshot> seen;
  std::map<std::string, Operation> before;
  std::map<Status, int> statuses;
  int unreadable = 0;

  // Operations go out in batches, since waiting for each answer costs a hundred times its work.
  struct Sent {
    std::string circuit;
    Operation operation;
    std::optional<Result<Answer>> answer;
  };
  for (int batch = 0; batch < kBatches; ++batch) {
    const std::string& chosen = circuits[generator.below(circuits.size())];
    const auto& record = seen[chosen].record;
    if (record && generator.chance(0.05)) {
      const std::pair<const char*, const char*> spoilt[] = {
          {"st", "MELTED"}, {"v", "2"}, {"pok", "many"}, {"limit", "-1"}, {"rev", "x"}};
      const auto& [field, value] = spoilt[generator.below(std::size(spoilt))];
      spoil(chosen, field, value);
    }
    // A record that nobody can read would stay for good.
    if (record && generator.chance(record->has_value() ? 0.02 : 0.5)) {
      ASSERT_TRUE(ask_remove(loop_, redis_, chosen));
      table_.remove(chosen);
      seen[chosen].record.reset();
    }

    std::vector<Sent> sent(1 + generator.below(12));
    for (Sent& one : sent) {
      one.circuit = circuits[generator.below(circuits.size())];
      const bool repeats = before.contains(one.circuit) && generator.chance(0.2);
      one.operation = repeats ? before[one.circuit] : generator.next(seen[one.circuit]);
      before[one.circuit] = one.operation;
      redis_.execute(one.circuit, one.operation,
                     [&one](Result<Answer> answer) { one.answer = std::move(answer); });
    }
    ASSERT_TRUE(loop_.run_until([&] { return sent.back().answer.has_value(); }, 30s));
    for (const Sent& one : sent) {
      ASSERT_TRUE(*one.answer) << one.answer->error().text();
      const Answer& of_redis = **one.answer;
      const Answer of_memory = table_.execute(one.circuit, one.operation, of_redis.snapshot.time);
      ASSERT_TRUE(same(of_redis, of_memory))
          << "Redis: " << describe(of_redis) << "\nmemory: " << describe(of_memory) << "\nseed "
          << GetParam() << ", batch " << batch << ", " << name_of(one.operation) << " on "
          << one.circuit << "; before:\n"
          << describe(seen[one.circuit]);
      ++statuses[of_redis.status];
      seen[one.circuit] = of_redis.snapshot;
      if (of_redis.snapshot.record && !of_redis.snapshot.readable()) ++unreadable;
    }
  }
  // The generator reaches every answer there is.
  for (const Status status : {Status::ok, Status::duplicate, Status::late, Status::out_of_range,
                              Status::taken, Status::gone, Status::conflict, Status::not_due}) {
    EXPECT_GT(statuses[status], 0) << to_string(status) << " with seed " << GetParam();
  }
  EXPECT_GT(unreadable, 0);
  const auto names = ask_names(loop_, redis_);
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, table_.names());
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoreDifferential, ::testing::Range<std::uint64_t>(1, 5));

}  // namespace
}  // namespace switchgear::stores
