// The behaviour of the five operations: the same tests for every backend.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "net/certificate_for_tests.h"
#include "net/redis_server_for_tests.h"
#include "net/url.h"
#include "stores/dynamodb_table_for_tests.h"
#include "stores/memory_store.h"
#include "stores/redis_store.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using namespace fleet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr InstanceId kAnn{0xa1};
constexpr InstanceId kBob{0xffffffffffff};

bool is_free(const std::optional<Slot>& slot) { return !slot || slot->expires == StoreTime{}; }

class StoreSuite : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory") {
      store_ = std::make_unique<MemoryStore>(loop_, [this] { return memory_time_; });
      return;
    }
    if (on_dynamodb()) {
      store_ = dynamodb_store(loop_, GetParam());
      return;
    }
    const auto address = net::redis_address(redis_url(GetParam()));
    ASSERT_TRUE(address) << address.error().text();
    store_ = std::make_unique<RedisStore>(loop_, *address,
                                          RedisStoreOptions{.redis = {.command_timeout = 10s}});
  }

  // One server for all tests; their circuits have different names.
  static std::string redis_url(const std::string& which) {
    if (which == "redis") {
      static const net::RedisServer server;
      return server.url();
    }
    if (which == "valkey") {
      static const net::RedisServer server({}, "valkey-server");
      return server.url();
    }
    if (which == "redis_sentinel") {
      static const net::RedisServer primary;
      static const net::SentinelServer sentinel(primary.port());
      return "redis+sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/orders";
    }
    // With a certificate on both sides, and a user who may do no more than the documented rule
    // says.
    static const net::TestCertificate ca({.names = ""});
    static const net::TestCertificate theirs({.names = "DNS:localhost", .issuer = &ca});
    static const net::TestCertificate ours({.names = "DNS:us", .issuer = &ca});
    static const net::RedisTlsServer server(theirs.files(ca), "yes", [] {
      std::vector<std::string> user{"--user", "ann", "on", ">pw", "resetchannels"};
      std::istringstream rules{std::string(kRedisAclRule)};
      for (std::string rule; rules >> rule;) {
        if (rule != "+select") user.push_back(rule);
      }
      return user;
    }());
    return "rediss://ann:pw@localhost:" + std::to_string(server.port()) +
           "?ca_file=" + net::percent_encode(ca.cert_file()) +
           "&cert_file=" + net::percent_encode(ours.cert_file()) +
           "&key_file=" + net::percent_encode(ours.key_file());
  }

  Answer apply(const Operation& operation) {
    const auto answer = ask(loop_, *store_, circuit_, operation);
    EXPECT_TRUE(answer) << answer.error().text();
    return answer ? *answer : Answer{};
  }
  Status status_of(const Operation& operation) { return apply(operation).status; }
  Snapshot read() { return apply(ReadOp{}).snapshot; }
  StoreTime now() { return read().time; }
  // The record, which must be there and readable.
  Record record() {
    const Snapshot snapshot = read();
    EXPECT_TRUE(snapshot.readable()) << describe(snapshot);
    return snapshot.readable() ? *snapshot.readable() : Record{};
  }

  static bool on_dynamodb() { return GetParam() == "ministack" || GetParam() == "dynalite"; }
  // How far the time of two answers may be apart from that of the store.
  // There that is a second and the way there and back, which is long if the machine stood still.
  static std::chrono::milliseconds uncertainty() { return on_dynamodb() ? 10'000ms : 0ms; }
  void expect_at(StoreTime time, StoreTime expected) {
    EXPECT_GE(time, expected - uncertainty());
    EXPECT_LE(time, expected + uncertainty());
  }

  // A slot whose lease is about to end, as far as the store's time is known.
  bool has_a_brief_lease() {
    const Snapshot snapshot = read();
    if (!snapshot.readable()) return false;
    return std::ranges::any_of(snapshot.readable()->slots, [&](const auto& slot) {
      return slot && slot->expires > snapshot.time && slot->expires < snapshot.time + uncertainty();
    });
  }

  // Until the store's clock has moved on by that much.
  void let_pass(std::chrono::milliseconds time) {
    memory_time_ += time;
    const StoreTime end = now() + (GetParam() == "memory" ? 0ms : time);
    while (now() < end || (on_dynamodb() && has_a_brief_lease())) {
    }
  }

  void create_record(std::int64_t epoch = 100, std::uint64_t revision = 1) {
    ASSERT_EQ(status_of(create(full_record(epoch, revision))), Status::ok);
  }

  Report report(std::uint32_t seq, std::chrono::milliseconds ago = 0ms, InstanceId who = kAnn) {
    return {.sent = now() - ago,
            .span = 5ms,
            .instance = who,
            .seq = seq,
            .failures = 2,
            .overloads = 3,
            .slow = 4,
            .thinning = 1};
  }
  static ReportOp adds(std::int64_t epoch, const Report& report) {
    return {.epoch = epoch, .report = report, .meter = {}, .step = std::nullopt};
  }
  static ReportOp heartbeat(const MeterDelta& meter, std::optional<StepDelta> step = {}) {
    return {.epoch = 0, .report = std::nullopt, .meter = meter, .step = step};
  }
  static ClaimOp claims(std::int64_t epoch, int slot, InstanceId who, std::uint32_t token,
                        std::chrono::milliseconds lease = 1h) {
    return {.epoch = epoch, .claim = {.slot = slot, .holder = who, .token = token, .lease = lease}};
  }
  // The same after the slot has been seen in the hands of another.
  static ClaimOp after(const SlotOwner& seen, ClaimOp claim) {
    claim.seen = seen;
    return claim;
  }
  // Of the owner: its call begins.
  static ClaimOp starting(ClaimOp claim) {
    claim.starts = true;
    claim.seen = claim.claim.owner();
    return claim;
  }
  static SettleOp settles(std::int64_t epoch, int slot, InstanceId who, std::uint32_t token,
                          Settlement settlement) {
    return {.epoch = epoch, .slot = slot, .holder = who, .token = token, .settlement = settlement};
  }
  static SwapOp swaps(std::int64_t epoch, std::uint64_t revision, const Record& next) {
    return {.expected_epoch = epoch,
            .expected_revision = revision,
            .next = next,
            .not_before = std::nullopt,
            .claim = std::nullopt};
  }

  net::Loop loop_;
  StoreTime memory_time_ = store_time_ms(1'700'000'000'000);
  std::unique_ptr<Store> store_;
  std::string circuit_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

INSTANTIATE_TEST_SUITE_P(Backends, StoreSuite,
                         ::testing::Values("memory", "redis", "redis_tls_acl", "redis_sentinel",
                                           "valkey", "ministack", "dynalite"),
                         [](const auto& which) { return which.param; });

// ---- read -----------------------------------------------------------------------------------

TEST_P(StoreSuite, ReadsNothingOfAnUnknownCircuit) {
  const Answer answer = apply(ReadOp{});
  EXPECT_EQ(answer.status, Status::ok);
  EXPECT_FALSE(answer.snapshot.record);
  EXPECT_THAT(answer.snapshot.reports, IsEmpty());
  EXPECT_THAT(answer.snapshot.steps, IsEmpty());
  EXPECT_EQ(answer.snapshot.meter.current.calls, 0);
  EXPECT_EQ(answer.snapshot.meter.current.minute, minute_of(answer.snapshot.time));
  EXPECT_GT(answer.snapshot.time, store_time_ms(1'600'000'000'000));
}

TEST_P(StoreSuite, NamesItsBackend) {
  EXPECT_EQ(store_->backend(), on_dynamodb()            ? "dynamodb"
                               : GetParam() == "memory" ? "memory"
                                                        : "redis");
}

// ---- swap -----------------------------------------------------------------------------------

TEST_P(StoreSuite, CreatesARecordAndGivesBackEveryField) {
  const Record next = full_record(100, 1);
  const Answer answer = apply(create(next));
  EXPECT_EQ(answer.status, Status::ok);
  ASSERT_TRUE(answer.snapshot.readable()) << describe(answer);
  EXPECT_EQ(*answer.snapshot.readable(), next);
  EXPECT_EQ(record(), next);
}

TEST_P(StoreSuite, KeepsAHoldWithAnyText) {
  Record next = full_record(100, 1);
  next.hold = {.kind = HoldKind::forced_open,
               .who = "ann",
               .why = std::string("a\0b\n", 4),
               .until = store_time_ms(1'900'000'000'000)};
  EXPECT_EQ(status_of(create(next)), Status::ok);
  EXPECT_EQ(record(), next);
}

TEST_P(StoreSuite, CreatesOnlyWhereThereIsNoRecord) {
  create_record();
  Record other = full_record(200, 1);
  other.swap_id = 77;
  const Answer answer = apply(create(other));
  EXPECT_EQ(answer.status, Status::conflict);
  EXPECT_EQ(answer.snapshot.readable()->epoch, 100);
}

TEST_P(StoreSuite, SwapsWhenEpochAndRevisionAreAsExpected) {
  create_record(100, 1);
  const Record next = full_record(101, 2);
  EXPECT_EQ(status_of(swaps(100, 1, next)), Status::ok);
  EXPECT_EQ(record(), next);
}

TEST_P(StoreSuite, RefusesASwapOfAnotherEpochOrRevision) {
  create_record(100, 5);
  EXPECT_EQ(status_of(swaps(99, 5, full_record(101, 6))), Status::conflict);
  EXPECT_EQ(status_of(swaps(100, 4, full_record(101, 6))), Status::conflict);
  EXPECT_EQ(status_of(swaps(100, 6, full_record(101, 6))), Status::conflict);
  EXPECT_EQ(status_of(swaps(100, 0, full_record(101, 6))), Status::conflict);
  EXPECT_EQ(record(), full_record(100, 5));
}

TEST_P(StoreSuite, RefusesASwapOfARecordThatIsGone) {
  EXPECT_EQ(status_of(swaps(100, 5, full_record(101, 6))), Status::conflict);
  EXPECT_FALSE(read().record);
}

TEST_P(StoreSuite, ARepeatedSwapIsItsOwn) {
  create_record(100, 1);
  const SwapOp swap = swaps(100, 1, full_record(101, 2));
  EXPECT_EQ(status_of(swap), Status::ok);
  ASSERT_EQ(status_of(adds(101, report(1))), Status::ok);
  EXPECT_EQ(status_of(swap), Status::ok);
  EXPECT_THAT(read().reports, SizeIs(1)) << "the repetition dropped evidence of the new epoch";
}

TEST_P(StoreSuite, ARepeatedCreationIsItsOwn) {
  EXPECT_EQ(status_of(create(full_record(100, 1))), Status::ok);
  EXPECT_EQ(status_of(create(full_record(100, 1))), Status::ok);
}

TEST_P(StoreSuite, ASwapWithAnotherIdThatLooksTheSameIsAConflict) {
  create_record(100, 1);
  Record next = full_record(101, 2);
  EXPECT_EQ(status_of(swaps(100, 1, next)), Status::ok);
  next.swap_id += 1;  // beyond 2^53: equal as doubles
  EXPECT_EQ(status_of(swaps(100, 1, next)), Status::conflict);
}

TEST_P(StoreSuite, ASwapRepeatedAfterTheNextOneIsAConflict) {
  create_record(100, 1);
  const SwapOp first = swaps(100, 1, full_record(101, 2));
  EXPECT_EQ(status_of(first), Status::ok);
  EXPECT_EQ(status_of(swaps(101, 2, full_record(102, 3))), Status::ok);
  EXPECT_EQ(status_of(first), Status::conflict);
  EXPECT_EQ(record().epoch, 102);
}

TEST_P(StoreSuite, ANewEpochStartsWithoutEvidenceAndCounts) {
  create_record(100, 1);
  ASSERT_EQ(status_of(adds(100, report(1))), Status::ok);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 1)), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
  Record next = full_record(101, 2);
  next.probe_ok = 9;  // what a writer believes of them is not stored
  EXPECT_EQ(status_of(swaps(100, 1, next)), Status::ok);
  EXPECT_THAT(read().reports, IsEmpty());
  EXPECT_EQ(record().probe_ok, 0);
  EXPECT_EQ(record().probe_failed, 0);
}

