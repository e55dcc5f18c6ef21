// Random operations on Redis and on the memory table, which must answer alike: the table is the
// plain statement of what the scripts mean. A failure prints the seed and the operation.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "net/redis_server_for_tests.h"
#include "stores/memory_store.h"
#include "stores/redis_store.h"
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

// Makes operations that often fit what is stored, and often just do not.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Operation next(const Snapshot& seen) {
    switch (random_.below(10)) {
      case 0:
        return ReadOp{};
      case 1:
      case 2:
      case 3:
        return report(seen);
      case 4:
      case 5:
        return claim_op(seen);
      case 6:
      case 7:
        return settle(seen);
      default:
        return swap(seen);
    }
  }
  bool chance(double p) { return random_.chance(p); }
  std::uint64_t below(std::uint64_t n) { return random_.below(n); }

 private:
  std::int64_t epoch(const Snapshot& seen) {
    const std::int64_t stored = seen.readable() ? seen.readable()->epoch : 0;
    return random_.chance(0.85) ? stored : stored + static_cast<std::int64_t>(below(3)) - 1;
  }
  InstanceId instance() { return InstanceId{below(3) == 0 ? 0xffffffffffff : below(3)}; }
  std::uint32_t token() { return static_cast<std::uint32_t>(below(3)); }
  int slot() { return below(4) == 0 ? 31 : static_cast<int>(below(2)); }
  // Sums of fractions of two, so that the order of additions does not show.
  double amount() { return random_.chance(0.3) ? 0 : static_cast<double>(below(4'000)) / 4; }

  SlotClaim claim() {
    // Some leases end while the test runs.
    const std::chrono::milliseconds lease{random_.chance(0.5) ? below(4) : 60'000};
    return {.slot = slot(), .holder = instance(), .token = token(), .lease = lease};
  }

  ClaimOp claim_op(const Snapshot& seen) {
    ClaimOp op{.epoch = epoch(seen), .claim = claim()};
    const Record* record = seen.readable();
    if (record) op.seen = owner_of(record->slots[static_cast<std::size_t>(op.claim.slot)]);
    if (op.seen && random_.chance(0.3)) {  // of whoever has it
      op.claim.holder = op.seen->holder;
      op.claim.token = op.seen->token;
      op.starts = random_.chance(0.5);
    }
    if (random_.chance(0.2)) op.seen = SlotOwner{.holder = instance(), .token = token()};
    return op;
  }

  SettleOp settle(const Snapshot& seen) {
    SettleOp op{.epoch = epoch(seen),
                .slot = slot(),
                .holder = instance(),
                .token = token(),
                .settlement = static_cast<Settlement>(below(3))};
    const Record* record = seen.readable();
    if (record && random_.chance(0.7)) {
      if (const auto& held = record->slots[static_cast<std::size_t>(op.slot)]) {
        op.holder = held->holder;
        op.token = held->token;
      }
    }
    return op;
  }

  ReportOp report(const Snapshot& seen) {
    ReportOp op{.epoch = epoch(seen), .report = std::nullopt, .meter = {}, .step = std::nullopt};
    if (random_.chance(0.8)) {
      // Mostly in range, sometimes far out; never so near a bound that a millisecond decides.
      const std::int64_t ago = random_.chance(0.9) ? static_cast<std::int64_t>(below(9'000)) - 500
                                                   : 30'000 * (random_.chance(0.5) ? 1 : -1);
      op.report = Report{.sent = seen.time - std::chrono::milliseconds{ago},
                         .span = std::chrono::milliseconds{below(100)},
                         .instance = instance(),
                         .seq = static_cast<std::uint32_t>(below(1'000)),
                         .failures = static_cast<std::uint32_t>(below(5)),
                         .overloads = static_cast<std::uint32_t>(below(5)),
                         .slow = static_cast<std::uint32_t>(below(5)),
                         .thinning = static_cast<std::uint32_t>(below(3))};
      if (!seen.reports.empty() && random_.chance(0.1)) {
        op.report = seen.reports[below(seen.reports.size())];
      }
    }
    if (random_.chance(0.5)) {
      op.meter = {
          .calls = amount(), .active_ms = amount(), .members = amount(), .hellos = amount()};
    }
    if (random_.chance(0.5)) {
      op.step = StepDelta{.step = static_cast<std::uint32_t>(below(6)),
                          .sums = {.ok = amount(),
                                   .overload = amount(),
                                   .failure = amount(),
                                   .rtt_sum_ms = amount(),
                                   .rtt_count = amount(),
                                   .busy_ms = amount(),
                                   .refused = amount(),
                                   .members = amount()}};
    }
    return op;
  }

  SwapOp swap(const Snapshot& seen) {
    const Record* stored = seen.readable();
    Record next = full_record(stored ? stored->epoch : 1, stored ? stored->revision + 1 : 1);
    if (random_.chance(0.1)) next.epoch += 1;
    next.state = kStates[below(kStates.size())];
    next.swap_id = random_.next();
    next.step = static_cast<std::uint32_t>(below(6));
    next.hold.kind = static_cast<HoldKind>(below(4));
    next.probe_ok = static_cast<int>(below(3));
    next.slots[0] = Slot{.holder = instance(), .token = 9, .expires = seen.time};
    SwapOp op{.expected_epoch = epoch(seen),
              .expected_revision = stored ? stored->revision + (random_.chance(0.1) ? 1 : 0) : 0,
              .next = next,
              .not_before = std::nullopt,
              .claim = std::nullopt};
    if (random_.chance(0.3)) {
      op.not_before = seen.time + (random_.chance(0.3) ? std::chrono::milliseconds{60'000}
                                                       : std::chrono::milliseconds{below(6)} - 3ms);
    }
    if (random_.chance(0.3)) op.claim = claim();
    op.unless_probe_failed = random_.chance(0.2);
    return op;
  }

  core::Random random_;
};

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
