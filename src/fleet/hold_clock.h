// The pessimistic local clock for whatever a process holds: a lease, a view of the circuit.
#pragma once

#include <optional>

#include "core/time.h"

namespace switchgear::fleet {

// Time since the start of the process as a holder counts it.
using HoldTime = Duration;

// Counts the sum over readings of the largest advance of any local clock. While a process is
// frozen one of its clocks may stand still (a paused sandbox stops the monotonic one) and another
// may be set back; whichever moved most is believed, so a lease never seems younger than it is.
// A backward step counts as no advance. Not thread-safe.
class HoldClock {
 public:
  explicit HoldClock(const Now& start) : last_(start) {}

  // Takes a reading and returns the time held so far, never less than before.
  HoldTime advance(const Now& now);
  HoldTime elapsed() const { return elapsed_; }
  // The other bound: the sum of the smallest advances. For what must not end too early because one
  // clock ran ahead: a person's hold.
  Duration at_least() const { return at_least_; }

 private:
  Now last_;
  HoldTime elapsed_{0};
  Duration at_least_{0};
};

// How long a holder may still rely on a lease: clocks may run 1 % apart, and 100 ms are kept for
// the way to the dependency. `elapsed` counts from before the claim was sent.
constexpr Duration usable_lease(Duration lease) { return lease * 99 / 100 - 100ms; }

// The lease of a probe slot: two calls of the longest kind and a second for the store.
constexpr Duration probe_lease(Duration call_timeout) { return 2 * call_timeout + 1s; }

}  // namespace switchgear::fleet
