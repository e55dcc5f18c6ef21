#include "guard/circuit_core.h"

#include <algorithm>
#include <variant>

#include "core/name.h"

namespace switchgear::guard {
namespace {

constexpr int kQuietRounds = 2;

}  // namespace

struct CircuitCore::Attempt {
  fleet::Admission admission;
  Now now;
  bool unseen = false;  // no view of the circuit yet
  bool poke = false;
  bool wake = false;
};

CircuitCore::CircuitCore(std::string name)
    : timed_(false),
      slow_(0),
      in_order_(false),
      background_(nullptr),
      name_(std::move(name)),
      keyed_(!core::parent_of(name_).empty()),
      passes_(true) {}

CircuitCore::CircuitCore(std::shared_ptr<Seat> seat, Background& background, const Options& options)
    : timed_(seat->policy().slow_call_duration > 0s),
      slow_(seat->policy().slow_call_duration),
      in_order_(seat->policy().rule == Rule::classic),
      background_(&background),
      name_(seat->name()),
      keyed_(!core::parent_of(name_).empty()),
      seat_(std::move(seat)),
      options_(options),
      passes_(false) {
  seat_->listen(this);
}

CircuitCore::~CircuitCore() {
  if (seat_) seat_->listen(nullptr);
}

// ---- Admission ----------------------------------------------------------------------------------

bool CircuitCore::enter_timed(Leave& leave) {
  const bool by_ticks = background_->ns_per_tick() > 0;
  const std::uint64_t ticks = by_ticks ? read_ticks() : 0;
  const std::uint64_t word =
      by_ticks ? gate_.enter(TicksAndWall{ticks}) : gate_.enter(CoarseClocks{});
  if (word == 0) return false;
  leave.way = Leave::Way::gate;
  leave.timing = by_ticks ? Leave::Timing::ticks : Leave::Timing::clock;
  leave.word = word;
  leave.started =
      by_ticks ? static_cast<std::int64_t>(ticks) : read_monotonic().time_since_epoch().count();
  return true;
}

bool CircuitCore::admit_by_member(Leave& leave, Refusal& refusal) {
  if (passes_.load(std::memory_order_relaxed)) {
    leave.way = Leave::Way::pass;
    return true;
  }
  if (const auto repeated = gate_.refused()) {
    aside_.add(thread_context().number,
               repeated->reason == RefusalReason::held ? kRefusedHeld : kRefusedOpen);
    refusal = *repeated;
    return false;
  }
  const auto ask_member = [this](fleet::Member& member, const Now& now) {
    return ask(member, now);
  };
  auto lock = seat_->lock();
  Attempt attempt = seat_->touch_locked(ask_member);
  // Only a call without any usable view waits, and only within the budget: a store that is slow
  // or gone must not delay calls.
  MonoTime give_up = MonoTime::min();
  for (;;) {
    if (attempt.poke || attempt.wake) {
      lock.unlock();
      attempt.wake ? background_->wake(*this) : background_->poke(*this);
      lock.lock();
    }
    if (options_.first_view_wait <= 0s || !should_wait(attempt)) break;
    const MonoTime now = read_monotonic();
    if (give_up == MonoTime::min()) give_up = now + options_.first_view_wait;
    if (now >= give_up) break;
    seat_->wait(lock, give_up - now);
    attempt = seat_->touch_locked(ask_member);
  }
  lock.unlock();

  if (const auto* refused = std::get_if<fleet::Refusal>(&attempt.admission)) {
    refusal = *refused;
    return false;
  }
  const auto& permit = std::get<fleet::Permit>(attempt.admission);
  leave.way = Leave::Way::member;
  leave.timing = Leave::Timing::clock;
  leave.kind = static_cast<std::uint8_t>(permit.kind);
  leave.slot = permit.slot;
  leave.token = permit.token;
  leave.word = static_cast<std::uint64_t>(permit.epoch);
  leave.started = attempt.now.mono.time_since_epoch().count();
  leave.acquired = permit.acquired.count();
  return true;
}

CircuitCore::Attempt CircuitCore::ask(fleet::Member& member, const Now& now) {
  Attempt attempt{.admission = member.admit(now),
                  .now = now,
                  .unseen = member.record() == nullptr && member.unreadable().empty(),
                  .poke = false,
                  .wake = !gate_.awake()};
  gate_.set_awake(true);
  moved_++;
  attempt.poke = seat_->wants_attention(member, now);
  if (const auto* refused = std::get_if<fleet::Refusal>(&attempt.admission)) {
    const Refusal refusal = *refused;
    if (refusal.reason == RefusalReason::open || refusal.reason == RefusalReason::held) {
      gate_.publish_refusal(refusal, now);
    }
  }
  return attempt;
}

// With the seat's lock held. A permit that an attempt without a view brought is dropped when the
// call waits: the member keeps no account of it.
bool CircuitCore::should_wait(const Attempt& attempt) {
  if (attempt.unseen) {
    const MonoTime now = read_monotonic();
    if (first_view_until_ == MonoTime::min()) first_view_until_ = now + options_.first_view_wait;
    return now < first_view_until_;
  }
  const auto* refused = std::get_if<fleet::Refusal>(&attempt.admission);
  return refused != nullptr && refused->reason == fleet::RefusalReason::stale_view;
}

bool CircuitCore::may_start(const Leave& leave) {
  switch (leave.way) {
    case Leave::Way::pass:
      return true;
    case Leave::Way::gate:
      if (gate_.enter() == leave.word) return true;
      break;
    case Leave::Way::member:
      break;
  }
  // A gate's permit is good as long as the member would grant another of the same epoch.
  return seat_->touch([&](fleet::Member& member, const Now& now) {
    if (leave.way == Leave::Way::member) return member.may_start(permit_of(leave), now);
    const auto gate = member.gate(now);
    return gate.open && gate.epoch == Gate::epoch_of(leave.word);
  });
}

// ---- Outcomes -----------------------------------------------------------------------------------

void CircuitCore::finish_otherwise(const Leave& leave, Outcome outcome) {
  if (leave.way == Leave::Way::pass) return;
  if (leave.way == Leave::Way::member) {
    finish_by_member(leave, outcome);
    return;
  }
  if (outcome == Outcome::ignored) {
    aside_.add(thread_context().number, kIgnored);
    return;
  }
  const Duration duration = duration_of(leave);
  if (outcome == Outcome::success && duration < slow_ && gate_.count_success(leave.word)) return;
  if (passes_.load(std::memory_order_relaxed)) return;
  notes_out_.fetch_add(1, std::memory_order_relaxed);
  if (!background_->note({.circuit = this,
                          .epoch = Gate::epoch_of(leave.word),
                          .ended = read_monotonic(),
                          .duration = duration,
                          .outcome = outcome})) {
    notes_out_.fetch_sub(1, std::memory_order_release);
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

void CircuitCore::asked_to_wait(Duration pause) {
  if (!seat_) return;
  seat_->touch([&](fleet::Member& member, const Now& now) { member.asked_to_wait(pause, now); });
}

Duration CircuitCore::duration_of(const Leave& leave) const {
  switch (leave.timing) {
    case Leave::Timing::none:
      break;
    case Leave::Timing::ticks: {
      // 0 if the counter has lost its credit meanwhile: then this call is not judged as slow.
      const auto ticks = static_cast<std::int64_t>(read_ticks()) - leave.started;
      const double ns = static_cast<double>(ticks) * background_->ns_per_tick();
      return Duration(std::max<std::int64_t>(0, static_cast<std::int64_t>(ns)));
    }
    case Leave::Timing::clock:
      return read_monotonic().time_since_epoch() - Duration(leave.started);
  }
  return 0s;
}

void CircuitCore::finish_by_member(const Leave& leave, Outcome outcome) {
  const bool poke = seat_->touch([&](fleet::Member& member, const Now& now) {
    const Duration duration = now.mono.time_since_epoch() - Duration(leave.started);
    if (in_order_) collect(member, now);
    member.finish(permit_of(leave), outcome, duration, now);
    return seat_->wants_attention(member, now);
  });
  if (poke && !passes_.load(std::memory_order_relaxed)) background_->poke(*this);
}

fleet::Permit CircuitCore::permit_of(const Leave& leave) const {
  return {.kind = static_cast<fleet::PermitKind>(leave.kind),
          .slot = leave.slot,
          .token = leave.token,
          .epoch = static_cast<std::int64_t>(leave.word),
          .acquired = fleet::HoldTime(leave.acquired)};
}

// ---- Background ---------------------------------------------------------------------------------

void CircuitCore::take(const Note& note) {
  seat_->touch_at(note.ended, [&](fleet::Member& member, const Now& now) {
    moved_++;
    // A window of the last calls must see them in their order.
    if (in_order_) collect(member, now);
    member.finish({.kind = fleet::PermitKind::normal, .epoch = note.epoch, .acquired = {}},
                  note.outcome, note.duration, now);
  });
  notes_out_.fetch_sub(1, std::memory_order_release);
}

bool CircuitCore::sweep() {
  return seat_->touch([&](fleet::Member& member, const Now& now) {
    collect(member, now);
    quiet_rounds_ = moved_ == 0 ? quiet_rounds_ + 1 : 0;
    moved_ = 0;
    if (quiet_rounds_ >= kQuietRounds) {
      quiet_rounds_ = 0;
      gate_.set_awake(false);
    }
    return gate_.awake();
  });
}

void CircuitCore::retire() {
  passes_.store(true, std::memory_order_relaxed);
  if (!seat_) return;
  seat_->touch([&](fleet::Member& member, const Now& now) {
    collect(member, now);
    gate_.set_awake(false);
  });
}

bool CircuitCore::forgettable() {
  if (!seat_) return true;
  if (notes_out_.load(std::memory_order_acquire) > 0) return false;
  return seat_->touch([](fleet::Member& member, const Now&) { return member.forgettable(); });
}

void CircuitCore::touched(fleet::Member& member, const Now& now) {
  gate_.publish(member, now, timed_ ? background_->ns_per_tick() : 0);
}

void CircuitCore::collect(fleet::Member& member, const Now& now) {
  moved_ += gate_.sweep(member, now);
  for (unsigned i = 0; i < std::size(aside_totals_); ++i) {
    const std::uint64_t count = aside_.take(i);
    aside_totals_[i] += count;
    moved_ += count;
    if (i == kIgnored && count > 0) member.note_demand(now);
  }
}

CircuitCounts CircuitCore::counts() {
  if (!seat_) return {};
  return seat_->touch([&](fleet::Member& member, const Now& now) {
    collect(member, now);
    const fleet::MemberCounters& seen = member.counters();
    CircuitCounts counts{.late = seen.late_results,
                         .dropped = dropped_.load(std::memory_order_relaxed),
                         .evidence_dropped = seen.failures_dropped};
    std::copy_n(seen.outcomes, 4, counts.outcomes);
    std::copy_n(seen.probes, 4, counts.probes);
    std::copy_n(seen.refused, kRefusalReasons, counts.refused);
    counts.outcomes[static_cast<int>(Outcome::ignored)] += aside_totals_[kIgnored];
    counts.refused[static_cast<int>(RefusalReason::open)] += aside_totals_[kRefusedOpen];
    counts.refused[static_cast<int>(RefusalReason::held)] += aside_totals_[kRefusedHeld];
    return counts;
  });
}

}  // namespace switchgear::guard
