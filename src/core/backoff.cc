#include "core/backoff.h"

#include <algorithm>

namespace switchgear::core {
namespace {

Duration scaled(Duration d, double factor) {
  // 2^63 ns rounds up in a double, so the cast is only safe below it.
  const double ns = static_cast<double>(d.count()) * factor;
  if (!(ns > 0)) return Duration::zero();
  if (ns >= 9.2e18) return Duration::max();
  return Duration(static_cast<Duration::rep>(ns));
}

}  // namespace

Problems Backoff::validate() const {
  Problems problems;
  if (base < 1ms) {
    problems.push_back(
        {"base", "must be at least 1ms, or every wait is none; write for example 5s"});
  }
  if (cap < base) {
    problems.push_back({"cap", "must be at least as long as base; write for example 15m"});
  }
  return problems;
}

Duration exponential(const Backoff& backoff, std::uint64_t attempt) {
  if (backoff.base <= Duration::zero() || backoff.cap <= Duration::zero()) return Duration::zero();
  const std::uint64_t doublings = attempt == 0 ? 0 : attempt - 1;
  // Compares base with cap / 2^n instead of base * 2^n with cap: nothing can overflow.
  if (doublings >= 63 || backoff.base.count() > (backoff.cap.count() >> doublings)) {
    return backoff.cap;
  }
  return Duration(backoff.base.count() << doublings);
}

Duration delay(const Backoff& backoff, std::uint64_t attempt, Random& random) {
  const Duration e = exponential(backoff, attempt);
  switch (backoff.jitter) {
    case Jitter::none:
      return e;
    case Jitter::full:
      return std::min(e, scaled(e, random.unit()));
    case Jitter::equal:
      return std::min(e, e / 2 + scaled(e - e / 2, random.unit()));
  }
  return e;
}

Duration open_time(const Policy& policy, int opens, double unit) {
  const Backoff doubling{
      .base = policy.open_duration, .cap = policy.max_open_duration, .jitter = Jitter::none};
  const Duration whole = exponential(doubling, opens < 1 ? 1 : static_cast<std::uint64_t>(opens));
  return scaled(whole, 1.0 + policy.open_jitter * (2.0 * unit - 1.0));
}

}  // namespace switchgear::core
