// A handle on something that was started and answers later through a callback.
#pragma once

#include <functional>
#include <utility>

namespace switchgear::net {

// Lets a caller abandon a call. Copyable; dropping it changes nothing: the call goes on. It may
// outlive the call and the client that made it. Only on the loop's thread.
class CallHandle {
 public:
  CallHandle() = default;
  explicit CallHandle(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  // The callback gets the error "cancelled" soon after (never from inside cancel()); no effect
  // once the call has ended.
  void cancel() {
    if (cancel_) cancel_();
  }

 private:
  std::function<void()> cancel_;
};

}  // namespace switchgear::net