TEST_P(StoreSuite, TheSameEpochKeepsItsEvidenceAndCounts) {
  create_record(100, 1);
  ASSERT_EQ(status_of(adds(100, report(1))), Status::ok);
  int slot = 0;
  for (const auto outcome : {Settlement::success, Settlement::failure, Settlement::success}) {
    ASSERT_EQ(status_of(claims(100, ++slot, kAnn, 1)), Status::ok);
    ASSERT_EQ(status_of(settles(100, slot, kAnn, 1, outcome)), Status::ok);
  }
  EXPECT_EQ(status_of(swaps(100, 1, full_record(100, 2))), Status::ok);
  EXPECT_THAT(read().reports, SizeIs(1));
  EXPECT_EQ(record().probe_ok, 2);
  EXPECT_EQ(record().probe_failed, 1);
}

TEST_P(StoreSuite, SlotsOutliveEpochs) {
  create_record(100, 1);
  ASSERT_EQ(status_of(claims(100, 3, kAnn, 1)), Status::ok);
  ASSERT_EQ(status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
  const Record after = record();
  ASSERT_TRUE(after.slots[3]);
  EXPECT_EQ(after.slots[3]->holder, kAnn);
  EXPECT_EQ(status_of(claims(101, 3, kBob, 1)), Status::taken);
}

TEST_P(StoreSuite, ASwapNeverWritesTheSlotsOfItsRecord) {
  create_record(100, 1);
  Record next = full_record(101, 2);
  next.slots[0] = Slot{.holder = kBob, .token = 1, .expires = store_time_ms(1)};
  ASSERT_EQ(status_of(swaps(100, 1, next)), Status::ok);
  EXPECT_FALSE(record().slots[0]);
}

TEST_P(StoreSuite, WaitsForItsTimeByTheStoresClock) {
  create_record(100, 1);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.not_before = now() + 1h;
  EXPECT_EQ(status_of(swap), Status::not_due);
  EXPECT_EQ(record().epoch, 100);
  swap.not_before = now() + 20ms;
  let_pass(20ms);
  EXPECT_EQ(status_of(swap), Status::ok);
}

TEST_P(StoreSuite, AConflictIsSaidBeforeTheTime) {
  create_record(100, 1);
  SwapOp swap = swaps(99, 1, full_record(101, 2));
  swap.not_before = now() + 1h;
  EXPECT_EQ(status_of(swap), Status::conflict);
}

TEST_P(StoreSuite, AProbeThatFailedStopsASwapThatWasDecidedBeforeIt) {
  create_record(100, 1);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 1)), Status::ok);
  ASSERT_EQ(status_of(claims(100, 1, kBob, 2)), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.unless_probe_failed = true;
  ASSERT_EQ(status_of(settles(100, 1, kBob, 2, Settlement::failure)), Status::ok);
  const Answer refused = apply(swap);
  EXPECT_EQ(refused.status, Status::conflict);
  EXPECT_EQ(refused.snapshot.readable()->epoch, 100);
  EXPECT_EQ(refused.snapshot.readable()->probe_failed, 1);
  swap.unless_probe_failed = false;
  EXPECT_EQ(status_of(swap), Status::ok);
}

