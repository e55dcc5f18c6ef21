// What only the Redis store can get wrong: its server, its keys, what others wrote there.
#include "stores/redis_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "net/redis_server_for_tests.h"
#include "stores/redis_answer.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using namespace fleet;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr InstanceId kAnn{0xa1};

class RedisStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<RedisStore> store_at(const std::string& url, Duration timeout = 5s,
                                       const std::string& name_space = "switchgear") {
    const auto address = net::redis_address(url);
    EXPECT_TRUE(address) << address.error().text();
    return std::make_unique<RedisStore>(
        loop_, *address,
        RedisStoreOptions{
            .name_space = name_space,
            .redis = {.command_timeout = timeout,
                      .connect_timeout = timeout,
                      .reconnect = {.base = 1ms, .cap = 1ms, .jitter = core::Jitter::none}}});
  }
  Answer apply(Store& store, const std::string& circuit, const Operation& operation) {
    const auto answer = ask(loop_, store, circuit, operation);
    EXPECT_TRUE(answer) << answer.error().text();
    return answer ? *answer : Answer{};
  }
  Error error_of(Store& store, const Operation& operation = ReadOp{}) {
    const auto answer = ask(loop_, store, "c", operation);
    EXPECT_FALSE(answer);
    return answer ? Error{} : answer.error();
  }
  net::resp::Value command(const net::RedisServer& server, std::vector<std::string> words) {
    net::RedisClient client(loop_, *net::redis_address(server.url()));
    std::optional<Result<net::resp::Value>> answer;
    client.command(std::move(words),
                   [&](Result<net::resp::Value> value) { answer = std::move(value); });
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, 10s));
    EXPECT_TRUE(answer && *answer) << answer->error().text();
    return answer && *answer ? **answer : net::resp::Value{};
  }
  std::int64_t number(const net::RedisServer& server, std::vector<std::string> words) {
    return command(server, std::move(words)).integer;
  }
  static ReportOp heartbeat() {
    return {.epoch = 0,
            .report = std::nullopt,
            .meter = {.calls = 1, .active_ms = 2, .members = 3, .hellos = 4},
            .step = std::nullopt};
  }
  ReportOp report_at(StoreTime sent) {
    return {.epoch = 100,
            .report = Report{.sent = sent, .instance = kAnn, .seq = 1, .failures = 1},
            .meter = {},
            .step = std::nullopt};
  }

  net::Loop loop_;
};

// ---- Keys -----------------------------------------------------------------------------------

TEST_F(RedisStoreTest, KeepsACircuitInOneHashSlot) {
  net::RedisServer server;
  auto store = store_at(server.url());
  // What stands between the first { and the first } decides on the hash slot.
  EXPECT_EQ(store->key("a/b"), "{sg:10:switchgear:3:a/b}");
  const Answer created = apply(*store, "a/b", create(full_record(100, 1)));
  apply(*store, "a/b", report_at(created.snapshot.time));
  apply(*store, "a/b", heartbeat());
  bool noted = false;
  store->write_note("a/b", 0, "a note", [&](const auto& answer) { noted = answer->written; });
  ASSERT_TRUE(loop_.run_until([&] { return noted; }, 10s));
  std::vector<std::string> keys;
  for (const auto& key : command(server, {"KEYS", "*"}).items) keys.push_back(key.text);
  EXPECT_THAT(keys,
              UnorderedElementsAre("{sg:10:switchgear:3:a/b}:r", "{sg:10:switchgear:3:a/b}:e",
                                   "{sg:10:switchgear:3:a/b}:m", "{sg:10:switchgear:3:a/b}:n"));
}

TEST_F(RedisStoreTest, Scenario19NamesThatLookAlikeAreDifferentCircuits) {
  net::RedisServer server;
  auto ab = store_at(server.url(), 5s, "a:b");
  auto a = store_at(server.url(), 5s, "a");
  EXPECT_EQ(apply(*ab, "c", create(full_record(100, 1))).status, Status::ok);
  EXPECT_FALSE(apply(*a, "b:c", ReadOp{}).snapshot.record);
  EXPECT_FALSE(apply(*a, "b:1:c", ReadOp{}).snapshot.record);
  EXPECT_THAT(*ask_names(loop_, *ab), ElementsAre("c"));
  EXPECT_THAT(*ask_names(loop_, *a), IsEmpty());
}

