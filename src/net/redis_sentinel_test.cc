// A primary, its replica and the Sentinels that watch them, all real.
#include "net/redis_sentinel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "net/clocks.h"
#include "net/redis_client_for_tests.h"
#include "net/redis_server_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RedisSentinelTest : public RedisClientTest {
 protected:
  static std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }
  std::unique_ptr<RedisRoute> route_to(const std::string& url, const RedisOptions& options = {}) {
    const auto address = redis_address(url);
    EXPECT_TRUE(address) << address.error().text();
    return open_redis(loop, *address, options);
  }
  Result<resp::Value> ask(RedisRoute& route, const std::vector<std::string>& command) {
    return answer_to([&](RedisCallback done) { route.command("k", command, std::move(done)); });
  }
  std::string text_of(RedisRoute& route, std::vector<std::string> command) {
    const auto answer = ask(route, std::move(command));
    return answer ? resp::to_string(*answer) : answer.error().text();
  }
  Error error_of(RedisRoute& route) {
    const auto answer = ask(route, {"PING"});
    EXPECT_FALSE(answer);
    return answer ? Error{} : answer.error();
  }
  // Of the server that the route leads to.
  std::string port_of(RedisRoute& route) {
    const auto answer = ask(route, {"CONFIG", "GET", "port"});
    return answer && answer->items.size() == 2 ? answer->items[1].text : "";
  }
  // A Sentinel that does not find its replica at once looks again only after 10 s.
  void wait_until_in_sync(const RedisServer& replica) {
    RedisClient client = client_of(replica.url());
    const MonoTime end = read_clocks().mono + 20s;
    while (
        RedisClientTest::text_of(client, {"INFO", "replication"}).find("master_link_status:up") ==
        std::string::npos) {
      ASSERT_LT(read_clocks().mono, end);
      let_pass(20ms);
    }
  }
  // Until Sentinel knows what it needs for a failover.
  void wait_until_watched(const SentinelServer& sentinel, int replicas, int others) {
    RedisClient client = sentinel_client(sentinel);
    const MonoTime end = read_clocks().mono + 20s;
    const auto has = [&](const std::string& what, int count) {
      const auto answer = RedisClientTest::ask(client, {"SENTINEL", what, "orders"});
      return answer && answer->items.size() >= static_cast<std::size_t>(count);
    };
    while (!has("REPLICAS", replicas) || !has("SENTINELS", others)) {
      ASSERT_LT(read_clocks().mono, end);
      let_pass(20ms);
    }
  }
  RedisClient sentinel_client(const SentinelServer& sentinel) {
    return client_of(sentinel.url(), {.peer = RedisPeer::sentinel});
  }
};

TEST_F(RedisSentinelTest, FindsThePrimary) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/orders/2");
  EXPECT_EQ(text_of(*route, {"SET", "k", "v"}), "\"OK\"");
  EXPECT_EQ(port_of(*route), std::to_string(primary.port()));
  EXPECT_THAT(text_of(*route, {"CLIENT", "INFO"}), HasSubstr(" db=2 "));
  EXPECT_EQ(route->name(), "redis orders (Sentinels " + at(sentinel.port()) + ")");
}

TEST_F(RedisSentinelTest, AsksTheNextSentinelWhereOneIsGone) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const StrangePeer silent("");
  const auto route = route_to("redis+sentinel://" + at(unused_port()) + "," + at(silent.port()) +
                              "," + at(sentinel.port()) + "/orders");
  EXPECT_EQ(text_of(*route, {"SET", "k", "v"}), "\"OK\"");
}

TEST_F(RedisSentinelTest, SaysWhatEachSentinelSaid) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const std::string nobody = at(unused_port());
  const auto route =
      route_to("redis+sentinel://" + nobody + "," + at(sentinel.port()) + "/payments");
  const Error why = error_of(*route);
  EXPECT_EQ(why.code, "sentinel");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.message, AllOf(HasSubstr("'payments'"), HasSubstr(nobody + ": cannot connect"),
                                 HasSubstr(at(sentinel.port()) +
                                           ": watches no such primary, but these: orders")));
}

TEST_F(RedisSentinelTest, SaysThatTheNameIsWrongIfAllSentinelsSaySo) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/payments");
  const Error why = error_of(*route);
  EXPECT_FALSE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("check the name"));
}

