// What a member makes of the store's answers: its view, the write that is due next, and the slots
// it holds.
#include <algorithm>
#include <cmath>

#include "core/mutant.h"
#include "fleet/member.h"

namespace switchgear::fleet {

namespace {

// Windows that would trip and lie no further apart than this belong to one outage.
constexpr std::chrono::milliseconds kSameOutage{1'000};

}  // namespace

bool Member::fell_back(const Record& stored) const {
  if (core::mutant(core::Mutant::older_epoch_applied)) return false;
  return stored.epoch < seen_epoch_ ||
         (record_ && stored.epoch == record_->epoch && stored.revision < record_->revision);
}

Member::Reassert Member::reassertion(const Record* stored, HoldTime h) const {
  if (!record_) return Reassert::nothing;
  const StoreTime now = store_now(h);
  // A view that is still in force here: a hold, or trouble seen a short while ago.
  const bool live = record_->hold.in_force(now) ||
                    (record_->state == State::open && now < record_->reopen) ||
                    (record_->state != State::closed && !too_old(h));
  if (core::mutant(core::Mutant::missing_is_closed)) return Reassert::nothing;
  if (!stored) return live ? Reassert::record : Reassert::nothing;
  if (fell_back(*stored)) return live || !too_old(h) ? Reassert::record : Reassert::nothing;
  // Someone created a record anew before us: CLOSED, while the fleet was open.
  if (live && stored->incarnation != record_->incarnation && stored->reason == "created" &&
      now - stored->born < policy().max_open_duration + policy().view_max_age) {
    return Reassert::record;
  }
  // Someone who had not seen our hold, or its end, put an older record back: only the hand counts.
  const bool any_hold = stored->hold.kind != HoldKind::none || record_->hold.in_force(now);
  return any_hold && stored->hold.epoch < record_->hold.epoch ? Reassert::hold : Reassert::nothing;
}

void Member::apply(const Snapshot& snapshot, HoldTime sent, HoldTime h) {
  const bool was_behind = missing_ || reassert_due_;
  snapshot_ = snapshot;
  answered_at_ = h;
  answered_at_least_ = clock_.at_least();
  refreshed_at_ = sent;
  read_again_ = false;
  const Record* stored = snapshot.readable();
  missing_ = !snapshot.record.has_value();
  unreadable_ = snapshot.record && !stored ? snapshot.record->error().message : std::string();
  // Judged before the view counts as refreshed: only a view that was live may come back.
  // An answer from before a write that we have seen is no step back of the store.
  const bool outdated = stored && record_ && stored->epoch == record_->epoch &&
                        stored->revision < record_->revision && sent <= revision_seen_at_;
  reassert_due_ =
      stored && !outdated && (fell_back(*stored) || reassertion(stored, h) != Reassert::nothing);
  if ((missing_ || reassert_due_) && !was_behind) {
    // Spread over a second, so that a fleet does not rush at an empty store. A first record
    // of all is created at once.
    const double wait = record_ ? random_.unit() : 0.0;
    write_after_ = h + std::chrono::duration_cast<Duration>(1s * wait);
  }
  if (missing_ || reassert_due_ || !unreadable_.empty()) {
    if (!record_) view_at_ = sent;
    return;
  }
  view_at_ = sent;
  stale_used_ = false;
  apply_record(*stored, h);
}

void Member::apply_record(const Record& next, HoldTime h) {
  if (record_ && next.epoch == record_->epoch && next.revision < record_->revision) {
    return;  // an answer from before a write we have seen
  }
  const bool new_epoch = !record_ || record_->epoch != next.epoch;
  if (record_ && new_epoch) {
    transitions_.push_back(Transition{.epoch = next.epoch,
                                      .from = record_->state,
                                      .to = next.state,
                                      .hold = next.hold.kind,
                                      .reason = next.reason,
                                      .why = next.why,
                                      .at = next.changed(snapshot_->time)});
    if (!batch_.empty()) drop_batch();
    local_guard_.reset();
    if (window_ && !core::mutant(core::Mutant::window_outlives_epoch)) window_->reset();
    own_trip_.reset();
    sums_ = core::StepSums{};
  }
  if (record_ && next.step != record_->step) {
    if (!chosen_for_step()) sums_ = core::StepSums{};
    in_flight_peak_before_ = in_flight_peak_;
    in_flight_peak_ = in_flight_recovering_;
  }
  if (!new_epoch && record_->recovery.limit > kSlotLimitMax &&
      next.recovery.limit <= kSlotLimitMax) {
    slots_again_at_ = h;
    quota_before_ = allowed(h);
  }
  if (new_epoch || next.step != record_->step) step_jitter_ = random_.unit();
  if (new_epoch || next.revision != record_->revision) revision_seen_at_ = h;
  record_ = next;
  seen_epoch_ = std::max(seen_epoch_, next.epoch);
  if (new_epoch) {
    if (batch_.epoch == 0) batch_.epoch = next.epoch;
    claim_after_ =
        next.state == State::open ? hold_of(next.reopen) + reopen_spread() : h + claim_spread();
    plan_after_ = h;
  }
}

Duration Member::claim_spread() {
  const auto widest =
      std::min<Duration>(250ms, std::chrono::duration_cast<Duration>(1ms * fleet_.members));
  return std::chrono::duration_cast<Duration>(widest * random_.unit());
}

// While the circuit is open those who do not call are forgotten by the meter.
double Member::fleet_size() const {
  const bool calls_flow = !record_ || state() == State::closed;
  return calls_flow ? fleet_.members : std::max(fleet_.members, record_->members);
}

// The first of many comes soon, and the others see what became of it: reads, of which a record
// bears only so many a second.
Duration Member::reopen_spread() {
  const auto widest =
      std::min({Duration{1s}, std::chrono::duration_cast<Duration>(2ms * fleet_size()),
                Duration{record_->reopen - record_->since} / 8});
  return std::chrono::duration_cast<Duration>(std::max(widest, bearable_pause() * 2 / 3) *
                                              random_.unit());
}

void Member::plan(HoldTime h) {
  planned_.reset();
  if (!snapshot_ || missing_ || reassert_due_ || !unreadable_.empty()) return;
  Snapshot now = *snapshot_;
  now.record = *record_;
  now.time = store_now(h);
  const Weighing weighing = weigh(table_, now);
  fleet_ = weighing.fleet;
  evidence_age_ = weighing.evidence_age;
  local_guard_.expect(fleet_, std::exp2(thinning()), refreshed_at_);
  const bool by_own_window =
      window_ && record_->state == State::closed && fleet_.members < kAloneBelow;
  evidence_ratio_ = by_own_window       ? window_->ratio()
                    : weighing.failures ? weighing.failures->ratio()
                                        : 0;
  if (h - own_trip_at_ > kTripAgeMax) own_trip_.reset();
  replan_ = h < plan_blocked_until_;
  if (!replan_) planned_ = due_transition(table_, now, decider(h), step_jitter_, own_trip_);
  outage_pending_ = planned_ && planned_->next.state == State::open && too_short(weighing);
  if (outage_pending_) planned_.reset();
  const bool stops =
      planned_ && planned_->next.state == State::open && record_->state != State::open;
  stopped_epoch_ = stops ? record_->epoch : -1;
  // A little later than expected if the store's clock is a little behind our estimate.
  plan_after_ = h + 50ms;
}

bool Member::too_short(const Weighing& weighing) {
  if (policy().minimum_outage == 0s || record_->state != State::closed) return false;
  if (!weighing.trips() && !own_trip_) return false;
  // Of a fast fleet the evidence spans less than a burst does, however long the outage is: windows
  // that follow one another closely are one outage.
  Window window;
  window.first = window.last = store_now(own_trip_at_);
  if (weighing.trips()) window = *weighing.failures;
  if (window.first > outage_until_ + kSameOutage) outage_from_ = window.first;
  outage_from_ = std::min(outage_from_, window.first);
  outage_until_ = std::max(outage_until_, window.last);
  return outage_until_ - outage_from_ < policy().minimum_outage;
}

void Member::conclude(const InFlight& done, const Answer& answer, HoldTime h) {
  const Status status = answer.status;
  if (const auto* report = std::get_if<ReportOp>(&done.operation)) {
    if (report->report && (status == Status::late || status == Status::out_of_range)) {
      counters_.failures_dropped +=
          report->report->failures + report->report->overloads + report->report->slow;
    }
    if (member_minute_ < 0) member_minute_ = minute_of(snapshot_->time);
  } else if (const auto* claim = std::get_if<ClaimOp>(&done.operation)) {
    conclude_claim(done, *claim, status, h);
  } else if (const auto* swap = std::get_if<SwapOp>(&done.operation)) {
    conclude_swap(done, *swap, status, h);
  }
}

void Member::conclude_claim(const InFlight& done, const ClaimOp& op, Status status, HoldTime h) {
  // Said for the others; what its call may do was granted before.
  if (op.starts) return;
  const auto held = std::find_if(held_.begin(), held_.end(), [&](const HeldSlot& s) {
    return s.slot == op.claim.slot && s.token == op.claim.token;
  });
  if (status == Status::ok) {
    claimed_on_old_view_ = false;
    const Duration lease = op.claim.lease;
    if (held != held_.end()) {
      held->claimed = done.first_sent;
      held->lease = lease;
    } else {
      held_.push_back(HeldSlot{.slot = op.claim.slot,
                               .token = op.claim.token,
                               .epoch = op.epoch,
                               .claimed = done.first_sent,
                               .lease = lease,
                               .probe = done.for_probe});
    }
    return;
  }
  if (held != held_.end()) held_.erase(held);
  // Somebody has had the slot since our view, and has given it back. It is known now what to claim
  // it with: that costs no refresh, but one more operation in each at the most.
  const bool changed =
      status == Status::taken && is_free_at(op.claim.slot) && op.seen != op.claim.owner();
  claimed_on_old_view_ = changed && !claimed_on_old_view_;
  if (claimed_on_old_view_) {
    claim_after_ = h;
    return;
  }
  // The answer shows who has the slots now; another free one may be tried soon.
  const bool probing = record_ && record_->state == State::half_open;
  claim_after_ = h + (probing ? policy().view_refresh_in_trouble : 50ms) + claim_spread();
}

bool Member::is_free_at(int slot) const {
  const Record* stored = snapshot_->readable();
  if (!stored) return false;
  const auto& held = stored->slots[static_cast<std::size_t>(slot)];
  return !held || held->expires <= snapshot_->time;
}

void Member::conclude_swap(const InFlight& done, const SwapOp& op, Status status, HoldTime h) {
  if (status == Status::ok && op.claim) {
    held_.push_back(HeldSlot{.slot = op.claim->slot,
                             .token = op.claim->token,
                             .epoch = op.next.epoch,
                             .claimed = done.first_sent,
                             .lease = op.claim->lease,
                             .probe = true});
  }
  // One lost race says that another was first. A row of them says that something is wrong with the
  // store, or with us; it must not turn into a storm.
  swap_conflicts_ = status == Status::conflict ? std::min(swap_conflicts_ + 1, 10) : 0;
  if (swap_conflicts_ > 1) plan_blocked_until_ = h + 10ms * (1 << swap_conflicts_);
  if (status != Status::ok && op.claim) {
    const bool early = status == Status::not_due && record_ && record_->state == State::open;
    claim_after_ = (early ? hold_of(record_->reopen) + 5ms : h + policy().view_refresh_in_trouble) +
                   claim_spread();
  }
}

}  // namespace switchgear::fleet
