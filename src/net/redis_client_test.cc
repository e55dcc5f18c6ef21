#include "net/redis_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/clocks.h"
#include "net/redis_client_for_tests.h"
#include "net/redis_error.h"
#include "net/redis_server_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RedisErrors, SayWhatToDoAndWhetherARetryCanHelp) {
  const auto code = [](std::string_view reply) {
    const Error why = redis_error(reply, "redis");
    return why.code + (why.retryable ? " retry" : " final");
  };
  EXPECT_EQ(code("LOADING Redis is loading the dataset in memory"), "LOADING retry");
  EXPECT_EQ(code("READONLY You can't write against a read only replica."), "READONLY retry");
  EXPECT_EQ(code("OOM command not allowed when used memory > 'maxmemory'."), "OOM retry");
  EXPECT_EQ(code("NOSCRIPT No matching script."), "NOSCRIPT retry");
  EXPECT_EQ(code("MISCONF Redis is configured to save RDB snapshots"), "MISCONF retry");
  EXPECT_EQ(code("WRONGPASS invalid username-password pair"), "auth final");
  EXPECT_EQ(code("NOAUTH Authentication required."), "auth final");
  EXPECT_EQ(code("NOPERM this user has no permissions"), "auth final");
  EXPECT_EQ(code("MOVED 3999 127.0.0.1:6381"), "MOVED retry");
  EXPECT_EQ(code("WRONGTYPE Operation against a key"), "WRONGTYPE final");
  EXPECT_EQ(code("something odd"), "ERR final");
  EXPECT_THAT(redis_error("ERR a\r\n\x1b[2J", "redis").message, Not(HasSubstr("\x1b")));
}

TEST_F(RedisClientTest, CarriesOutCommands) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(text_of(client, {"SET", "k", std::string("a\0\r\n", 4)}), "\"OK\"");
  EXPECT_TRUE(client.connected());
  EXPECT_EQ(text_of(client, {"STRLEN", "k"}), "4");
  EXPECT_EQ(text_of(client, {"GET", "nothing"}), "nil");
}

TEST_F(RedisClientTest, SpeaksTheThirdVersionOfTheProtocol) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  EXPECT_EQ(text_of(client, {"HSET", "h", "a", "1"}), "1");
  EXPECT_EQ(text_of(client, {"HGETALL", "h"}), "{\"a\": \"1\"}");
}

TEST_F(RedisClientTest, PipelinesAndAnswersInOrder) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  expect_answers_in_order(client);
}

TEST_F(RedisClientTest, AnErrorReplyFailsOnlyItsCommand) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  EXPECT_EQ(text_of(client, {"SET", "k", "v"}), "\"OK\"");
  EXPECT_EQ(error_of(client, {"INCR", "k"}).code, "ERR");
  EXPECT_EQ(error_of(client, {"HGETALL", "k"}).code, "WRONGTYPE");
  EXPECT_EQ(text_of(client, {"GET", "k"}), "\"v\"");
}

TEST_F(RedisClientTest, ChoosesTheDatabaseOfTheUrl) {
  RedisServer server;
  RedisClient third = client_of(server.url() + "/3");
  EXPECT_EQ(text_of(third, {"SET", "k", "v"}), "\"OK\"");
  RedisClient first = client_of(server.url());
  EXPECT_EQ(text_of(first, {"EXISTS", "k"}), "0");
  RedisClient none = client_of(server.url() + "/99");
  EXPECT_EQ(error_of(none).code, "database");
}

