// Who we are at a Redis: several hosts, kinds of servers, passwords that change, missing rights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/redis_client_for_tests.h"
#include "net/redis_server_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RedisLoginTest : public RedisClientTest {
 protected:
  static std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }
  // A server whose user ann has the password "first".
  static std::vector<std::string> with_ann() {
    return {"--user", "ann", "on", ">first", "~*", "&*", "+@all"};
  }
  // A source that gives these, and then the last again.
  static RedisPasswordSource giving(std::vector<std::string> passwords, int& asked) {
    return [passwords = std::move(passwords), &asked](const RedisPasswordDone& done) {
      const auto i = static_cast<std::size_t>(asked++);
      done(passwords[std::min(i, passwords.size() - 1)]);
    };
  }
  RedisAddress ann(const RedisServer& server) {
    RedisAddress address = *redis_address(server.url());
    address.user = "ann";
    return address;
  }
};

// ---- Hosts

TEST_F(RedisLoginTest, GoesOnToTheNextHostWhereNobodyListens) {
  const RedisServer server;
  RedisClient client = client_of("redis://" + at(unused_port()) + "," + at(server.port()));
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

TEST_F(RedisLoginTest, PassesOverAReplica) {
  const RedisServer primary;
  const RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(primary.port())});
  RedisClient client = client_of("redis://" + at(replica.port()) + "," + at(primary.port()));
  EXPECT_EQ(text_of(client, {"SET", "k", "v"}), "\"OK\"");
  EXPECT_FALSE(client.greeting().replica);
}

TEST_F(RedisLoginTest, TakesAReplicaThatIsTheOnlyHost) {
  const RedisServer primary;
  const RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(primary.port())});
  RedisClient client = client_of(replica.url());
  EXPECT_EQ(text_of(client, {"EXISTS", "k"}), "0");
  EXPECT_TRUE(client.greeting().replica);
}

TEST_F(RedisLoginTest, SaysOfEachHostWhyItCannotBeUsed) {
  const StrangePeer peer("nonsense");
  const std::string nobody = at(unused_port());
  RedisClient client = client_of("redis://" + nobody + "," + at(peer.port()));
  const Error why = error_of(client);
  EXPECT_THAT(why.message, AllOf(HasSubstr("none of the 2 hosts"), HasSubstr(nobody),
                                 HasSubstr("cannot connect"), HasSubstr(at(peer.port())),
                                 HasSubstr("is this really a Redis server?")));
}

TEST_F(RedisLoginTest, BeginsWithTheNextHostWhereOneHasTakenAllTheTime) {
  const StrangePeer silent("");
  const RedisServer server;
  RedisClient client =
      client_of("redis://" + at(silent.port()) + "," + at(server.port()),
                {.connect_timeout = 50ms,
                 .reconnect = {.base = 1ms, .cap = 1ms, .jitter = core::Jitter::none}});
  EXPECT_EQ(error_of(client).code, "timeout");
  let_pass(5ms);
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

// ---- Kinds of servers

TEST_F(RedisLoginTest, RefusesASentinelAsAServer) {
  const RedisServer primary;
  const SentinelServer sentinel(primary.port());
  RedisClient client = client_of(sentinel.url());
  EXPECT_THAT(error_of(client).message,
              AllOf(HasSubstr("is a Sentinel"), HasSubstr("redis+sentinel://")));
}

TEST_F(RedisLoginTest, RefusesAServerAsASentinel) {
  const RedisServer server;
  RedisClient client = client_of(server.url(), {.peer = RedisPeer::sentinel});
  EXPECT_THAT(error_of(client).message, HasSubstr("is no Sentinel"));
}

TEST_F(RedisLoginTest, RefusesAReplicaWhereThePrimaryIsWanted) {
  const RedisServer primary;
  const RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(primary.port())});
  RedisClient client = client_of(replica.url(), {.peer = RedisPeer::primary});
  EXPECT_EQ(error_of(client).code, "READONLY");
}

TEST_F(RedisLoginTest, RefusesADatabaseOfACluster) {
  const RedisServer node({"--cluster-enabled", "yes"});
  RedisClient client = client_of(node.url() + "/2");
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "database");
  EXPECT_THAT(why.message, HasSubstr("leave /2 out"));
  RedisClient none = client_of(node.url());
  EXPECT_EQ(text_of(none, {"PING"}), "\"PONG\"");
  EXPECT_EQ(none.greeting().mode, RedisMode::cluster);
}

// ---- Passwords that change