TEST_P(StoreSuite, AProbeThatSucceededStopsNoSwap) {
  create_record(100, 1);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 1)), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.unless_probe_failed = true;
  EXPECT_EQ(status_of(swap), Status::ok);
  EXPECT_EQ(status_of(swap), Status::ok) << "this very swap, repeated";
}

TEST_P(StoreSuite, SwapsAndTakesASlotTogether) {
  create_record(100, 1);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.claim = SlotClaim{.slot = 31, .holder = kAnn, .token = 4'294'967'295u, .lease = 60s};
  const Answer answer = apply(swap);
  EXPECT_EQ(answer.status, Status::ok);
  const auto& slot = answer.snapshot.readable()->slots[31];
  ASSERT_TRUE(slot);
  EXPECT_EQ(slot->owner(), (SlotOwner{.holder = kAnn, .token = 4'294'967'295u}));
  expect_at(slot->expires, answer.snapshot.time + 60s);
}

TEST_P(StoreSuite, RefusesASwapWhoseSlotIsTaken) {
  create_record(100, 1);
  ASSERT_EQ(status_of(claims(100, 0, kBob, 7)), Status::ok);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.claim = SlotClaim{.slot = 0, .holder = kAnn, .token = 1, .lease = 60s};
  EXPECT_EQ(status_of(swap), Status::taken);
  EXPECT_EQ(record().epoch, 100);
  EXPECT_EQ(record().slots[0]->holder, kBob);
}

TEST_P(StoreSuite, ARepeatedSwapDoesNotTakeItsSlotAgain) {
  create_record(100, 1);
  SwapOp swap = swaps(100, 1, full_record(101, 2));
  swap.claim = SlotClaim{.slot = 0, .holder = kAnn, .token = 1, .lease = 60s};
  ASSERT_EQ(status_of(swap), Status::ok);
  ASSERT_EQ(status_of(settles(101, 0, kAnn, 1, Settlement::success)), Status::ok);
  EXPECT_EQ(status_of(swap), Status::ok);
  EXPECT_TRUE(is_free(record().slots[0]));
}

// ---- report ---------------------------------------------------------------------------------

TEST_P(StoreSuite, AddsAReport) {
  create_record(100);
  const Report sent = report(1);
  const Answer answer = apply(adds(100, sent));
  EXPECT_EQ(answer.status, Status::ok);
  EXPECT_THAT(answer.snapshot.reports, ElementsAre(sent));
  EXPECT_THAT(read().reports, ElementsAre(sent));
}

TEST_P(StoreSuite, ARepeatedReportChangesNothing) {
  create_record(100);
  ReportOp op = adds(100, report(1));
  op.meter = {.calls = 10, .active_ms = 20, .members = 1, .hellos = 0};
  op.step = StepDelta{.step = 9, .sums = {.ok = 5}};
  EXPECT_EQ(status_of(op), Status::ok);
  const std::string before = describe(read());
  EXPECT_EQ(status_of(op), Status::duplicate);
  EXPECT_EQ(describe(read()), before);
}

TEST_P(StoreSuite, AReportOfAnotherEpochIsLateAndAddsNothing) {
  create_record(100);
  for (const std::int64_t epoch : {99, 101, 0}) {
    ReportOp op = adds(epoch, report(1));
    op.meter = {.calls = 10, .active_ms = 20, .members = 1, .hellos = 0};
    op.step = StepDelta{.step = 9, .sums = {.ok = 5}};
    const Answer answer = apply(op);
    EXPECT_EQ(answer.status, Status::late);
    EXPECT_THAT(answer.snapshot.reports, IsEmpty());
    EXPECT_THAT(answer.snapshot.steps, IsEmpty());
    EXPECT_EQ(answer.snapshot.meter.current.calls + answer.snapshot.meter.previous.calls, 0);
    EXPECT_EQ(answer.snapshot.readable()->epoch, 100) << "a loser need not read";
  }
}

TEST_P(StoreSuite, AReportWithoutARecordIsLate) {
  EXPECT_EQ(status_of(adds(100, report(1))), Status::late);
}

TEST_P(StoreSuite, RefusesAReportFarFromTheStoresTime) {
  create_record(100);
  EXPECT_EQ(status_of(adds(100, report(1, kReportAgeMax + 100ms))), Status::out_of_range);
  EXPECT_EQ(status_of(adds(100, report(2, -kReportAheadMax - 5s))), Status::out_of_range);
  EXPECT_THAT(read().reports, IsEmpty());
  EXPECT_EQ(status_of(adds(100, report(3, kReportAgeMax - 2s))), Status::ok);
  EXPECT_EQ(status_of(adds(100, report(4, -kReportAheadMax))), Status::ok);
}

TEST_P(StoreSuite, KeepsTheNewestReportsByTheirTime) {
  create_record(100);
  // The oldest come last.
  std::vector<std::string> sent;
  const Report first = report(0);
  for (std::uint32_t i = 0; i < kReportsMax + 10; ++i) {
    Report one = report(i);
    one.sent = first.sent - std::chrono::milliseconds{10 * i};
    sent.push_back(one.encode());
    ASSERT_EQ(status_of(adds(100, one)), Status::ok);
  }
  std::vector<std::string> kept;
  for (const Report& one : read().reports) kept.push_back(one.encode());
  std::ranges::sort(kept);
  sent.resize(kReportsMax);
  std::ranges::sort(sent);
  EXPECT_EQ(kept, sent);
}

TEST_P(StoreSuite, AHeartbeatNeedsNoRecord) {
  const Answer answer = apply(heartbeat({.calls = 1, .active_ms = 2, .members = 3, .hellos = 4}));
  EXPECT_EQ(answer.status, Status::ok);
  const MeterMinute& minute = answer.snapshot.meter.current;
  EXPECT_EQ(minute, (MeterMinute{.minute = minute_of(answer.snapshot.time),
                                 .calls = 1,
                                 .active_ms = 2,
                                 .members = 3,
                                 .hellos = 4}));
  EXPECT_FALSE(answer.snapshot.record);
}

TEST_P(StoreSuite, SumsFractions) {
  apply(heartbeat({.calls = 0.25, .active_ms = 1.5, .members = 12.5, .hellos = 1}));
  const Meter meter =
      apply(heartbeat({.calls = 1e9, .active_ms = 1.5, .members = 0, .hellos = 1})).snapshot.meter;
  EXPECT_EQ(meter.current.calls + meter.previous.calls, 1e9 + 0.25);
  EXPECT_EQ(meter.current.active_ms + meter.previous.active_ms, 3);
  EXPECT_EQ(meter.current.members + meter.previous.members, 12.5);
  EXPECT_EQ(meter.current.hellos + meter.previous.hellos, 2);
}

TEST_P(StoreSuite, SumsTheStepsOfTheRecoveryLimit) {
  create_record(100);
  const core::StepSums sums{.ok = 1,
                            .overload = 2,
                            .failure = 3,
                            .rtt_sum_ms = 4.5,
                            .rtt_count = 5,
                            .busy_ms = 6,
                            .refused = 7,
                            .members = 8};
  apply(heartbeat({}, StepDelta{.step = 8, .sums = {.ok = 1}}));
  apply(heartbeat({}, StepDelta{.step = 9, .sums = sums}));
  apply(heartbeat({}, StepDelta{.step = 9, .sums = sums}));
  core::StepSums twice = sums;
  twice += sums;
  EXPECT_THAT(read().steps, ElementsAre(StepDelta{.step = 8, .sums = {.ok = 1}},
                                        StepDelta{.step = 9, .sums = twice}));
}

TEST_P(StoreSuite, KeepsTheTwoNewestStepsOnly) {
  for (const std::uint32_t step : {7u, 9u, 8u, 4'294'967'295u, 3u}) {
    apply(heartbeat({}, StepDelta{.step = step, .sums = {.ok = 1}}));
  }
  EXPECT_THAT(read().steps, ElementsAre(StepDelta{.step = 9, .sums = {.ok = 1}},
                                        StepDelta{.step = 4'294'967'295u, .sums = {.ok = 1}}));
}

TEST_P(StoreSuite, ASwapDropsTheSumsOfOtherSteps) {
  create_record(100, 1);
  apply(heartbeat({}, StepDelta{.step = 8, .sums = {.ok = 1}}));
  apply(heartbeat({}, StepDelta{.step = 9, .sums = {.ok = 2}}));
  Record next = full_record(100, 2);
  next.step = 10;
  EXPECT_THAT(apply(swaps(100, 1, next)).snapshot.steps,
              ElementsAre(StepDelta{.step = 9, .sums = {.ok = 2}}));
  next = full_record(101, 3);
  next.step = 0;
  EXPECT_THAT(apply(swaps(100, 2, next)).snapshot.steps, IsEmpty());
}

TEST_P(StoreSuite, MetersOutliveEpochs) {
  create_record(100, 1);
  apply(heartbeat({.calls = 5, .active_ms = 0, .members = 0, .hellos = 0}));
  const Meter meter = apply(swaps(100, 1, full_record(101, 2))).snapshot.meter;
  EXPECT_EQ(meter.current.calls + meter.previous.calls, 5);
}

// ---- claim ----------------------------------------------------------------------------------

TEST_P(StoreSuite, TakesAFreeSlot) {
  create_record(100);
  const Answer answer = apply(claims(100, 2, kAnn, 42, 60s));
  EXPECT_EQ(answer.status, Status::ok);
  const auto& slot = answer.snapshot.readable()->slots[2];
  ASSERT_TRUE(slot);
  EXPECT_EQ(slot->owner(), (SlotOwner{.holder = kAnn, .token = 42}));
  expect_at(slot->expires, answer.snapshot.time + 60s);
}

TEST_P(StoreSuite, DoesNotTakeASlotThatIsHeld) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  EXPECT_EQ(status_of(claims(100, 0, kBob, 42)), Status::taken);
  EXPECT_EQ(status_of(claims(100, 0, kAnn, 4)), Status::taken) << "42 begins with 4";
  EXPECT_EQ(status_of(claims(100, 0, kAnn, 421)), Status::taken);
  EXPECT_EQ(status_of(claims(100, 1, kBob, 42)), Status::ok);
  EXPECT_EQ(record().slots[0]->holder, kAnn);
}

TEST_P(StoreSuite, ARepeatedClaimRenewsTheLease) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42, 60s)), Status::ok);
  let_pass(5ms);
  const Answer answer = apply(claims(100, 0, kAnn, 42, 60s));
  EXPECT_EQ(answer.status, Status::ok);
  expect_at(answer.snapshot.readable()->slots[0]->expires, answer.snapshot.time + 60s);
}

TEST_P(StoreSuite, TakesASlotWhoseLeaseHasEndedByTheStoresClock) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
  let_pass(20ms);
  EXPECT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
  EXPECT_EQ(record().slots[0]->holder, kBob);
}

TEST_P(StoreSuite, TakesAFreeSlotOnlyFromWhomItWasSeenWith) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::returned)), Status::ok);
  const ClaimOp claim = claims(100, 0, kBob, 1);
  EXPECT_EQ(status_of(claim), Status::taken) << "seen when nobody had had it";
  EXPECT_EQ(status_of(after({kBob, 42}, claim)), Status::taken);
  EXPECT_EQ(status_of(after({kAnn, 4}, claim)), Status::taken) << "42 begins with 4";
  const Answer answer = apply(after({kAnn, 421}, claim));
  EXPECT_EQ(answer.status, Status::taken);
  EXPECT_EQ(answer.snapshot.readable()->slots[0]->holder, kAnn) << "the answer says who had it";
  EXPECT_EQ(status_of(after({kAnn, 42}, claim)), Status::ok);
  EXPECT_EQ(status_of(after({kAnn, 42}, claims(100, 1, kBob, 2))), Status::taken);
}

