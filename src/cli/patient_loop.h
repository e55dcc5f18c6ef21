// A loop for commands that ask a few things one after the other. Ctrl-C ends the waiting, not the
// program.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "net/loop.h"

namespace switchgear::cli {

class PatientLoop {
 public:
  PatientLoop() {
    loop_.on_stop_signal([this](int) {
      interrupted_ = true;
      loop_.stop();
    });
  }
  PatientLoop(const PatientLoop&) = delete;
  PatientLoop& operator=(const PatientLoop&) = delete;

  net::Loop& loop() { return loop_; }

  // What `start` asks for, through the callback that it is given. Errors besides that of the
  // answer: "interrupted" by Ctrl-C; "timeout" if `whom` has not answered within a minute, which is
  // longer than anybody takes to give up by himself.
  template <class T>
  Result<T> wait_for(const std::string& whom,
                     const std::function<void(std::function<void(Result<T>)>)>& start) {
    // Shared, as an answer may still come after an interrupt.
    const auto answer = std::make_shared<std::optional<Result<T>>>();
    start([answer](Result<T> result) { *answer = std::move(result); });
    loop_.run_until([&] { return answer->has_value() || interrupted_; }, 60s);
    if (*answer) return std::move(**answer);
    if (interrupted_) {
      return Error{.code = "interrupted", .message = "", .retryable = false, .source = ""};
    }
    return Error{.code = "timeout",
                 .message = "no answer within a minute",
                 .retryable = true,
                 .source = whom};
  }

  // Waits; false if Ctrl-C came before the end.
  bool pause(Duration duration) {
    loop_.run_until([this] { return interrupted_; }, duration);
    return !interrupted_;
  }

 private:
  net::Loop loop_;
  bool interrupted_ = false;
};

}  // namespace switchgear::cli
