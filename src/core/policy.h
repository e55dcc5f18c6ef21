// What a user wants of a circuit, in the user's words, and what the rules make of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/problem.h"
#include "core/time.h"

namespace switchgear {

enum class Mode : unsigned char {
  enforce,  // refuse when the circuit says so
  observe,  // feed the evidence and report, never refuse
  off,      // do nothing at all
};
enum class OnStoreFailure : unsigned char {
  allow,       // admit, under the local guard (default: the breaker is never the outage)
  refuse,      // admit nothing while the fleet's state is unknown
  last_known,  // go on with the last state seen, whatever its age
};
enum class Rule : unsigned char {
  cusum,    // the optimum for a raised failure rate (default)
  classic,  // a sliding window with thresholds, as resilience4j has it
};
enum class SlidingWindowType : unsigned char {
  count,  // the last calls
  time,   // the calls of the last seconds
};

// One circuit's settings. Every default is meant for production. Immutable once validated.
// Rates are fractions: 0.05 is 5 %.
struct Policy {
  // ---- When to open -----------------------------------------------------------------------
  // Failure rate that is part of normal life; the circuit stays closed at it. (0, 1).
  double acceptable_failure_rate = 0.05;
  // Failure rate at which the dependency is better left alone. (acceptable, 1]. Mild on purpose:
  // opening at 20 % failures turns a partial outage into a total one.
  double unacceptable_failure_rate = 0.5;
  // Mean time between false trips at the acceptable rate. 1 hour to 100 years.
  Duration false_trip_interval = std::chrono::hours(24 * 365);
  // For experts: the rule itself instead of the three above. A failure adds `failure_weight`, a
  // success subtracts 1, floor 0, trip at `trip_level`. Both 0 (compile from the rates) or both
  // positive.
  int failure_weight = 0;
  int trip_level = 0;
  // A call at least this slow is a slow call, judged by a rule of its own. 0: no such rule; else at
  // least 1 ms and shorter than call_timeout.
  Duration slow_call_duration{0};
  double acceptable_slow_call_rate = 0.05;
  double unacceptable_slow_call_rate = 0.5;
  // Which rule opens the circuit: the one of the rates above, or the classic one of the fields
  // below. Fields of the other rule must be left at their defaults.
  Rule rule = Rule::cusum;
  SlidingWindowType sliding_window_type = SlidingWindowType::count;
  // Calls or seconds that the window holds. 1 to 10,000.
  int sliding_window_size = 100;
  // It opens at this rate of failures, or of slow calls, or above. (0, 1].
  double failure_rate_threshold = 0.5;
  double slow_call_rate_threshold = 1;
  // But not before the window holds so many calls; a window of fewer calls than that must be full.
  // 1 to 1,000,000.
  int minimum_number_of_calls = 100;

  // Failures must go on for at least this long before the circuit opens, for dependencies that
  // have bursts shorter than that. 0 to 10 min.
  Duration minimum_outage{0};

  // ---- How long to stay open --------------------------------------------------------------
  // First open time; doubles with each reopening up to the cap; each with ± `open_jitter`.
  // Both 1 ms to 24 hours.
  Duration open_duration = 5s;
  Duration max_open_duration = 30s;
  double open_jitter = 0.1;  // [0, 0.5]
  // A dependency that says when to come back (Retry-After) is not called before, but waits of more
  // than this count as this. 0: what it says is not heeded; else at most 24 hours.
  Duration retry_after_max = 15min;

  // ---- How to probe -----------------------------------------------------------------------
  // Probe calls in flight at a time, in the whole fleet. 1 to 32.
  int probes = 1;
  // Probes that must succeed before recovery begins. 1 to 1,000.
  int probe_successes = 3;
  // No call takes longer than this; leases are made from it. 1 ms to 15 min.
  Duration call_timeout = 10s;

  // ---- How to recover ---------------------------------------------------------------------
  // Whether a limit on calls in flight guards the recovery. Without it the circuit closes at
  // once after the probes; for experiments only.
  bool recovery_limit = true;
  // Time between two steps of the limit. 1 s to 10 min.
  Duration recovery_step = 3s;
  // Calls in flight that the first step allows, in the whole fleet. 1 to 1,000,000.
  double recovery_initial_limit = 2;
  // The circuit closes once the limit has not bound for this long. 1 s to 24 hours.
  Duration recovery_quiet_duration = 60s;