TEST_P(StoreSuite, ARenewalTakesNothingFromWhoeverHadTheSlotSince) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
  const ClaimOp renewal = after({kAnn, 42}, claims(100, 0, kAnn, 42));
  let_pass(20ms);
  ASSERT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kBob, 1, Settlement::returned)), Status::ok);
  EXPECT_EQ(status_of(renewal), Status::taken);
}

TEST_P(StoreSuite, WhoeverTakesOverTheSlotOfACallCountsAFailedProbe) {
  create_record(100);
  ClaimOp claim = claims(100, 0, kAnn, 42, 20ms);
  ASSERT_EQ(status_of(claim), Status::ok);
  const ClaimOp starts = starting(claim);
  const Answer begun = apply(starts);
  ASSERT_EQ(begun.status, Status::ok);
  EXPECT_EQ(begun.snapshot.readable()->slots[0]->started, 100);
  expect_at(begun.snapshot.readable()->slots[0]->expires, begun.snapshot.time + 20ms);
  ASSERT_EQ(status_of(claim), Status::ok) << "the claim arrives once more";
  EXPECT_EQ(record().slots[0]->started, 100) << "and does not take the mark away";
  let_pass(20ms);
  const ClaimOp over = after({kAnn, 42}, claims(100, 0, kBob, 1));
  const Answer answer = apply(over);
  EXPECT_EQ(answer.status, Status::ok);
  EXPECT_EQ(answer.snapshot.readable()->probe_failed, 1);
  EXPECT_EQ(answer.snapshot.readable()->slots[0]->started, 0);
  EXPECT_EQ(status_of(over), Status::ok);
  EXPECT_EQ(status_of(starts), Status::taken);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::gone);
  EXPECT_EQ(record().probe_failed, 1) << "once, whatever is repeated";
}

