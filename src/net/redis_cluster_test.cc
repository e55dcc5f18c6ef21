#include "net/redis_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "net/clocks.h"
#include "net/redis_cluster_for_tests.h"

namespace switchgear::net {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

RedisClusterServers& servers() { return redis_cluster_servers(); }

class RedisClusterTest : public ::testing::Test {
 protected:
  std::unique_ptr<RedisCluster> cluster_at(std::vector<RedisHost> seeds, Duration timeout = 5s) {
    return std::make_unique<RedisCluster>(
        loop_, RedisAddress{.hosts = std::move(seeds)},
        RedisOptions{.command_timeout = timeout,
                     .connect_timeout = timeout,
                     .reconnect = {.base = 1ms, .cap = 10ms, .jitter = core::Jitter::none}});
  }
  std::unique_ptr<RedisCluster> cluster(Duration timeout = 5s) {
    return cluster_at({servers().node(0).host()}, timeout);
  }

  Result<resp::Value> ask(RedisCluster& client, const std::string& key,
                          std::vector<std::string> words) {
    std::optional<Result<resp::Value>> answer;
    client.command(key, std::move(words), [&](Result<resp::Value> result) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(result);
    });
    EXPECT_FALSE(answer) << "answered from inside the call";
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, 20s)) << "never answered";
    if (!answer) return Error{.code = "test", .message = "never answered", .source = ""};
    return *answer;
  }
  std::string text_of(RedisCluster& client, const std::string& key,
                      std::vector<std::string> words) {
    const auto answer = ask(client, key, std::move(words));
    return answer ? resp::to_string(*answer) : answer.error().text();
  }
  Error error_of(RedisCluster& client, const std::string& key = "k") {
    const auto answer = ask(client, key, {"GET", key});
    EXPECT_FALSE(answer) << resp::to_string(answer.value());
    return answer ? Error{} : answer.error();
  }
  // Until the command is carried out.
  void eventually(RedisCluster& client, const std::string& key, std::vector<std::string> words) {
    RedisClusterServers::wait_for("an answer", [&] { return ask(client, key, words).has_value(); });
  }
  void let_pass(Duration time) {
    loop_.run_until([] { return false; }, time);
  }
  static int errors_sent(std::size_t node, const std::string& word) {
    return servers().errors_sent(node, word);
  }

  Loop loop_;
};

// ---- Nodes ----------------------------------------------------------------------------------

TEST_F(RedisClusterTest, SendsEachCommandToTheNodeOfItsKey) {
  auto client = cluster();
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_EQ(text_of(*client, key, {"SET", key, "v"}), "\"OK\"");
    ASSERT_EQ(text_of(*client, key, {"GET", key}), "\"v\"");
  }
  EXPECT_EQ(client->nodes(), 3U);
}

TEST_F(RedisClusterTest, LearnsOfTheNodesFromAnySeedThatAnswers) {
  StrangePeer silent("");
  auto client = cluster_at({{"127.0.0.1", unused_port()},
                            {"127.0.0.1", silent.port()},
                            {"no-such-host.invalid", 6379},
                            servers().node(4).host()},
                           400ms);
  EXPECT_EQ(text_of(*client, "a", {"SET", "a", "1"}), "\"OK\"");
  EXPECT_THAT(client->name(), StartsWith("redis 127.0.0.1:"));
}

TEST_F(RedisClusterTest, SaysThatNoSeedAnswers) {
  auto client = cluster_at({{"127.0.0.1", unused_port()}, {"127.0.0.1", unused_port()}});
  const Error why = error_of(*client);
  EXPECT_EQ(why.code, "connect");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.source, StartsWith("redis 127.0.0.1:"));
  // At once, until the back-off is over.
  EXPECT_EQ(error_of(*client).code, "connect");
}

