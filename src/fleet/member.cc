// A member as calls see it: whether one may go out, within which limit, and what the view is. What
// becomes of a call: member_outcomes.cc. What is said to the store: member_store.cc.
#include "fleet/member.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/assert.h"
#include "core/mutant.h"
#include "fleet/window_rule.h"

namespace switchgear::fleet {

namespace {
// A caller that asked within this time still wants a probe or a slot.
constexpr Duration kDemandWindow = 60s;
// When to ask again without a place in a recovery: well within the time for which a refusal counts
// as demand for a slot.
constexpr Duration kPlaceless = 250ms;
}  // namespace

Member::Member(const PolicyTable& table, const MemberOptions& options, InstanceId instance,
               std::uint64_t seed, const Now& now)
    : table_(table),
      options_(options),
      instance_(instance),
      random_(core::hash2(seed, instance.value)),
      clock_(now),
      local_guard_(table) {
  allowance_ = options_.store_operations_per_second;
  phase_ = random_.unit();
  step_jitter_ = random_.unit();
  if (policy().rule == Rule::classic) window_.emplace(core::window_rule(policy()));
}

// ---- Admission ------------------------------------------------------------------------------

Admission Member::admit(const Now& now) {
  const HoldTime h = clock_.advance(now);
  expire_probes(h);
  free_held_back(h);
  asked_before_ = std::exchange(asked_at_, h);
  start_clock(h);
  const Mode mode = policy().mode;
  if (mode == Mode::off) return grant(PermitKind::normal, h);
  Admission decision = decide(h);
  if (mode == Mode::observe && std::holds_alternative<Permit>(decision)) {
    std::get<Permit>(decision).trial = false;
  }
  if (const auto* refusal = std::get_if<Refusal>(&decision)) {
    counters_.refused[static_cast<std::size_t>(refusal->reason)]++;
    if (refusal->reason == RefusalReason::limit && eligible()) {
      limit_refused_at_ = h;
      sums_.refused += 1;
    }
    if (mode == Mode::observe) return grant(PermitKind::normal, h);
  }
  return decision;
}

Permit Member::grant(PermitKind kind, HoldTime h) {
  return Permit{.kind = kind, .epoch = record_ ? record_->epoch : 0, .acquired = h};
}

Permit Member::grant_by_guard(PermitKind kind, HoldTime h) {
  local_guard_.admitted(h);
  Permit permit = grant(kind, h);
  permit.trial = local_guard_.stopped();
  return permit;
}

Refusal Member::refuse(RefusalReason reason, HoldTime h) {
  return Refusal{.reason = reason,
                 .state = state(),
                 .epoch = record_ ? record_->epoch : 0,
                 .retry_after = retry_after_at(h),
                 .view_age = h - view_at_};
}

bool Member::hold_obeyed() const {
  // By the slowest clock: no clock of ours that runs ahead ends a person's hold.
  if (core::mutant(core::Mutant::hold_forgotten_blind) && !store_up_) return false;
  return record_ && record_->hold.in_force(store_now_at_least());
}

HoldKind Member::hold_in_force() const {
  return hold_obeyed() ? record_->hold.kind : HoldKind::none;
}

State Member::state() const {
  if (!record_) return State::closed;
  // A trip seen here stops this process before the store has taken it.
  if (stopped_epoch_ == record_->epoch) return State::open;
  return record_->state;
}

bool Member::forgettable() const {
  const bool untroubled = state() == State::closed && !local_guard_.stopped() && !hold_obeyed() &&
                          unreadable_.empty() && !missing_ && !reassert_due_ && !outage_pending_;
  return untroubled && in_flight_recovering_ == 0 && !trial_out_ && held_.empty() &&
         settles_.empty() && batch_.empty() && !in_flight_ && !retry_ && !planned_ && !own_trip_ &&
         held_back_.empty();
}

bool Member::too_old(HoldTime h) const {
  return h - view_at_ > policy().view_max_age && !core::mutant(core::Mutant::stale_view_served);
}

bool Member::is_blind(HoldTime h) const {
  if (!record_ || !unreadable_.empty()) return true;
  // A record that has gone says nothing: the young view stands until it is put back.
  if (!too_old(h)) return false;
  if (missing_) return true;
  // Old, but perhaps only because this process stood still: blind once a refresh was tried in vain.
  if (!store_up_) return true;
  return stale_since_ > view_at_ && h - stale_since_ > options_.store_budget;
}

bool Member::blind(const Now& now) { return is_blind(clock_.advance(now)); }

Duration Member::view_age(const Now& now) {
  const HoldTime h = clock_.advance(now);
  return record_ ? h - view_at_ : h;
}

Admission Member::decide(HoldTime h) {
  if (hold_obeyed()) {
    if (record_->hold.kind == HoldKind::forced_open) return refuse(RefusalReason::held, h);
    return grant(PermitKind::normal, h);
  }
  if (is_blind(h)) return decide_blind(h);
  if (too_old(h)) {
    if (stale_since_ <= view_at_) stale_since_ = h;
    // Thawed or idle for long: one call may go on the old view while it is refreshed.
    const bool strict = policy().strict && !core::mutant(core::Mutant::strict_on_an_old_view);
    if (state() == State::closed && !stale_used_ && !strict && local_guard_.admits(h)) {
      stale_used_ = true;
      return grant_by_guard(PermitKind::normal, h);
    }
    return refuse(RefusalReason::stale_view, h);
  }
  if (policy().strict && waits_for_refresh(h)) return refuse(RefusalReason::stale_view, h);
  return decide_by_state(h);
}

bool Member::waits_for_refresh(HoldTime h) {
  if (core::mutant(core::Mutant::strict_waits_for_nothing)) return false;
  if (state() != State::closed || h - view_at_ <= policy().view_refresh) return false;
  if (stale_since_ <= view_at_) stale_since_ = h;
  // A store that is slow or gone must not hold calls up for longer than the budget.
  return store_up_ && h - stale_since_ <= options_.store_budget;
}

Admission Member::decide_by_state(HoldTime h) {
  const bool calls_flow = state() == State::closed || state() == State::recovering;
  if (calls_flow && !local_guard_.admits(h)) return refuse(RefusalReason::local, h);
  switch (state()) {
    case State::closed:
      return grant_by_guard(PermitKind::normal, h);
    case State::open:
      return refuse(RefusalReason::open, h);
    case State::half_open: {
      if (core::mutant(core::Mutant::probe_without_lease)) return grant(PermitKind::normal, h);
      // The round has failed; the write that ends it is on its way.
      if (record_->probe_failed > 0) return refuse(RefusalReason::probing, h);
      for (HeldSlot& held : held_) {
        if (!held.probe || held.in_use || held.epoch != record_->epoch) continue;
        if (h - held.claimed + policy().call_timeout > usable_lease(held.lease)) continue;
        held.in_use = true;
        held.began = h;
        Permit permit = grant(PermitKind::probe, h);
        permit.slot = held.slot;
        permit.token = held.token;
        return permit;
      }
      return refuse(RefusalReason::probing, h);
    }
    case State::recovering: {
      if (in_flight_recovering_ >= allowed(h) && !drawn_by_lot(h)) {
        return refuse(RefusalReason::limit, h);
      }
      in_flight_recovering_++;
      in_flight_peak_ = std::max(in_flight_peak_, in_flight_recovering_);
      return grant_by_guard(PermitKind::recovering, h);
    }
  }
  SG_ASSERT(false);
}

Admission Member::decide_blind(HoldTime h) {
  // A trip that was never written ends with the view it came from; the local guard goes on.
  if (record_ && too_old(h) && stopped_epoch_ == record_->epoch) stopped_epoch_ = -1;
  const bool known = record_ && unreadable_.empty() && !missing_;
  if (known && policy().on_store_failure == OnStoreFailure::last_known &&
      state() != State::half_open) {
    return decide_by_state(h);
  }
  if (known && (state() == State::open || state() == State::half_open)) {
    const bool still_open = state() == State::open && store_now(h) < record_->reopen;
    if (still_open) return refuse(RefusalReason::open, h);
    // Past the reopen time nobody can hand out probes: one trial of our own, now and then.
    const bool out = trial_out_ && h - *trial_out_ < probe_lease(policy().call_timeout);
    if (out || h < next_trial_) return refuse(RefusalReason::local, h);
    trial_out_ = h;
    next_trial_ = h + std::chrono::duration_cast<Duration>(policy().max_open_duration *
                                                           random_.between(1, 2));
    return grant(PermitKind::local, h);
  }
  if (known && state() == State::recovering) {
    // The last quota is kept, never grown; without one, a single call at a time.
    if (!local_guard_.admits(h)) return refuse(RefusalReason::local, h);
    if (in_flight_recovering_ >= std::max(1, allowed(h))) return refuse(RefusalReason::limit, h);
    in_flight_recovering_++;
    return grant_by_guard(PermitKind::recovering, h);
  }
  return local_permit(h);
}

Admission Member::local_permit(HoldTime h) {
  if (policy().on_store_failure == OnStoreFailure::refuse) return refuse(RefusalReason::store, h);
  if (!local_guard_.admits(h)) return refuse(RefusalReason::local, h);
  return grant_by_guard(PermitKind::local, h);
}

bool Member::may_start(const Permit& permit, const Now& now) {
  const HoldTime h = clock_.advance(now);
  expire_probes(h);
  if (permit.kind == PermitKind::probe && !core::mutant(core::Mutant::lease_not_rechecked)) {
    return std::any_of(held_.begin(), held_.end(), [&](const HeldSlot& held) {
      return held.probe && held.slot == permit.slot && held.token == permit.token &&
             h - held.claimed + policy().call_timeout <= usable_lease(held.lease);
    });
  }
  if (policy().mode != Mode::enforce || permit.kind == PermitKind::local) return true;
  if (record_ && permit.epoch != record_->epoch && state() != State::closed) return false;
  // One that lay about while the process was frozen is worth no more than the view it came from:
  // the caller must ask again.
  if (h - permit.acquired > policy().view_max_age) return false;
  return permit.kind != PermitKind::recovering || still_has_place(permit, h);
}

// A place by a slot ends with the slot's lease: others may have it by then. One drawn by lot is for
// the step in which it was drawn.
bool Member::still_has_place(const Permit& permit, HoldTime h) const {
  if (!handing_out_slots() || is_blind(h)) return true;
  if (recovery_slots_held() > 0) return in_flight_recovering_ <= allowed(h);
  return h - permit.acquired <= policy().recovery_step;
}

// ---- Limit ----------------------------------------------------------------------------------

int Member::recovery_slots() const {
  if (!record_) return 0;
  return static_cast<int>(
      std::min(kSlotLimitMax, std::floor(std::max(1.0, record_->recovery.limit))));
}

int Member::slots_held() const { return static_cast<int>(held_.size()); }

int Member::allowed(HoldTime h) const {
  if (!record_ || record_->state != State::recovering) return 0;
  const double limit = record_->recovery.limit;
  if (limit <= kSlotLimitMax) {
    return static_cast<int>(std::count_if(held_.begin(), held_.end(), [&](const HeldSlot& s) {
      return !s.probe && s.epoch == record_->epoch && s.slot < recovery_slots() &&
             h - s.claimed + policy().call_timeout <= usable_lease(s.lease);
    }));
  }
  // By the last step's count, never by one's own: a thousand joiners that count themselves admit
  // four times the limit.
  const bool joiner = core::mutant(core::Mutant::joiner_counts_itself);
  if (!eligible() && !joiner && !core::mutant(core::Mutant::joiner_has_a_quota)) return 0;
  const double unit =
      core::to_unit(core::hash2(instance_.value, static_cast<std::uint64_t>(record_->epoch)));
  const double members = joiner ? fleet_.members : record_->members;
  return static_cast<int>(std::floor(limit / std::max(1.0, members) + unit));
}

bool Member::eligible() const {
  // Whoever began to call after the step was made was not counted by it, and waits for the next.
  return record_ && snapshot_ && joined_at_ <= hold_of(record_->step_at) - policy().recovery_step;
}

bool Member::asks_seldom() const { return asked_at_ - asked_before_ > policy().recovery_step; }

bool Member::drawn_by_lot(HoldTime h) {
  // A slot or a quota is worth nothing to a process that asks less than once a step: it would lie
  // unused and be missed elsewhere. Such a call is drawn by lot, at the odds at which all such
  // calls together fill what the steady callers have left of the limit.
  if (!asks_seldom() || !eligible() || in_flight_recovering_ > 0) return false;
  // When a recovery begins they may all come at the same time, and the odds go by those who came in
  // the last step: one like this must have had the time to be among them.
  const Duration gap = std::min<Duration>(asked_at_ - asked_before_, 2 * policy().recovery_step);
  const HoldTime made = hold_of(record_->step_at) - policy().recovery_step;
  if (made < hold_of(record_->since) + gap) return false;
  double left = record_->recovery.limit;
  if (handing_out_slots()) {
    const StoreTime now = store_now(h);
    const auto end = record_->slots.begin() + recovery_slots();
    left = recovery_slots() -
           static_cast<double>(std::count_if(record_->slots.begin(), end,
                                             [&](const auto& s) { return s && s->expires > now; }));
  }
  double offered = record_->recovery.offered_in_flight;
  if (offered <= 0) offered = fleet_.calls_per_second * to_seconds(policy().call_timeout) / 10;
  return random_.chance(left / std::max(1.0, offered));
}

int Member::allowed_in_flight(const Now& now) { return allowed(clock_.advance(now)); }

// ---- What others may see --------------------------------------------------------------------

Member::OpenGate Member::gate(const Now& now) {
  const HoldTime h = clock_.advance(now);
  OpenGate gate{.open = false, .epoch = record_ ? record_->epoch : 0, .valid_for = 0s};
  // Observing, calls take the longer way outside CLOSED: they do the probing too, or a fleet that
  // only observes would never see its circuit close.
  if (policy().mode == Mode::off) {
    gate.open = true;
    gate.valid_for = 24h;
    return gate;
  }
  if (hold_obeyed()) {
    gate.open = record_->hold.kind != HoldKind::forced_open;
    const bool endless = record_->hold.until == StoreTime{};
    gate.valid_for = endless ? Duration{24h} : Duration{record_->hold.until - store_now_at_least()};
    return gate;
  }
  if (is_blind(h) || too_old(h)) return gate;
  gate.open = state() == State::closed && !local_guard_.stopped();
  const Duration good_for = policy().strict ? policy().view_refresh : policy().view_max_age;
  gate.valid_for = good_for - (h - view_at_);
  return gate;
}

Duration Member::retry_after(const Now& now) { return retry_after_at(clock_.advance(now)); }

Duration Member::retry_after_at(HoldTime h) const {
  if (!record_) return std::max(local_guard_.wait(h), options_.store_budget);
  const Duration refresh = policy().view_refresh_in_trouble;
  if (hold_obeyed()) {
    if (record_->hold.until == StoreTime{}) return refresh;
    return std::max<Duration>(record_->hold.until - store_now_at_least(), 0ms);
  }
  if (is_blind(h)) return std::max(local_guard_.wait(h), refresh);
  if (too_old(h)) return options_.store_budget;
  switch (state()) {
    case State::open:
      // A trip not yet written has no reopen time yet; the policy knows what it will be.
      if (record_->state != State::open) return policy().open_duration;
      return std::max<Duration>(record_->reopen - store_now(h), options_.store_budget);
    case State::half_open:
      return refresh;
    case State::recovering:
      // Without a place of its own nothing changes before the next answer of the store. Asked for
      // more often, a large fleet's refusals would look like traffic that is not there.
      if (allowed(h) == 0) return std::max(local_guard_.wait(h), kPlaceless);
      [[fallthrough]];
    case State::closed:
      return std::max(local_guard_.wait(h), options_.store_budget);
  }
  return refresh;
}

std::vector<Transition> Member::take_transitions() { return std::exchange(transitions_, {}); }

bool Member::demanded(HoldTime h) const { return h - asked_at_ <= kDemandWindow; }

}  // namespace switchgear::fleet
