// A real Redis Cluster for tests: six redis-server processes on loopback, three of them replicas.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "net/redis_client.h"
#include "net/redis_server_for_tests.h"
#include "net/redis_slots.h"

namespace switchgear::net {

// One redis-server in cluster mode. Ports of the bus are usually 10,000 above, where there need not
// be any, so it gets one of its own.
class RedisClusterNode final : public ServerProcess {
 public:
  // `port` 0: any. With `tls` its peers and clients are served by TLS on another port, under the
  // name "localhost", and must show a certificate; the plain port is the test's.
  explicit RedisClusterNode(std::vector<std::string> arguments = {}, std::uint16_t port = 0,
                            const std::optional<TlsFiles>& tls = std::nullopt)
      : ServerProcess("redis-node"),
        arguments_(std::move(arguments)),
        bus_port_(unused_port()),
        tls_port_(tls ? unused_port() : 0) {
    if (tls) {
      const auto more = tls_arguments(*tls, "yes", std::to_string(tls_port_));
      arguments_.insert(arguments_.end(), more.begin(), more.end());
      arguments_.insert(arguments_.end(), {"--tls-cluster", "yes", "--tls-replication", "yes",
                                           "--cluster-announce-hostname", "localhost"});
    }
    port == 0 ? start_on_a_free_port() : start_on(port);
    EXPECT_TRUE(running()) << "redis-server does not start; is it installed?\n" << log();
  }
  std::uint16_t bus_port() const { return bus_port_; }
  std::uint16_t tls_port() const { return tls_port_; }
  // By which other nodes know it.
  std::uint16_t peer_port() const { return tls_port_ != 0 ? tls_port_ : port(); }
  RedisHost host() const { return {.host = "127.0.0.1", .port = port()}; }

  // The answer to one command on a connection of its own. Errors fail the test.
  resp::Value command(std::vector<std::string> words) const {
    const auto answer = try_command(std::move(words));
    EXPECT_TRUE(answer) << answer.error().text();
    return answer ? *answer : resp::Value{};
  }
  Result<resp::Value> try_command(std::vector<std::string> words) const {
    Loop loop;
    RedisClient client(loop, {.hosts = {host()}}, {.command_timeout = 5s, .connect_timeout = 5s});
    std::optional<Result<resp::Value>> answer;
    client.command(std::move(words), [&](Result<resp::Value> value) { answer = std::move(value); });
    loop.run_until([&] { return answer.has_value(); }, 10s);
    return answer ? *answer : Error{.code = "test", .message = "never answered", .source = ""};
  }

 private:
  std::vector<std::string> command_line() const override {
    // Replicas that lag may not follow their primary: ours never lag by much, but machines do.
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(port()),
                                   "--cluster-port",
                                   std::to_string(bus_port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--cluster-enabled",
                                   "yes",
                                   "--cluster-node-timeout",
                                   "1500",
                                   "--cluster-replica-validity-factor",
                                   "0",
                                   "--repl-diskless-sync-delay",
                                   "0",
                                   "--save",
                                   "",
                                   "--dir",
                                   folder()};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    return words;
  }
  bool answers() const override {
    return first_bytes_of_answer(port(), "PING\r\n", 7).starts_with('+');
  }

  std::vector<std::string> arguments_;
  const std::uint16_t bus_port_;
  const std::uint16_t tls_port_;
};

// Three primaries that share the slots evenly, and a replica of each: node i + 3 of node i. Takes
// 2 s to start, since a node of a cluster waits that long before it serves.
class RedisClusterServers {
 public:
  static constexpr std::size_t kPrimaries = 3;

  explicit RedisClusterServers(const std::vector<std::string>& arguments = {},
                               const std::optional<TlsFiles>& tls = std::nullopt) {
    for (auto& node : nodes_) node = std::make_unique<RedisClusterNode>(arguments, 0, tls);
    std::array<std::string, 2 * kPrimaries> ids;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      node(i).command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
      ids[i] = node(i).command({"CLUSTER", "MYID"}).text;
    }
    meet();
    for (std::size_t i = 0; i < kPrimaries; ++i) {
      const auto bound = [](std::size_t at) {
        return static_cast<int>(at) * kRedisSlots / static_cast<int>(kPrimaries);
      };
      node(i).command(
          {"CLUSTER", "ADDSLOTSRANGE", std::to_string(bound(i)), std::to_string(bound(i + 1) - 1)});
    }
    for (std::size_t i = kPrimaries; i < nodes_.size(); ++i) {
      wait_for("the nodes to know each other", [&] {
        return node(i).try_command({"CLUSTER", "REPLICATE", ids[i - kPrimaries]}).has_value() ||
               meet_again();
      });
    }
    for (const auto& each : nodes_) {
      wait_for("the cluster to serve", [&] { return serves(*each) || meet_again(); });
    }
    for (std::size_t i = kPrimaries; i < nodes_.size(); ++i) in_step(i);
  }

  RedisClusterNode& node(std::size_t i) { return *nodes_[i]; }
  // How often a node has answered with this error.
  int errors_sent(std::size_t i, const std::string& word) {
    const std::string stats = node(i).command({"INFO", "errorstats"}).text;
    const std::string line = "errorstat_" + word + ":count=";
    const std::size_t at = stats.find(line);
    return at == std::string::npos ? 0 : std::stoi(stats.substr(at + line.size()));
  }
  // redis://… of the first node.
  std::string url() { return "redis://127.0.0.1:" + std::to_string(node(0).port()); }

