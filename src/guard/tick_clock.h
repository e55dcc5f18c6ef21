// Durations of calls from the processor's time-stamp counter: 10 ns a reading instead of 23 ns for
// CLOCK_MONOTONIC.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/time.h"

namespace switchgear::guard {

// The counter as it stands; 0 where there is none that can be used.
inline std::uint64_t read_ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}

// CLOCK_MONOTONIC.
MonoTime read_monotonic();

// Says what a tick is worth. Usable only where the processor promises a counter that runs at one
// rate in every power state (CPUID 8000_0007h, bit 8), and only as long as the system's own clock
// agrees: a counter that went off by more than 1 % (a virtual machine that moved) is not used
// again. ns_per_tick() from any thread, check() from one.
class TickClock {
 public:
  TickClock();
  // 0: read CLOCK_MONOTONIC instead.
  double ns_per_tick() const { return ns_per_tick_.load(std::memory_order_relaxed); }
  // Compares the counter with CLOCK_MONOTONIC. Call it now and then, first at least 100 ms after
  // construction: until then the rate is not known.
  void check();

  // The rule behind it, for tests: takes a pair of readings.
  void check(std::uint64_t ticks, MonoTime mono);

 private:
  bool trusted_;
  std::uint64_t last_ticks_ = 0;
  MonoTime last_mono_;
  std::atomic<double> ns_per_tick_{0};
};

// True if CPUID promises an invariant counter.
bool has_invariant_ticks();

}  // namespace switchgear::guard