TEST_F(RedisSentinelTest, SaysThatItWasNoSentinel) {
  const RedisServer server;
  const auto route = route_to("redis+sentinel://" + at(server.port()) + "/orders");
  EXPECT_THAT(error_of(*route).message, HasSubstr("is no Sentinel"));
}

TEST_F(RedisSentinelTest, LogsInAtThePrimaryAndAtTheSentinels) {
  const RedisServer primary({"--requirepass", "hunter2"});
  const SentinelServer sentinel(primary.port(), 1,
                                "requirepass hunter3\nsentinel auth-pass orders hunter2\n");
  const std::string rest = "@" + at(sentinel.port()) + "/orders?sentinel_password=";
  const auto route = route_to("redis+sentinel://:hunter2" + rest + "hunter3");
  EXPECT_EQ(text_of(*route, {"SET", "k", "v"}), "\"OK\"");
  for (const auto& [password, of_sentinel] :
       {std::pair("wrong-secret", "hunter3"), std::pair("hunter2", "wrong-secret")}) {
    const auto wrong = route_to(std::string("redis+sentinel://:") + password + rest + of_sentinel);
    EXPECT_THAT(error_of(*wrong).text(), AllOf(HasSubstr("wrong user or password"),
                                               Not(HasSubstr("secret")), Not(HasSubstr("hunter"))));
  }
}

TEST_F(RedisSentinelTest, AnswersInTimeWhereSentinelsAreSilent) {
  const StrangePeer silent("");
  const auto route = route_to("redis+sentinel://" + at(silent.port()) + "/orders",
                              {.command_timeout = 50ms, .connect_timeout = 10s});
  EXPECT_EQ(error_of(*route).code, "timeout");
}

TEST_F(RedisSentinelTest, NeverWritesToAReplicaThatSentinelsTakeForThePrimary) {
  const RedisServer real;
  RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/orders");
  RedisClient admin = client_of(primary.url());
  EXPECT_EQ(
      RedisClientTest::text_of(admin, {"REPLICAOF", "127.0.0.1", std::to_string(real.port())}),
      "\"OK\"");
  EXPECT_EQ(error_of(*route).code, "READONLY");
}

TEST_F(RedisSentinelTest, ListsKeysAndGivesSubscribersOfThePrimary) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/orders");
  std::unique_ptr<RedisClient> subscriber;
  route->subscriber([&](Result<std::unique_ptr<RedisClient>> client) {
    ASSERT_TRUE(client);
    subscriber = *std::move(client);
  });
  EXPECT_FALSE(subscriber) << "answered from inside the call";
  ASSERT_TRUE(loop.run_until([&] { return subscriber != nullptr; }, 10s));
  EXPECT_EQ(RedisClientTest::text_of(*subscriber, {"SUBSCRIBE", "c"}), "[\"subscribe\", \"c\", 1]");
  EXPECT_EQ(text_of(*route, {"PUBLISH", "c", "news"}), "1");
  EXPECT_EQ(text_of(*route, {"MSET", "a1", "x", "a2", "x", "b", "x"}), "\"OK\"");
  std::optional<Result<std::set<std::string>>> keys;
  route->keys("a*", [&](Result<std::set<std::string>> found) { keys = std::move(found); });
  ASSERT_TRUE(loop.run_until([&] { return keys.has_value(); }, 10s));
  ASSERT_TRUE(*keys);
  EXPECT_THAT(**keys, ::testing::ElementsAre("a1", "a2"));
}

TEST_F(RedisSentinelTest, NamesThePrimaryForALookAtIt) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  const auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/orders");
  std::optional<Result<RedisPrimaries>> primaries;
  route->primaries([&](Result<RedisPrimaries> found) { primaries = std::move(found); });
  EXPECT_FALSE(primaries) << "answered from inside the call";
  ASSERT_TRUE(loop.run_until([&] { return primaries.has_value(); }, 10s));
  ASSERT_TRUE(*primaries) << primaries->error().text();
  ASSERT_EQ((*primaries)->each.size(), 1U);
  EXPECT_EQ((*primaries)->each[0].name, at(primary.port()));
  EXPECT_FALSE((*primaries)->each[0].slot);
  EXPECT_EQ(RedisClientTest::text_of(*(*primaries)->each[0].client, {"PING"}), "\"PONG\"");
}

