#include "fleet/local_guard.h"

#include <algorithm>

#include "core/backoff.h"
#include "core/mutant.h"

namespace switchgear::fleet {

namespace {

// Of the fleet's level: while blind, and always.
constexpr double kBlindShare = 0.5;
constexpr double kOwnShare = 1.5;
// So long the fleet has to decide: a process that fails a thousand calls a second would stop before
// its first report has arrived, and what the others report would never be enough. The reports of
// all arrive within that time, some gaps (200 ms at the most) and round trips.
constexpr Duration kFleetFirst = 500ms;

core::CusumRule with_level(core::CusumRule rule, double share) {
  rule.level = std::max<double>(rule.weight, rule.level * share);
  return rule;
}

// What a fleet of `calls_per_second` opens at. For the classic rule: a window full of failures.
core::CusumRule fleet_rule(const PolicyTable& table, double calls_per_second) {
  if (table.policy().rule == Rule::cusum) return table.at(calls_per_second).failure_rule;
  return {.weight = 1, .level = std::max(10, core::window_rule(table.policy()).minimum_calls)};
}

double success_worth(const Policy& policy) {
  if (policy.rule == Rule::cusum) return 1;
  const double threshold = std::min(policy.failure_rate_threshold, 0.99);
  return threshold / (1 - threshold);
}

}  // namespace

LocalGuard::LocalGuard(const PolicyTable& table)
    : table_(table),
      policy_(table.policy()),
      blind_rule_(with_level(fleet_rule(table, 0), kBlindShare)),
      own_rule_(with_level(fleet_rule(table, 1e6), kOwnShare)),
      success_worth_(success_worth(table.policy())) {}

bool LocalGuard::feed(core::Cusum& rule, bool failed, double share) const {
  if (failed) return rule.add_failures(1) && rule.sum() >= share * window_failures_;
  rule.add_successes(success_worth_);
  return false;
}

void LocalGuard::expect(const FleetEstimate& fleet, double thinned_by, HoldTime asked) {
  if (policy_.rule == Rule::cusum) {
    // What a window of that length needs (evidence.h), in failures that are not thinned, and the
    // share of it that counts from one instance.
    const double level = table_.at(fleet.calls_per_second).failure_rule.level;
    of_use_ = share_bound(fleet.members) *
              (level * thinned_by + fleet.calls_per_second * to_seconds(kFleetFirst));
    of_use_since_ = asked;
    return;
  }
  const core::WindowRule rule = core::window_rule(policy_);
  const double calls =
      rule.type == SlidingWindowType::time ? rule.size * fleet.calls_per_second : rule.size;
  // One of many makes a small part of the calls, though perhaps four times as many as most.
  window_failures_ = rule.failure_rate * calls * std::min(1.0, 4 / fleet.members);
}

bool LocalGuard::admits(HoldTime h) const {
  if (!stopped_ || core::mutant(core::Mutant::local_guard_missing)) return true;
  // A trial whose caller never came back must not keep this process stopped for good.
  const bool out = trial_ && h - *trial_ < probe_lease(policy_.call_timeout);
  return h >= until_ && !out;
}

void LocalGuard::admitted(HoldTime h) {
  if (stopped_) trial_ = h;
}

void LocalGuard::returned(HoldTime acquired) {
  if (is_trial(acquired)) trial_.reset();
}

bool LocalGuard::add(bool failed, bool blind, HoldTime acquired, HoldTime h, core::Random& random) {
  if (stopped_) {
    // What was under way when it stopped says nothing that was not known then.
    if (!is_trial(acquired)) return false;
    if (failed) {
      stop(h, random);
      return true;
    }
    reset();
    return false;
  }
  if (own_rule_.sum() <= 0) failing_since_ = h;
  const bool tripped = feed(own_rule_, failed, kOwnShare);
  // An estimate from before the failures may be from before the calls: of a fleet that has just
  // started nobody knows yet how fast it is. The first report of them tells.
  const bool said_all = own_rule_.sum() >= of_use_ && of_use_since_ >= failing_since_;
  const bool trips = tripped && (said_all || h - failing_since_ >= kFleetFirst);
  if (!(blind && feed(blind_rule_, failed, kBlindShare)) && !trips) return false;
  stop(h, random);
  return true;
}

void LocalGuard::stop(HoldTime h, core::Random& random) {
  stopped_ = true;
  stops_ = std::min(stops_ + 1, 1000);
  trial_.reset();
  until_ = h + core::open_time(policy_, stops_, random.unit());
}

void LocalGuard::add_successes(double count, bool blind) {
  if (blind) blind_rule_.add_successes(count * success_worth_);
  own_rule_.add_successes(count * success_worth_);
}

Duration LocalGuard::wait(HoldTime h) const {
  if (!stopped_) return Duration::zero();
  const HoldTime next =
      trial_ ? std::max(until_, *trial_ + probe_lease(policy_.call_timeout)) : until_;
  return std::max<Duration>(next - h, Duration::zero());
}

void LocalGuard::reset() {
  blind_rule_.reset();
  own_rule_.reset();
  stopped_ = false;
  stops_ = 0;
  trial_.reset();
}

}  // namespace switchgear::fleet
