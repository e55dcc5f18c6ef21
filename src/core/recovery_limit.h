// The recovery limit: how many calls may be in flight, fleet-wide, while a dependency comes back.
//
// "Controller F" of the measurements: an in-flight limit that starts small, grows x1.5 per step
// up to the last good limit and then by max(1, 2 %), shrinks x0.7 on overload above 5 % or 1.5 x
// the acceptable failure rate (at least two) or on a mean round trip above 2 x the base, remembers
// the limit that was too much, holds one step after a cut, and grows only if at least 70 % was
// used. The base round trip is measured anew by halving the limit for two steps every 300 s, as BBR
// does, since a frozen base starves a dependency that became slower for good; the mean at the floor
// (one call in flight) is taken for the base as well. Latency is judged from five round trips on,
// and the base carries a margin of 1/sqrt(n), so that the scatter of small dependencies does not
// look like congestion. `sums` should be those of the step that ends: in simulation a drain takes
// up to 1.06 x the ideal so, up to 1.13 x with sums one step old and 1.23 x with sums three steps
// old. Pure: state and sums in, state out; sums that are negative, not finite or absurd count as 0.
#pragma once

#include "core/policy.h"
#include "core/time.h"

namespace switchgear::core {

// What the fleet saw during one step: sums over instances.
struct StepSums {
  double ok = 0;
  double overload = 0;
  double failure = 0;
  double rtt_sum_ms = 0;  // over `rtt_count` successful calls
  double rtt_count = 0;
  double busy_ms = 0;  // time that admitted calls held their place
  double refused = 0;  // times that the limit, and nothing else, said no
  double members = 0;  // active instances
  StepSums& operator+=(const StepSums&);
  friend bool operator==(const StepSums&, const StepSums&) = default;
};

enum class RecoveryPhase : unsigned char { grow, measure_base };

// Everything the controller remembers from step to step; lives in the record.
struct RecoveryState {
  double limit = 0;                 // calls in flight, fleet-wide
  double slow_start_threshold = 0;  // grow x1.5 below it, slowly above; 0: not known yet
  double base_rtt_ms = 0;           // 0: not known yet
  RecoveryPhase phase = RecoveryPhase::grow;
  int phase_steps = 0;    // steps left in measure_base, else steps since the base was measured
  int hold_steps = 0;     // steps without growth still to go
  int unbound_steps = 0;  // steps in a row in which the limit did not bind
  double calls_per_second = 0;  // of the last step: the rate that trip rules use while RECOVERING
  double resume_limit = 0;      // limit to return to after measure_base
  // Calls that would be in flight if none were refused, by the last step; 0: not known yet.
  double offered_in_flight = 0;
  friend bool operator==(const RecoveryState&, const RecoveryState&) = default;
};

// The state at the start of a recovery. `last_good_limit` is the slow-start threshold learnt by
// an earlier recovery, 0 if none.
RecoveryState begin_recovery(const Policy& policy, double last_good_limit);

// One step of `elapsed` (normally policy.recovery_step). `effective_limit` is the limit that the
// fleet could really use (at most `limit`; smaller when fewer slots were held).
RecoveryState recovery_step(const Policy& policy, const RecoveryState& state, const StepSums& sums,
                            double effective_limit, Duration elapsed);

// The limit in force when the evidence of the last steps came about: right after a cut that was the
// one before it.
double limit_of_evidence(const RecoveryState& state);

// True when the limit has not bound for policy.recovery_quiet_duration.
bool recovery_done(const Policy& policy, const RecoveryState& state);

}  // namespace switchgear::core