TEST_F(RedisClusterTest, GivesUpInTimeOnSeedsThatNeverAnswer) {
  StrangePeer silent("");
  auto client = cluster_at({{"127.0.0.1", silent.port()}}, 50ms);
  EXPECT_EQ(error_of(*client).code, "timeout");
}

TEST_F(RedisClusterTest, NamesANodeOfNoCluster) {
  RedisClusterNode alone;
  auto client = cluster_at({alone.host()});
  const Error why = error_of(*client);
  EXPECT_EQ(why.code, "CLUSTERDOWN");
  EXPECT_TRUE(why.retryable);
  EXPECT_THAT(why.message, HasSubstr("part of it"));
}

TEST_F(RedisClusterTest, RefusesMoreCommandsThanItMayHold) {
  RedisCluster client(loop_, RedisAddress{.hosts = {servers().node(0).host()}},
                      {.command_timeout = 5s, .commands_max = 2});
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    client.command("k", {"GET", "k"}, [&](const Result<resp::Value>& answer) {
      answers.push_back(answer ? "ok" : answer.error().code);
    });
  }
  loop_.run_until([&] { return answers.size() == 3; }, 5s);
  EXPECT_THAT(answers, ::testing::ElementsAre("full", "ok", "ok"));
}

TEST_F(RedisClusterTest, CallsNobodyAfterItsEnd) {
  bool called = false;
  auto client = cluster();
  ASSERT_TRUE(ask(*client, "k", {"GET", "k"}));
  client->command("k", {"GET", "k"}, [&](const auto&) { called = true; });
  client->keys("*", [&](const auto&) { called = true; });
  client->subscriber([&](const auto&) { called = true; });
  client.reset();
  let_pass(20ms);
  EXPECT_FALSE(called);
}

TEST_F(RedisClusterTest, ACallbackMayEndIt) {
  auto client = cluster();
  bool ended = false;
  for (int i = 0; i < 3; ++i) {
    client->command("k", {"GET", "k"}, [&](const auto&) {
      client.reset();
      ended = true;
    });
  }
  EXPECT_TRUE(loop_.run_until([&] { return ended; }, 5s));
  let_pass(20ms);
}

TEST_F(RedisClusterTest, FindsKeysOnEveryNode) {
  auto client = cluster();
  for (int i = 0; i < 50; ++i) {
    const std::string key = "find:" + std::to_string(i);
    ASSERT_TRUE(ask(*client, key, {"SET", key, "v"}));
  }
  std::optional<Result<std::set<std::string>>> found;
  client->keys("find:*", [&](Result<std::set<std::string>> keys) { found = std::move(keys); });
  ASSERT_TRUE(loop_.run_until([&] { return found.has_value(); }, 5s));
  ASSERT_TRUE(*found) << found->error().text();
  EXPECT_THAT(**found, SizeIs(50));
  EXPECT_THAT(**found, Contains("find:7"));
}

TEST_F(RedisClusterTest, NamesItsPrimariesEachWithASlotThatItServes) {
  auto client = cluster();
  std::optional<Result<RedisPrimaries>> primaries;
  client->primaries([&](Result<RedisPrimaries> found) { primaries = std::move(found); });
  EXPECT_FALSE(primaries) << "answered from inside the call";
  ASSERT_TRUE(loop_.run_until([&] { return primaries.has_value(); }, 5s));
  ASSERT_TRUE(*primaries) << primaries->error().text();
  EXPECT_EQ((*primaries)->slots_unserved, 0);
  ASSERT_THAT((*primaries)->each, SizeIs(3));
  for (const RedisPrimaries::One& one : (*primaries)->each) {
    ASSERT_TRUE(one.slot);
    EXPECT_EQ(one.name, servers().node(servers().owner(*one.slot)).host().text());
    std::optional<std::string> port;
    one.client->command({"CONFIG", "GET", "port"}, [&](const Result<resp::Value>& value) {
      port = value && value->items.size() == 2 ? value->items[1].text : "";
    });
    ASSERT_TRUE(loop_.run_until([&] { return port.has_value(); }, 5s));
    EXPECT_EQ(one.name, "127.0.0.1:" + *port);
  }
}

