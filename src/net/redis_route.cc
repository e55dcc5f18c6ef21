#include "net/redis_route.h"

#include <utility>

#include "net/redis_detect.h"
#include "net/redis_sentinel.h"

namespace switchgear::net {
namespace {

// One walk through the keys of a server. Held by the callback that it waits for.
struct Scan : std::enable_shared_from_this<Scan> {
  std::function<void(std::vector<std::string>, RedisCallback)> send;
  std::string pattern;
  std::string source;
  RedisRoute::KeysCallback done;
  std::set<std::string> found;  // SCAN may name a key twice

  void page(const std::string& cursor) {
    send({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"},
         [self = shared_from_this()](const Result<resp::Value>& value) { self->answered(value); });
  }
  void answered(const Result<resp::Value>& value) {
    if (!value) return done(value.error());
    if (!value->is_list() || value->items.size() != 2 || !value->items[0].is_text()) {
      return done(Error{.code = "protocol",
                        .message = "SCAN was answered unlike by a Redis server",
                        .retryable = false,
                        .source = source});
    }
    for (const resp::Value& item : value->items[1].items) found.insert(item.text);
    if (value->items[0].text != "0") return page(value->items[0].text);
    done(std::move(found));
  }
};

}  // namespace

void scan_keys(std::function<void(std::vector<std::string>, RedisCallback)> send,
               const std::string& pattern, const std::string& source,
               RedisRoute::KeysCallback done) {
  auto scan = std::make_shared<Scan>();
  scan->send = std::move(send);
  scan->pattern = pattern;
  scan->source = source;
  scan->done = std::move(done);
  scan->page("0");
}

RedisServerRoute::RedisServerRoute(Loop& loop, RedisAddress address, const RedisOptions& options)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      client_(loop, address_, options_) {}

void RedisServerRoute::command(const std::string& /*key*/, std::vector<std::string> arguments,
                               RedisCallback done) {
  client_.command(std::move(arguments), std::move(done));
}

void RedisServerRoute::keys(const std::string& pattern, KeysCallback done) {
  scan_keys(
      [this](std::vector<std::string> words, RedisCallback answered) {
        client_.command(std::move(words), std::move(answered));
      },
      pattern, name(), std::move(done));
}

void RedisServerRoute::subscriber(SubscriberCallback done) {
  loop_.post([this, alive = std::weak_ptr(alive_), done = std::move(done)] {
    if (alive.expired()) return;
    done(std::make_unique<RedisClient>(loop_, address_, options_));
  });
}

// Who may not even PING has been greeted nevertheless.
void RedisServerRoute::primaries(PrimariesCallback done) {
  client_.command({"PING"}, [this, done = std::move(done)](const Result<resp::Value>& value) {
    if (!value && greeting().server.empty()) return done(value.error());
    const std::string name = client_.name().substr(client_.name().find(' ') + 1);
    auto client = std::make_shared<RedisClient>(loop_, address_, options_);
    done(RedisPrimaries{.each = {{.name = name, .client = std::move(client), .slot = {}}}});
  });
}

std::unique_ptr<RedisRoute> open_redis(Loop& loop, const RedisAddress& address,
                                       const RedisOptions& options) {
  if (!address.primary_name.empty()) {
    return std::make_unique<RedisSentinelRoute>(loop, address, options);
  }
  return std::make_unique<RedisDetectedRoute>(loop, address, options);
}

}  // namespace switchgear::net
