// What a fleet costs and how fast it stops, measured on the shipped fleet::Member and the shipped
// store in memory, in virtual time: store writes while all is well, seconds until the store is
// OPEN after a dependency begins to fail, calls wasted until every process has stopped, and whether
// one sick process opens the circuit for all.
//
// The driver is leaner than World, since ten thousand processes make fourteen thousand calls a
// second: clocks are right, nothing is lost, the way to the store takes 5 ms and a call 100 ms.
// The fleet starts at once, at a random moment of the store's minute, and all it knows of its size
// and rate it has estimated. The same options give the same figures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/policy.h"

namespace switchgear::lab {

// Processes whose mean call rates are spread evenly over a logarithmic range.
struct FleetShape {
  int members = 4;
  double rate_low = 0.2;  // calls/s
  double rate_high = 5;
  // A call waits until the one before has ended, as events do in a Lambda environment; else calls
  // come at random, whatever is in flight.
  bool one_call_at_a_time = true;
};
inline FleetShape fast_workers(int members) { return {members, 100, 500, false}; }
inline FleetShape lambda_like(int members) { return {members, 0.2, 5, true}; }

// How a process learns what others have decided.
enum class Reading : unsigned char {
  beside,  // the old view serves while it is refreshed: what ships
  before,  // strict: a call that finds its view older than `view_refresh` waits for a new one
  // Every change reaches every process one way after it. Carried out from outside: a process that
  // was told of an open circuit makes no calls.
  pushed,
};

struct FleetOptions {
  FleetShape shape;
  double background = 0.005;  // failure rate while all is well
  Policy policy;
  Reading reading = Reading::beside;
  double thinning_rate = 5'000;
  std::uint64_t seed = 1;
  // Whether the minute of calm after the first 65 s is run, whose figures are 0 otherwise.
  bool calm_minute = true;
};

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
