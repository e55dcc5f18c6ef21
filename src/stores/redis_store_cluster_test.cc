// What a circuit in a Redis Cluster bears while its slot goes to another node.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "net/clocks.h"
#include "net/redis_cluster_for_tests.h"
#include "net/redis_slots.h"
#include "stores/redis_store.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

net::RedisClusterServers& servers() { return net::redis_cluster_servers(); }

class RedisStoreOnACluster : public ::testing::Test {
 protected:
  Result<fleet::Answer> ask(const fleet::Operation& operation) {
    return stores::ask(loop_, store_, circuit_, operation);
  }
  fleet::Status status_of(const fleet::Operation& operation) {
    const auto answer = ask(operation);
    EXPECT_TRUE(answer) << answer.error().text();
    return answer ? answer->status : fleet::Status::conflict;
  }
  // A circuit of which all keys are there, in step 3.
  void make_circuit(double calls) {
    fleet::Record record = full_record(1, 1);
    record.step = 3;
    ASSERT_EQ(status_of(create(record)), fleet::Status::ok);
    const auto now = ask(fleet::ReadOp{});
    ASSERT_TRUE(now);
    fleet::ReportOp report = adds(
        1, {.sent = now->snapshot.time, .span = 1ms, .instance = kAnn, .seq = 1, .failures = 1});
    report.meter = {.calls = calls, .active_ms = 0, .members = 0, .hellos = 0};
    report.step = fleet::StepDelta{.step = 3, .sums = {.ok = 1}};
    ASSERT_EQ(status_of(report), fleet::Status::ok);
  }
  fleet::SwapOp to_next_epoch() {
    fleet::Record next = full_record(2, 2);
    next.step = 9;
    next.hold.kind = HoldKind::forced_open;
    return {.expected_epoch = 1,
            .expected_revision = 1,
            .next = next,
            .not_before = std::nullopt,
            .claim = std::nullopt};
  }
  // Gives the slot to another node, and meanwhile asks.
  Result<fleet::Answer> ask_on_the_way(const fleet::Operation& operation) {
    const std::size_t from = servers().owner(slot());
    const std::size_t to = servers().another(from);
    servers().begin_move(slot(), from, to);
    auto answer = ask(operation);
    ttl_ms_ = servers().node(from).command({"PTTL", store_.key(circuit_) + ":r"}).integer;
    servers().move_keys(slot(), from, to);
    servers().end_move(slot(), from, to);
    return answer;
  }
  int slot() { return net::redis_slot(store_.key(circuit_)); }

  std::int64_t ttl_ms_ = 0;  // of the record, once asked on the way
  net::Loop loop_;
  RedisStore store_{loop_,
                    net::redis_address(servers().url()).value(),
                    {.redis = {.command_timeout = 15s, .connect_timeout = 15s}}};
  const std::string circuit_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

// In a slot that is being moved away, Redis lets a script reach no key that is not there, not even
// one that the script itself has just removed.
TEST_F(RedisStoreOnACluster, BeginsAnEpochWhileItsSlotIsToMove) {
  make_circuit(1);
  const auto answer = ask_on_the_way(to_next_epoch());
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->status, fleet::Status::ok);
  EXPECT_TRUE(answer->snapshot.reports.empty());
  EXPECT_EQ(ttl_ms_, -1) << "a hold has no end";
  EXPECT_EQ(ask(fleet::ReadOp{})->snapshot.readable()->epoch, 2);
}

TEST_F(RedisStoreOnACluster, LeavesOldStepsBehindWhileItsSlotIsToMove) {
  make_circuit(0);
  const auto answer = ask_on_the_way(to_next_epoch());
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->status, fleet::Status::ok);
  EXPECT_EQ(ttl_ms_, -1);
}

// Of an open circuit some keys do not exist, and until the whole slot has moved no node carries out
// what names them all.
TEST_F(RedisStoreOnACluster, AsksAgainUntilItsSlotWithTheKeysOfOthersHasMoved) {
  ASSERT_EQ(status_of(create(full_record(1, 1))), fleet::Status::ok);
  const std::size_t from = servers().owner(slot());
  std::vector<std::string> others{"MSET"};
  for (int i = 0; i < 300; ++i) {
    others.insert(others.end(), {store_.key(circuit_) + std::to_string(i), std::string(100, 'x')});
  }
  servers().node(from).command(others);
  const int refused = servers().errors_sent(from, "TRYAGAIN");
  std::atomic<bool> moved = false;
  const MonoTime begin = net::read_clocks().mono;
  MonoTime end = begin;
  std::thread mover([&] {
    servers().move(slot(), from, servers().another(from), 10);
    end = net::read_clocks().mono;
    moved = true;
  });
  Duration longest = 0s;
  while (!moved) {
    const MonoTime asked = net::read_clocks().mono;
    EXPECT_TRUE(ask(fleet::ReadOp{}));
    longest = std::max(longest, net::read_clocks().mono - asked);
  }
  mover.join();
  EXPECT_GT(servers().errors_sent(from, "TRYAGAIN"), refused);
  RecordProperty("moved_in_ms", static_cast<int>(ceil_ms(end - begin).count()));
  RecordProperty("longest_answer_ms", static_cast<int>(ceil_ms(longest).count()));
}

}  // namespace
}  // namespace switchgear::stores
