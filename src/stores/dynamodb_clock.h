// What time it is at DynamoDB, as far as anybody can tell: the Date of its answers has whole
// seconds, and the way there and back takes a while. So the time is known as an interval, which
// every answer narrows.
#pragma once

#include <optional>

#include "core/time.h"
#include "fleet/hold_clock.h"

namespace switchgear::stores {

class DynamoDbClock {
 public:
  struct Bounds {
    StoreTime at_least;
    StoreTime at_most;
  };

  explicit DynamoDbClock(const Now& start) : local_(start) {}

  // To be called right before a request is sent; what it returns goes with the answer.
  Duration sent(const Now& now) { return local_.advance(now); }
  // An answer with this Date, to a request that was sent then.
  void answered(Duration sent, WallTime date, const Now& now);

  // Without an answer so far: nothing. While this process is frozen any local clock may stand still
  // or run ahead: the lower bound goes with the slowest of them, the upper one with the fastest.
  std::optional<Bounds> bounds(const Now& now);
  // Whether there was an answer within the last two seconds. Of an older one no lease is made: a
  // freeze that no local clock shows would make its upper bound too low.
  bool fresh(const Now& now);

 private:
  fleet::HoldClock local_;
  bool known_ = false;
  // Of the last answer: the bounds at its receipt, since 1970, and both local times of it.
  Duration least_{0};
  Duration most_{0};
  Duration at_slowest_{0};
  Duration at_fastest_{0};
};

}  // namespace switchgear::stores
