#include "core/recovery_limit.h"

#include <algorithm>
#include <cmath>

#include "core/mutant.h"

namespace switchgear::core {
namespace {

constexpr double kFloor = 1;
constexpr double kCeiling = 1e6;
constexpr double kUsedShare = 0.7;
constexpr double kCrowdedShare = 0.5;
constexpr double kFastGrowth = 1.5;
constexpr double kSlowGrowth = 0.02;
constexpr double kCut = 0.7;
constexpr double kOverloadShare = 0.05;
// But not what the user calls normal, with room for chance.
constexpr double kOverloadOverAcceptable = 1.5;
constexpr double kOverloadShareMax = 0.5;
constexpr double kOverloadCalls = 2;
constexpr double kSlowRtt = 2;
// Fewer round trips than this say nothing about latency: the mean of three is off by half.
constexpr double kRttSamples = 5;
// A mean round trip above this share of a step is one of long calls.
constexpr double kLongCall = 0.2;
constexpr int kHoldSteps = 1;
constexpr Duration kMeasureInterval = 300s;
// The first step lets the queue drain, the last one is the measurement. Long calls get more steps
// to drain in, up to this many.
constexpr int kMeasureSteps = 2;
constexpr int kMeasureStepsMax = 10;

double bounded(double limit) {
  // Also maps NaN to the floor.
  return limit > kFloor ? std::min(limit, kCeiling) : kFloor;
}

// Sums come out of a store. One that no fleet could have produced counts as nothing, so that a
// damaged number cannot stay in the state for good.
double plausible(double sum) { return sum > 0 && sum < 1e15 ? sum : 0; }
StepSums plausible(const StepSums& s) {
  return {.ok = plausible(s.ok),
          .overload = plausible(s.overload),
          .failure = plausible(s.failure),
          .rtt_sum_ms = plausible(s.rtt_sum_ms),
          .rtt_count = plausible(s.rtt_count),
          .busy_ms = plausible(s.busy_ms),
          .refused = plausible(s.refused),
          .members = plausible(s.members)};
}

double calls_of(const StepSums& sums) { return sums.ok + sums.overload + sums.failure; }

bool used(const StepSums& sums, double effective_limit, Duration elapsed) {
  const double enough_ms =
      kUsedShare * std::min(effective_limit, kCeiling) * to_seconds(elapsed) * 1e3;
  if (sums.busy_ms > 0 && sums.busy_ms >= enough_ms) return true;
  if (sums.refused <= 0) return false;
  // A refusal counts for what it would have used: a caller that now and then asks once too often
  // must not keep a limit alive that nobody needs.
  const double calls = calls_of(sums);
  return calls <= 0 || (calls + sums.refused) * sums.busy_ms / calls >= enough_ms;
}

double offered_in_flight(const Policy& policy, const RecoveryState& state, const StepSums& sums,
                         Duration elapsed) {
  // Before any round trip is known, a tenth of the longest is a fair guess.
  double rtt_ms = to_seconds(policy.call_timeout) * 1e3 / 10;
  if (sums.rtt_count > 0) {
    rtt_ms = sums.rtt_sum_ms / sums.rtt_count;
  } else if (state.base_rtt_ms > 0) {
    rtt_ms = state.base_rtt_ms;
  }
  return (calls_of(sums) + sums.refused) / to_seconds(elapsed) * rtt_ms / 1e3;
}

// The mean round trip as a bound that the true mean is hardly below: service times scatter about
// as much as they last, so a mean over n of them scatters by 1/sqrt(n). Without this, the minimum
// over many steps of few calls sinks to half of the truth and every step looks slow.
//
// Calls about as long as a step need a second correction: while the limit grows, the short ones
// among them finish first and the mean sees too few of the others. Places held per call finished
// (Little's law) errs to the other side, and the minimum over later steps corrects it.
double base_from(const StepSums& sums, Duration elapsed) {
  double mean = sums.rtt_sum_ms / sums.rtt_count;
  if (mean > kLongCall * to_seconds(elapsed) * 1e3) {
    mean = std::max(mean, sums.busy_ms / calls_of(sums));
  }
  return mean * (1 + 1 / std::sqrt(sums.rtt_count));
}

bool judges_latency(const StepSums& sums) {
  return sums.rtt_count >= kRttSamples && sums.rtt_sum_ms > 0 && sums.ok > 0;
}

bool overloaded(const Policy& policy, const StepSums& sums) {
  const double share = std::clamp(kOverloadOverAcceptable * policy.acceptable_failure_rate,
                                  kOverloadShare, kOverloadShareMax);
  return sums.overload >= kOverloadCalls && sums.overload > share * calls_of(sums);
}

void cut(RecoveryState& state) {
  state.limit = bounded(state.limit * kCut);
  state.slow_start_threshold = state.limit;
  state.hold_steps = kHoldSteps;
}

double grown(double limit, double threshold) {
  if (threshold <= 0) return bounded(limit * kFastGrowth);
  if (limit < threshold) return bounded(std::min(limit * kFastGrowth, threshold));
  return bounded(limit + std::max(1.0, kSlowGrowth * limit));
}

void grow_step(const Policy& policy, RecoveryState& state, const StepSums& sums, bool was_used,
               bool crowded, Duration elapsed) {
  const bool judge = judges_latency(sums);
  if (judge && (state.base_rtt_ms <= 0 || state.limit <= kFloor)) {
    // At the floor nothing of the latency is our own doing: the dependency is like that now.
    state.base_rtt_ms = base_from(sums, elapsed);
  } else if (judge) {
    state.base_rtt_ms = std::min(state.base_rtt_ms, base_from(sums, elapsed));
  }
  if (state.hold_steps > 0) {
    // Calls admitted before the cut still end in this step; they judge the old limit, not this one.
    --state.hold_steps;
    return;
  }
  const bool slow =
      judge && crowded && sums.rtt_sum_ms > kSlowRtt * state.base_rtt_ms * sums.rtt_count;
  if ((slow || overloaded(policy, sums)) && !mutant(Mutant::limit_never_cut)) {
    cut(state);
  } else if (was_used && sums.ok > 0) {
    state.limit = grown(state.limit, state.slow_start_threshold);
  }
}

void begin_measuring(RecoveryState& state, Duration elapsed) {
  const double steps_per_call = state.base_rtt_ms / (to_seconds(elapsed) * 1e3);
  state.phase = RecoveryPhase::measure_base;
  state.phase_steps = static_cast<int>(
      std::min<double>(kMeasureSteps + std::floor(steps_per_call), kMeasureStepsMax));
  state.resume_limit = state.limit;
  state.limit = bounded(state.limit / 2);
}

void measure_step(const Policy& policy, RecoveryState& state, const StepSums& sums,
                  Duration elapsed) {
  if (overloaded(policy, sums)) {
    // Too much even at half: go back to less than before.
    state.resume_limit = bounded(state.resume_limit * kCut);
    state.slow_start_threshold = state.resume_limit;
    state.limit = bounded(state.resume_limit / 2);
  }
  if (--state.phase_steps > 0) return;
  if (judges_latency(sums)) state.base_rtt_ms = base_from(sums, elapsed);
  state.limit = bounded(state.resume_limit);
  state.resume_limit = 0;
  state.phase = RecoveryPhase::grow;
  state.phase_steps = 0;
  // The next step still begins with the emptier dependency of this one.
  state.hold_steps = kHoldSteps;
}

}  // namespace

StepSums& StepSums::operator+=(const StepSums& other) {
  ok += other.ok;
  overload += other.overload;
  failure += other.failure;
  rtt_sum_ms += other.rtt_sum_ms;
  rtt_count += other.rtt_count;
  busy_ms += other.busy_ms;
  refused += other.refused;
  members += other.members;
  return *this;
}

RecoveryState begin_recovery(const Policy& policy, double last_good_limit) {
  RecoveryState state;
  state.limit = policy.recovery_limit ? bounded(policy.recovery_initial_limit) : kCeiling;
  state.slow_start_threshold = last_good_limit > 0 ? bounded(last_good_limit) : 0;
  return state;
}

RecoveryState recovery_step(const Policy& policy, const RecoveryState& before,
                            const StepSums& raw_sums, double effective_limit, Duration elapsed) {
  RecoveryState state = before;
  if (!policy.recovery_limit || elapsed <= Duration::zero()) return state;

  const StepSums sums = plausible(raw_sums);
  const double calls = calls_of(sums);
  state.offered_in_flight = offered_in_flight(policy, state, sums, elapsed);
  state.calls_per_second = calls / to_seconds(elapsed);
  const bool was_used = used(sums, effective_limit, elapsed);
  // A step in which nothing was let through says nothing of what was offered.
  if (calls > 0 || sums.refused <= 0)
    state.unbound_steps = was_used ? 0 : std::min(state.unbound_steps + 1, 1'000'000);

  if (state.phase == RecoveryPhase::measure_base) {
    measure_step(policy, state, sums, elapsed);
    return state;
  }
  state.phase_steps = std::min(state.phase_steps + 1, 1'000'000);
  // A dependency in which less than half of the limit is under way is not slow by our doing.
  const bool crowded = sums.busy_ms >= kCrowdedShare * std::min(effective_limit, kCeiling) *
                                           to_seconds(elapsed) * 1e3;
  grow_step(policy, state, sums, was_used, crowded, elapsed);
  // A limit that does not bind does not crowd the dependency: its step means are the base.
  if (was_used && calls > 0 && state.phase_steps * policy.recovery_step >= kMeasureInterval) {
    begin_measuring(state, elapsed);
  }
  return state;
}

double limit_of_evidence(const RecoveryState& state) {
  const bool just_cut = state.phase == RecoveryPhase::grow && state.hold_steps == kHoldSteps &&
                        state.limit == state.slow_start_threshold;
  return just_cut ? state.limit / kCut : state.limit;
}

bool recovery_done(const Policy& policy, const RecoveryState& state) {
  if (!policy.recovery_limit) return true;
  return state.unbound_steps * policy.recovery_step >= policy.recovery_quiet_duration;
}

}  // namespace switchgear::core
