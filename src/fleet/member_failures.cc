// What a member does about operations without an answer: lost ones, which may have been carried
// out, and those that a store refused because it is asked too much.
#include <algorithm>

#include "core/assert.h"
#include "core/mutant.h"
#include "fleet/member.h"

namespace switchgear::fleet {

namespace {

// An operation that has gone unanswered for this long is not repeated.
constexpr Duration kRetryFor = 10s;
// Failures further apart are two reports: in one they would look spread over the time between.
constexpr Duration kOneReport = 1s;
// Reads that may be throttled before a circuit is probed without having looked.
constexpr std::uint64_t kLooksMax = 4;

}  // namespace

void Member::store_failed(const Now& now, NoAnswer why) {
  const HoldTime h = clock_.advance(now);
  SG_ASSERT(in_flight_);
  InFlight lost = *std::exchange(in_flight_, std::nullopt);
  if (why == NoAnswer::throttled) {
    throttled(std::holds_alternative<ReadOp>(lost.operation), h);
  } else {
    lost.perhaps_done = true;
    store_up_ = false;
    store_failures_++;
    store_retry_at_ = h + core::delay(options_.store_backoff, store_failures_, random_);
  }
  if (core::mutant(core::Mutant::made_up_state_persisted) && snapshot_) {
    planned_ = fleet::reset(table_, *snapshot_, decider(h), "nobody");
  }
  if (retry_makes_sense(lost, h)) {
    retry_ = lost;
  } else {
    give_up(lost);
  }
}

// Trouble and no outage: reads and writes of one record have limits of their own, and the answer to
// the one shows what that to the other would have shown.
void Member::throttled(bool read, HoldTime h) {
  Throttle& kind = read ? reads_throttled_ : writes_throttled_;
  kind.in_a_row++;
  // Where nothing is taken, one operation for each wait, reads and writes by turns.
  const bool all = reads_throttled_.in_a_row > 0 && writes_throttled_.in_a_row > 0;
  const std::uint64_t tried =
      reads_throttled_.in_a_row + writes_throttled_.in_a_row - (all ? 1 : 0);
  kind.until = h + core::delay(options_.store_backoff, tried, random_);
  if (all) store_retry_at_ = kind.until;
  (read ? read_again_ : read_instead_) = !leaving_;
  // A look whether somebody probes comes before a write that is in vain for nearly all.
  if (read && kind.in_a_row < kLooksMax) looked_in_epoch_ = 0;
  // But a store without any answer for so long is of no use.
  if (!snapshot_ || h - refreshed_at_ > policy().view_max_age) store_up_ = false;
}

bool Member::retry_makes_sense(const InFlight& op, HoldTime h) const {
  // What became of a probe is worth telling for as long as its slot waits for it.
  const auto* settle = std::get_if<SettleOp>(&op.operation);
  const bool of_a_call = settle && settle->settlement != Settlement::returned;
  if (h - op.first_sent > (of_a_call ? std::max(kRetryFor, lease_of(true)) : kRetryFor)) {
    return false;
  }
  if (const auto* report = std::get_if<ReportOp>(&op.operation)) {
    // A hint for the meter is sent once; evidence as long as the store takes it.
    return report->report && store_now(h) - report->report->sent < kFailureAgeMax && record_ &&
           record_->epoch == report->epoch;
  }
  if (const auto* swap = std::get_if<SwapOp>(&op.operation)) {
    return op.perhaps_done || !is_in_vain(*swap);
  }
  if (const auto* claim = std::get_if<ClaimOp>(&op.operation)) {
    // Of another round.
    if (!op.perhaps_done && record_ && record_->epoch != claim->epoch) return false;
    if (claim->starts) {
      return std::any_of(held_.begin(), held_.end(),
                         [&](const HeldSlot& s) { return s.token == claim->claim.token; });
    }
    return h - op.first_sent + policy().call_timeout <= usable_lease(claim->claim.lease);
  }
  return !std::holds_alternative<ReadOp>(op.operation);
}

// Whether somebody has written the record since, so that it would be a conflict.
bool Member::is_in_vain(const SwapOp& op) const {
  const Record* stored = snapshot_ ? snapshot_->readable() : nullptr;
  return stored && (stored->epoch != op.expected_epoch || stored->revision != op.expected_revision);
}

// What has failed since goes with a report that was not carried out: each write may be the only one
// that is taken for long.
void Member::add_batch(InFlight& op, HoldTime h) {
  auto* of = std::get_if<ReportOp>(&op.operation);
  if (!of || !of->report || batch_.empty() || batch_.epoch != of->epoch) return;
  Report& report = *of->report;
  const Duration span = batch_.last - (op.first_sent - report.span);
  if (span > kOneReport || batch_.thinning != report.thinning) return;
  report.failures += batch_.failures;
  report.overloads += batch_.overloads;
  report.slow += batch_.slow;
  report.span = floor_ms(span);
  // As if it were sent at the last of them: a later time would add to the time that they span.
  report.sent = std::max(report.sent, store_now(h) - ceil_ms(h - batch_.last));
  op.first_sent = batch_.last;
  last_report_ = h;
  batch_ = Batch{};
}

void Member::give_up(const InFlight& op) {
  // A slot may have been granted: give it back rather than let it lie until it expires.
  const auto return_slot = [&](const SlotClaim& claim, std::int64_t epoch) {
    const auto held = std::erase_if(
        held_, [&](const HeldSlot& s) { return s.slot == claim.slot && s.token == claim.token; });
    if (held == 0 && !op.perhaps_done) return;
    settles_.push_back(SettleOp{.epoch = epoch,
                                .slot = claim.slot,
                                .holder = instance_,
                                .token = claim.token,
                                .settlement = Settlement::returned});
  };
  if (const auto* report = std::get_if<ReportOp>(&op.operation)) {
    if (report->report) {
      counters_.failures_dropped +=
          report->report->failures + report->report->overloads + report->report->slow;
    }
  } else if (const auto* claim = std::get_if<ClaimOp>(&op.operation)) {
    if (!claim->starts) return_slot(claim->claim, claim->epoch);
  } else if (const auto* swap = std::get_if<SwapOp>(&op.operation)) {
    if (swap->claim) return_slot(*swap->claim, swap->next.epoch);
  }
}

}  // namespace switchgear::fleet