TEST_F(RedisClusterTest, HearsWhatIsPublishedOnAnyNode) {
  auto client = cluster();
  std::unique_ptr<RedisClient> subscriber;
  client->subscriber([&](Result<std::unique_ptr<RedisClient>> connection) {
    ASSERT_TRUE(connection);
    subscriber = std::move(*connection);
  });
  ASSERT_TRUE(loop_.run_until([&] { return subscriber != nullptr; }, 5s));
  std::vector<std::string> heard;
  subscriber->on_push([&](const resp::Value& value) { heard.push_back(value.items[2].text); });
  bool subscribed = false;
  subscriber->command({"SUBSCRIBE", "news"}, [&](const auto& answer) { subscribed = !!answer; });
  ASSERT_TRUE(loop_.run_until([&] { return subscribed; }, 5s));
  for (std::size_t i = 0; i < 6; ++i) {
    servers().node(i).command({"PUBLISH", "news", std::to_string(i)});
  }
  EXPECT_TRUE(loop_.run_until([&] { return heard.size() == 6; }, 5s));
}

// ---- Slots that move --------------------------------------------------------------------------

TEST_F(RedisClusterTest, FollowsASlotThatHasMoved) {
  auto client = cluster();
  ASSERT_TRUE(ask(*client, "{moved}", {"SET", "{moved}", "1"}));
  const int slot = redis_slot("{moved}");
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  const int before = errors_sent(from, "MOVED");
  servers().move(slot, from, to);
  EXPECT_EQ(text_of(*client, "{moved}", {"INCR", "{moved}"}), "2");
  EXPECT_EQ(text_of(*client, "{moved}", {"INCR", "{moved}"}), "3");
  EXPECT_EQ(errors_sent(from, "MOVED"), before + 1) << "it learns";
}

TEST_F(RedisClusterTest, AsksTheOtherNodeForKeysThatAreThereAlready) {
  auto client = cluster();
  const int slot = redis_slot("{ask}");
  ASSERT_TRUE(ask(*client, "{ask}1", {"SET", "{ask}1", "old"}));
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  servers().begin_move(slot, from, to);
  const int before = errors_sent(from, "ASK");
  EXPECT_EQ(text_of(*client, "{ask}2", {"SET", "{ask}2", "new"}), "\"OK\"");
  EXPECT_EQ(text_of(*client, "{ask}1", {"GET", "{ask}1"}), "\"old\"");
  EXPECT_EQ(text_of(*client, "{ask}2", {"GET", "{ask}2"}), "\"new\"");
  EXPECT_EQ(errors_sent(from, "ASK"), before + 2);
  servers().move_keys(slot, from, to);
  EXPECT_EQ(text_of(*client, "{ask}1", {"GET", "{ask}1"}), "\"old\"");
  servers().end_move(slot, from, to);
  EXPECT_EQ(text_of(*client, "{ask}1", {"GET", "{ask}1"}), "\"old\"");
}

TEST_F(RedisClusterTest, WaitsWhileTheKeysOfACommandAreOnTheirWay) {
  auto client = cluster();
  const int slot = redis_slot("{try}");
  ASSERT_TRUE(ask(*client, "{try}", {"MSET", "{try}a", "1", "{try}b", "2"}));
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  servers().begin_move(slot, from, to);
  servers().node(from).command(
      {"MIGRATE", "127.0.0.1", std::to_string(servers().node(to).port()), "{try}a", "0", "5000"});
  std::optional<Result<resp::Value>> answer;
  client->command("{try}", {"MGET", "{try}a", "{try}b"},
                  [&](Result<resp::Value> value) { answer = std::move(value); });
  RedisClusterServers::wait_for("a refusal", [&] {
    let_pass(1ms);
    return errors_sent(from, "TRYAGAIN") > 0;
  });
  EXPECT_FALSE(answer);
  servers().move_keys(slot, from, to);
  servers().end_move(slot, from, to);
  ASSERT_TRUE(loop_.run_until([&] { return answer.has_value(); }, 5s));
  ASSERT_TRUE(*answer) << answer->error().text();
  EXPECT_EQ(resp::to_string(**answer), "[\"1\", \"2\"]");
}