  // The node that serves the slot, by the map of a node that runs.
  std::size_t owner(int slot) {
    for (const auto& asked : nodes_) {
      if (!asked->running()) continue;
      const auto map = redis_slot_map(asked->command({"CLUSTER", "SLOTS"}), {asked->host()});
      const RedisHost* at = map ? map->owner(slot) : nullptr;
      for (std::size_t i = 0; at != nullptr && i < nodes_.size(); ++i) {
        if (nodes_[i]->host() == *at) return i;
      }
    }
    ADD_FAILURE() << "nobody serves slot " << slot;
    return 0;
  }

  // One that serves slots, and not this one.
  std::size_t another(std::size_t than) {
    const std::size_t at = owner(0);
    return at != than ? at : owner(kRedisSlots - 1);
  }

  // Begins to move a slot: its owner sends whoever asks for a key that it has no more to the other.
  void begin_move(int slot, std::size_t from, std::size_t to) {
    settled();
    const std::string which = std::to_string(slot);
    node(to).command({"CLUSTER", "SETSLOT", which, "IMPORTING", id(from)});
    node(from).command({"CLUSTER", "SETSLOT", which, "MIGRATING", id(to)});
  }
  // So many at a time; redis-cli moves 10.
  void move_keys(int slot, std::size_t from, std::size_t to, int at_a_time = 100) {
    for (;;) {
      const auto keys = node(from)
                            .command({"CLUSTER", "GETKEYSINSLOT", std::to_string(slot),
                                      std::to_string(at_a_time)})
                            .items;
      if (keys.empty()) return;
      std::vector<std::string> words{
          "MIGRATE", "127.0.0.1", std::to_string(node(to).peer_port()), "", "0", "5000", "KEYS"};
      for (const auto& key : keys) words.push_back(key.text);
      node(from).command(std::move(words));
    }
  }
  // The others hear of it from the new owner.
  void end_move(int slot, std::size_t from, std::size_t to) {
    const std::vector<std::string> words{"CLUSTER", "SETSLOT", std::to_string(slot), "NODE",
                                         id(to)};
    node(to).command(words);
    node(from).command(words);
    settled();
  }
  void move(int slot, std::size_t from, std::size_t to, int at_a_time = 100) {
    begin_move(slot, from, to);
    move_keys(slot, from, to, at_a_time);
    end_move(slot, from, to);
  }

  // The replica is promoted while its primary lives and agrees.
  void promote(std::size_t replica) {
    node(replica).command({"CLUSTER", "FAILOVER"});
    wait_for("the promotion", [&] { return role(replica) == "master"; });
    settled();
  }
  std::string role(std::size_t i) { return node(i).command({"ROLE"}).items[0].text; }
  // Until the replica has all that its primary has.
  void in_step(std::size_t replica) {
    wait_for("the replica in step", [&] {
      const auto role = node(replica).command({"ROLE"});
      return role.items.size() >= 4 && role.items[0].text == "slave" &&
             role.items[3].text == "connected";
    });
  }
  // Until every node that runs says that all slots are served.
  void all_serve() {
    for (const auto& each : nodes_) {
      if (each->running()) wait_for("the cluster to serve", [&] { return serves(*each); });
    }
    settled();
  }
  // Until all nodes that run tell the same of who serves what since which epoch, and no two
  // primaries have the same epoch. A slot that moves on before that may be claimed by two for good,
  // and a replica may find no majority: each holds what the other says for older.
  void settled() {
    wait_for("the nodes to be at one", [&] {
      std::set<std::set<std::vector<std::string>>> views;
      for (const auto& each : nodes_) {
        if (each->running()) views.insert(primaries_by(*each));
      }
      if (views.size() != 1) return false;
      std::set<std::string> epochs;
      for (const auto& primary : *views.begin()) epochs.insert(primary[1]);
      return epochs.size() == views.begin()->size();
    });
  }

  static void wait_for(const char* what, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "waited in vain for " << what;
      ::poll(nullptr, 0, 20);
    }
  }

 private:
  void meet() {
    met_at_ = std::chrono::steady_clock::now();
    for (const auto& each : nodes_) {
      each->command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(node(0).peer_port()),
                     std::to_string(node(0).bus_port())});
    }
  }
  // A handshake that takes longer than the node time-out is forgotten, which happens on a busy
  // machine. False: whoever waits goes on waiting.
  bool meet_again() {
    if (std::chrono::steady_clock::now() - met_at_ > std::chrono::seconds(3)) meet();
    return false;
  }
  // Id, epoch and slots of each primary that serves any, as a node tells.
  static std::set<std::vector<std::string>> primaries_by(const RedisClusterNode& node) {
    std::set<std::vector<std::string>> primaries;
    std::istringstream lines(node.command({"CLUSTER", "NODES"}).text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      const std::vector<std::string> each{std::istream_iterator<std::string>(words), {}};
      if (each.size() < 9 || each[2].find("master") == std::string::npos) continue;
      std::vector<std::string> primary{each[0], each[6]};
      // What stands in brackets is on its way.
      std::copy_if(each.begin() + 8, each.end(), std::back_inserter(primary),
                   [](const auto& slots) { return !slots.starts_with('['); });
      if (primary.size() > 2) primaries.insert(std::move(primary));
    }
    return primaries;
  }
  static bool serves(const RedisClusterNode& node) {
    return node.command({"CLUSTER", "INFO"}).text.find("cluster_state:ok") != std::string::npos;
  }
  std::string id(std::size_t i) { return node(i).command({"CLUSTER", "MYID"}).text; }

  std::array<std::unique_ptr<RedisClusterNode>, 2 * kPrimaries> nodes_;
  std::chrono::steady_clock::time_point met_at_;
};

// One for all tests of a program that want one, each of which leaves it with all slots served.
inline RedisClusterServers& redis_cluster_servers() {
  static RedisClusterServers cluster;
  return cluster;
}

}  // namespace switchgear::net
