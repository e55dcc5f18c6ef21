#include "net/redis_detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/redis_cluster_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::HasSubstr;

class RedisDetectTest : public ::testing::Test {
 protected:
  std::unique_ptr<RedisRoute> open(const std::string& url) {
    const auto address = redis_address(url);
    EXPECT_TRUE(address) << address.error().text();
    return open_redis(loop_, *address, {.command_timeout = 5s, .connect_timeout = 5s});
  }
  std::string text_of(RedisRoute& route, const std::string& key, std::vector<std::string> words) {
    std::optional<Result<resp::Value>> answer;
    route.command(key, std::move(words), [&](Result<resp::Value> result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(result);
    });
    EXPECT_FALSE(answer) << "answered from inside the call";
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, 20s)) << "never answered";
    if (!answer) return "never answered";
    return *answer ? resp::to_string(**answer) : answer->error().text();
  }
  std::size_t keys_at(RedisRoute& route, const std::string& pattern) {
    std::optional<Result<std::set<std::string>>> found;
    route.keys(pattern, [&](Result<std::set<std::string>> keys) { found = std::move(keys); });
    EXPECT_TRUE(loop_.run_until([&] { return found.has_value(); }, 5s));
    EXPECT_TRUE(found && *found) << found->error().text();
    return found && *found ? (*found)->size() : 0;
  }

  Loop loop_;
};

TEST_F(RedisDetectTest, UsesOneServerAsOne) {
  RedisServer server;
  auto route = open(server.url());
  EXPECT_EQ(text_of(*route, "a", {"SET", "a", "1"}), "\"OK\"");
  EXPECT_EQ(text_of(*route, "b", {"SET", "b", "1"}), "\"OK\"");
  EXPECT_EQ(keys_at(*route, "*"), 2U);
}

TEST_F(RedisDetectTest, UsesAClusterAsOne) {
  auto route = open(redis_cluster_servers().url());
  for (int i = 0; i < 20; ++i) {
    const std::string key = "detect" + std::to_string(i);
    EXPECT_EQ(text_of(*route, key, {"SET", key, "1"}), "\"OK\"");
  }
  EXPECT_EQ(keys_at(*route, "detect*"), 20U);
  std::unique_ptr<RedisClient> subscriber;
  route->subscriber([&](Result<std::unique_ptr<RedisClient>> connection) {
    ASSERT_TRUE(connection);
    subscriber = std::move(*connection);
  });
  EXPECT_TRUE(loop_.run_until([&] { return subscriber != nullptr; }, 5s));
}

TEST_F(RedisDetectTest, SaysThatAClusterHasOneDatabase) {
  RedisClusterNode node;
  auto route = open("redis://127.0.0.1:" + std::to_string(node.port()) + "/3");
  const std::string why = text_of(*route, "a", {"GET", "a"});
  EXPECT_THAT(why, HasSubstr("database: a cluster has only the database 0"));
}

TEST_F(RedisDetectTest, SaysThatNobodyListensAndFindsTheServerLater) {
  RedisServer server;
  auto route = open(server.url());
  server.stop();
  EXPECT_THAT(text_of(*route, "a", {"GET", "a"}), HasSubstr("connect"));
  server.start();
  RedisClusterServers::wait_for("an answer",
                                [&] { return text_of(*route, "a", {"GET", "a"}) == "nil"; });
}

// As a provider may do it behind one name.
TEST_F(RedisDetectTest, FindsOutThatAServerHasBecomeANodeOfACluster) {
  auto server = std::make_unique<RedisServer>();
  const std::uint16_t port = server->port();
  auto route = open(server->url());
  EXPECT_EQ(text_of(*route, "a", {"SET", "a", "1"}), "\"OK\"");
  server.reset();
  RedisClusterNode node({}, port);
  RedisClusterNode other;
  node.command({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"});
  other.command({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"});
  node.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(other.port()),
                std::to_string(other.bus_port())});
  for (const char* key : {"a", "b", "c", "d"}) {
    RedisClusterServers::wait_for(
        "an answer", [&] { return text_of(*route, key, {"SET", key, "1"}) == "\"OK\""; });
  }
  EXPECT_GT(node.command({"DBSIZE"}).integer, 0);
  EXPECT_GT(other.command({"DBSIZE"}).integer, 0);
}

TEST_F(RedisDetectTest, CallsNobodyAfterItsEnd) {
  RedisServer server;
  bool called = false;
  auto route = open(server.url());
  route->command("a", {"GET", "a"}, [&](const auto&) { called = true; });
  route->keys("*", [&](const auto&) { called = true; });
  route->subscriber([&](const auto&) { called = true; });
  route.reset();
  loop_.run_until([] { return false; }, 20ms);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace switchgear::net
