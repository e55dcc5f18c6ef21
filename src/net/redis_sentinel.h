// The way to the primary that Sentinels name.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/redis_route.h"

namespace switchgear::net {

// Asks the Sentinels in turn which server is the primary: the ones of the address first, then those
// that they know of. A command waits for their answer, within its time-out, and goes to nobody who
// is no primary by its own word. They are asked again when the connection to the primary is lost,
// is refused or stays silent, when it turns out to be a replica, and when one of them tells of a
// failover; a command that was under way then is not sent again.
//
// Errors beside those of RedisClient:
//   sentinel  no Sentinel names a primary; the message has what each of them said
class RedisSentinelRoute final : public RedisRoute {
 public:
  // `loop` outlives it. The password source and the kind of peer are those of the primary.
  RedisSentinelRoute(Loop& loop, RedisAddress address, const RedisOptions& options);
  ~RedisSentinelRoute() override;

  void command(const std::string& key, std::vector<std::string> arguments,
               RedisCallback done) override;
  void keys(const std::string& pattern, KeysCallback done) override;
  void subscriber(SubscriberCallback done) override;
  void primaries(PrimariesCallback done) override;
  const std::string& name() const override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::net
