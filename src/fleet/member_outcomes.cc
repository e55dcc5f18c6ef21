// What a member makes of the calls that end: evidence, the meter, and the places they leave.
#include <algorithm>
#include <cmath>

#include "core/assert.h"
#include "core/mutant.h"
#include "fleet/member.h"
#include "fleet/window_rule.h"

namespace switchgear::fleet {

namespace {

// After this long without a call an instance counts as new to the meter.
constexpr Duration kHelloAfter = 60s;
// And after this long as a newcomer to a recovery: the count of the fleet has forgotten it.
constexpr Duration kForgottenAfter = 120s;

}  // namespace

void Member::finish(const Permit& permit, Outcome outcome, Duration duration, const Now& now) {
  const HoldTime h = clock_.advance(now);
  expire_probes(h);
  const auto index = static_cast<std::size_t>(outcome);
  const bool turned_away = permit.kind == PermitKind::recovering && outcome == Outcome::overload;
  if (turned_away) {
    hold_back(permit.acquired, h);
  } else {
    release(permit);
  }
  if (permit.kind == PermitKind::probe) {
    const std::uint64_t late = counters_.late_results;
    settle_probe(permit, outcome == Outcome::success   ? Settlement::success
                         : outcome == Outcome::ignored ? Settlement::returned
                                                       : Settlement::failure);
    if (counters_.late_results == late) counters_.probes[index]++;
    return;
  }
  if (outcome == Outcome::ignored) {
    local_guard_.returned(permit.acquired);
    counters_.outcomes[index]++;
    return;
  }
  note_call(h, 1);

  // A call that began before any view was there belongs to whatever circuit was found closed.
  const bool current = record_ && (core::mutant(core::Mutant::late_result_counted) ||
                                   permit.epoch == record_->epoch ||
                                   (permit.epoch == 0 && record_->state == State::closed));
  if (record_ && !current) {
    local_guard_.returned(permit.acquired);
    counters_.late_results++;
    return;
  }
  counters_.outcomes[index]++;
  if (permit.kind == PermitKind::recovering) {
    sums_.ok += outcome == Outcome::success;
    sums_.overload += outcome == Outcome::overload;
    sums_.failure += outcome == Outcome::failure;
    const HoldTime until = turned_away && !held_back_.empty() ? held_back_.back() : h;
    sums_.busy_ms += to_seconds(std::max(h, until) - permit.acquired) * 1e3;
    if (outcome == Outcome::success) {
      sums_.rtt_sum_ms += to_seconds(duration) * 1e3;
      sums_.rtt_count += 1;
    }
  }
  const bool slow = policy().slow_call_duration > 0s && duration >= policy().slow_call_duration;
  note_evidence(permit, outcome, slow, h);
  const bool failed = outcome != Outcome::success;
  // The limit's own search causes overload, and cuts for it.
  if (outcome == Outcome::overload && record_ && record_->state == State::recovering) {
    local_guard_.returned(permit.acquired);
    return;
  }
  // Stopped, it makes no more calls and no more reports: it has to ask what the fleet thinks.
  // Alone, its own window is exact, and the guard has nothing to add while the store is there.
  const bool blind = is_blind(h);
  const bool guarded = !window_ || fleet_.members >= kAloneBelow || blind || local_guard_.stopped();
  if (guarded && local_guard_.add(failed, blind, permit.acquired, h, random_)) read_soon(h);
  feed_window([&] { return window_->add(failed, slow, h); }, h);
}

void Member::asked_to_wait(Duration pause, const Now& now) {
  const HoldTime h = clock_.advance(now);
  const Duration heeded = std::min(pause, policy().retry_after_max);
  asked_pause_until_ = std::max(asked_pause_until_, h + heeded);
}

void Member::give_back(const Permit& permit, const Now& now) {
  expire_probes(clock_.advance(now));
  release(permit);
  local_guard_.returned(permit.acquired);
  if (permit.kind == PermitKind::probe) settle_probe(permit, Settlement::returned);
}

void Member::release(const Permit& permit) {
  if (permit.kind == PermitKind::recovering) {
    SG_ASSERT(in_flight_recovering_ > 0);
    in_flight_recovering_--;
  }
  if (permit.kind == PermitKind::local && trial_out_ == permit.acquired) trial_out_.reset();
}

// A dependency that is full turns calls away at once. Were the place free at once as well, the few
// places too many would make more calls than all that are served, and what is a limit slightly too
// high would look like a dependency that serves nobody. So the place stays taken for twice as long
// as a call that is served takes: up to twice the right limit, fewer are turned away than served.
void Member::hold_back(HoldTime acquired, HoldTime h) {
  const double base_ms = record_ ? record_->recovery.base_rtt_ms : 0;
  const double mean_ms = sums_.rtt_count > 0 ? sums_.rtt_sum_ms / sums_.rtt_count : 0;
  const double served_ms = std::max(base_ms, mean_ms);
  const Duration usual = served_ms > 0 ? std::chrono::duration_cast<Duration>(2ms * served_ms)
                                       : policy().call_timeout / 5;
  held_back_.push_back(std::max(h, acquired + std::min(usual, policy().call_timeout)));
}

void Member::free_held_back(HoldTime h) {
  const auto freed = std::erase_if(held_back_, [h](HoldTime until) { return until <= h; });
  SG_ASSERT(std::cmp_greater_equal(in_flight_recovering_, freed));
  in_flight_recovering_ -= static_cast<int>(freed);
}

void Member::settle_probe(const Permit& permit, Settlement settlement) {
  const auto held = std::find_if(held_.begin(), held_.end(), [&](const HeldSlot& s) {
    return s.probe && s.slot == permit.slot && s.token == permit.token;
  });
  if (held == held_.end()) {  // its lease ended: it has been settled as a failure already
    counters_.late_results++;
    return;
  }
  // Of a round that has passed: the place goes back, the result counts for nothing.
  if (settlement != Settlement::returned && record_ && held->epoch != record_->epoch) {
    counters_.late_results++;
  }
  settles_.push_back(SettleOp{.epoch = held->epoch,
                              .slot = held->slot,
                              .holder = instance_,
                              .token = held->token,
                              .settlement = settlement});
  held_.erase(held);
}

void Member::expire_probes(HoldTime h) {
  // A probe whose lease ended without a word is a failed probe; one that was never used goes back.
  for (auto it = held_.begin(); it != held_.end();) {
    const bool unusable = h - it->claimed + policy().call_timeout > usable_lease(it->lease);
    // No call that began in time lasts beyond the usable part of its lease. Said before the store
    // lets the slot go: whoever takes it next would be the one to find out.
    const bool over = it->in_use ? h - it->claimed >= usable_lease(it->lease) : unusable;
    if (!it->probe || !over) {
      ++it;
      continue;
    }
    if (it->in_use) counters_.probes[static_cast<std::size_t>(Outcome::failure)]++;
    settles_.push_back(
        SettleOp{.epoch = it->epoch,
                 .slot = it->slot,
                 .holder = instance_,
                 .token = it->token,
                 .settlement = it->in_use ? Settlement::failure : Settlement::returned});
    it = held_.erase(it);
  }
}

void Member::count_successes(std::uint64_t count, std::int64_t epoch, const Now& now) {
  if (count == 0) return;
  const HoldTime h = clock_.advance(now);
  asked_at_ = h;
  note_call(h, count);
  if (record_ && epoch != record_->epoch) {
    counters_.late_results += count;
    return;
  }
  counters_.outcomes[static_cast<std::size_t>(Outcome::success)] += count;
  local_guard_.add_successes(static_cast<double>(count), is_blind(h));
  feed_window([&] { return window_->add_successes(count, h); }, h);
}

template <class Feed>
void Member::feed_window(Feed feed, HoldTime h) {
  if (!window_ || (record_ && record_->state != State::closed)) return;
  const std::optional<core::WindowTrip> trip = feed();
  const bool alone = fleet_.members < kAloneBelow;
  if (alone) evidence_ratio_ = window_->ratio();
  if (!trip) return;
  own_trip_ = own_trip(*trip, core::window_rule(policy()));
  own_trip_at_ = h;
  if (!alone || !record_ || stopped_epoch_ == record_->epoch || hold_obeyed()) return;
  // At this very call, not at the next answer of the store. But where that answer seems old, a
  // local clock may have been set forward since, and the store's time, until which the circuit
  // would stay open, is not known.
  if (h - answered_at_ <= policy().view_max_age) {
    plan(h);
  } else {
    read_soon(h);
  }
}

void Member::start_clock(HoldTime h) {
  if (clock_started_ && h - last_call_ <= kHelloAfter) return;
  if (!clock_started_ || h - last_call_ > kForgottenAfter) joined_at_ = h;
  // The call that starts the clock ends no interval: it is announced by a hello, which the store
  // counts on its own.
  clock_started_ = true;
  hello_due_ = true;
  announced_ = 1;
  meter_from_ = h;
  meter_calls_ = 0;
  last_call_ = h;
}

void Member::note_call(HoldTime h, std::uint64_t calls) {
  start_clock(h);
  // What a hello has announced is counted by it; once more, and thin traffic would look twice as
  // dense as it is.
  const std::uint64_t announced = core::mutant(core::Mutant::hello_counted_twice) ? 0 : announced_;
  meter_calls_ += calls - std::min(calls, announced);
  announced_ = 0;
  last_call_ = h;
}

void Member::read_soon(HoldTime h) {
  if (!read_soon_since_) read_soon_since_ = h;
}

void Member::note_evidence(const Permit& permit, Outcome outcome, bool slow, HoldTime h) {
  if (outcome == Outcome::success && !slow) return;
  const State here = record_ ? record_->state : State::closed;
  if (here != State::closed && here != State::recovering) return;
  // Observing: a call beyond the limit says nothing about the limit.
  if (here == State::recovering && permit.kind != PermitKind::recovering) return;
  if (hold_obeyed() && record_->hold.kind != HoldKind::metrics_only) return;
  // One thinning a batch, so that its counts stay comparable.
  const auto thinning = batch_.empty() ? this->thinning() : static_cast<int>(batch_.thinning);
  if (thinning > 0 && !random_.chance(std::exp2(-thinning))) {
    // Not reported, but a sign of trouble all the same: look at what the others say.
    read_soon(h);
    return;
  }
  const std::int64_t epoch = record_ ? record_->epoch : permit.epoch;
  if (!batch_.empty() && batch_.epoch != epoch && batch_.epoch != 0) drop_batch();
  if (batch_.empty()) {
    batch_.first = h;
    batch_.thinning = static_cast<std::uint32_t>(thinning);
  }
  batch_.epoch = epoch;
  batch_.last = h;
  batch_.failures += outcome == Outcome::failure;
  batch_.overloads += outcome == Outcome::overload;
  batch_.slow += slow;
}

int Member::thinning() const {
  const double by_rate =
      std::log2(std::max(1.0, fleet_.calls_per_second / options_.limits.thinning_rate));
  // A recovery makes so few calls that each failure counts.
  const bool by_window =
      window_ && (!record_ || record_->state == State::closed) && fleet_.members >= kAloneBelow;
  return std::max(
      static_cast<int>(std::ceil(by_rate)),
      by_window ? window_thinning(core::window_rule(policy()), fleet_.calls_per_second) : 0);
}

void Member::drop_batch() {
  counters_.failures_dropped += batch_.failures + batch_.overloads + batch_.slow;
  batch_ = Batch{};
}

}  // namespace switchgear::fleet