TEST_F(RedisClientTest, LogsInWithThePassword) {
  RedisServer server({"--requirepass", "open sesame"});
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  RedisClient client = client_of("redis://:open%20sesame@" + host);
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

TEST_F(RedisClientTest, LogsInWithUserAndPassword) {
  RedisServer server({"--user", "ann", "on", ">pw-of-ann", "~*", "&*", "+@all"});
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  RedisClient client = client_of("redis://ann:pw-of-ann@" + host);
  EXPECT_EQ(text_of(client, {"ACL", "WHOAMI"}), "\"ann\"");
}

TEST_F(RedisClientTest, SaysThatThePasswordIsWrongWithoutShowingIt) {
  RedisServer server({"--requirepass", "right"});
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  RedisClient client = client_of("redis://:hunter2@" + host);
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "auth");
  EXPECT_FALSE(why.retryable);
  EXPECT_EQ(why.source, "redis " + host);
  EXPECT_THAT(why.text(), AllOf(HasSubstr("wrong user or password"), Not(HasSubstr("hunter2"))));
}

TEST_F(RedisClientTest, SaysThatAPasswordIsMissing) {
  RedisServer server({"--requirepass", "right"});
  RedisClient client = client_of(server.url());
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "auth");
  EXPECT_THAT(why.message, HasSubstr("asks for a password"));
}

TEST_F(RedisClientTest, SaysThatNobodyListens) {
  RedisClient client = client_of("redis://127.0.0.1:" + std::to_string(unused_port()));
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "connect");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("is the server running"));
}

TEST_F(RedisClientTest, SaysThatTheHostIsUnknown) {
  RedisClient client = client_of("redis://no-such-host.invalid", {.connect_timeout = 10s});
  const Error why = error_of(client);
  EXPECT_THAT(why.code, ::testing::AnyOf("connect", "timeout"));  // without a resolver: slow
}

TEST_F(RedisClientTest, RecognisesAnHttpServer) {
  StrangePeer peer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                   StrangePeer::Then::closes);
  RedisClient client = client_of(peer.url());
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "protocol");
  EXPECT_FALSE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("is this really a Redis server?"));
}

TEST_F(RedisClientTest, RecognisesGarbage) {
  for (const std::string& garbage :
       {std::string("\0\x01\x02\xff", 4), std::string("$99999999999\r\n"), std::string("+OK\r\n"),
        std::string("*1\r\n:1\r\n"), std::string("%1\r\nxx")}) {
    StrangePeer peer(garbage);
    RedisClient client = client_of(peer.url());
    EXPECT_EQ(error_of(client).code, "protocol") << garbage;
  }
}

TEST_F(RedisClientTest, RecognisesGarbageAfterAGoodGreeting) {
  StrangePeer peer("%1\r\n+server\r\n+redis\r\n*1\r\nnonsense");
  RedisClient client = client_of(peer.url());
  EXPECT_EQ(error_of(client).code, "protocol");
}

TEST_F(RedisClientTest, LeavesAPeerThatAnswersWhatNobodyAsked) {
  StrangePeer peer("%0\r\n+1\r\n+2\r\n");
  RedisClient client = client_of(peer.url());
  EXPECT_EQ(text_of(client, {"PING"}), "\"1\"");
  EXPECT_TRUE(loop.run_until([&] { return !client.connected(); }, 10s));
  EXPECT_EQ(error_of(client).code, "protocol");
}

TEST_F(RedisClientTest, NeverShowsThePasswordThatAnOldServerQuotes) {
  StrangePeer peer("-ERR unknown command `HELLO`, with args beginning with: `3`, `hunter2`\r\n");
  RedisClient client = client_of("redis://:hunter2@127.0.0.1:" + std::to_string(peer.port()));
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "protocol");
  EXPECT_THAT(why.text(), AllOf(HasSubstr("Redis 6 or later"), Not(HasSubstr("hunter2"))));
  StrangePeer odd("-ERR odd `hunter2`\r\n");
  RedisClient other = client_of("redis://:hunter2@127.0.0.1:" + std::to_string(odd.port()));
  EXPECT_THAT(error_of(other).text(), Not(HasSubstr("hunter2")));
}

