// The meter: how fast and how large the fleet is, from a few sums per minute of store time.
// A hint, never evidence: sent once, never retried.
#pragma once

#include <cstdint>
#include <span>

#include "core/recovery_limit.h"
#include "fleet/report.h"

namespace switchgear::fleet {

// Sums of one minute of store time, over the sampled instances.
struct MeterMinute {
  std::int64_t minute = -1;  // store time / 60 s; -1: none
  double calls = 0;
  double active_ms = 0;  // time for which those instances counted their calls
  double members = 0;    // instances that made calls in this minute
  double hellos = 0;     // first contacts: their call is in no other counter yet
  friend bool operator==(const MeterMinute&, const MeterMinute&) = default;
};
struct Meter {
  MeterMinute current;
  MeterMinute previous;
  friend bool operator==(const Meter&, const Meter&) = default;
};

// What one message adds to the current minute.
struct MeterDelta {
  double calls = 0;
  double active_ms = 0;
  double members = 0;
  double hellos = 0;
  bool empty() const { return calls == 0 && active_ms == 0 && members == 0 && hellos == 0; }
  friend bool operator==(const MeterDelta&, const MeterDelta&) = default;
};

// What one instance adds to the sums of one recovery step, once per step.
struct StepDelta {
  std::uint32_t step = 0;
  core::StepSums sums;
  friend bool operator==(const StepDelta&, const StepDelta&) = default;
};

constexpr std::int64_t minute_of(StoreTime t) { return to_ms(t) / 60'000; }

// The meter as it reads at `now`: minutes that have passed move on or are dropped.
Meter at_minute(const Meter& meter, std::int64_t minute);

struct FleetEstimate {
  double calls_per_second = 0;
  double members = 1;  // instances that made calls, at least 1
};

// members = max(both minutes' members, instances in the set of reports, 1);
// calls/s = max(members * sum of calls / sum of active time,
//               (calls + hellos) / time since the start of the older minute or of the record).
FleetEstimate estimate_fleet(const Meter& meter, std::span<const Report> reports, StoreTime now,
                             StoreTime born);

}  // namespace switchgear::fleet
