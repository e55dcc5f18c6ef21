// The transitions of a process's circuits, handed to any number of listeners.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fleet/member.h"

namespace switchgear::guard {

// `first_sight`: no change, but how the circuit was found; `from` and `to` are the same.
using TransitionCallback =
    std::function<void(const std::string& circuit, const fleet::Transition&, bool first_sight)>;

// Thread-safe. What a callback throws is swallowed.
class Listener {
 public:
  explicit Listener(TransitionCallback callback) : callback_(std::move(callback)) {}
  // Once it returns the callback is not running and will not be called, except for the call that
  // end() was made from.
  void end();
  bool ended() const;
  void tell(const std::string& circuit, const fleet::Transition& transition, bool first_sight);

 private:
  // Recursive, so that a callback may end its own listener.
  mutable std::recursive_mutex mutex_;
  bool ended_ = false;
  const TransitionCallback callback_;
};

// Thread-safe.
class TransitionFeed {
 public:
  void add(std::shared_ptr<Listener> listener);
  void tell(const std::string& circuit, const fleet::Transition& transition, bool first_sight);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_;
};

// How a circuit is found at first sight.
inline fleet::Transition first_sight_of(const fleet::Record& record, StoreTime now) {
  return {.epoch = record.epoch,
          .from = record.state,
          .to = record.state,
          .hold = record.hold.kind,
          .reason = record.reason,
          .why = record.why,
          .at = record.changed(now)};
}

}  // namespace switchgear::guard