TEST_F(RedisClientTest, SaysThatThePeerClosesAtOnce) {
  StrangePeer peer("", StrangePeer::Then::closes);
  RedisClient client = client_of(peer.url());
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "closed");
  EXPECT_TRUE(why.retryable);
}

TEST_F(RedisClientTest, TimesOutOnAPeerThatNeverAnswers) {
  StrangePeer peer("");
  RedisClient client = client_of(peer.url(), {.command_timeout = 50ms, .connect_timeout = 50ms});
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "timeout");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("no answer to HELLO"));
}

TEST_F(RedisClientTest, TimesOutOnAServerThatStandsStillAndGoesOnWhenItMoves) {
  RedisServer server;
  RedisClient client = client_of(server.url(), {.command_timeout = 200ms});
  EXPECT_EQ(text_of(client, {"SET", "k", "0"}), "\"OK\"");
  server.freeze();
  EXPECT_EQ(error_of(client, {"INCR", "k"}).code, "timeout");
  server.thaw();
  // The late answer to the first command is not taken for that to the second.
  EXPECT_EQ(text_of(client, {"GET", "k"}), "\"1\"");
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

TEST_F(RedisClientTest, GivesUpAConnectionThatStaysSilent) {
  StrangePeer peer("%0\r\n");  // greets, and then never answers
  RedisClient client = client_of(peer.url(), {.command_timeout = 200ms});
  EXPECT_EQ(error_of(client).code, "timeout");
  EXPECT_TRUE(client.connected());
  EXPECT_TRUE(loop.run_until([&] { return !client.connected(); }, 10s));
  EXPECT_EQ(error_of(client).code, "timeout");
  EXPECT_EQ(peer.connections(), 2);
}

TEST_F(RedisClientTest, EndsCommandsUnderWayWhenTheConnectionIsLost) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
  server.freeze();
  std::vector<std::string> codes;
  for (int i = 0; i < 3; ++i) {
    client.command({"PING"}, [&](Result<resp::Value> result) {
      codes.push_back(result ? "answered" : result.error().code);
    });
  }
  server.stop();
  ASSERT_TRUE(loop.run_until([&] { return codes.size() == 3; }, 10s));
  EXPECT_THAT(codes, ::testing::Each("closed"));
}

TEST_F(RedisClientTest, ConnectsAgainAfterTheServerHasRestarted) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
  server.stop();
  ASSERT_TRUE(loop.run_until([&] { return !client.connected(); }, 10s));
  EXPECT_EQ(error_of(client).code, "connect");
  server.start();
  const MonoTime end = read_clocks().mono + 10s;
  std::string answer;
  while (answer != "\"PONG\"" && read_clocks().mono < end) {
    answer = text_of(client, {"PING"});
    let_pass(10ms);
  }
  EXPECT_EQ(answer, "\"PONG\"");
}

TEST_F(RedisClientTest, DoesNotHammerAServerThatRefuses) {
  StrangePeer peer("nonsense");
  RedisClient client =
      client_of(peer.url(), {.reconnect = {.base = 1h, .cap = 1h, .jitter = core::Jitter::equal}});
  const Error first = error_of(client);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(error_of(client), first);
  EXPECT_EQ(peer.connections(), 1);
}

TEST_F(RedisClientTest, BoundsTheCommandsThatWait) {
  StrangePeer peer("");
  RedisClient client = client_of(peer.url(), {.commands_max = 2});
  for (int i = 0; i < 2; ++i) client.command({"PING"}, [](const Result<resp::Value>&) {});
  const Error why = error_of(client);
  EXPECT_EQ(why.code, "full");
  EXPECT_TRUE(why.retryable);
}

TEST_F(RedisClientTest, ConnectsAnewWhenTheServerHasBecomeAReplica) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  const std::string first = text_of(client, {"CLIENT", "ID"});
  RedisServer primary;
  EXPECT_EQ(text_of(client, {"REPLICAOF", "127.0.0.1", std::to_string(primary.port())}), "\"OK\"");
  EXPECT_EQ(error_of(client, {"SET", "k", "v"}).code, "READONLY");
  EXPECT_NE(text_of(client, {"CLIENT", "ID"}), first);
}

