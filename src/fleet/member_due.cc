// When a member has something to say to the store: the earliest time for each kind of operation, in
// hold time, or never.
#include <algorithm>
#include <cmath>

#include "core/assert.h"
#include "fleet/member.h"

namespace switchgear::fleet {

namespace {

// Without calls the view is refreshed this seldom, for those who look at metrics.
constexpr Duration kIdleRefresh = 30s;
// Instances that add their sums to the meter, at the most.
constexpr double kMeterSample = 500;
// A call refused by the recovery limit within this time wants another slot.
constexpr Duration kLimitDemand = 1s;
// The store is told of a probe's call once it has lasted this long. A shorter one tells by itself
// what became of it; were its end held up by word of its beginning, a process that is frozen as
// soon as its call has ended (an environment of Lambda) would turn each success into a lost probe.
constexpr Duration kTellAfter = 100ms;

}  // namespace

Duration Member::until_next(const Now& now) {
  const HoldTime h = clock_.advance(now);
  HoldTime due = due_slot_expiry();
  for (const HoldTime until : held_back_) due = std::min(due, until);
  if (!in_flight_ && policy().mode != Mode::off) {
    HoldTime work = kNever;
    if (leaving_) {
      if (!left() || retry_) work = h;
    } else if (retry_ || !settles_.empty() || planned_ || hello_due_) {
      work = h;
    } else if (!snapshot_) {
      work = due_read(h);
    } else {
      if (unreadable_.empty()) {
        if (missing_ || reassert_due_) {
          work = std::min(work, write_after_);
        } else {
          work = std::min({work, due_batch(), due_claim(h), due_step_delta(h), due_plan()});
        }
        work = std::min(work, due_renewal(h));
      }
      work = std::min({work, due_heartbeat(), due_read(h)});
    }
    if (reads_instead(h)) {
      if (work != kNever) work = std::max(work, writes_throttled_.until);
      work = std::min(work, due_read_instead(h));
    }
    if (work != kNever) work = std::max({work, store_retry_at_, due_allowance()});
    due = std::min(due, work);
  }
  if (due == kNever) return Duration::max();
  return std::max(due - h, Duration::zero());
}

Duration Member::gap() const {
  const auto by_size = std::chrono::duration_cast<Duration>(4ms * fleet_.members);
  return std::clamp<Duration>(by_size, 20ms, 200ms);
}

HoldTime Member::due_batch() const {
  return batch_.empty() || !record_ ? kNever : std::max(batch_.first, last_report_ + gap());
}

HoldTime Member::due_refresh(HoldTime h) const {
  if (heard_epoch_ > seen_epoch_) return h;
  if (stale_since_ > refreshed_at_) return stale_since_;
  if (outage_pending_) {
    // Seldom callers too have to see that the failures go on. The fleet together reads 100 times a
    // second, up to 900 instances.
    const auto shared = std::chrono::duration_cast<Duration>(10ms * fleet_.members);
    return refreshed_at_ + std::clamp<Duration>(shared, gap(), 900ms);
  }
  const HoldTime usual = due_usual_refresh(h);
  if (!read_soon_since_) return usual;
  // All may see the same trouble at once, and then for as long as it lasts. Reads on time take a
  // third of what a record bears: where twice that is not enough for all within a second, these are
  // spread.
  const Duration spread = std::max<Duration>(bearable_pause() / 2 - 1s, 0ms);
  const HoldTime soon = *read_soon_since_ + std::chrono::duration_cast<Duration>(spread * phase_);
  return std::min(usual, std::max({soon, std::max(last_report_, refreshed_at_) + gap(),
                                   read_soon_at_ + bearable_pause()}));
}

// All who make calls may read at this distance.
Duration Member::bearable_pause() const {
  const auto pause =
      std::chrono::duration_cast<Duration>(1s * (fleet_size() / options_.limits.reads_per_second));
  return std::min(pause, kIdleRefresh);
}

HoldTime Member::due_usual_refresh(HoldTime h) const {
  const bool calm =
      state() == State::closed && !hold_obeyed() && unreadable_.empty() && !local_guard_.stopped();
  const Duration refresh = calm ? policy().view_refresh : policy().view_refresh_in_trouble;
  if (policy().strict && calm) {
    // A little ahead of the time at which calls would have to wait for it, but only where they
    // follow one another closely: whoever calls seldom reads before the call. Read ahead there too,
    // more old views would be young enough for one more call when a dependency begins to fail.
    const HoldTime ahead = refreshed_at_ + refresh * 4 / 5;
    if (asked_before_ >= ahead) return asked_before_;
    return refreshed_at_ + kIdleRefresh;
  }
  if (asked_at_ >= refreshed_at_) return refreshed_at_ + std::max(refresh, bearable_pause());
  if (calm || !demanded(h)) return refreshed_at_ + kIdleRefresh;
  // Nobody has asked since, but may soon: the whole fleet together reads 100 times a second.
  const auto shared = std::chrono::duration_cast<Duration>(10ms * fleet_.members);
  return refreshed_at_ + std::min(std::max(shared, policy().view_refresh_in_trouble), kIdleRefresh);
}

HoldTime Member::due_read(HoldTime h) const {
  return std::max(snapshot_ && !read_again_ ? due_refresh(h) : h, reads_throttled_.until);
}

// While writes wait; and before one that has waited, where nothing is taken.
bool Member::reads_instead(HoldTime h) const {
  if (h < writes_throttled_.until) return true;
  return read_instead_ && !leaving_ && reads_throttled_.in_a_row > 0 && reads_throttled_.until <= h;
}

HoldTime Member::due_read_instead(HoldTime h) const {
  if (leaving_) return kNever;
  return read_instead_ ? std::max(h, reads_throttled_.until) : due_read(h);
}

HoldTime Member::due_plan() const {
  if (!record_ || !snapshot_) return kNever;
  HoldTime due = replan_ ? plan_blocked_until_ : kNever;
  // The store's time is known in whole milliseconds only.
  const auto jitter = std::chrono::duration_cast<Duration>(1s * step_jitter_) + 1ms;
  if (record_->hold.kind != HoldKind::none) {
    if (record_->hold.until != StoreTime{}) {
      due = hold_of(record_->hold.until) + jitter;
    }
  } else if (record_->state == State::recovering) {
    due = hold_of(record_->step_at) + jitter;
    // Those who make calls go first; the others only see to it that steps are made at all.
    if (answered_at_ - asked_at_ > kLimitDemand) due += 5s;
  }
  if (due == kNever) return kNever;
  // It begins with a read.
  return std::max(
      {due, plan_after_, reads_throttled_.until, replan_ ? plan_blocked_until_ : HoldTime::min()});
}

bool Member::usable_view(HoldTime h) const {
  return record_ && !missing_ && !reassert_due_ && unreadable_.empty() && !too_old(h) &&
         record_->hold.kind == HoldKind::none;
}

bool Member::handing_out_slots() const {
  return record_ && record_->state == State::recovering && record_->recovery.limit <= kSlotLimitMax;
}

HoldTime Member::due_claim(HoldTime h) const {
  if (!demanded(h) || !usable_view(h) || leaving_) return kNever;
  const auto when_free = [&](int count, HoldTime from) {
    // The slots are known as of the last answer; one that looks taken now may expire later.
    return free_slot(record_->slots, count, store_now(std::max(h, from)), 0) >= 0
               ? std::max(claim_after_, from)
               : kNever;
  };
  switch (record_->state) {
    case State::closed:
      return kNever;
    case State::open:
      // With a look whether somebody else does.
      return std::max(when_free(policy().probes, hold_of(record_->reopen)), reads_throttled_.until);
    case State::half_open: {
      const bool has_idle = std::any_of(held_.begin(), held_.end(), [&](const HeldSlot& s) {
        return s.probe && !s.in_use && s.epoch == record_->epoch;
      });
      if (has_idle || record_->probe_failed > 0) return kNever;
      return when_free(policy().probes, HoldTime{0});
    }
    case State::recovering:
      if (!handing_out_slots() || h - limit_refused_at_ > kLimitDemand || asks_seldom() ||
          !may_take_more_slots(h)) {
        return kNever;
      }
      return when_free(recovery_slots(), HoldTime{0});
  }
  return kNever;
}

// After a cut from quotas to slots all slots are free, but the others do not know yet and go on by
// their quotas: whoever took all slots at once would double what is in flight. So each takes its
// share until they do.
bool Member::may_take_more_slots(HoldTime h) const {
  if (h - slots_again_at_ > policy().view_refresh_in_trouble + policy().recovery_step) return true;
  const double share = std::ceil(recovery_slots() / std::max(1.0, record_->members));
  // Of a thousand most had no quota: a slot for them would come on top of the quotas.
  return recovery_slots_held() < std::min<double>(share, quota_before_);
}

int Member::recovery_slots_held() const {
  return static_cast<int>(
      std::count_if(held_.begin(), held_.end(), [](const HeldSlot& s) { return !s.probe; }));
}

bool Member::surplus_slot() const {
  return recovery_slots_held() > std::max(in_flight_peak_, in_flight_peak_before_);
}

// When the store is to be told that the call of a probe is out, if it does not know it yet.
HoldTime Member::due_start(const HeldSlot& s) const {
  const bool untold = s.in_use && !s.told && record_ && s.epoch == record_->epoch && !missing_ &&
                      unreadable_.empty();
  return untold ? s.began + std::min<Duration>(kTellAfter, policy().call_timeout / 4) : kNever;
}

HoldTime Member::due_renewal(HoldTime h) const {
  HoldTime due = kNever;
  for (const HeldSlot& s : held_) due = std::min(due, due_start(s));
  if (!usable_view(h)) return due;
  for (const HeldSlot& s : held_) {
    if (s.probe) {
      if (leaving_ && !s.in_use) due = h;
      continue;
    }
    const bool leaving =
        leaving_ || s.epoch != record_->epoch || !handing_out_slots() || s.slot >= recovery_slots();
    if (leaving) {
      if (recovery_slots_held() > in_flight_recovering_) due = std::min(due, h);
    } else {
      due = std::min(due, s.claimed + policy().recovery_step * 2 / 3);
    }
  }
  return due;
}

HoldTime Member::due_step_delta(HoldTime h) const {
  if (!record_ || record_->state != State::recovering || delta_sent_for_ == record_->step ||
      !usable_view(h) || !chosen_for_step() || !active_in_step()) {
    return kNever;
  }
  const Duration step = policy().recovery_step;
  // In the last quarter of the step, spread, and early enough to be there when it ends.
  const auto before = std::chrono::duration_cast<Duration>(step * (0.05 + 0.2 * phase_));
  return hold_of(record_->step_at) - before;
}

HoldTime Member::due_heartbeat() const {
  if (!snapshot_ || meter_calls_ == 0 || !sampled()) return kNever;
  const std::int64_t minute = std::max(member_minute_ + 1, minute_of(snapshot_->time));
  const StoreTime start = store_time_ms(minute * 60'000);
  return hold_of(start) + std::chrono::duration_cast<Duration>(60s * phase_);
}

HoldTime Member::due_slot_expiry() const {
  HoldTime due = kNever;
  for (const HeldSlot& s : held_) {
    if (!s.probe) continue;
    // One nanosecond past the point from which expire_probes() acts.
    due = std::min(
        due, s.claimed + (s.in_use ? usable_lease(s.lease)
                                   : usable_lease(s.lease) - policy().call_timeout + Duration{1}));
  }
  return due;
}

double Member::sample_share() const { return std::min(1.0, kMeterSample / fleet_.members); }

bool Member::sampled() const {
  return core::to_unit(core::mix64(instance_.value)) < sample_share();
}

StoreTime Member::store_now(HoldTime h) const {
  if (!snapshot_) return StoreTime{};
  return snapshot_->time + floor_ms(h - answered_at_);
}

StoreTime Member::store_now_at_least() const {
  if (!snapshot_) return StoreTime{};
  return snapshot_->time + floor_ms(clock_.at_least() - answered_at_least_);
}

HoldTime Member::hold_of(StoreTime t) const {
  SG_ASSERT(snapshot_);
  return answered_at_ + (t - snapshot_->time);
}

Decider Member::decider(HoldTime h) {
  return Decider{.instance = instance_,
                 .nonce = random_.next(),
                 .asked_pause = std::max<Duration>(asked_pause_until_ - h, 0ms)};
}

HoldTime Member::due_allowance() const {
  return allowance_ >= 1
             ? HoldTime::min()
             : allowance_at_ + std::chrono::duration_cast<Duration>(
                                   1s * ((1 - allowance_) / options_.store_operations_per_second));
}

}  // namespace switchgear::fleet
