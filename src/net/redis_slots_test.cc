#include "net/redis_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "net/redis_cluster_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

resp::Value text(std::string t) { return {.kind = resp::Kind::bulk_string, .text = std::move(t)}; }
resp::Value number(std::int64_t n) { return {.kind = resp::Kind::integer, .integer = n}; }
resp::Value list(std::vector<resp::Value> items) {
  return {.kind = resp::Kind::array, .items = std::move(items)};
}
resp::Value node(std::string host, std::int64_t port, std::vector<resp::Value> more = {}) {
  return list({text(std::move(host)),
               number(port),
               text("id"),
               {.kind = resp::Kind::map, .items = std::move(more)}});
}

const RedisMapReading kReading{.asked = {.host = "asked", .port = 6379}};

std::string redirect_text(std::string_view reply) {
  const auto redirect = redis_redirect(reply, "asked");
  if (!redirect) return "none";
  return (redirect->ask ? "ask " : "moved ") + std::to_string(redirect->slot) + " " +
         redirect->to.text();
}

TEST(RedisSlot, IsThatOfTheSpecification) {
  EXPECT_EQ(redis_slot("123456789"), 0x31c3);
  EXPECT_EQ(redis_slot("foo"), 12182);
  EXPECT_EQ(redis_slot(""), 0);
}

TEST(RedisSlot, DependsOnTheHashTagAlone) {
  EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("foo{{bar}}zap"), redis_slot("{bar"));
  EXPECT_EQ(redis_slot("foo{bar}{zap}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{}{bar}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{bar"), redis_slot("bar"));
}

TEST(RedisSlot, IsWhatARealNodeSays) {
  RedisClusterNode node;
  core::Random random(7);
  Loop loop;
  RedisClient client(loop, {.hosts = {node.host()}});
  int answered = 0;
  constexpr int kKeys = 2'000;
  for (int i = 0; i < kKeys; ++i) {
    std::string key;
    for (std::uint64_t length = random.below(12); length > 0; --length) {
      key += std::string_view("{}ab\xff\n")[random.below(6)];
    }
    client.command({"CLUSTER", "KEYSLOT", key}, [&answered, key](const Result<resp::Value>& slot) {
      ASSERT_TRUE(slot) << slot.error().text();
      EXPECT_EQ(redis_slot(key), slot->integer) << key;
      ++answered;
    });
  }
  EXPECT_TRUE(loop.run_until([&] { return answered == kKeys; }, 10s));
}

TEST(RedisSlotMap, SaysWhoServesASlot) {
  const auto map =
      redis_slot_map(list({list({number(0), number(9), node("a", 1), node("b", 2)}),
                           list({number(20), number(29), node("c", 3)}),
                           list({number(30), number(30), node("a", 1), node("b", 2)})}),
                     kReading);
  ASSERT_TRUE(map) << map.error().text();
  EXPECT_THAT(map->primaries, ElementsAre(RedisHost{"a", 1}, RedisHost{"c", 3}));
  EXPECT_THAT(map->replicas, ElementsAre(RedisHost{"b", 2}));
  EXPECT_EQ(map->owner(9)->host, "a");
  EXPECT_EQ(map->owner(10), nullptr);
  EXPECT_EQ(map->owner(29)->host, "c");
  EXPECT_EQ(map->owner(30)->host, "a");
  EXPECT_EQ(map->served(), 21);
}

TEST(RedisSlotMap, LearnsOfOneSlot) {
  RedisSlotMap map;
  map.assign(5, {"a", 1});
  map.assign(6, {"a", 1});
  EXPECT_EQ(map.owner(5)->host, "a");
  EXPECT_THAT(map.primaries, ElementsAre(RedisHost{"a", 1}));
}

// As a load balancer in front of the nodes makes it (cluster-preferred-endpoint-type).
TEST(RedisSlotMap, TakesTheHostThatWasAskedForANodeThatDoesNotKnowItsOwn) {
  resp::Value unknown = node("", 7);
  unknown.items[0] = {};  // null
  const auto map = redis_slot_map(
      list({list({number(0), number(1), unknown}), list({number(2), number(3), node("", 8)})}),
      kReading);
  ASSERT_TRUE(map) << map.error().text();
  EXPECT_THAT(map->primaries, ElementsAre(RedisHost{"asked", 7}, RedisHost{"asked", 8}));
}