TEST_F(RedisClientTest, ASubscriberGetsWhatIsPublishedAndAnswersToItsCommands) {
  const RedisServer server;
  RedisClient subscriber = client_of(server.url());
  std::vector<std::string> pushes;
  subscriber.on_push([&](const resp::Value& value) { pushes.push_back(resp::to_string(value)); });
  EXPECT_EQ(text_of(subscriber, {"SUBSCRIBE", "a", "b"}), "[\"subscribe\", \"b\", 2]");
  RedisClient publisher = client_of(server.url());
  EXPECT_EQ(text_of(publisher, {"PUBLISH", "a", "news"}), "1");
  ASSERT_TRUE(loop.run_until([&] { return pushes.size() >= 2; }, 10s));
  EXPECT_EQ(pushes.back(), "[\"message\", \"a\", \"news\"]");
  EXPECT_EQ(text_of(subscriber, {"PING"}), "\"PONG\"");
  EXPECT_EQ(text_of(subscriber, {"UNSUBSCRIBE", "a"}), "[\"unsubscribe\", \"a\", 1]");
  EXPECT_EQ(text_of(publisher, {"PUBLISH", "a", "news"}), "0");
}

TEST_F(RedisClientTest, ARefusedSubscriptionIsAnAnswer) {
  const RedisServer server({"--user", "ann", "on", ">pw", "~*", "resetchannels", "+@all"});
  RedisClient client = client_of("redis://ann:pw@127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(error_of(client, {"SUBSCRIBE", "a"}).code, "auth");
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
}

TEST_F(RedisClientTest, TellsThatAConnectionHasEnded) {
  RedisServer server;
  RedisClient client = client_of(server.url());
  int ended = 0;
  client.on_disconnect([&] { ++ended; });
  EXPECT_EQ(text_of(client, {"PING"}), "\"PONG\"");
  server.stop();
  EXPECT_TRUE(loop.run_until([&] { return ended == 1; }, 10s));
}

TEST_F(RedisClientTest, CallsNobodyAfterItsEnd) {
  StrangePeer peer("");
  const RedisServer server;
  bool called = false;
  const auto call = [&](const Result<resp::Value>&) { called = true; };
  {
    // The loop does not run before it has gone, so that none of this ends earlier.
    RedisClient connecting =
        client_of(peer.url(), {.command_timeout = 10ms, .connect_timeout = 10ms});
    RedisClient full = client_of(server.url(), {.commands_max = 1});
    text_of(full, {"PING"});
    connecting.command({"PING"}, call);
    full.command({"PING"}, call);
    full.command({"PING"}, call);  // one too many
  }
  let_pass(30ms);
  EXPECT_FALSE(called);
}

TEST_F(RedisClientTest, MayBeDestroyedByACallback) {
  RedisServer server;
  auto client = std::make_unique<RedisClient>(loop, *redis_address(server.url()));
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    client->command({"PING"}, [&](const Result<resp::Value>&) {
      ++answers;
      client.reset();
    });
  }
  ASSERT_TRUE(loop.run_until([&] { return client == nullptr; }, 10s));
  let_pass(10ms);
  EXPECT_EQ(answers, 1);
}

TEST_F(RedisClientTest, MayBeDestroyedByTheCallbackOfAFailure) {
  auto client = std::make_unique<RedisClient>(
      loop, *redis_address("redis://127.0.0.1:" + std::to_string(unused_port())));
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    client->command({"PING"}, [&](const Result<resp::Value>&) {
      ++answers;
      client.reset();
    });
  }
  ASSERT_TRUE(loop.run_until([&] { return client == nullptr; }, 10s));
  let_pass(10ms);
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace switchgear::net