TEST_P(StoreSuite, ASlotTakenOverWithoutACallCountsNothing) {
  create_record(100, 1);
  // Never begun; begun and settled; begun in an epoch that has passed.
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42, 5ms)), Status::ok);
  ASSERT_EQ(status_of(claims(100, 1, kAnn, 43, 5ms)), Status::ok);
  ASSERT_EQ(status_of(starting(claims(100, 1, kAnn, 43, 5ms))), Status::ok);
  ASSERT_EQ(status_of(settles(100, 1, kAnn, 43, Settlement::returned)), Status::ok);
  ASSERT_EQ(status_of(claims(100, 31, kAnn, 44, 5ms)), Status::ok);
  ASSERT_EQ(status_of(starting(claims(100, 31, kAnn, 44, 5ms))), Status::ok);
  let_pass(5ms);
  EXPECT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
  EXPECT_EQ(status_of(after({kAnn, 43}, claims(100, 1, kBob, 2))), Status::ok);
  EXPECT_EQ(record().probe_failed, 0);
  ASSERT_EQ(status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
  EXPECT_EQ(record().slots[31]->started, 100);
  EXPECT_EQ(status_of(after({kAnn, 44}, claims(101, 31, kBob, 3))), Status::ok);
  EXPECT_EQ(record().probe_failed, 0);
}