  // ---- How to live with the store ---------------------------------------------------------
  // A view older than this is refreshed when calls use it: in CLOSED, and otherwise. 1 ms to 1
  // hour.
  Duration view_refresh = 5s;
  Duration view_refresh_in_trouble = 1s;
  // A view older than this is no basis for a decision any more: the process is blind.
  // At most 24 hours, and no shorter than the two above.
  Duration view_max_age = 15s;
  // Whether a call waits, for the store budget at most, while a view older than `view_refresh` is
  // refreshed. Otherwise it goes by the old view, and the refresh runs beside it.
  bool strict = false;
  OnStoreFailure on_store_failure = OnStoreFailure::allow;

  Mode mode = Mode::enforce;

  // Every problem, each with the field's name as place. Empty: valid.
  Problems validate() const;
  // The fields that belong to the rule that is not in use and either differ from their defaults, as
  // validate() reports too, or are `given`: a reader knows what a person wrote, defaults included.
  Problems rule_contradictions(const std::function<bool(std::string_view)>& given) const;
  // 16 hexadecimal digits, the same on every machine and version, of everything that must agree
  // across a fleet (all but `mode`, `on_store_failure` and the ages of views), so that differing
  // settings can be told.
  std::string fingerprint() const;

  friend bool operator==(const Policy&, const Policy&) = default;
};

namespace core {

// A CUSUM lattice: a failure adds `weight`, a success subtracts 1, floor 0, trip at `level`.
struct CusumRule {
  int weight = 0;
  int level = 0;
  // The failure rate at which the sum neither grows nor falls.
  double neutral_rate() const { return 1.0 / (1.0 + weight); }
  friend bool operator==(const CusumRule&, const CusumRule&) = default;
};

// No rule has a weight or level above this. Rates so close to one another that telling them apart
// would take a higher level are refused by Policy::validate().
inline constexpr int kMaxTripLevel = 1'000'000;

// The rule for the given rates whose mean number of calls between false trips is at least
// `calls_between_false_trips`:
//   w = round(ln(p1/p0) / ln((1-p0)/(1-p1))), at least 1;
//   H = the smallest level with mean_calls_until_trip(w, H, p0) >= calls_between_false_trips,
//       kMaxTripLevel if there is none below it.
// Requires 0 < p0 < p1 <= 1. p1 above 0.999 is treated as 0.999. Costs microseconds; milliseconds
// for rates that are close together.
CusumRule compile_cusum(double p0, double p1, double calls_between_false_trips);

// Exact mean number of calls from S = 0 until the rule trips when calls fail independently with
// probability p, the tripping call included (banded linear system on the lattice, Brook and
// Evans 1972). Infinity for p = 0; exact to about 1e-9 relative, saturates at 1e300.
double mean_calls_until_trip(CusumRule rule, double p);

// The classic rule. Rates are fractions; a slow-call rate of 0 judges no slow calls.
struct WindowRule {
  SlidingWindowType type = SlidingWindowType::count;
  int size = 100;  // calls or seconds
  int minimum_calls = 100;
  double failure_rate = 0.5;
  double slow_call_rate = 0;
  friend bool operator==(const WindowRule&, const WindowRule&) = default;
};
// The window that tripped it: so many of its calls failed, or were slow.
struct WindowTrip {
  bool slow = false;
  std::int64_t calls = 0;
  std::int64_t events = 0;
  friend bool operator==(const WindowTrip&, const WindowTrip&) = default;
};
// The policy's own; meaningful where its rule is the classic one.
WindowRule window_rule(const Policy& policy);

// What the rules work with. Compiled once per decade of the fleet's rate.
struct CompiledPolicy {
  CusumRule failure_rule;  // weight 0: the classic rule instead
  CusumRule slow_rule;     // weight 0: no slow-call rule
  // While RECOVERING, overload has a rule of its own: the limit's own probing must not reopen,
  // a black hole must (reference: +1/-1, H = 10 trips above 50 %).
  CusumRule recovery_overload_rule{1, 10};
};

// Turns `false_trip_interval` into calls by the fleet's rate. The rate is rounded up to the next
// power of ten between 10 and 1e6 calls/s, so that instances with slightly different estimates
// agree on the level.
CompiledPolicy compile(const Policy& policy, double calls_per_second);

// Mean false trips per day when calls fail independently at `failure_rate`.
double expected_false_trips_per_day(CusumRule rule, double failure_rate, double calls_per_second);

}  // namespace core
}  // namespace switchgear
