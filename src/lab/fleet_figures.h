// What a fleet costs and how fast it stops, measured on the shipped fleet::Member and the shipped
// store in memory, in virtual time: store writes while all is well, seconds until the store is
// OPEN after a dependency begins to fail, calls wasted until every process has stopped, and whether
// one sick process opens the circuit for all.
//
// The same options give the same figures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/policy.h"
#include "lab/lean_fleet.h"

namespace switchgear::lab {

// The policy of the published figures: w = 10, H = 100. Both are open long enough not to probe
// while it is counted who still calls.
Policy measured_policy(Duration view_refresh);
Policy measured_default_policy(Duration view_refresh);

// After the dependency began to fail.
struct OnsetFigures {
  double failure_rate = 1;
  bool opened = false;      // within 300 s
  double seconds = 0;       // until the store was OPEN
  std::uint64_t calls = 0;  // that started after the onset, until all had stopped
};

struct FleetFigures {
  double calls_per_second = 0;  // in the minute after the first 65 s, like the next four
  double writes_per_second = 0;
  double reads_per_second = 0;
  double estimated_rate = 0;  // of the fleet's own estimate, over the true rate
  double estimated_members = 0;
  bool false_trip = false;            // in those 125 s
  std::uint64_t writes_at_start = 0;  // in the first second
  // Calls after the onset get their rate from 65 s on; one each.
  std::vector<OnsetFigures> onsets;
};

// 65 s of calm from the start, then, each from that same moment on: another minute of calm, and an
// onset for each rate.
FleetFigures measure_fleet(const FleetOptions& options, std::span<const double> failure_rates);

// 65 s of calm, then 180 s in which every call of one process fails, the busiest or the idlest of
// all. Whether the circuit opened. `only_observes`: that process does not stop itself, so that
// nothing but the share that one process may supply keeps the fleet closed.
bool sick_process_opens(const FleetOptions& options, bool busiest, bool only_observes = false);

}  // namespace switchgear::lab
