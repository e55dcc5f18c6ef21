// Where a Redis Cluster keeps what: hash slots, the map from slots to nodes, redirects. Pure.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "net/redis_address.h"
#include "net/resp.h"

namespace switchgear::net {

constexpr int kRedisSlots = 16'384;

// The slot of a key: CRC16 of its hash tag, or of the whole key if it has none. The hash tag is
// what stands between the first { and the next }, unless that is nothing.
int redis_slot(std::string_view key);

struct RedisSlotMap {
  static constexpr std::uint16_t kNobody = 0xffff;

  // Those that serve slots, each once, in no order.
  std::vector<RedisHost> primaries;
  // Their replicas: whom to ask where everything is when no primary answers.
  std::vector<RedisHost> replicas;
  // Index into `primaries` by slot, or kNobody. kRedisSlots long.
  std::vector<std::uint16_t> owners = std::vector<std::uint16_t>(kRedisSlots, kNobody);

  // Nodes that stand here by their host names, by the addresses that redirects name.
  std::map<RedisHost, RedisHost> named;

  // Empty if nobody serves the slot.
  const RedisHost* owner(int slot) const;
  // What a node said about one slot.
  void assign(int slot, const RedisHost& to);
  // How many slots are served.
  int served() const;
};

// More nodes than that are not a cluster: the documented limit is 1,000.
constexpr std::size_t kRedisClusterNodesMax = 2'000;

struct RedisMapReading {
  // The node that was asked: what it calls itself where it does not know its own address.
  RedisHost asked;
  // Take a node's announced host name instead of its address: certificates name hosts.
  bool prefer_hostnames = false;
};
// Reads the answer to CLUSTER SLOTS. Nodes of which nobody knows the address ("?") are left out.
// Error "protocol": this is no such answer.
Result<RedisSlotMap> redis_slot_map(const resp::Value& answer, const RedisMapReading& reading);

struct RedisRedirect {
  bool ask = false;  // for this one command, after ASKING; otherwise for good (MOVED)
  int slot = 0;
  RedisHost to;
};
// Reads the error replies "MOVED 3999 host:port" and "ASK 3999 host:port"; an empty host is the one
// that was asked. Empty: the reply is another error, or not well-formed.
std::optional<RedisRedirect> redis_redirect(std::string_view reply, std::string_view asked_host);

}  // namespace switchgear::net