TEST_F(RedisStoreTest, ListsMoreCircuitsThanOneScanShows) {
  net::RedisServer server;
  auto store = store_at(server.url(), 60s);  // all at once
  std::vector<std::string> expected;
  int answered = 0;
  for (int i = 0; i < 3'000; ++i) {
    expected.push_back("c" + std::to_string(i));
    store->execute(expected.back(), create(full_record(100, 1)),
                   [&](const Result<Answer>& answer) { answered += answer.has_value(); });
  }
  ASSERT_TRUE(loop_.run_until([&] { return answered == 3'000; }, 60s));
  std::ranges::sort(expected);
  EXPECT_EQ(*ask_names(loop_, *store), expected);
}

// ---- Expiry ---------------------------------------------------------------------------------

TEST_F(RedisStoreTest, ForgetsAnUnusedCircuitAfterAWeekAtTheEarliest) {
  constexpr std::int64_t kWeekMs = std::int64_t{7} * 24 * 3'600'000;
  net::RedisServer server;
  auto store = store_at(server.url());
  const std::string key = store->key("c");
  const Answer created = apply(*store, "c", create(full_record(100, 1)));
  EXPECT_GT(number(server, {"PTTL", key + ":r"}), kWeekMs);
  EXPECT_EQ(apply(*store, "c", report_at(created.snapshot.time)).status, Status::ok);
  EXPECT_GT(number(server, {"PTTL", key + ":e"}), kWeekMs);
  apply(*store, "c", heartbeat());
  EXPECT_GT(number(server, {"PTTL", key + ":m"}), 120'000);
  EXPECT_LT(number(server, {"PTTL", key + ":m"}), kWeekMs);
  for (const Operation& use : {Operation(ReadOp{}), Operation(heartbeat())}) {
    command(server, {"PEXPIRE", key + ":r", "100000"});
    command(server, {"PEXPIRE", key + ":e", "100000"});
    apply(*store, "c", use);
    EXPECT_GT(number(server, {"PTTL", key + ":r"}), kWeekMs);
    EXPECT_GT(number(server, {"PTTL", key + ":e"}), kWeekMs);
  }
}

TEST_F(RedisStoreTest, NeverForgetsAHold) {
  net::RedisServer server;
  auto store = store_at(server.url());
  Record held = full_record(100, 1);
  held.hold.kind = HoldKind::forced_open;
  EXPECT_EQ(apply(*store, "c", create(held)).status, Status::ok);
  apply(*store, "c", heartbeat());
  EXPECT_EQ(number(server, {"PTTL", store->key("c") + ":r"}), -1);
  const SwapOp release{.expected_epoch = 100,
                       .expected_revision = 1,
                       .next = full_record(101, 2),
                       .not_before = std::nullopt,
                       .claim = std::nullopt};
  EXPECT_EQ(apply(*store, "c", release).status, Status::ok);
  EXPECT_GT(number(server, {"PTTL", store->key("c") + ":r"}), 0);
}

TEST_F(RedisStoreTest, LeavesNoTraceOfACircuitThatWasOnlyRead) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", ReadOp{});
  EXPECT_EQ(number(server, {"DBSIZE"}), 0);
}

// ---- The meter ------------------------------------------------------------------------------

TEST_F(RedisStoreTest, ReadsTheMinuteBeforeAndPrunesOlderOnes) {
  net::RedisServer server;
  auto store = store_at(server.url());
  std::int64_t now = 0;
  Meter meter;
  std::string key;
  for (const std::string circuit : {"a", "b"}) {
    key = store->key(circuit) + ":m";
    now = minute_of(apply(*store, circuit, ReadOp{}).snapshot.time);
    const auto minute = [&](std::int64_t ago) { return std::to_string(now - ago); };
    command(server, {"HSET", key, "c:" + minute(1), "5", "a:" + minute(1), "7.5", "c:" + minute(2),
                     "9", "m:" + minute(2), "9", "c:" + minute(-9), "9"});
    meter = apply(*store, circuit, heartbeat()).snapshot.meter;
    if (meter.current.minute == now) break;  // else a minute ended in between: once more
  }
  EXPECT_EQ(meter.current.calls, 1);
  EXPECT_EQ(meter.previous, (MeterMinute{.minute = now - 1, .calls = 5, .active_ms = 7.5}));
  EXPECT_EQ(number(server, {"HLEN", key}), 4 + 2);
}

TEST_F(RedisStoreTest, AReportSurvivesSpoiltSums) {
  net::RedisServer server;
  auto store = store_at(server.url());
  const Answer created = apply(*store, "c", create(full_record(100, 1)));
  const std::string minute = std::to_string(minute_of(created.snapshot.time));
  command(server, {"HSET", store->key("c") + ":m", "c:" + minute, "many", "odd", "1", "sx:ok", "1",
                   "s1:unheard", "1", "c:x", "1"});
  ReportOp op = report_at(created.snapshot.time);
  op.meter = {.calls = 1, .active_ms = 2, .members = 3, .hellos = 4};
  const Answer answer = apply(*store, "c", op);
  EXPECT_EQ(answer.status, Status::ok);
  EXPECT_THAT(answer.snapshot.reports, SizeIs(1));
}

// ---- What others wrote ----------------------------------------------------------------------

TEST_F(RedisStoreTest, MarksARecordOfANewerSchemaAndLeavesItAlone) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"HSET", store->key("c") + ":r", "v", "2"});
  const Answer answer = apply(*store, "c", ReadOp{});
  ASSERT_TRUE(answer.snapshot.record);
  ASSERT_FALSE(answer.snapshot.record->has_value());
  EXPECT_EQ(answer.snapshot.record->error().code, "unreadable");
  EXPECT_EQ(apply(*store, "c", create(full_record(200, 1))).status, Status::conflict);
}