TEST_P(StoreSuite, ACallBeginsOnlyInASlotOfItsOwn) {
  create_record(100);
  EXPECT_EQ(status_of(starting(claims(100, 0, kAnn, 42))), Status::taken);
  ASSERT_EQ(status_of(claims(100, 0, kBob, 1)), Status::ok);
  EXPECT_EQ(status_of(starting(claims(100, 0, kAnn, 42))), Status::taken);
  EXPECT_EQ(status_of(starting(claims(99, 0, kBob, 1))), Status::late);
  ASSERT_EQ(status_of(settles(100, 0, kBob, 1, Settlement::returned)), Status::ok);
  EXPECT_EQ(status_of(starting(claims(100, 0, kBob, 1))), Status::taken);
  EXPECT_EQ(record().slots[0]->started, 0);
}

TEST_P(StoreSuite, AClaimOfAnotherEpochIsLate) {
  EXPECT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::late);
  create_record(100);
  EXPECT_EQ(status_of(claims(99, 0, kAnn, 42)), Status::late);
  EXPECT_FALSE(record().slots[0]);
}

// ---- settle ---------------------------------------------------------------------------------

TEST_P(StoreSuite, GivesASlotBackAndCounts) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  const Answer answer = apply(settles(100, 0, kAnn, 42, Settlement::success));
  EXPECT_EQ(answer.status, Status::ok);
  EXPECT_TRUE(is_free(answer.snapshot.readable()->slots[0]));
  EXPECT_EQ(answer.snapshot.readable()->probe_ok, 1);
  EXPECT_EQ(answer.snapshot.readable()->probe_failed, 0);
  EXPECT_EQ(answer.snapshot.readable()->revision, 1u);
}

