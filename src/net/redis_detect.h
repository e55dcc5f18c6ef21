// Finds out whether an address leads to one server or to a cluster, so that nobody has to say so.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/redis_route.h"

namespace switchgear::net {

class RedisCluster;

// Takes the address for one server until a connection's greeting says that there is a cluster, and
// is a route to that from then on. A command that a node of a cluster refused meanwhile goes on to
// the right one; it may so take twice the command's time-out.
class RedisDetectedRoute final : public RedisRoute {
 public:
  // `loop` outlives it.
  RedisDetectedRoute(Loop& loop, RedisAddress address, const RedisOptions& options);
  ~RedisDetectedRoute() override;

  void command(const std::string& key, std::vector<std::string> arguments,
               RedisCallback done) override;
  void keys(const std::string& pattern, KeysCallback done) override;
  void subscriber(SubscriberCallback done) override;
  void primaries(PrimariesCallback done) override;
  const std::string& name() const override { return name_; }

 private:
  // Looks at the greeting after one of `pending_`, which the server has answered or not.
  void look(bool answered);
  // Calls back once something was heard, with the error if it was none.
  void when_seen(std::function<void(const Error*)> then);

  Loop& loop_;
  const RedisAddress address_;
  const RedisOptions options_;
  const std::string name_;
  bool seen_ = false;        // an answer, and so a greeting
  std::size_t pending_ = 0;  // at the server
  // Last, so that they go first: their callbacks use what stands above.
  std::unique_ptr<RedisServerRoute> server_;  // none once there is a cluster and nothing is pending
  std::unique_ptr<RedisCluster> cluster_;     // none until it is known to be one
};

}  // namespace switchgear::net
