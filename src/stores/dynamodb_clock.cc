#include "stores/dynamodb_clock.h"

#include <algorithm>

namespace switchgear::stores {
namespace {

// Clocks may run apart by this share.
Duration drift(Duration elapsed) { return elapsed / 2'000; }

constexpr Duration kFresh = 2s;

}  // namespace

void DynamoDbClock::answered(Duration sent, WallTime date, const Now& now) {
  const Duration fastest = local_.advance(now);
  const Duration slowest = local_.at_least();
  const Duration second = date.time_since_epoch();
  Duration least = second;
  Duration most = second + 1s + (fastest - sent);
  if (known_) {
    const Duration slow = slowest - at_slowest_;
    const Duration fast = fastest - at_fastest_;
    const Duration least_so_far = least_ + slow - drift(slow);
    const Duration most_so_far = most_ + fast + drift(fast);
    // If they do not meet, a clock has stepped: then only the new answer counts.
    if (std::max(least, least_so_far) <= std::min(most, most_so_far)) {
      least = std::max(least, least_so_far);
      most = std::min(most, most_so_far);
    }
  }
  known_ = true;
  least_ = least;
  most_ = most;
  at_slowest_ = slowest;
  at_fastest_ = fastest;
}

std::optional<DynamoDbClock::Bounds> DynamoDbClock::bounds(const Now& now) {
  if (!known_) return std::nullopt;
  const Duration fast = local_.advance(now) - at_fastest_;
  const Duration slow = local_.at_least() - at_slowest_;
  return Bounds{.at_least = StoreTime{floor_ms(least_ + slow - drift(slow))},
                .at_most = StoreTime{ceil_ms(most_ + fast + drift(fast))}};
}

bool DynamoDbClock::fresh(const Now& now) {
  return known_ && local_.advance(now) - at_fastest_ <= kFresh;
}

}  // namespace switchgear::stores