TEST_F(RedisStoreTest, CountsReportsThatItCannotRead) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"ZADD", store->key("c") + ":e", "1", "nonsense", "2", ""});
  const Snapshot snapshot = apply(*store, "c", ReadOp{}).snapshot;
  EXPECT_EQ(snapshot.unreadable_reports, 2);
  EXPECT_THAT(snapshot.reports, IsEmpty());
}

TEST_F(RedisStoreTest, NeverTakesASlotThatItCannotRead) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"HSET", store->key("c") + ":r", "s0", "somebody"});
  const ClaimOp claim{.epoch = 100, .claim = {.slot = 0, .holder = kAnn, .token = 1, .lease = 1s}};
  EXPECT_EQ(apply(*store, "c", claim).status, Status::taken);
}

TEST_F(RedisStoreTest, LeavesAKeyOfAnotherTypeAloneAndNamesIt) {
  net::RedisServer server;
  auto store = store_at(server.url());
  for (const char* suffix : {":r", ":e", ":m"}) {
    SCOPED_TRACE(suffix);
    apply(*store, "c", create(full_record(100, 1)));
    command(server, {"DEL", store->key("c") + suffix});
    command(server, {"SET", store->key("c") + suffix, "mine"});
    const Answer read = apply(*store, "c", ReadOp{});
    ASSERT_TRUE(read.snapshot.record);
    ASSERT_FALSE(read.snapshot.record->has_value());
    EXPECT_EQ(read.snapshot.record->error().code, "unreadable");
    EXPECT_THAT(read.snapshot.record->error().message, HasSubstr(store->key("c")));
    EXPECT_GT(read.snapshot.time, StoreTime{});
    EXPECT_EQ(apply(*store, "c", create(full_record(200, 1))).status, Status::conflict);
    EXPECT_EQ(apply(*store, "c", report_at(read.snapshot.time)).status, Status::late);
    EXPECT_EQ(command(server, {"GET", store->key("c") + suffix}).text, "mine");
    command(server, {"FLUSHALL"});
  }
}

// ---- The server -----------------------------------------------------------------------------

TEST_F(RedisStoreTest, CallsScriptsByTheirSum) {
  net::RedisServer server;
  for (const RedisScript* script :
       {&redis_scripts().read, &redis_scripts().report, &redis_scripts().claim,
        &redis_scripts().settle, &redis_scripts().swap, &redis_scripts().note}) {
    EXPECT_EQ(command(server, {"SCRIPT", "LOAD", script->text}).text, script->sha1);
  }
}

