#include "guard/gate.h"

#include <algorithm>
#include <limits>

#include "core/assert.h"

namespace switchgear::guard {
namespace {

// A refusal is repeated without asking the member for this long: short enough for the member to
// know that callers wait (it then takes probes and refreshes its view), long enough to spare the
// lock under any load.
constexpr Duration kRefusalRepeats = 50ms;

std::int64_t plus(std::int64_t ns, Duration d) {
  return d.count() > std::numeric_limits<std::int64_t>::max() - ns
             ? std::numeric_limits<std::int64_t>::max()
             : ns + d.count();
}
std::int64_t mono_ns(const Now& now) { return now.mono.time_since_epoch().count(); }
std::int64_t wall_ns(const Now& now) { return now.wall.time_since_epoch().count(); }

}  // namespace

void Gate::publish(fleet::Member& member, const Now& now, double ns_per_tick) {
  const fleet::Member::OpenGate gate = member.gate(now);
  SG_ASSERT(gate.epoch >= 0 && gate.epoch < (std::int64_t{1} << 59));
  if (gate.epoch != epoch_of(word_.load(std::memory_order_relaxed))) {
    change_epoch(gate.epoch, member, now);
  }
  const std::uint64_t closed = word_.load(std::memory_order_relaxed) & ~kOpen;
  const Duration valid_for = gate.valid_for - kTickMargin;
  if (!gate.open || !awake_ || valid_for <= 0s) {
    word_.store(closed, std::memory_order_release);
    return;
  }
  deadlines_.mono.store(plus(mono_ns(now), valid_for), std::memory_order_relaxed);
  deadlines_.wall.store(plus(wall_ns(now), valid_for), std::memory_order_relaxed);
  if (ns_per_tick > 0) {
    // One percent less than promised: no more is known of the counter's rate than that.
    const double ticks = 0.99 * static_cast<double>(valid_for.count()) / ns_per_tick;
    deadlines_.ticks.store(read_ticks() + static_cast<std::uint64_t>(ticks),
                           std::memory_order_relaxed);
  } else {
    deadlines_.ticks.store(0, std::memory_order_relaxed);
  }
  board_.mono_until.store(0, std::memory_order_release);
  word_.store(closed | kOpen, std::memory_order_release);
}

void Gate::change_epoch(std::int64_t epoch, fleet::Member& member, const Now& now) {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  const unsigned next = (generation_of(word) + 1) & (kGenerations - 1);
  // Nobody enters under the old word from here on; what is still counted under it is found by a
  // later sweep, which knows its epoch.
  word_.store(word & ~kOpen, std::memory_order_release);
  sweep(member, now);
  epochs_[next] = epoch;
  word_.store(static_cast<std::uint64_t>(epoch) << 4 | std::uint64_t{next} << 1,
              std::memory_order_release);
  board_.mono_until.store(0, std::memory_order_release);
}

std::uint64_t Gate::sweep(fleet::Member& member, const Now& now) {
  std::uint64_t sum = 0;
  for (unsigned generation = 0; generation < kGenerations; ++generation) {
    const std::uint64_t count = successes_.take(generation);
    if (count == 0) continue;
    member.count_successes(count, epochs_[generation], now);
    sum += count;
  }
  return sum;
}

void Gate::publish_refusal(const Refusal& refusal, const Now& now) {
  SG_ASSERT(refusal.reason == RefusalReason::open || refusal.reason == RefusalReason::held);
  const Duration repeats = std::min(refusal.retry_after, kRefusalRepeats);
  const auto what =
      static_cast<std::uint32_t>(refusal.reason) << 8 | static_cast<std::uint32_t>(refusal.state);
  const std::uint32_t version = board_.version.load(std::memory_order_relaxed);
  // Each store is a release, so that a reader who sees one of them sees the odd version too.
  board_.version.store(version + 1, std::memory_order_relaxed);
  board_.what.store(what, std::memory_order_release);
  board_.epoch.store(refusal.epoch, std::memory_order_release);
  board_.retry_at.store(plus(mono_ns(now), refusal.retry_after), std::memory_order_release);
  board_.view_at.store(mono_ns(now) - refusal.view_age.count(), std::memory_order_release);
  board_.mono_until.store(plus(mono_ns(now), repeats), std::memory_order_release);
  board_.wall_until.store(plus(wall_ns(now), repeats), std::memory_order_release);
  board_.version.store(version + 2, std::memory_order_release);
}

std::optional<Refusal> Gate::refused() const {
  const std::uint32_t version = board_.version.load(std::memory_order_acquire);
  const std::uint32_t what = board_.what.load(std::memory_order_acquire);
  const std::int64_t epoch = board_.epoch.load(std::memory_order_acquire);
  const std::int64_t retry_at = board_.retry_at.load(std::memory_order_acquire);
  const std::int64_t view_at = board_.view_at.load(std::memory_order_acquire);
  const std::int64_t mono_until = board_.mono_until.load(std::memory_order_acquire);
  const std::int64_t wall_until = board_.wall_until.load(std::memory_order_acquire);
  if ((version & 1) != 0 || board_.version.load(std::memory_order_relaxed) != version) {
    return std::nullopt;
  }
  const std::int64_t mono = read_coarse(CLOCK_MONOTONIC_COARSE);
  if (mono >= mono_until || read_coarse(CLOCK_REALTIME_COARSE) >= wall_until) {
    return std::nullopt;
  }
  return Refusal{.reason = static_cast<RefusalReason>(what >> 8),
                 .state = static_cast<State>(what & 0xff),
                 .epoch = epoch,
                 .retry_after = Duration(std::max<std::int64_t>(retry_at - mono, 0)),
                 .view_age = Duration(std::max<std::int64_t>(mono - view_at, 0))};
}

}  // namespace switchgear::guard
