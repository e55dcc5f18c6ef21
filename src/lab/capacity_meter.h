// Counts the units that a fleet uses, second by second and phase by phase.
#pragma once

#include <algorithm>
#include <utility>

#include "lab/capacity.h"

namespace switchgear::lab {

inline constexpr Duration kStart = 65s;
inline constexpr Duration kMinute = 60s;
inline constexpr Duration kAfter = 2min;

// Counts what is used second by second.
class CapacityMeter {
 public:
  void use(TrueTime now, CapacityUnits units, std::size_t bytes) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now).count();
    if (second != second_) in_second_ = {};
    second_ = second;
    in_second_.writes += units.writes;
    in_second_.reads += units.reads;
    phase_.units.writes += units.writes;
    phase_.units.reads += units.reads;
    phase_.writes_max = std::max(phase_.writes_max, in_second_.writes);
    phase_.reads_max = std::max(phase_.reads_max, in_second_.reads);
    phase_.item_bytes_max = std::max(phase_.item_bytes_max, bytes);
  }
  // What was used since the last one ended.
  CapacityPhase end(Duration length, std::uint64_t calls, std::uint64_t refused) {
    CapacityPhase phase = std::exchange(phase_, {});
    in_second_ = {};
    phase.seconds = to_seconds(length);
    phase.calls = calls - std::exchange(calls_, calls);
    phase.refused = refused - std::exchange(refused_, refused);
    return phase;
  }
  // Calls are counted anew by the fleet.
  void calls_from_zero() { calls_ = 0; }

 private:
  CapacityPhase phase_;
  CapacityUnits in_second_;
  std::int64_t second_ = -1;
  std::uint64_t calls_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace switchgear::lab
