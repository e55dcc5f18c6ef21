#include "queue/retention.h"

#include <algorithm>

namespace switchgear::queue {
namespace {

// What is younger than before by this may be lowered: an hour, or a quarter of a short retention.
Duration lower_margin(std::chrono::seconds before) { return std::min<Duration>(1h, before / 4); }
// From then on messages are admitted or parked: a fifth of the time is left.
constexpr double kRescueAt = 0.8;
constexpr double kRaiseAt = 0.5;

}  // namespace

void OldestAge::looked(StoreTime now) {
  if (!since_) since_ = now;
}

void OldestAge::empty(StoreTime now) {
  looked(now);
  // Whatever is there now came after the first of the two looks.
  if (empty_once_ && now - *empty_once_ >= kApart) {
    since_ = std::max(*since_, *empty_once_);
    empty_once_ = now;
  } else if (!empty_once_) {
    empty_once_ = now;
  }
}

void OldestAge::sent(StoreTime when) { since_ = since_ ? std::min(*since_, when) : when; }

void OldestAge::metric(Duration age, StoreTime now) { sent(now - floor_ms(age)); }

Duration OldestAge::at(StoreTime now) const {
  return since_ ? std::max<Duration>(now - *since_, Duration::zero()) : Duration::zero();
}

RetentionStep retention_step(const RetentionFacts& facts) {
  const double lived = to_seconds(facts.oldest) / std::max(1.0, to_seconds(facts.retention));
  if (facts.read) {
    const bool raised = facts.retention > facts.before;
    return raised && facts.oldest + lower_margin(facts.before) < facts.before ? RetentionStep::lower
                                                                              : RetentionStep::none;
  }
  if (lived >= kRaiseAt && facts.may_be_raised && facts.retention < kRetentionMax) {
    return RetentionStep::raise;
  }
  if (lived >= kRescueAt) return RetentionStep::rescue;
  return RetentionStep::none;
}

}  // namespace switchgear::queue
