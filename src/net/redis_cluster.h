// A client of a Redis Cluster, or of a Valkey one: sends each command to the node that serves its
// key, and follows slots as they move.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/redis_route.h"

namespace switchgear::net {

// What a user of a cluster must be allowed beside what its commands need, as rules of ACL SETUSER.
inline constexpr std::string_view kRedisClusterAclRule = " +asking +cluster|slots";

// Learns which node serves which slot from the first seed that answers, keeps one connection to
// each node that is used, and goes on while nodes fail, are promoted, come and go.
//
// A command that a node refused was not carried out and is sent on: at once after MOVED and ASK, at
// most kRedirectsMax times; with back-off after TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN and
// READONLY, until its time is up. A command for which there was no connection goes to the slot's
// new owner once there is one. All this within the command's time-out. After "closed" and "timeout"
// a command may have been carried out and is not sent again.
//
// Errors as of RedisClient, with the node's address as source; those for which the cluster's time
// ran out carry the last refusal. "redirects": nodes that send us in circles.
class RedisCluster final : public RedisRoute {
 public:
  static constexpr int kRedirectsMax = 5;

  // `seeds` names some nodes and says who we are at all of them. `loop` outlives it.
  RedisCluster(Loop& loop, const RedisAddress& seeds, const RedisOptions& options = {});
  ~RedisCluster() override;
  RedisCluster(const RedisCluster&) = delete;
  RedisCluster& operator=(const RedisCluster&) = delete;

  void command(const std::string& key, std::vector<std::string> arguments,
               RedisCallback done) override;
  // Keys of a slot that moves meanwhile may be missing.
  void keys(const std::string& pattern, KeysCallback done) override;
  // To any node: the nodes pass on to each other what is published (PUBLISH; not SPUBLISH).
  void subscriber(SubscriberCallback done) override;
  void primaries(PrimariesCallback done) override;
  const std::string& name() const override;

  // Connections that are kept, open or not.
  std::size_t nodes() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::net