TEST(RedisSlotMap, LeavesOutANodeOfWhichNobodyKnowsTheAddress) {
  const auto map =
      redis_slot_map(list({list({number(0), number(1), node("?", 7), node("b", 2)})}), kReading);
  ASSERT_TRUE(map) << map.error().text();
  EXPECT_EQ(map->owner(0), nullptr);
  EXPECT_THAT(map->primaries, IsEmpty());
  EXPECT_THAT(map->replicas, ElementsAre(RedisHost{"b", 2}));
}

TEST(RedisSlotMap, PrefersHostNamesWhereAsked) {
  const resp::Value answer = list(
      {list({number(0), number(1), node("10.0.0.1", 7, {text("hostname"), text("one.example")}),
             node("10.0.0.2", 7, {text("hostname"), text("?")})})});
  EXPECT_EQ(redis_slot_map(answer, kReading)->primaries[0].host, "10.0.0.1");
  RedisMapReading named = kReading;
  named.prefer_hostnames = true;
  EXPECT_EQ(redis_slot_map(answer, named)->primaries[0].host, "one.example");
  // Redirects go on naming addresses.
  EXPECT_EQ(redis_slot_map(answer, named)->named.at({"10.0.0.1", 7}).host, "one.example");
  EXPECT_EQ(redis_slot_map(answer, named)->replicas[0].host, "10.0.0.2");
}

TEST(RedisSlotMap, ReadsWhatARealNodeAnnounces) {
  RedisClusterNode node({"--cluster-announce-hostname", "one.example"});
  node.command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  const auto answer = node.command({"CLUSTER", "SLOTS"});
  const RedisMapReading reading{.asked = node.host(), .prefer_hostnames = true};
  const auto map = redis_slot_map(answer, reading);
  ASSERT_TRUE(map) << resp::to_string(answer);
  EXPECT_THAT(map->primaries, ElementsAre(RedisHost{"one.example", node.port()}));
  EXPECT_EQ(map->served(), kRedisSlots);
  EXPECT_EQ(redis_slot_map(answer, {.asked = node.host()})->primaries[0], node.host());
}

TEST(RedisSlotMap, RefusesWhatIsNone) {
  for (const resp::Value& answer :
       {text("OK"), list({number(1)}), list({list({number(0), number(1)})}),
        list({list({number(0), number(kRedisSlots), node("a", 1)})}),
        list({list({number(2), number(1), node("a", 1)})}),
        list({list({number(-1), number(1), node("a", 1)})}),
        list({list({number(0), number(1), text("a")})}),
        list({list({number(0), number(1), node("a", 65'536)})})}) {
    EXPECT_EQ(redis_slot_map(answer, kReading).error().code, "protocol") << resp::to_string(answer);
  }
}

TEST(RedisSlotMap, HasABoundOnItsNodes) {
  std::vector<resp::Value> ranges;
  for (int i = 0; i < 3'000; ++i) {
    ranges.push_back(list({number(i), number(i), node("n" + std::to_string(i), 1)}));
  }
  EXPECT_EQ(redis_slot_map(list(std::move(ranges)), kReading).error().code, "protocol");
  RedisSlotMap map;
  for (int i = 0; i < 3'000; ++i) map.assign(i, {"n" + std::to_string(i), 1});
  EXPECT_EQ(map.primaries.size(), kRedisClusterNodesMax);
}

TEST(RedisRedirects, AreReadFromTheErrorReply) {
  EXPECT_EQ(redirect_text("MOVED 3999 127.0.0.1:6381"), "moved 3999 127.0.0.1:6381");
  EXPECT_EQ(redirect_text("ASK 0 node.example:7"), "ask 0 node.example:7");
  EXPECT_EQ(redirect_text("MOVED 1 :6381"), "moved 1 asked:6381");
  EXPECT_EQ(redirect_text("MOVED 1 ::1:6381"), "moved 1 [::1]:6381");
  EXPECT_EQ(redirect_text("MOVED 1 [::1]:6381"), "moved 1 [::1]:6381");
  EXPECT_EQ(redirect_text("MOVED 1 a:2 and more"), "moved 1 a:2");
}

TEST(RedisRedirects, AreNotReadFromAnythingElse) {
  for (const char* reply :
       {"", "MOVED", "MOVED ", "MOVED 1", "MOVED x a:1", "MOVED 1 a", "MOVED 1 a:", "MOVED 1 a:0",
        "MOVED 1 a:65536", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED 1 ?:1", "ASKING 1 a:1",
        "ERR MOVED 1 a:1", "moved 1 a:1"}) {
    EXPECT_EQ(redirect_text(reply), "none") << reply;
  }
}

}  // namespace
}  // namespace switchgear::net