TEST_F(RedisClusterTest, SaysWhatItWaitedForWhenItsTimeIsUp) {
  auto client = cluster(300ms);
  const int slot = redis_slot("{stuck}");
  eventually(*client, "{stuck}", {"MSET", "{stuck}a", "1"});
  const std::size_t from = servers().owner(slot);
  const std::size_t to = servers().another(from);
  servers().begin_move(slot, from, to);
  const auto answer = ask(*client, "{stuck}", {"MGET", "{stuck}a", "{stuck}b"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "TRYAGAIN");
  EXPECT_TRUE(answer.error().retryable);
  servers().move_keys(slot, from, to);
  servers().end_move(slot, from, to);
}

TEST_F(RedisClusterTest, CarriesOutEveryCommandOnceWhileSlotsMove) {
  constexpr int kKeys = 20;
  const auto key = [](int i) { return "{count" + std::to_string(i) + "}"; };
  auto client = cluster();
  std::vector<int> sent(kKeys, 0);
  std::vector<int> last(kKeys, 0);
  int pending = 0;
  std::atomic<bool> moved = false;
  std::thread mover([&] {
    for (int i = 0; i < kKeys; ++i) {
      const int slot = redis_slot(key(i));
      const std::size_t from = servers().owner(slot);
      servers().move(slot, from, servers().another(from));
    }
    moved = true;
  });
  while (!moved) {
    for (int i = 0; i < kKeys; ++i) {
      ++pending;
      ++sent[static_cast<std::size_t>(i)];
      client->command(key(i), {"INCR", key(i)}, [&, i](const Result<resp::Value>& answer) {
        --pending;
        ASSERT_TRUE(answer) << answer.error().text();
        last[static_cast<std::size_t>(i)] =
            std::max(last[static_cast<std::size_t>(i)], static_cast<int>(answer->integer));
      });
    }
    ASSERT_TRUE(loop_.run_until([&] { return pending < 5 * kKeys; }, 10s));
  }
  mover.join();
  ASSERT_TRUE(loop_.run_until([&] { return pending == 0; }, 10s));
  EXPECT_EQ(last, sent);
}

// ---- Nodes that come and go -------------------------------------------------------------------

TEST_F(RedisClusterTest, GoesOnWithAReplicaThatIsPromoted) {
  auto client = cluster();
  ASSERT_TRUE(ask(*client, "p", {"SET", "p", "1"}));
  const std::size_t primary = servers().owner(redis_slot("p"));
  const std::size_t replica = (primary + 3) % 6;
  servers().in_step(replica);
  servers().promote(replica);
  EXPECT_EQ(text_of(*client, "p", {"INCR", "p"}), "2");
  servers().in_step(primary);
}

// Silent at first, then gone.
TEST_F(RedisClusterTest, GoesOnOnceTheReplicaOfADeadPrimaryIsElected) {
  auto client = cluster(500ms);
  eventually(*client, "d", {"SET", "d", "1"});
  const std::size_t primary = servers().owner(redis_slot("d"));
  servers().in_step((primary + 3) % 6);
  servers().node(primary).freeze();
  EXPECT_EQ(error_of(*client, "d").code, "timeout");
  servers().node(primary).stop();
  const Error why = error_of(*client, "d");
  EXPECT_TRUE(why.retryable) << why.text();
  eventually(*client, "d", {"SET", "d", "2"});
  EXPECT_EQ(text_of(*client, "d", {"INCR", "d"}), "3");
  servers().node(primary).start();
  servers().in_step(primary);
  servers().all_serve();
}

// ---- What real nodes do not do on demand ------------------------------------------------------

// A scripted node: answers each command by its script, and CLUSTER SLOTS with a map in which it
// serves everything unless the script knows better.
class ScriptedNode {
 public:
  using Script = std::function<std::string(const std::string& command)>;
  explicit ScriptedNode(Script script) : script_(std::move(script)) {
    auto [listener, port] = listen_on_free_port();
    listener_ = std::move(listener);
    port_ = port;
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedNode() {
    stopping_ = true;
    thread_.join();
  }
  RedisHost host() const { return {.host = "127.0.0.1", .port = port_}; }
  std::uint16_t port() const { return port_; }
  int maps_asked() const { return maps_asked_; }
  // Commands apart from the greeting and those for the map.
  int commands() const { return commands_; }

  static std::string error(const std::string& text) { return "-" + text + "\r\n"; }
  static std::string map_to(std::uint16_t port) {
    return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:" + std::to_string(port) + "\r\n";
  }

 private:
  struct Peer {
    TestSocket socket;
    resp::Parser parser;
  };
  void serve() {
    std::vector<Peer> peers;
    while (!stopping_) {
      std::vector<pollfd> ready{{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
      for (const Peer& peer : peers) {
        ready.push_back({.fd = peer.socket.get(), .events = POLLIN, .revents = 0});
      }
      ::poll(ready.data(), ready.size(), 10);
      for (std::size_t i = peers.size(); i-- > 0;) {
        if (ready[i + 1].revents != 0 && !serve(peers[i])) {
          peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(i));
        }
      }
      if (ready[0].revents != 0) {
        peers.push_back(
            {.socket = TestSocket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)),
             .parser = resp::Parser()});
      }
    }
  }
  bool serve(Peer& peer) {
    char bytes[4096];
    const ssize_t got = ::recv(peer.socket.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    std::string_view input(bytes, static_cast<std::size_t>(got));
    for (;;) {
      const auto command = peer.parser.next(input);
      if (!command) return false;
      if (!*command) return true;
      std::string words;
      for (const auto& word : (*command)->items) words += (words.empty() ? "" : " ") + word.text;
      const std::string answer = answer_to(words);
      if (answer.empty()) return false;
      ::send(peer.socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  std::string answer_to(const std::string& words) {
    if (words.starts_with("HELLO")) return "%1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n";
    const bool map = words == "CLUSTER SLOTS";
    ++(map ? maps_asked_ : commands_);
    std::string answer = script_(words);
    return answer.empty() && map ? map_to(port_) : answer;
  }

  const Script script_;
  TestSocket listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> maps_asked_{0};
  std::atomic<int> commands_{0};
  std::thread thread_;
};

TEST_F(RedisClusterTest, EndsACircleOfNodesThatDoNotAgree) {
  ScriptedNode node([&](const std::string& command) {
    return command.starts_with("GET")
               ? ScriptedNode::error("MOVED 7 :" + std::to_string(node.port()))
               : std::string();
  });
  auto client = cluster_at({node.host()});
  const Error why = error_of(*client);
  EXPECT_EQ(why.code, "redirects");
  EXPECT_TRUE(why.retryable);
  EXPECT_EQ(node.commands(), 1 + RedisCluster::kRedirectsMax);
}

TEST_F(RedisClusterTest, EndsACircleOfQuestions) {
  ScriptedNode node([&](const std::string& command) {
    if (command == "ASKING") return std::string("+OK\r\n");
    return command.starts_with("GET") ? ScriptedNode::error("ASK 7 :" + std::to_string(node.port()))
                                      : std::string();
  });
  auto client = cluster_at({node.host()});
  EXPECT_EQ(error_of(*client).code, "redirects");
}

TEST_F(RedisClusterTest, SaysThatItsUserMayNotAsk) {
  ScriptedNode node([&](const std::string& command) {
    if (command == "ASKING") return ScriptedNode::error("NOPERM no permissions to run 'asking'");
    return command.starts_with("GET") ? ScriptedNode::error("ASK 7 :" + std::to_string(node.port()))
                                      : std::string();
  });
  auto client = cluster_at({node.host()});
  const Error why = error_of(*client);
  EXPECT_EQ(why.code, "auth");
  EXPECT_THAT(why.message, HasSubstr("asking"));
}

TEST_F(RedisClusterTest, TriesAgainUntilAClusterServes) {
  std::atomic<int> refusals = 3;
  ScriptedNode node([&](const std::string& command) {
    if (!command.starts_with("GET")) return std::string();
    return refusals-- > 0 ? ScriptedNode::error("CLUSTERDOWN The cluster is down")
                          : std::string("$1\r\nv\r\n");
  });
  auto client = cluster_at({node.host()});
  EXPECT_EQ(text_of(*client, "k", {"GET", "k"}), "\"v\"");
  EXPECT_EQ(node.commands(), 4);
}

TEST_F(RedisClusterTest, AsksForTheMapAFewTimesASecondWhateverGoesWrong) {
  ScriptedNode node([&](const std::string& command) {
    return command.starts_with("GET") ? ScriptedNode::error("CLUSTERDOWN The cluster is down")
                                      : std::string();
  });
  auto client = cluster_at({node.host()}, 200ms);
  const MonoTime began = read_clocks().mono;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(error_of(*client).code, "CLUSTERDOWN");
  const double seconds = std::chrono::duration<double>(read_clocks().mono - began).count();
  // At least 50 ms between two.
  EXPECT_LE(node.maps_asked(), 2 + seconds / 0.05);
}

TEST_F(RedisClusterTest, NeverSendsAgainWhatMayHaveBeenCarriedOut) {
  std::atomic<int> got = 0;
  ScriptedNode node([&](const std::string& command) -> std::string {
    got += command.starts_with("INCR");
    return {};  // ends the connection
  });
  auto client = cluster_at({node.host()}, 300ms);
  const auto answer = ask(*client, "k", {"INCR", "k"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "closed");
  let_pass(100ms);
  EXPECT_EQ(got, 1);
}

TEST_F(RedisClusterTest, ClosesConnectionsToNodesThatHaveLeft) {
  std::atomic<std::uint16_t> now = 0;
  ScriptedNode left([&](const std::string& command) {
    return command.starts_with("SET") ? std::string("+OK\r\n")
                                      : ScriptedNode::error("MOVED 7 :" + std::to_string(now));
  });
  ScriptedNode node([&](const std::string& command) {
    if (command == "CLUSTER SLOTS" && now == 0) return ScriptedNode::map_to(left.port());
    return command.starts_with("GET") ? std::string("$1\r\nv\r\n") : std::string();
  });
  auto client = cluster_at({node.host()});
  EXPECT_EQ(text_of(*client, "k", {"SET", "k", "v"}), "\"OK\"");
  now = node.port();
  EXPECT_EQ(text_of(*client, "k", {"GET", "k"}), "\"v\"");
  EXPECT_TRUE(loop_.run_until([&] { return client->nodes() == 1; }, 5s));
}

TEST_F(RedisClusterTest, SaysThatThePeerIsNoNode) {
  for (const std::string& answer : {std::string("+OK\r\n"), std::string("*1\r\n:1\r\n")}) {
    ScriptedNode node([&](const std::string&) { return answer; });
    auto client = cluster_at({node.host()});
    const Error why = error_of(*client);
    EXPECT_EQ(why.code, "protocol");
    EXPECT_THAT(why.source, StartsWith("redis 127.0.0.1:"));
  }
}

}  // namespace
}  // namespace switchgear::net
