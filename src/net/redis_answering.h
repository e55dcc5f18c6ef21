// What a client, a cluster and a Sentinel's primary have in common: a name, errors that bear it,
// and answers that come from the loop.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/result.h"
#include "net/loop.h"
#include "net/redis_client.h"

namespace switchgear::net {

class RedisAnswering {
 public:
  const std::string& name() const { return name_; }

 protected:
  RedisAnswering(Loop& loop, std::string name) : loop_(loop), name_(std::move(name)) {}
  ~RedisAnswering() = default;
  RedisAnswering(const RedisAnswering&) = delete;
  RedisAnswering& operator=(const RedisAnswering&) = delete;

  Error error(std::string code, std::string message, bool retryable) const {
    return Error{.code = std::move(code),
                 .message = std::move(message),
                 .retryable = retryable,
                 .source = name_};
  }

  // Never from inside the call.
  void answer_later(RedisCallback done, Error why) {
    loop_.post([here = std::weak_ptr(here_), done = std::move(done), why = std::move(why)] {
      if (!here.expired()) done(why);
    });
  }

  // Nobody is called any more.
  void leave() { here_.reset(); }
  bool gone() const { return !here_; }

  Loop& loop_;
  const std::string name_;

 private:
  std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);
};

}  // namespace switchgear::net
