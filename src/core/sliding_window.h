// The field's classic trip rule: failure rate and slow-call rate over the last calls of one
// process, as resilience4j defines it. Exact; the fleet's version works on reports (fleet/).
//
// Count-based: the last `size` calls. Time-based: the calls of this second and of the `size` - 1
// seconds before it. A rate is judged after every call, successes included, once the window holds
// the minimum number of calls; at a threshold or above it trips.
//
// Where it differs on purpose: time never goes back in it. resilience4j's time window, whose clock
// is set back by a second, is out of use for good.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/policy.h"

namespace switchgear::core {

struct WindowCounts {
  std::int64_t calls = 0;
  std::int64_t failures = 0;
  std::int64_t slow = 0;  // whatever their outcome
  friend bool operator==(const WindowCounts&, const WindowCounts&) = default;
};

// Not thread-safe. A call costs O(1), n successes at once at most O(min(n, size)), a second that
// has passed O(1); all of it is integers, so nothing drifts.
class SlidingWindow {
 public:
  explicit SlidingWindow(const WindowRule& rule);

  // One call that ended at `at`, a time that is not meant to go back: where it does, or stands
  // still, the call counts as one of the newest second. The trip, if the rates after this call are
  // one.
  std::optional<WindowTrip> add(bool failed, bool slow, Duration at);
  // `count` calls one after the other that succeeded and were not slow; the first trip on the way.
  std::optional<WindowTrip> add_successes(std::uint64_t count, Duration at);
  void reset();

  const WindowCounts& counts() const { return counts_; }
  // How near the rates are to a trip, 0 to 1; a window short of its minimum counts as if the calls
  // that are missing succeeded.
  double ratio() const;

 private:
  void move_to(Duration at);
  void put(bool failed, bool slow);
  std::optional<WindowTrip> judge() const;

  WindowRule rule_;
  WindowCounts counts_;
  std::vector<std::uint8_t> calls_;    // count-based: a ring, two bits each
  std::vector<WindowCounts> seconds_;  // time-based: a ring
  std::size_t next_ = 0;               // count-based: where the next call goes
  std::int64_t second_ = 0;            // time-based: the newest
};

}  // namespace switchgear::core