TEST_P(StoreSuite, ARepeatedSettlementCountsOnce) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::gone);
  EXPECT_EQ(record().probe_failed, 1);
}

TEST_P(StoreSuite, AClaimRepeatedAfterItsSettlementTakesNothing) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::ok);
  EXPECT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::taken);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
  EXPECT_EQ(record().probe_ok, 1);
  EXPECT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kAnn, 43))), Status::ok)
      << "a new claim of the same holder";
}

TEST_P(StoreSuite, AClaimAstrayTakesNothingBackOnceAnotherHasHadTheSlot) {
  create_record(100);
  const ClaimOp astray = claims(100, 0, kAnn, 42);
  const SettleOp repeated = settles(100, 0, kAnn, 42, Settlement::success);
  ASSERT_EQ(status_of(astray), Status::ok);
  ASSERT_EQ(status_of(repeated), Status::ok);
  ASSERT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
  ASSERT_EQ(status_of(settles(100, 0, kBob, 1, Settlement::success)), Status::ok);
  EXPECT_EQ(status_of(astray), Status::taken);
  EXPECT_EQ(status_of(repeated), Status::gone);
  EXPECT_EQ(record().probe_ok, 2);
}

TEST_P(StoreSuite, ASlotReturnedUnusedCountsNothing) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::returned)), Status::ok);
  EXPECT_TRUE(is_free(record().slots[0]));
  EXPECT_EQ(record().probe_ok + record().probe_failed, 0);
}

