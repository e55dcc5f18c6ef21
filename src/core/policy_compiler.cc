#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/assert.h"
#include "core/policy.h"

// The sum of the rule is a Markov chain on the levels 0 .. H-1: up by w with probability p, down by
// 1 otherwise (0 stays 0), absorbed at H or above. It comes down one level at a time, so the run
// length follows from first passages "one level down", taken from the top level downwards. That is
// the elimination of the banded system in an order in which only positive numbers are added,
// multiplied and divided (as in Grassmann, Taksar and Heyman 1985): nothing cancels, and run
// lengths of 1e15 and more are as exact as short ones.

namespace switchgear::core {
namespace {

constexpr double kLongestRun = 1e300;

// What happens on the way from a level down to a lower one.
struct Passage {
  double down = 1;   // probability of arriving without a trip
  double trip = 0;   // 1 - down, never computed as that
  double calls = 0;  // mean calls until it arrives or trips
};

Passage then(const Passage& first, const Passage& second) {
  return {first.down * second.down, first.trip + first.down * second.trip,
          first.calls + first.down * second.calls};
}

// The product of the last w passages, oldest first. Two stacks with running products make a step
// cost O(1) amortised without ever dividing one out again.
class Window {
 public:
  Window(int size, const Passage& fill) {
    for (int i = 0; i < size; ++i) push(fill);
  }
  Passage product() const {
    return old_.empty() ? young_product_ : then(old_.back(), young_product_);
  }
  void slide(const Passage& next) {
    push(next);
    if (old_.empty()) turn_over();
    old_.pop_back();
  }

 private:
  void push(const Passage& p) {
    young_.push_back(p);
    young_product_ = then(young_product_, p);
  }
  void turn_over() {
    Passage product;
    for (; !young_.empty(); young_.pop_back()) {
      product = then(young_.back(), product);
      old_.push_back(product);
    }
    young_product_ = {};
  }

  std::vector<Passage> old_;  // products from this element to the youngest of the old, oldest last
  std::vector<Passage> young_;
  Passage young_product_;
};

// Mean calls until the trip for level 1, 2, 3, … one after the other: passages depend only on the
// distance to the level, so each level costs one more of them.
class RunLengths {
 public:
  RunLengths(int weight, double p) : p_(p), window_(weight, {.down = 0, .trip = 1, .calls = 0}) {}

  double next() {
    const Passage back = window_.product();  // from w levels higher, back to this level
    const double calls = 1 + p_ * back.calls;
    const double trips = p_ * back.trip;
    const double leaves = (1 - p_) + trips;
    window_.slide({(1 - p_) / leaves, trips / leaves, calls / leaves});
    const double run = calls / trips;  // the same for level 0, where a success leads nowhere
    return run < kLongestRun ? run : kLongestRun;
  }

 private:
  double p_;
  Window window_;
};

}  // namespace

double mean_calls_until_trip(CusumRule rule, double p) {
  if (rule.weight <= 0 || !(p > 0)) return std::numeric_limits<double>::infinity();
  SG_ASSERT(rule.level > 0);
  RunLengths runs(rule.weight, std::min(p, 1.0));
  double run = 0;
  for (int level = 1; level <= rule.level; ++level) run = runs.next();
  return run;
}

CusumRule compile_cusum(double p0, double p1, double calls_between_false_trips) {
  SG_ASSERT(p0 > 0 && p0 < p1 && p1 <= 1);
  // At 1 the second logarithm is infinite and every success would clear the sum.
  p1 = std::min(p1, 0.999);
  const double ideal = p0 < p1 ? std::log(p1 / p0) / (std::log1p(-p0) - std::log1p(-p1)) : 1.0;
  const double weight = std::clamp(std::round(ideal), 1.0, static_cast<double>(kMaxTripLevel));
  CusumRule rule{.weight = static_cast<int>(weight), .level = 1};
  RunLengths runs(rule.weight, p0);
  while (runs.next() < calls_between_false_trips && rule.level < kMaxTripLevel) ++rule.level;
  return rule;
}

WindowRule window_rule(const Policy& policy) {
  const bool by_count = policy.sliding_window_type == SlidingWindowType::count;
  return {.type = policy.sliding_window_type,
          .size = policy.sliding_window_size,
          // A window of 20 calls never holds 100.
          .minimum_calls =
              by_count ? std::min(policy.minimum_number_of_calls, policy.sliding_window_size)
                       : policy.minimum_number_of_calls,
          .failure_rate = policy.failure_rate_threshold,
          .slow_call_rate =
              policy.slow_call_duration > Duration::zero() ? policy.slow_call_rate_threshold : 0};
}

CompiledPolicy compile(const Policy& policy, double calls_per_second) {
  if (policy.rule == Rule::classic) return {};
  double rate = 10;
  while (rate < calls_per_second && rate < 1e6) rate *= 10;
  const double calls = to_seconds(policy.false_trip_interval) * rate;

  CompiledPolicy compiled;
  compiled.failure_rule =
      policy.failure_weight > 0
          ? CusumRule{policy.failure_weight, policy.trip_level}
          : compile_cusum(policy.acceptable_failure_rate, policy.unacceptable_failure_rate, calls);
  if (policy.slow_call_duration > Duration::zero()) {
    compiled.slow_rule =
        compile_cusum(policy.acceptable_slow_call_rate, policy.unacceptable_slow_call_rate, calls);
  }
  return compiled;
}

double expected_false_trips_per_day(CusumRule rule, double failure_rate, double calls_per_second) {
  constexpr double kSecondsPerDay = 86'400;
  return kSecondsPerDay * calls_per_second / mean_calls_until_trip(rule, failure_rate);
}

}  // namespace switchgear::core
