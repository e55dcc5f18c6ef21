// What a client of a Redis Cluster knows of it: its nodes, a connection to each that is used, and
// which of them serves which slot. Used by redis_cluster.cc alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "net/loop.h"
#include "net/redis_address.h"
#include "net/redis_client.h"
#include "net/redis_slots.h"

namespace switchgear::net {

// A RedisClient for each node, made when first used. Belongs to the thread of its loop; destroying
// it drops what is pending.
class RedisNodes {
 public:
  // `address` says who we are at every node. `loop` outlives it.
  RedisNodes(Loop& loop, RedisAddress address, const RedisOptions& options);

  // Error replies are answered as values of kind error: some of them are no errors here.
  void command(const RedisHost& node, std::vector<std::string> arguments, RedisCallback done);
  // The same right behind ASKING, with nothing in between.
  void command_after_asking(const RedisHost& node, std::vector<std::string> arguments,
                            RedisCallback done);

  bool connected(const RedisHost& node) const;
  // Closes the connections on which nothing is pending, if the node is not `known` or was not used
  // for some minutes.
  void close_unused(const std::function<bool(const RedisHost&)>& known);
  std::size_t size() const { return nodes_.size(); }
  // A connection of its own, for somebody who subscribes, or looks at this one node.
  std::unique_ptr<RedisClient> connection(const RedisHost& node) const;
  // "redis HOST:PORT"
  std::string name(const RedisHost& node) const { return address_.at(node).name(); }

 private:
  struct Node {
    std::unique_ptr<RedisClient> client;
    std::size_t pending = 0;
    MonoTime used;
  };
  void send(Node& node, const RedisHost& at, std::vector<std::string> arguments,
            RedisCallback done);

  Loop& loop_;
  const RedisAddress address_;
  const RedisOptions options_;
  std::map<RedisHost, Node> nodes_;
};

// Learns the map from any node that answers, and learns it anew when there is reason to: at most a
// few times a second, whatever goes wrong, and every minute or so while the cluster is used.
class RedisTopology {
 public:
  // The seeds are asked when no node that is known answers. All arguments outlive it.
  RedisTopology(Loop& loop, RedisNodes& nodes, const RedisAddress& seeds,
                const RedisOptions& options);

  // Empty until first learned.
  const RedisSlotMap& map() const { return map_; }
  bool known() const { return !map_.primaries.empty(); }
  // Why the last attempt failed, while it is too early for another.
  std::optional<Error> failed_just_now() const;

  // Called at the end of each attempt, with its error.
  void on_learned(std::function<void(const std::optional<Error>&)> learned);
  // Learns the map anew, soon. `doubtful` is asked last: it is the node that made trouble.
  void refresh(const RedisHost* doubtful = nullptr);
  // The node that a redirect names, as the map names it.
  RedisHost as_known(const RedisHost& address) const;
  // A node said that another one serves this slot: so it is until the map has been learned anew.
  void moved(int slot, const RedisHost& to);
  // A command was sent.
  void used() { used_ = true; }

  // Nodes to try, those first that seem to work. Empty before the map is known.
  std::vector<RedisHost> likely_nodes();

 private:
  struct Asked {
    std::vector<RedisHost> candidates;
    std::size_t next = 0;
    std::size_t open = 0;
    Error last_error;
  };
  void schedule();
  void start();
  void ask_next();
  void answered(std::uint64_t round, const RedisHost& by, const Result<resp::Value>& value);
  Result<RedisSlotMap> read(const RedisHost& by, const Result<resp::Value>& value) const;
  void end(const std::optional<Error>& why);
  void again_in_a_while();

  Loop& loop_;
  RedisNodes& nodes_;
  const RedisAddress seeds_;
  const Duration patience_;  // before another node is asked beside a slow one
  const std::string acl_rule_;
  core::Random random_;

  RedisSlotMap map_;
  std::function<void(const std::optional<Error>&)> learned_;
  std::optional<RedisHost> doubtful_;
  bool wanted_ = false;
  bool used_ = false;
  std::optional<Asked> asked_;  // an attempt is under way
  std::uint64_t round_ = 0;     // its number
  std::uint64_t in_a_row_ = 0;  // attempts without a calm between them
  MonoTime started_at_;
  MonoTime next_at_;
  std::optional<Error> failed_;
  Timer start_timer_;
  Timer patience_timer_;
  Timer periodic_timer_;
};

}  // namespace switchgear::net