TEST_F(RedisStoreTest, SendsAScriptsTextOnce) {
  net::RedisServer server;
  auto store = store_at(server.url());
  for (int i = 0; i < 3; ++i) apply(*store, "c", ReadOp{});
  const std::string stats = command(server, {"INFO", "commandstats"}).text;
  EXPECT_THAT(stats, HasSubstr("cmdstat_eval:calls=1,"));
  EXPECT_THAT(stats, HasSubstr("cmdstat_evalsha:calls=3,"));
}

TEST_F(RedisStoreTest, GoesOnWhenTheServerHasForgottenTheScripts) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"SCRIPT", "FLUSH", "SYNC"});
  EXPECT_EQ(apply(*store, "c", create(full_record(100, 1))).status, Status::ok);
}

TEST_F(RedisStoreTest, GoesOnAfterARestartWithAnEmptyServer) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  server.stop();
  EXPECT_TRUE(error_of(*store).retryable);
  server.start();
  Result<Answer> answer = Error{};
  for (int i = 0; i < 1'000 && !answer; ++i) {
    answer = ask(loop_, *store, "c", ReadOp{});
    loop_.run_until([] { return false; }, 5ms);
  }
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_FALSE(answer->snapshot.record);
}

TEST_F(RedisStoreTest, FindsItsRecordsAfterARestartWithAnAppendOnlyFile) {
  net::RedisServer server({"--appendonly", "yes", "--appendfsync", "always"});
  auto store = store_at(server.url());
  const Answer before = apply(*store, "c", create(full_record(100, 1)));
  apply(*store, "c", report_at(before.snapshot.time));
  server.stop();
  server.start();
  Result<Answer> answer = Error{};
  for (int i = 0; i < 1'000 && !answer; ++i) {
    answer = ask(loop_, *store, "c", ReadOp{});
    loop_.run_until([] { return false; }, 5ms);
  }
  ASSERT_TRUE(answer) << answer.error().text();
  ASSERT_TRUE(answer->snapshot.readable());
  EXPECT_EQ(*answer->snapshot.readable(), full_record(100, 1));
  EXPECT_THAT(answer->snapshot.reports, SizeIs(1));
}

TEST_F(RedisStoreTest, ReadsButDoesNotWriteOnAReplica) {
  net::RedisServer primary;
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"REPLICAOF", "127.0.0.1", "1"});  // of nobody: its data stay
  EXPECT_TRUE(apply(*store, "c", ReadOp{}).snapshot.readable());
  const Error why = error_of(
      *store, ClaimOp{.epoch = 100, .claim = {.slot = 0, .holder = kAnn, .token = 1, .lease = 1s}});
  EXPECT_EQ(why.code, "READONLY");
  EXPECT_TRUE(why.retryable);
}

TEST_F(RedisStoreTest, SaysThatTheServerIsOutOfMemoryAndCanStillRead) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  command(server, {"CONFIG", "SET", "maxmemory", "1"});
  const Error why = error_of(
      *store, ClaimOp{.epoch = 100, .claim = {.slot = 0, .holder = kAnn, .token = 1, .lease = 1s}});
  EXPECT_EQ(why.code, "OOM");
  EXPECT_TRUE(why.retryable);
  EXPECT_TRUE(apply(*store, "c", ReadOp{}).snapshot.readable());
}

TEST_F(RedisStoreTest, SaysThatThePasswordIsWrong) {
  net::RedisServer server({"--requirepass", "right"});
  auto store = store_at("redis://:hunter2@127.0.0.1:" + std::to_string(server.port()));
  const Error why = error_of(*store);
  EXPECT_EQ(why.code, "auth");
  EXPECT_FALSE(why.retryable);
  EXPECT_THAT(why.text(), AllOf(StartsWith("redis 127.0.0.1:"), Not(HasSubstr("hunter2"))));
}

