// Subscriptions on a connection of their own, kept up for as long as the server lets us.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/redis_route.h"

namespace switchgear::stores {

// Belongs to the thread of its loop. Opens its connection with the first subscription. When the
// connection is lost, or the server refuses, it tries again after 1 to 15 s; what was published
// meanwhile is lost. A connection on which nothing is heard is asked for a sign of life
// every 15 s.
class RedisWatch {
 public:
  using Message = std::function<void(const std::string& channel, const std::string& text)>;

  // `loop` and `route` outlive it. `seed` is of the jitter between attempts.
  RedisWatch(net::Loop& loop, net::RedisRoute& route, std::uint64_t seed);

  void on_message(Message message) { message_ = std::move(message); }
  void subscribe(const std::string& channel);
  void unsubscribe(const std::string& channel);

 private:
  void open();
  void opened(Result<std::unique_ptr<net::RedisClient>> client);
  void flush_soon();
  void flush();
  void start_over();
  void keep_alive();
  void pushed(const net::resp::Value& value);

  net::Loop& loop_;
  net::RedisRoute& route_;
  core::Random random_;
  std::uint64_t failures_ = 0;  // in a row
  Message message_;
  std::set<std::string> channels_;
  // Not yet sent. Both are empty while waiting to start over.
  std::set<std::string> joining_;
  std::set<std::string> leaving_;
  bool opening_ = false;  // the route has been asked for a connection
  bool waiting_ = false;  // to start over
  net::Timer flush_timer_;
  net::Timer retry_timer_;
  net::Timer ping_timer_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  // Last, so that it goes first.
  std::unique_ptr<net::RedisClient> client_;
};

}  // namespace switchgear::stores
