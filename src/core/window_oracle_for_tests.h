// The classic rule word for word, slow and obvious: what the sliding window is tested against.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>

#include "core/policy.h"

namespace switchgear::core {

// Keeps every call, and counts them all again each time.
class WindowOracle {
 public:
  explicit WindowOracle(const WindowRule& rule) : rule_(rule) {}
  std::optional<WindowTrip> add(bool failed, bool slow, Duration at) {
    newest_ = std::max(newest_, at);
    calls_.push_back({failed, slow, std::chrono::floor<std::chrono::seconds>(newest_)});
    std::int64_t calls = 0;
    std::int64_t failures = 0;
    std::int64_t slows = 0;
    for (std::size_t back = 0; back < calls_.size(); ++back) {
      const Call& call = calls_[calls_.size() - 1 - back];
      const bool inside = rule_.type == SlidingWindowType::count
                              ? back < static_cast<std::size_t>(rule_.size)
                              : calls_.back().second - call.second < 1s * rule_.size;
      if (!inside) break;
      calls++;
      failures += call.failed;
      slows += call.slow;
    }
    if (calls < rule_.minimum_calls) return std::nullopt;
    const auto percent = [&](std::int64_t n) {
      return 100.0 * static_cast<double>(n) / static_cast<double>(calls);
    };
    if (percent(failures) >= 100 * rule_.failure_rate - 1e-9) {
      return WindowTrip{.slow = false, .calls = calls, .events = failures};
    }
    if (rule_.slow_call_rate > 0 && percent(slows) >= 100 * rule_.slow_call_rate - 1e-9) {
      return WindowTrip{.slow = true, .calls = calls, .events = slows};
    }
    return std::nullopt;
  }

 private:
  struct Call {
    bool failed;
    bool slow;
    std::chrono::seconds second;
  };
  WindowRule rule_;
  std::deque<Call> calls_;
  Duration newest_{0};
};

}  // namespace switchgear::core
