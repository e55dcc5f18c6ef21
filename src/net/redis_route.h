// How a store gets at its keys: on one server, on the primary that Sentinels name, or on the nodes
// of a cluster.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.h"
#include "net/redis_client.h"

namespace switchgear::net {

// The servers that take our writes.
struct RedisPrimaries {
  struct One {
    std::string name;                     // "HOST:PORT"
    std::shared_ptr<RedisClient> client;  // a connection of its own, which may not be open yet
    std::optional<int> slot;              // one that it serves, if it is a node of a cluster
  };
  std::vector<One> each;   // in the order of their names
  int slots_unserved = 0;  // of a cluster: those that no node serves
};

// Belongs to the thread of its loop and calls back on it, never from inside the call. Everything is
// answered exactly once; only destroying the route drops what is pending without an answer. A
// callback may send commands and may destroy the route. Errors as of RedisClient.
class RedisRoute {
 public:
  using KeysCallback = std::function<void(Result<std::set<std::string>>)>;
  using PrimariesCallback = std::function<void(Result<RedisPrimaries>)>;
  using SubscriberCallback = std::function<void(Result<std::unique_ptr<RedisClient>>)>;

  virtual ~RedisRoute() = default;

  // Has the server that holds `key` carry out a command, whose keys are all in the hash slot of
  // `key`. Answered within RedisOptions::command_timeout, however often it was sent on. A command
  // that may have been carried out is never sent again.
  virtual void command(const std::string& key, std::vector<std::string> arguments,
                       RedisCallback done) = 0;

  // Every key that matches the pattern (as of SCAN), on all servers. Each page has the command's
  // time-out of its own.
  virtual void keys(const std::string& pattern, KeysCallback done) = 0;

  // A connection of its own that gets what scripts publish, wherever they run. It may not be
  // connected yet. Once it has ended, another is to be asked for: it may be on another server.
  virtual void subscriber(SubscriberCallback done) = 0;

  // All that are known now, for a look at each of them: the nodes of a cluster that serve slots,
  // the primary that Sentinels name, or the server, once it has greeted us.
  virtual void primaries(PrimariesCallback done) = 0;

  // Of the address: "redis HOST:PORT".
  virtual const std::string& name() const = 0;
};

// The route for an address; opens no connection yet. `loop` outlives it.
std::unique_ptr<RedisRoute> open_redis(Loop& loop, const RedisAddress& address,
                                       const RedisOptions& options = {});

// One server.
class RedisServerRoute final : public RedisRoute {
 public:
  RedisServerRoute(Loop& loop, RedisAddress address, const RedisOptions& options);
  void command(const std::string& key, std::vector<std::string> arguments,
               RedisCallback done) override;
  void keys(const std::string& pattern, KeysCallback done) override;
  void subscriber(SubscriberCallback done) override;
  void primaries(PrimariesCallback done) override;
  const std::string& name() const override { return client_.name(); }
  // Of the last connection that worked.
  const RedisGreeting& greeting() const { return client_.greeting(); }

 private:
  Loop& loop_;
  const RedisAddress address_;
  const RedisOptions options_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  // Last, so that it goes first: its callbacks use what stands above.
  RedisClient client_;
};

// Collects the keys of one server, page by page; `send` is a client's command().
void scan_keys(std::function<void(std::vector<std::string>, RedisCallback)> send,
               const std::string& pattern, const std::string& source,
               RedisRoute::KeysCallback done);

}  // namespace switchgear::net