TEST_F(RedisStoreTest, WorksForAUserWithNoMoreThanTheNeededRights) {
  net::RedisServer server({"--user",  "sg",       "on",      ">pw",      "~{sg:*",
                           "+eval",   "+evalsha", "+hello",  "+select",  "+scan",
                           "+del",    "+time",    "+hget",   "+hmget",   "+hgetall",
                           "+hkeys",  "+hset",    "+hdel",   "+hincrby", "+hincrbyfloat",
                           "+exists", "+zadd",    "+zcard",  "+zrange",  "+zremrangebyrank",
                           "+pttl",   "+pexpire", "+persist"});
  auto store = store_at("redis://sg:pw@127.0.0.1:" + std::to_string(server.port()));
  const Answer created = apply(*store, "c", create(full_record(100, 1)));
  EXPECT_EQ(created.status, Status::ok);
  EXPECT_EQ(apply(*store, "c", report_at(created.snapshot.time)).status, Status::ok);
  apply(*store, "c", heartbeat());
  EXPECT_THAT(*ask_names(loop_, *store), ElementsAre("c"));
  EXPECT_TRUE(ask_remove(loop_, *store, "c"));
}

TEST_F(RedisStoreTest, SaysThatNobodyListens) {
  auto store = store_at("redis://127.0.0.1:" + std::to_string(net::unused_port()));
  EXPECT_EQ(error_of(*store).code, "connect");
  EXPECT_EQ(ask_names(loop_, *store).error().code, "connect");
  EXPECT_EQ(ask_remove(loop_, *store, "c").error().code, "connect");
}

TEST_F(RedisStoreTest, SaysThatThePeerIsNoRedis) {
  const std::string greets = "%1\r\n+server\r\n+redis\r\n";
  for (const std::string& answer :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("\x16\x03\x03"),
        greets + "+OK\r\n", greets + "*0\r\n", greets + ":1\r\n",
        greets + "*5\r\n+ok\r\n+x\r\n*0\r\n*0\r\n*0\r\n",
        greets + "*5\r\n+fine\r\n+1\r\n*0\r\n*0\r\n*0\r\n",
        greets + "*5\r\n+ok\r\n+1\r\n*1\r\n+a\r\n*0\r\n*0\r\n",
        greets + "*5\r\n+ok\r\n+1\r\n*0\r\n*1\r\n:1\r\n*0\r\n"}) {
    net::StrangePeer peer(answer);
    auto store = store_at(peer.url());
    const Error why = error_of(*store);
    EXPECT_EQ(why.code, "protocol") << answer;
    EXPECT_THAT(why.message, HasSubstr("really")) << answer;
    EXPECT_THAT(why.source, StartsWith("redis 127.0.0.1:")) << answer;
  }
}

TEST_F(RedisStoreTest, TimesOutOnAPeerThatNeverAnswers) {
  net::StrangePeer peer("");
  auto store = store_at(peer.url(), 50ms);
  EXPECT_EQ(error_of(*store).code, "timeout");
}

TEST_F(RedisStoreTest, AnswersEveryOperationOfAServerThatDiesOnce) {
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", ReadOp{});
  std::vector<int> answers(500, 0);
  server.freeze();
  for (int& count : answers) {
    store->execute("c", heartbeat(), [&count](const Result<Answer>&) { ++count; });
  }
  server.stop();
  loop_.run_until([&] { return std::ranges::count(answers, 0) == 0; }, 10s);
  loop_.run_until([] { return false; }, 20ms);
  EXPECT_THAT(answers, ::testing::Each(1));
}

// ---- Many at once ---------------------------------------------------------------------------

TEST_F(RedisStoreTest, OfManyThatClaimOneSlotOneWins) {
  constexpr int kClaimants = 8;
  net::RedisServer server;
  auto store = store_at(server.url());
  apply(*store, "c", create(full_record(100, 1)));
  std::vector<std::thread> threads;
  std::atomic<int> won = 0, lost = 0;
  for (std::uint64_t i = 0; i < kClaimants; ++i) {
    threads.emplace_back([&, i] {
      net::Loop loop;
      RedisStore own(loop, *net::redis_address(server.url()),
                     RedisStoreOptions{.redis = {.command_timeout = 10s, .connect_timeout = 10s}});
      const auto answer =
          ask(loop, own, "c",
              ClaimOp{.epoch = 100,
                      .claim = {.slot = 0, .holder = InstanceId{i}, .token = 1, .lease = 60s}});
      if (answer) ++(answer->status == Status::ok ? won : lost);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, kClaimants - 1);
}

}  // namespace
}  // namespace switchgear::stores
