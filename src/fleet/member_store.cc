// The operations that a member makes for the store. One is under way at a time; each may be
// repeated as it is. When one is due: member_due.cc. What comes of it: member_answers.cc, and
// member_failures.cc.
#include <algorithm>
#include <cmath>

#include "core/assert.h"
#include "core/mutant.h"
#include "fleet/member.h"

namespace switchgear::fleet {

namespace {

// A view as old as that may not know who else has begun to probe.
constexpr Duration kLookBefore = 50ms;

}  // namespace

// ---- One operation at a time ----------------------------------------------------------------

std::optional<Operation> Member::next_operation(const Now& now) {
  const HoldTime h = clock_.advance(now);
  expire_probes(h);
  free_held_back(h);
  if (policy().mode == Mode::off) return std::nullopt;
  if (in_flight_ || h < store_retry_at_ || !may_spend(h)) return std::nullopt;
  if (reads_instead(h)) {
    if (due_read_instead(h) > h) return std::nullopt;
    allowance_ -= 1;
    in_flight_ = InFlight{.operation = make_read(h), .sent = h, .first_sent = h};
    return in_flight_->operation;
  }
  if (retry_) {
    InFlight again = *std::exchange(retry_, std::nullopt);
    if (retry_makes_sense(again, h)) {
      if (!again.perhaps_done) add_batch(again, h);
      again.attempts++;
      again.sent = h;
      in_flight_ = again;
      allowance_ -= 1;
      return again.operation;
    }
    give_up(again);
  }
  std::optional<Operation> operation = choose(h);
  if (operation) {
    allowance_ -= 1;
    if (core::mutant(core::Mutant::report_by_local_time)) {
      auto* report = std::get_if<ReportOp>(&*operation);
      if (report && report->report) {
        report->report->sent = StoreTime{floor_ms(now.wall.time_since_epoch())};
      }
    }
    in_flight_ = InFlight{.operation = *operation,
                          .sent = h,
                          .first_sent = h,
                          .for_probe = record_ && record_->state == State::half_open};
  }
  return operation;
}

bool Member::heard_of(std::int64_t epoch) {
  if (core::mutant(core::Mutant::push_unheard)) return false;
  heard_epoch_ = std::max(heard_epoch_, epoch);
  if (core::mutant(core::Mutant::push_believed)) seen_epoch_ = std::max(seen_epoch_, epoch);
  return heard_epoch_ > seen_epoch_;
}

bool Member::may_spend(HoldTime h) {
  const double rate = options_.store_operations_per_second;
  allowance_ = std::min(rate, allowance_ + to_seconds(h - allowance_at_) * rate);
  allowance_at_ = h;
  return allowance_ >= 1;
}

void Member::answered(const Answer& answer, const Now& now) {
  const HoldTime h = clock_.advance(now);
  SG_ASSERT(in_flight_);
  const InFlight done = *std::exchange(in_flight_, std::nullopt);
  store_up_ = true;
  store_failures_ = 0;
  store_retry_at_ = h;
  (std::holds_alternative<ReadOp>(done.operation) ? reads_throttled_ : writes_throttled_) = {};
  apply(answer.snapshot, done.sent, h);
  conclude(done, answer, h);
  plan(h);
}

std::optional<Operation> Member::choose(HoldTime h) {
  if (auto slot_work = choose_slot_work(h)) return slot_work;
  if (leaving_) {
    if (has_last_words(h)) return make_report(h);
    return std::nullopt;
  }
  if (!snapshot_) {
    if (hello_due_) return make_hello(h);
    if (due_read(h) <= h) return make_read(h);
    return std::nullopt;
  }
  if (unreadable_.empty()) {
    if (auto write = choose_record_write(h)) return write;
    if (!missing_ && !reassert_due_) {
      if (due_batch() <= h) {
        if (h - batch_.last <= kFailureAgeMax) return make_report(h);
        drop_batch();
      }
      if (due_claim(h) <= h) {
        // Whoever would be the first to probe looks whether somebody has been: of a large fleet
        // nearly all find that, and a read costs a store less than a write in vain.
        if (record_->state == State::open && looked_in_epoch_ != record_->epoch &&
            h - answered_at_ > kLookBefore) {
          looked_in_epoch_ = record_->epoch;
          return make_read(h);
        }
        if (auto claim = choose_claim(h)) return claim;
      }
      if (due_step_delta(h) <= h) return make_step_delta();
    }
  }
  if (hello_due_) return make_hello(h);
  if (due_heartbeat() <= h) return make_heartbeat(h);
  if (due_read(h) <= h) return make_read(h);
  return std::nullopt;
}

// Failures that the store would still take.
bool Member::has_last_words(HoldTime h) const {
  return !batch_.empty() && h - batch_.last <= kFailureAgeMax && snapshot_ && record_ &&
         batch_.epoch == record_->epoch && !missing_ && !reassert_due_ && unreadable_.empty();
}

bool Member::left() const {
  const bool idle = std::none_of(held_.begin(), held_.end(), [this](const HeldSlot& s) {
    return s.probe ? !s.in_use : in_flight_recovering_ < recovery_slots_held();
  });
  const auto frees = [](const std::optional<InFlight>& op) {
    return op && (std::holds_alternative<SettleOp>(op->operation) ||
                  std::holds_alternative<ClaimOp>(op->operation) ||
                  std::holds_alternative<SwapOp>(op->operation) ||
                  std::holds_alternative<ReportOp>(op->operation));
  };
  return idle && !has_last_words(clock_.elapsed()) && settles_.empty() && !frees(in_flight_) &&
         !frees(retry_);
}

// ---- Operations -----------------------------------------------------------------------------

ReadOp Member::make_read(HoldTime h) {
  if (!core::mutant(core::Mutant::push_heard_forever)) heard_epoch_ = 0;
  if (read_soon_since_) read_soon_at_ = h;
  read_soon_since_.reset();
  read_instead_ = false;
  read_again_ = false;
  return ReadOp{};
}

std::optional<SettleOp> Member::slot_to_leave(HoldTime h) {
  const bool keep = !leaving_ && usable_view(h) && handing_out_slots();
  for (auto it = held_.begin(); it != held_.end(); ++it) {
    if (it->probe) {
      // A probe slot of a passed round that was never used.
      if (it->in_use || !record_ || (it->epoch == record_->epoch && !leaving_)) continue;
    } else {
      const bool leaving = !keep || it->epoch != record_->epoch || it->slot >= recovery_slots();
      if (!leaving || recovery_slots_held() <= in_flight_recovering_) continue;
    }
    const SettleOp op{.epoch = it->epoch,
                      .slot = it->slot,
                      .holder = instance_,
                      .token = it->token,
                      .settlement = Settlement::returned};
    held_.erase(it);
    return op;
  }
  return std::nullopt;
}

std::optional<Operation> Member::choose_slot_work(HoldTime h) {
  if (!settles_.empty()) {
    const SettleOp op = settles_.front();
    settles_.pop_front();
    return op;
  }
  for (HeldSlot& s : held_) {
    if (due_start(s) > h) continue;
    s.told = true;
    ClaimOp op = make_renewal(s);
    op.starts = true;
    return op;
  }
  std::erase_if(held_, [&](const HeldSlot& s) { return !s.probe && h - s.claimed >= s.lease; });
  if (auto leave = slot_to_leave(h)) return *leave;
  if (due_renewal(h) > h) return std::nullopt;
  for (const HeldSlot& s : held_) {
    if (s.probe || s.claimed + policy().recovery_step * 2 / 3 > h) continue;
    if (surplus_slot()) {
      const SettleOp op{.epoch = s.epoch,
                        .slot = s.slot,
                        .holder = instance_,
                        .token = s.token,
                        .settlement = Settlement::returned};
      std::erase_if(held_, [&](const HeldSlot& x) { return x.token == op.token; });
      return op;
    }
    return make_renewal(s);
  }
  return std::nullopt;
}

std::optional<Operation> Member::choose_record_write(HoldTime h) {
  if (missing_ || reassert_due_) {
    if (h < write_after_) return std::nullopt;
    // At most one attempt per refresh; whoever loses learns the new record from the answer.
    write_after_ = h + policy().view_refresh_in_trouble;
    Snapshot now = *snapshot_;
    now.time = store_now(h);
    const Record* stored = now.readable();
    const Reassert what = reassertion(stored, h);
    counters_.reassertions += what != Reassert::nothing;
    if (what == Reassert::record) return reassert(*record_, now, decider(h));
    if (stored) {
      // Nothing of ours is worth keeping but perhaps a hold; and no epoch may come a second time.
      Record forward = *stored;
      forward.epoch = std::max(stored->epoch, seen_epoch_);
      if (what == Reassert::hold) forward.hold = record_->hold;
      now.record.reset();  // decided already whose hold is the newer
      SwapOp op = reassert(forward, now, decider(h));
      op.expected_epoch = stored->epoch;
      op.expected_revision = stored->revision;
      return op;
    }
    return create_record(table_, now, decider(h));
  }
  if (!planned_ && due_plan() <= h) {
    // A step is made of the sums of all, and the last of them came after our last view; and
    // whether a hold has ended the store knows best.
    if (h > answered_at_) return ReadOp{};
    plan(h);
  }
  if (planned_) return std::exchange(planned_, std::nullopt);
  return std::nullopt;
}

Duration Member::lease_of(bool probe) const {
  // A stream of calls renews its slot every step; it must cover the next one's calls as well.
  return probe ? probe_lease(policy().call_timeout)
               : policy().recovery_step + 2 * policy().call_timeout + 1s;
}

ClaimOp Member::make_claim(int slot, std::uint32_t token, bool probe) const {
  return ClaimOp{
      .epoch = record_->epoch,
      .claim =
          SlotClaim{
              .slot = slot, .holder = instance_, .token = token, .lease = ceil_ms(lease_of(probe))},
      .seen = owner_of(record_->slots[static_cast<std::size_t>(slot)])};
}

ClaimOp Member::make_renewal(const HeldSlot& held) const {
  ClaimOp op = make_claim(held.slot, held.token, held.probe);
  op.seen = op.claim.owner();
  return op;
}

std::optional<Operation> Member::choose_claim(HoldTime h) {
  const auto token = static_cast<std::uint32_t>(random_.next());
  Snapshot now = *snapshot_;
  now.record = *record_;
  now.time = store_now(h);
  if (record_->state == State::open) {
    auto op = half_open(table_, now, decider(h), token);
    if (op) return std::move(*op);
    return std::nullopt;
  }
  const bool probe = record_->state == State::half_open;
  const int count = probe ? policy().probes : recovery_slots();
  // A probe of which nothing was heard first: it tells more than another one would.
  int slot = probe ? lost_probe(record_->slots, count, record_->epoch, now.time) : -1;
  if (slot < 0) slot = free_slot(record_->slots, count, now.time, random_.next());
  if (slot < 0) return std::nullopt;
  return make_claim(slot, token, probe);
}

void Member::add_meter(ReportOp& op, HoldTime h) {
  if (!clock_started_ || !sampled()) return;
  op.meter.calls += static_cast<double>(meter_calls_);
  op.meter.active_ms += to_seconds(h - meter_from_) * 1e3;
  const std::int64_t minute = minute_of(store_now(h));
  if (snapshot_ && member_minute_ != minute) {
    op.meter.members += 1 / sample_share();
    member_minute_ = minute;
  }
  meter_calls_ = 0;
  meter_from_ = h;
}

ReportOp Member::make_report(HoldTime h) {
  ReportOp op;
  op.epoch = record_->epoch;
  op.report = Report{.sent = store_now(h),
                     .span = core::mutant(core::Mutant::batch_without_span)
                                 ? 0ms
                                 : floor_ms(batch_.last - batch_.first),
                     .instance = instance_,
                     .seq = seq_++,
                     .failures = batch_.failures,
                     .overloads = batch_.overloads,
                     .slow = batch_.slow,
                     .thinning = batch_.thinning,
                     .retry_after_ms = static_cast<std::uint32_t>(
                         ceil_ms(std::max<Duration>(asked_pause_until_ - h, 0ms)).count())};
  if (hello_due_) {
    op.meter = make_hello(h).meter;
  } else {
    add_meter(op, h);
  }
  // Of an old view it may be too short: others have reported since.
  if (!too_old(h)) op.evidence_age = evidence_age_;
  batch_ = Batch{};
  last_report_ = h;
  return op;
}

ReportOp Member::make_hello(HoldTime h) {
  ReportOp op;
  op.meter.hellos = 1;
  // The hello counts this instance for the minute; no heartbeat does so again.
  const std::int64_t minute = snapshot_ ? minute_of(store_now(h)) : -1;
  if (minute < 0 || member_minute_ != minute) op.meter.members = 1;
  member_minute_ = minute;
  hello_due_ = false;
  return op;
}

ReportOp Member::make_heartbeat(HoldTime h) {
  ReportOp op;
  add_meter(op, h);
  return op;
}

// The limit lets few of a large fleet make calls, and what the limit is to be is in their sums: a
// third of thirty callers would make each sum a third wrong. Of callers there are about as many as
// the limit has places, and of those that call seldom, one after the other in the same place, as
// many as there are calls in a step.
double Member::step_share() const {
  const bool called =
      sums_.ok + sums_.overload + sums_.failure + sums_.busy_ms > 0 || in_flight_recovering_ > 0;
  const core::RecoveryState& recovery = record_->recovery;
  double callers = recovery.limit;
  if (asks_seldom()) {
    callers = std::max(callers, recovery.calls_per_second * to_seconds(policy().recovery_step));
  }
  const double alike = called ? std::min(record_->members, callers) : record_->members;
  return std::min(1.0, options_.limits.step_sample / std::max(1.0, alike));
}

bool Member::chosen_for_step() const {
  return core::to_unit(core::hash2(instance_.value, record_->step)) < step_share();
}

bool Member::active_in_step() const {
  return sums_ != core::StepSums{} || in_flight_recovering_ > 0;
}

ReportOp Member::make_step_delta() {
  // Whoever is chosen speaks for the others like it too.
  const double share = step_share();
  StepDelta delta{.step = record_->step, .sums = std::exchange(sums_, core::StepSums{})};
  delta.sums.members = 1;
  delta_sent_for_ = record_->step;
  for (double* n :
       {&delta.sums.ok, &delta.sums.overload, &delta.sums.failure, &delta.sums.rtt_sum_ms,
        &delta.sums.rtt_count, &delta.sums.busy_ms, &delta.sums.refused, &delta.sums.members}) {
    *n /= share;
  }
  ReportOp op;
  op.step = delta;
  return op;
}

}  // namespace switchgear::fleet
