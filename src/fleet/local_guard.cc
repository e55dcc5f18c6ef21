#include "fleet/local_guard.h"

#include <algorithm>

#include "core/backoff.h"
#include "core/mutant.h"

namespace switchgear::fleet {

namespace {

core::CusumRule with_level(core::CusumRule rule, double share) {
  rule.level = std::max<double>(rule.weight, rule.level * share);
  return rule;
}

}  // namespace

LocalGuard::LocalGuard(const PolicyTable& table)
    : policy_(table.policy()),
      blind_rule_(with_level(table.at(0).failure_rule, 0.5)),
      own_rule_(with_level(table.at(1e6).failure_rule, 1.5)) {}

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
  const bool trips = own_rule_.add(failed);
  if (!(blind && blind_rule_.add(failed)) && !trips) return false;
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
  if (blind) blind_rule_.add_successes(count);
  own_rule_.add_successes(count);
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
