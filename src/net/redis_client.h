// A client of one Redis, Valkey or Sentinel: one connection, commands pipelined on it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/backoff.h"
#include "core/result.h"
#include "core/time.h"
#include "net/loop.h"
#include "net/redis_address.h"
#include "net/resp.h"

namespace switchgear::net {

// What a connection must lead to.
enum class RedisPeer : unsigned char {
  server,    // any but a Sentinel
  primary,   // the same, and no replica
  sentinel,  // a Sentinel
};

// How a password is got that changes: `done` is called with it, at any time, from inside too.
using RedisPasswordDone = std::function<void(Result<std::string>)>;
using RedisPasswordSource = std::function<void(RedisPasswordDone done)>;

struct RedisOptions {
  // A command not answered by then ends with "timeout", whether or not it was sent. 1 ms or more.
  Duration command_timeout = 1s;
  // For name resolution, TCP, TLS, the password and the greeting together, of all hosts.
  Duration connect_timeout = 1s;
  // Commands that are waiting or sent, at most; one more ends at once with "full".
  std::size_t commands_max = 4096;
  // After a failed attempt to connect, commands end at once with its error until the back-off is
  // over; the first one after that tries again.
  core::Backoff reconnect{.base = 50ms, .cap = 1s, .jitter = core::Jitter::full};
  resp::Limits limits{};
  // The server's error replies are answered as values of kind error, word for word, not as errors:
  // for whoever reads more from them.
  bool error_replies_as_values = false;
  // Seed of the back-off's jitter; should differ between processes.
  std::uint64_t seed = 0;
  RedisPeer peer = RedisPeer::server;
  // Asked for the password at every connection, instead of the address's. A password that the
  // server refuses is asked for once more.
  RedisPasswordSource password_source;
  // With a source: an open connection logs in anew after 0.9 to 1 times this. ElastiCache ends
  // connections whose token is 12 hours old.
  Duration password_renewal = 10h;
  // What a user must be allowed, as an ACL rule: shown where rights are missing.
  std::string acl_rule;
};

enum class RedisMode : unsigned char { standalone, cluster, sentinel };

// What the server said of itself.
struct RedisGreeting {
  RedisMode mode = RedisMode::standalone;
  bool replica = false;
  std::string server;   // "redis", "valkey"
  std::string version;  // "7.0.15"
};

using RedisCallback = std::function<void(Result<resp::Value>)>;

// Belongs to the thread of its loop and calls back on it, never from inside command(). Connects
// with the first command and again when one comes after the connection was lost. Speaks RESP3
// (Redis 6 or later, Valkey): HELLO 3 with user and password, then SELECT. Names are looked up for
// each connection, and all their addresses tried. Of several hosts the first that is no replica is
// taken; after a failed attempt the next one begins with the next host.
//
// Every command is answered exactly once; only destroying the client drops what is pending without
// an answer. A callback may send commands and may destroy the client. Commands are never sent
// twice. After "timeout" or "closed" a command may or may not have been carried out.
//
// Errors, with the server's address as source and never a password:
//   connect   no connection: unknown host, refused, unreachable
//   tls       no TLS, or a certificate that is not acceptable
//   timeout   no answer in time, from the network or from the server
//   closed    the connection ended while the command was under way
//   auth      wrong or missing user, password or rights
//   protocol  not RESP, or not what a Redis answers
//   full      too many commands are waiting already
//   or the first word of the server's own error reply (see redis_error.h)
class RedisClient {
 public:
  // `loop` outlives the client.
  RedisClient(Loop& loop, RedisAddress address, const RedisOptions& options = {});
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  void command(std::vector<std::string> arguments, RedisCallback done);

  // For a client that subscribes. SUBSCRIBE and UNSUBSCRIBE, with channels, are answered with the
  // server's last confirmation; each message after that comes here as a push value.
  void on_push(std::function<void(const resp::Value&)> push);
  // Called, soon, each time a connection that worked has ended: its subscriptions are gone.
  void on_disconnect(std::function<void()> disconnected);

  // Of the address: "redis HOST:PORT"
  const std::string& name() const;
  bool connected() const;
  // Of the last connection that worked.
  const RedisGreeting& greeting() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::net
