// Waits on a loop for one answer after the other, for whatever asks a few things in turn.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/result.h"
#include "net/loop.h"

namespace switchgear::net {

class Waiting {
 public:
  // `loop` outlives this. `stopped`: whether to wait for nothing any more; empty: never. Whoever
  // makes it true stops the loop as well.
  explicit Waiting(Loop& loop, std::function<bool()> stopped = {})
      : loop_(loop), stopped_(std::move(stopped)) {}

  Loop& loop() { return loop_; }
  bool stopped() const { return stopped_ && stopped_(); }

  // What `start` asks for, through the callback that it is given. Errors besides that of the
  // answer: "interrupted" once it is stopped; "timeout" if `whom` has not answered within a minute,
  // which is longer than anybody takes to give up by himself.
  template <class T>
  Result<T> wait_for(const std::string& whom,
                     const std::function<void(std::function<void(Result<T>)>)>& start) {
    if (stopped()) return interrupted();
    // Shared, as an answer may still come after an interrupt.
    const auto answer = std::make_shared<std::optional<Result<T>>>();
    start([answer](Result<T> result) { *answer = std::move(result); });
    loop_.run_until([&] { return answer->has_value() || stopped(); }, 60s);
    if (*answer) return std::move(**answer);
    if (stopped()) return interrupted();
    return Error{.code = "timeout",
                 .message = "no answer within a minute",
                 .retryable = true,
                 .source = whom};
  }

  // False if it is stopped before the end.
  bool pause(Duration duration) {
    loop_.run_until([this] { return stopped(); }, duration);
    return !stopped();
  }

 private:
  static Error interrupted() {
    return {.code = "interrupted", .message = "", .retryable = false, .source = ""};
  }

  Loop& loop_;
  std::function<bool()> stopped_;
};

}  // namespace switchgear::net