// The primary is killed while commands run: each is answered once, and soon the replica answers.
TEST_F(RedisSentinelTest, FollowsAFailover) {
  RedisServer primary;
  const RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(primary.port())});
  wait_until_in_sync(replica);
  const SentinelServer first(primary.port(), 2);
  const SentinelServer second(primary.port(), 2);
  wait_until_watched(first, 1, 1);
  wait_until_watched(second, 1, 1);
  // It learns of the second by the first.
  const auto route =
      route_to("redis+sentinel://" + at(first.port()) + "/orders", {.command_timeout = 500ms});
  ASSERT_EQ(port_of(*route), std::to_string(primary.port()));
  ASSERT_EQ(text_of(*route, {"SET", "n", "0"}), "\"OK\"");
  primary.stop();
  const MonoTime killed = read_clocks().mono;
  int sent = 0;
  int answered = 0;
  bool served = false;
  while (!served && read_clocks().mono < killed + 20s) {
    ++sent;
    route->command("n", {"INCR", "n"}, [&](const Result<resp::Value>& value) {
      ++answered;
      served |= value.has_value();
    });
    let_pass(5ms);
  }
  EXPECT_TRUE(loop.run_until([&] { return answered == sent; }, 5s));
  EXPECT_TRUE(served);
  EXPECT_EQ(port_of(*route), std::to_string(replica.port()));
  RecordProperty("served_again_after_ms",
                 static_cast<int>(ceil_ms(read_clocks().mono - killed).count()));
}

TEST_F(RedisSentinelTest, LeavesAPrimaryThatStandsStillForTheNewOne) {
  RedisServer primary;
  const RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(primary.port())});
  wait_until_in_sync(replica);
  const SentinelServer sentinel(primary.port());
  wait_until_watched(sentinel, 1, 0);
  const auto route =
      route_to("redis+sentinel://" + at(sentinel.port()) + "/orders", {.command_timeout = 10s});
  ASSERT_EQ(port_of(*route), std::to_string(primary.port()));
  primary.freeze();
  bool stuck_answered = false;
  route->command("k", {"PING"}, [&](const Result<resp::Value>&) { stuck_answered = true; });
  // Without a time-out or a lost connection only the Sentinel's word leads away from it.
  std::string port;
  const MonoTime end = read_clocks().mono + 9s;
  while (port != std::to_string(replica.port()) && read_clocks().mono < end) {
    // Shared, as the frozen primary answers only once it is thawed.
    const auto got = std::make_shared<std::optional<std::string>>();
    route->command("k", {"CONFIG", "GET", "port"}, [got](const Result<resp::Value>& value) {
      *got = value && value->items.size() == 2 ? value->items[1].text : "";
    });
    loop.run_until([&] { return got->has_value(); }, 100ms);
    if (*got) port = **got;
    let_pass(20ms);
  }
  EXPECT_EQ(port, std::to_string(replica.port()));
  primary.thaw();
  EXPECT_TRUE(loop.run_until([&] { return stuck_answered; }, 15s));
}

TEST_F(RedisSentinelTest, CallsNobodyAfterItsEnd) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  bool called = false;
  for (const bool connected : {false, true}) {
    auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/orders");
    if (connected) text_of(*route, {"PING"});
    route->command("k", {"PING"}, [&](const Result<resp::Value>&) { called = true; });
    route->subscriber([&](const Result<std::unique_ptr<RedisClient>>&) { called = true; });
    route.reset();
    let_pass(50ms);
  }
  EXPECT_FALSE(called);
}

TEST_F(RedisSentinelTest, MayBeDestroyedByACallback) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  for (const std::string name : {"orders", "payments"}) {
    auto route = route_to("redis+sentinel://" + at(sentinel.port()) + "/" + name);
    int answers = 0;
    for (int i = 0; i < 3; ++i) {
      route->command("k", {"PING"}, [&](const Result<resp::Value>&) {
        ++answers;
        route.reset();
      });
    }
    ASSERT_TRUE(loop.run_until([&] { return route == nullptr; }, 10s));
    let_pass(10ms);
    EXPECT_EQ(answers, 1);
  }
}

}  // namespace
}  // namespace switchgear::net
