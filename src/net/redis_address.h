// Where a Redis or Valkey is, who we are there, and the URLs that say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "net/tls_files.h"

namespace switchgear::net {

struct RedisHost {
  std::string host;  // a name or an address, without brackets
  std::uint16_t port = 6379;
  // "host:port", IPv6 addresses in brackets.
  std::string text() const;
  friend auto operator<=>(const RedisHost&, const RedisHost&) = default;
};

struct RedisAddress {
  // At least one. Of a cluster: nodes to begin with. Of a plain server: tried in this order, for
  // one that is no replica. With primary_name: the Sentinels.
  std::vector<RedisHost> hosts;
  std::string user;      // empty: "default"
  std::string password;  // empty: none is sent
  int database = 0;
  std::optional<TlsFiles> tls;  // also for Sentinels

  std::string primary_name;  // the primary that the Sentinels watch; empty: no Sentinel
  // Who we are at the Sentinels; empty: nobody, they ask for no password.
  std::string sentinel_user;
  std::string sentinel_password;

  // An ElastiCache that knows `user` by tokens of IAM, and its region (empty: by the environment).
  // Empty: no such thing.
  std::string iam_cache;
  std::string region;

  // "redis HOST:PORT[,HOST:PORT…]", "redis PRIMARY (Sentinels HOST:PORT,…)": the source of errors.
  // Never a password.
  std::string name() const;
  // One server with the same credentials: a node of this cluster, the primary of these Sentinels.
  RedisAddress at(RedisHost one) const;
  // One of the Sentinels, with the credentials for it.
  RedisAddress at_sentinel(RedisHost one) const;
};

// Reads
//   redis://[[user]:password@]host[:6379][,host[:port]…][/database][?option=value&…]
//   redis+sentinel://[[user]:password@]host[:26379][,host[:port]…]/PRIMARY_NAME[/database][?…]
// and the same with rediss for TLS. What stands in user, password and options may be
// percent-encoded. Options:
//   ca_file, cert_file, key_file           with rediss: see TlsFiles
//   iam_cache, region                      with rediss and a user: see RedisAddress
//   sentinel_user, sentinel_password       at the Sentinels; without them, user and password are
//                                          used there too; empty: none
// Errors: "url"; the message shows no user, password or option.
Result<RedisAddress> redis_address(std::string_view url);

// Whether a URL's scheme is one of these.
bool is_redis_url(std::string_view url);

}  // namespace switchgear::net
