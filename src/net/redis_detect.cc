#include "net/redis_detect.h"

#include <utility>

#include "net/redis_cluster.h"

namespace switchgear::net {
namespace {

// The answers of a node to a command that it has not carried out, and another may.
bool is_for_another_node(const Error& why) {
  return why.code == "MOVED" || why.code == "ASK" || why.code == "TRYAGAIN" ||
         why.code == "CLUSTERDOWN";
}

}  // namespace

RedisDetectedRoute::RedisDetectedRoute(Loop& loop, RedisAddress address,
                                       const RedisOptions& options)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      name_(address_.name()),
      server_(std::make_unique<RedisServerRoute>(loop_, address_, options_)) {}

RedisDetectedRoute::~RedisDetectedRoute() = default;

void RedisDetectedRoute::command(const std::string& key, std::vector<std::string> arguments,
                                 RedisCallback done) {
  if (cluster_) return cluster_->command(key, std::move(arguments), std::move(done));
  ++pending_;
  auto copy = arguments;
  server_->command(key, std::move(arguments),
                   [this, key, copy = std::move(copy),
                    done = std::move(done)](Result<resp::Value> value) mutable {
                     --pending_;
                     look(value.has_value());
                     if (value || !cluster_ || !is_for_another_node(value.error())) {
                       return done(std::move(value));
                     }
                     cluster_->command(key, std::move(copy), std::move(done));
                   });
}

void RedisDetectedRoute::look(bool answered) {
  seen_ |= answered;
  if (!cluster_ && server_->greeting().mode == RedisMode::cluster) {
    cluster_ = std::make_unique<RedisCluster>(loop_, address_, options_);
  }
  if (cluster_ && pending_ == 0) server_.reset();
}

void RedisDetectedRoute::when_seen(std::function<void(const Error*)> then) {
  command({}, {"PING"}, [then = std::move(then)](const Result<resp::Value>& value) {
    then(value ? nullptr : &value.error());
  });
}

void RedisDetectedRoute::keys(const std::string& pattern, KeysCallback done) {
  if (cluster_) return cluster_->keys(pattern, std::move(done));
  if (!seen_) {
    return when_seen([this, pattern, done = std::move(done)](const Error* why) mutable {
      if (why != nullptr) return done(*why);
      keys(pattern, std::move(done));
    });
  }
  ++pending_;
  server_->keys(pattern, [this, done = std::move(done)](Result<std::set<std::string>> found) {
    --pending_;
    look(found.has_value());
    done(std::move(found));
  });
}

void RedisDetectedRoute::subscriber(SubscriberCallback done) {
  if (cluster_) return cluster_->subscriber(std::move(done));
  if (!seen_) {
    return when_seen([this, done = std::move(done)](const Error* why) mutable {
      if (why != nullptr) return done(*why);
      subscriber(std::move(done));
    });
  }
  ++pending_;
  server_->subscriber([this, done = std::move(done)](Result<std::unique_ptr<RedisClient>> found) {
    --pending_;
    look(found.has_value());
    done(std::move(found));
  });
}

void RedisDetectedRoute::primaries(PrimariesCallback done) {
  if (cluster_) return cluster_->primaries(std::move(done));
  ++pending_;
  server_->primaries([this, done = std::move(done)](Result<RedisPrimaries> found) mutable {
    --pending_;
    look(found.has_value());
    if (cluster_) return cluster_->primaries(std::move(done));
    done(std::move(found));
  });
}

}  // namespace switchgear::net