TEST_F(RedisLoginTest, AsksForThePasswordAtEveryConnection) {
  const RedisServer server(with_ann());
  RedisClient admin = client_of(server.url());
  int asked = 0;
  RedisClient client(loop, ann(server), {.password_source = giving({"first", "second"}, asked)});
  EXPECT_EQ(text_of(client, {"ACL", "WHOAMI"}), "\"ann\"");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(text_of(admin, {"ACL", "SETUSER", "ann", "resetpass", ">second"}), "\"OK\"");
  EXPECT_EQ(text_of(admin, {"CLIENT", "KILL", "USER", "ann"}), "1");
  ASSERT_TRUE(loop.run_until([&] { return !client.connected(); }, 10s));
  EXPECT_EQ(text_of(client, {"ACL", "WHOAMI"}), "\"ann\"");
  EXPECT_EQ(asked, 2);
}

TEST_F(RedisLoginTest, AsksOnceMoreForAPasswordThatIsRefused) {
  const RedisServer server(with_ann());
  int asked = 0;
  RedisClient client(loop, ann(server), {.password_source = giving({"stale", "first"}, asked)});
  EXPECT_EQ(text_of(client, {"ACL", "WHOAMI"}), "\"ann\"");
  EXPECT_EQ(asked, 2);
}

TEST_F(RedisLoginTest, GivesUpAfterTheSecondPasswordAndShowsNone) {
  const RedisServer server(with_ann());
  int asked = 0;
  RedisClient client(loop, ann(server), {.password_source = giving({"hunter2"}, asked)});
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "auth");
  EXPECT_THAT(why.text(), Not(HasSubstr("hunter2")));
  EXPECT_EQ(asked, 2);
}

TEST_F(RedisLoginTest, PassesOnWhyThereIsNoPassword) {
  const RedisServer server(with_ann());
  RedisClient client(loop, ann(server), {.password_source = [](const RedisPasswordDone& done) {
                       done(Error{.code = "credentials", .message = "no role", .source = "aws"});
                     }});
  EXPECT_EQ(error_of(client).code, "credentials");
}

TEST_F(RedisLoginTest, DoesNotWaitForeverForAPassword) {
  const RedisServer server(with_ann());
  RedisPasswordDone never;
  RedisClient client(loop, ann(server),
                     {.connect_timeout = 50ms,
                      .password_source = [&](RedisPasswordDone done) { never = std::move(done); }});
  EXPECT_THAT(error_of(client).message, HasSubstr("no password from its source within 50 ms"));
  never("first");  // too late, and harmless
  let_pass(10ms);
}

TEST_F(RedisLoginTest, LogsInAnewBeforeThePasswordEnds) {
  const RedisServer server(with_ann());
  RedisClient admin = client_of(server.url());
  EXPECT_EQ(text_of(admin, {"ACL", "SETUSER", "ann", ">second"}), "\"OK\"");
  int asked = 0;
  RedisClient client(
      loop, ann(server),
      {.password_source = giving({"first", "second"}, asked), .password_renewal = 100ms});
  const std::string id = text_of(client, {"CLIENT", "ID"});
  ASSERT_TRUE(loop.run_until([&] { return asked >= 3; }, 10s));
  EXPECT_EQ(text_of(client, {"CLIENT", "ID"}), id);
  EXPECT_THAT(text_of(admin, {"INFO", "commandstats"}), HasSubstr("cmdstat_auth:calls="));
}

TEST_F(RedisLoginTest, KeepsAConnectionWhosePasswordCannotBeRenewedAndTriesAgain) {
  const RedisServer server(with_ann());
  int asked = 0;
  RedisClient client(loop, ann(server),
                     {.password_source = giving({"first", "wrong", "wrong", "first"}, asked),
                      .password_renewal = 200ms});
  const std::string id = text_of(client, {"CLIENT", "ID"});
  ASSERT_TRUE(loop.run_until([&] { return asked >= 4; }, 10s));
  EXPECT_EQ(text_of(client, {"CLIENT", "ID"}), id);
}

// ---- Rights

TEST_F(RedisLoginTest, SaysWhichRightIsMissingAndWhatGivesIt) {
  const RedisServer server(
      {"--user", "ann", "on", ">pw", "~{sg:*", "&{sg:*", "+@connection", "+get", "+subscribe"});
  RedisClient client =
      client_of("redis://ann:pw@" + at(server.port()), {.acl_rule = "~{sg:* +get +set"});
  const std::string fix = "ACL SETUSER NAME ~{sg:* +get +set";
  EXPECT_THAT(error_of(client, {"SET", "{sg:k", "v"}).message,
              AllOf(HasSubstr("may not run the command set"), HasSubstr(fix)));
  EXPECT_THAT(error_of(client, {"GET", "k"}).message,
              AllOf(HasSubstr("may not use this key"), HasSubstr(fix)));
  EXPECT_THAT(error_of(client, {"SUBSCRIBE", "k"}).message,
              AllOf(HasSubstr("may not use this channel"), HasSubstr(fix)));
}

}  // namespace
}  // namespace switchgear::net
