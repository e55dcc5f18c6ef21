#include "core/sliding_window.h"

#include <algorithm>

#include "core/assert.h"
#include "core/mutant.h"

namespace switchgear::core {
namespace {

constexpr std::uint8_t kFailed = 1;
constexpr std::uint8_t kSlow = 2;

}  // namespace

SlidingWindow::SlidingWindow(const WindowRule& rule) : rule_(rule) {
  SG_ASSERT(rule.size >= 1 && rule.minimum_calls >= 1);
  if (rule.type == SlidingWindowType::count) {
    calls_.resize(static_cast<std::size_t>(rule.size));
  } else {
    seconds_.resize(static_cast<std::size_t>(rule.size));
  }
}

std::optional<WindowTrip> SlidingWindow::add(bool failed, bool slow, Duration at) {
  move_to(at);
  put(failed, slow);
  return judge();
}

std::optional<WindowTrip> SlidingWindow::add_successes(std::uint64_t count, Duration at) {
  if (count == 0 || mutant(Mutant::successes_not_in_window)) return std::nullopt;
  move_to(at);
  std::optional<WindowTrip> trip;
  // Of the successes only the one that fills the minimum can trip, or the first, before which time
  // emptied the window; beyond the minimum each makes the rates smaller.
  const std::int64_t missing = std::max<std::int64_t>(rule_.minimum_calls - counts_.calls, 1);
  const auto one_by_one = std::min(count, static_cast<std::uint64_t>(missing));
  for (std::uint64_t i = 0; i < one_by_one; ++i) put(false, false);
  trip = judge();
  std::uint64_t rest = count - one_by_one;
  if (rule_.type == SlidingWindowType::count) {
    rest = std::min(rest, static_cast<std::uint64_t>(rule_.size));
    for (; rest > 0; --rest) put(false, false);
  } else {
    const auto n = static_cast<std::int64_t>(std::min<std::uint64_t>(rest, 1ULL << 60));
    seconds_[static_cast<std::size_t>(second_ % rule_.size)].calls += n;
    counts_.calls += n;
  }
  return trip;
}

void SlidingWindow::move_to(Duration at) {
  if (rule_.type == SlidingWindowType::count || mutant(Mutant::window_never_moves)) return;
  const std::int64_t second = std::chrono::floor<std::chrono::seconds>(at).count();
  if (second <= second_) return;
  const std::int64_t steps = std::min<std::int64_t>(second - second_, rule_.size);
  second_ = second;
  for (std::int64_t i = 0; i < steps; ++i) {
    WindowCounts& old = seconds_[static_cast<std::size_t>((second - i) % rule_.size)];
    counts_.calls -= old.calls;
    counts_.failures -= old.failures;
    counts_.slow -= old.slow;
    old = WindowCounts{};
  }
}

void SlidingWindow::put(bool failed, bool slow) {
  if (rule_.type == SlidingWindowType::count) {
    std::uint8_t& place = calls_[next_];
    next_ = (next_ + 1) % calls_.size();
    if (counts_.calls == rule_.size) {
      counts_.calls--;
      counts_.failures -= (place & kFailed) != 0;
      counts_.slow -= (place & kSlow) != 0;
    }
    place = static_cast<std::uint8_t>((failed ? kFailed : 0) | (slow ? kSlow : 0));
  } else {
    WindowCounts& newest = seconds_[static_cast<std::size_t>(second_ % rule_.size)];
    newest.calls++;
    newest.failures += failed;
    newest.slow += slow;
  }
  counts_.calls++;
  counts_.failures += failed;
  counts_.slow += slow;
}

std::optional<WindowTrip> SlidingWindow::judge() const {
  const bool few = counts_.calls < rule_.minimum_calls;
  if (few && !mutant(Mutant::window_without_minimum)) return std::nullopt;
  const auto calls = static_cast<double>(counts_.calls);
  // 55 % of 20 is 11, but not in binary fractions.
  const auto reaches = [&](std::int64_t count, double rate) {
    return rate > 0 && static_cast<double>(count) >= rate * calls * (1 - 1e-12);
  };
  if (reaches(counts_.failures, rule_.failure_rate)) {
    return WindowTrip{.slow = false, .calls = counts_.calls, .events = counts_.failures};
  }
  if (reaches(counts_.slow, rule_.slow_call_rate)) {
    return WindowTrip{.slow = true, .calls = counts_.calls, .events = counts_.slow};
  }
  return std::nullopt;
}

double SlidingWindow::ratio() const {
  const auto calls =
      static_cast<double>(std::max<std::int64_t>(counts_.calls, rule_.minimum_calls));
  const auto share = [&](std::int64_t count, double rate) {
    return rate > 0 ? static_cast<double>(count) / (rate * calls) : 0.0;
  };
  return std::min(1.0, std::max(share(counts_.failures, rule_.failure_rate),
                                share(counts_.slow, rule_.slow_call_rate)));
}

void SlidingWindow::reset() {
  counts_ = WindowCounts{};
  std::ranges::fill(calls_, std::uint8_t{0});
  std::ranges::fill(seconds_, WindowCounts{});
  next_ = 0;
}

}  // namespace switchgear::core