TEST_P(StoreSuite, SettlesNothingThatIsNotItsOwn) {
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
  create_record(100);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kBob, 42, Settlement::success)), Status::gone);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 4, Settlement::success)), Status::gone);
  EXPECT_EQ(status_of(settles(100, 1, kAnn, 42, Settlement::success)), Status::gone);
  EXPECT_TRUE(record().slots[0]);
  EXPECT_EQ(record().probe_ok, 0);
}

TEST_P(StoreSuite, AZombieSettlesNothingOnceItsSlotIsTakenOver) {
  create_record(100);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
  let_pass(20ms);
  ASSERT_EQ(status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
  EXPECT_EQ(record().slots[0]->holder, kBob);
  EXPECT_EQ(record().probe_ok, 0);
}

TEST_P(StoreSuite, ASettlementAfterItsEpochFreesTheSlotAndIsNotCounted) {
  create_record(100, 1);
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  ASSERT_EQ(status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
  EXPECT_EQ(status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::late);
  EXPECT_TRUE(is_free(record().slots[0]));
  EXPECT_EQ(record().probe_ok, 0);
}

// ---- circuits -------------------------------------------------------------------------------

TEST_P(StoreSuite, KeepsCircuitsApart) {
  create_record(100);
  circuit_ += "/eu";
  EXPECT_FALSE(read().record);
  create_record(200);
  EXPECT_EQ(record().epoch, 200);
}

TEST_P(StoreSuite, ListsTheCircuitsThatHaveARecord) {
  const std::string name = circuit_;
  for (const char* suffix : {"/b", "/a", ":r"}) {
    circuit_ = name + suffix;
    create_record();
  }
  circuit_ = name + "-no-record";
  apply(heartbeat({.calls = 1, .active_ms = 0, .members = 0, .hellos = 0}));
  const auto names = ask_names(loop_, *store_);
  ASSERT_TRUE(names) << names.error().text();
  EXPECT_TRUE(std::ranges::is_sorted(*names));
  std::vector<std::string> ours;
  for (const std::string& found : *names) {
    if (found.starts_with(name)) ours.push_back(found);
  }
  EXPECT_THAT(ours, ElementsAre(name + "/a", name + "/b", name + ":r"));
}

TEST_P(StoreSuite, RemovesACircuitWithAllThatBelongsToIt) {
  create_record(100);
  ASSERT_EQ(status_of(adds(100, report(1))), Status::ok);
  apply(heartbeat({.calls = 1, .active_ms = 0, .members = 0, .hellos = 0},
                  StepDelta{.step = 9, .sums = {.ok = 1}}));
  ASSERT_EQ(status_of(claims(100, 0, kAnn, 42)), Status::ok);
  EXPECT_TRUE(ask_remove(loop_, *store_, circuit_));
  EXPECT_TRUE(ask_remove(loop_, *store_, circuit_)) << "again";
  const Snapshot snapshot = read();
  EXPECT_FALSE(snapshot.record);
  EXPECT_THAT(snapshot.reports, IsEmpty());
  EXPECT_THAT(snapshot.steps, IsEmpty());
  EXPECT_EQ(snapshot.meter.current.calls + snapshot.meter.previous.calls, 0);
  create_record(100);
  EXPECT_FALSE(record().slots[0]);
}

TEST_P(StoreSuite, CallsNobodyAfterItsEnd) {
  bool called = false;
  store_->execute(circuit_, ReadOp{}, [&](const Result<Answer>&) { called = true; });
  store_.reset();
  loop_.run_until([] { return false; }, 20ms);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace switchgear::stores
