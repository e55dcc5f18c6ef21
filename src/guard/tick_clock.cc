#include "guard/tick_clock.h"

#include <time.h>

#include <cmath>
#include <optional>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace switchgear::guard {
namespace {
// Two pairs this far apart tell the rate to 1 part in 5,000.
constexpr Duration kShortestBaseline = 100ms;
constexpr double kTolerance = 0.01;
// A thread may lose the processor between reading the counter and reading the clock: such a pair
// says nothing.
constexpr Duration kWidestPair = 20us;
constexpr int kTries = 8;

struct Pair {
  std::uint64_t ticks = 0;
  MonoTime mono;
};
std::optional<Pair> read_pair() {
  for (int i = 0; i < kTries; ++i) {
    const MonoTime before = read_monotonic();
    const std::uint64_t ticks = read_ticks();
    if (read_monotonic() - before <= kWidestPair) return Pair{.ticks = ticks, .mono = before};
  }
  return std::nullopt;
}
}  // namespace

MonoTime read_monotonic() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return MonoTime(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

bool has_invariant_ticks() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
#else
  return false;
#endif
}

TickClock::TickClock() : trusted_(has_invariant_ticks()) {
  const std::optional<Pair> pair = read_pair();
  trusted_ = trusted_ && pair;
  last_ticks_ = pair ? pair->ticks : 0;
  last_mono_ = pair ? pair->mono : MonoTime{};
}

void TickClock::check() {
  if (const std::optional<Pair> pair = read_pair()) check(pair->ticks, pair->mono);
}

void TickClock::check(std::uint64_t ticks, MonoTime mono) {
  const Duration passed = mono - last_mono_;
  if (!trusted_ || passed < kShortestBaseline) return;
  const double counted = static_cast<double>(static_cast<std::int64_t>(ticks - last_ticks_));
  const double rate = static_cast<double>(passed.count()) / counted;
  const double known = ns_per_tick();
  last_ticks_ = ticks;
  last_mono_ = mono;
  if (counted <= 0 || (known > 0 && std::abs(rate / known - 1) > kTolerance)) {
    trusted_ = false;
    ns_per_tick_.store(0, std::memory_order_relaxed);
  } else if (known == 0) {
    ns_per_tick_.store(rate, std::memory_order_relaxed);
  }
}

}  // namespace switchgear::guard
