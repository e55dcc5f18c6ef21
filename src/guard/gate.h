// The gate: what a thread must know to let a call pass without asking anyone.
//
// While a circuit is closed and its view young, admission is a load of one word and a look at two
// clocks, and a success is one addition. No lock, no allocation, no system call, no store.
//
// One word holds everything that must be seen together:
//   epoch << 4 | generation << 1 | open
// The generation numbers the epochs modulo 8, so that a success is counted for the epoch its call
// was admitted under: even a thread that is put to sleep between comparing the word and adding
// would have to sleep through eight changes of epoch to be counted for a later one, where a
// success changes nothing but an estimate of traffic.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "core/refusal.h"
#include "core/time.h"
#include "fleet/member.h"
#include "guard/coarse_time.h"
#include "guard/success_counters.h"
#include "guard/thread_context.h"
#include "guard/tick_clock.h"

namespace switchgear::guard {

// Until when the view may be relied on, by each clock that a call can read cheaply.
struct Deadlines {
  std::atomic<std::int64_t> mono{0};  // ns
  std::atomic<std::int64_t> wall{0};  // ns
  std::atomic<std::uint64_t> ticks{0};
};

// The freeze check. A process that was stopped, or whose sandbox was, must not go on with the view
// it had before: SIGSTOP and the freezer leave both clocks running, a suspended machine or sandbox
// only the wall clock, a stopped wall clock only the monotonic one. Whichever moved most decides.
// A clock that is set back extends nothing: the other one has its own deadline. Not seen: a freeze
// during which one clock stands still and the other is set back by as much. The clocks tick every
// 1 to 10 ms (kTickMargin is taken off the deadlines) and cost 4 ns each.
struct CoarseClocks {
  bool before(const Deadlines& deadlines) const {
    return read_coarse(CLOCK_MONOTONIC_COARSE) < deadlines.mono.load(std::memory_order_relaxed) &&
           read_coarse(CLOCK_REALTIME_COARSE) < deadlines.wall.load(std::memory_order_relaxed);
  }
};

// The same when the time-stamp counter has been read anyway to time the call: it stands in for the
// monotonic clock, since it runs and stops with it.
struct TicksAndWall {
  std::uint64_t ticks = 0;
  bool before(const Deadlines& deadlines) const {
    return ticks < deadlines.ticks.load(std::memory_order_relaxed) &&
           read_coarse(CLOCK_REALTIME_COARSE) < deadlines.wall.load(std::memory_order_relaxed);
  }
};

inline constexpr Duration kTickMargin = 20ms;

// Thread-safe where said; publish() and sweep() with the seat's lock held.
class Gate {
 public:
  static constexpr std::uint64_t kOpen = 1;

  // ---- The path of a call: any thread, lock-free --------------------------------------------
  // The word under which the call was admitted; 0: ask the member.
  template <class Clocks = CoarseClocks>
  std::uint64_t enter(const Clocks& clocks = {}) const {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kOpen) == 0 || !clocks.before(deadlines_)) [[unlikely]]
      return 0;
    return word;
  }
  // Counts a success of a call that was admitted under `word`; false if the gate has changed since
  // and the member must judge.
  bool count_success(std::uint64_t word) {
    if (word_.load(std::memory_order_acquire) != word) [[unlikely]]
      return false;
    successes_.add(thread_context().number, generation_of(word));
    return true;
  }
  // Whether the gate still says what it said when it gave this word.
  bool unchanged(std::uint64_t word) const { return word_.load(std::memory_order_acquire) == word; }
  static std::int64_t epoch_of(std::uint64_t word) { return static_cast<std::int64_t>(word >> 4); }
  static unsigned generation_of(std::uint64_t word) {
    return static_cast<unsigned>(word >> 1) & (kGenerations - 1);
  }

  // A refusal that still holds (the circuit is open, or held open); empty: ask the member. Asked
  // after enter() said no.
  std::optional<Refusal> refused() const;

  // ---- With the seat's lock held --------------------------------------------------------------
  // Takes over what the member says. `ns_per_tick` 0: the counter is not used.
  void publish(fleet::Member& member, const Now& now, double ns_per_tick);
  // Lets callers repeat this refusal for a short while. Only for reasons that every caller would
  // get: open and held.
  void publish_refusal(const Refusal& refusal, const Now& now);
  // Gives the successes since the last sweep to the member; how many there were.
  std::uint64_t sweep(fleet::Member& member, const Now& now);
  // Closed to the path of calls, whatever the member says, until set awake again.
  void set_awake(bool awake) { awake_ = awake; }
  bool awake() const { return awake_; }

 private:
  void change_epoch(std::int64_t epoch, fleet::Member& member, const Now& now);

  // The word and the deadlines are read together by every call and written rarely.
  alignas(64) std::atomic<std::uint64_t> word_{0};
  Deadlines deadlines_;
  bool awake_ = false;
  SuccessCounters successes_;
  std::array<std::int64_t, kGenerations> epochs_{};

  // A published refusal, under a sequence lock: odd while it is written.
  struct alignas(64) Board {
    std::atomic<std::uint32_t> version{0};
    std::atomic<std::uint32_t> what{0};  // reason << 8 | state
    std::atomic<std::int64_t> epoch{0};
    std::atomic<std::int64_t> retry_at{0};    // mono ns
    std::atomic<std::int64_t> view_at{0};     // mono ns
    std::atomic<std::int64_t> mono_until{0};  // when it may no longer be repeated
    std::atomic<std::int64_t> wall_until{0};
  };
  Board board_;
};

}  // namespace switchgear::guard
