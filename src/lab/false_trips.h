// How often a trip rule opens a circuit over a dependency that is well: one day of calls that fail
// at the acceptable rate, at random or in bursts. Ours and two published rules, the latter written
// after their descriptions:
//   - five failures in a row within one process open the circuit for all (Powertools);
//   - half of the last 100 calls of one process failed, that process stops (resilience4j).
// The same options give the same counts.
#pragma once

#include <cstdint>
#include <string>

#include "core/policy.h"

namespace switchgear::lab {

// A two-state chain (Gilbert): calls fail at one rate, and in bursts at another.
struct CallStream {
  double failure_rate = 0.05;
  double burst_rate = 0;    // failure rate within a burst
  double burst_share = 0;   // of all calls
  double burst_length = 0;  // mean, in calls
};
// 5 % of calls fail, independently of one another.
inline constexpr CallStream kIndependent{};
// 5 % of calls fail: 2 %, but for bursts of 30 calls (30 ms) on average in which 30 % do.
inline constexpr CallStream kBursty{
    .failure_rate = 0.02, .burst_rate = 0.3, .burst_share = 0.03 / 0.28, .burst_length = 30};

struct FalseTripOptions {
  CallStream stream;
  std::uint64_t calls = 86'400'000;  // a day at 1,000 calls/s
  double calls_per_second = 1'000;
  std::uint64_t seed = 1;
};

// For a dependency like that, whose bursts the default policy takes for outages.
inline Policy policy_for_bursts() {
  return {.acceptable_failure_rate = 0.2,
          .unacceptable_failure_rate = 0.5,
          .false_trip_interval = std::chrono::hours(24 * 365 * 100)};
}

// After a trip each rule starts afresh at once.
std::uint64_t false_trips_of_cusum(core::CusumRule rule, const FalseTripOptions& options);
std::uint64_t false_trips_of_five_in_a_row(int processes, const FalseTripOptions& options);
std::uint64_t false_trips_of_half_of_100(int processes, const FalseTripOptions& options);

// The same by all that ships: so many processes with the policy, calls at random times, reports
// through a store that takes milliseconds, the fleet's own estimates, the bound on what one process
// may supply, and what a process decides alone. A trip ends after the shortest open time, without a
// recovery.
struct FleetTrips {
  std::uint64_t trips = 0;
  std::uint64_t refused = 0;  // calls, while it was open or a process had stopped itself
};
FleetTrips false_trips_of_fleet(Policy policy, int processes, const FalseTripOptions& options);

// The price: calls made before it stops.
struct TripDelay {
  double at_100_percent = 0;  // mean calls from the onset until the trip, that call included
  double at_50_percent = 0;
};
TripDelay trip_delay_of_cusum(core::CusumRule rule);
TripDelay trip_delay_of_five_in_a_row(int processes);
// Until every process has stopped itself.
TripDelay trip_delay_of_half_of_100(int processes);

}  // namespace switchgear::lab
