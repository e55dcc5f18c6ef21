// How many calls of the control plane may be made now: a bucket of one second's worth. Pure.
#pragma once

#include <algorithm>

#include "core/time.h"

namespace switchgear::controller {

class CallBudget {
 public:
  explicit CallBudget(double calls_per_second)
      : rate_(calls_per_second), most_(std::max(1.0, calls_per_second)), tokens_(most_) {}

  bool allows(MonoTime now) {
    tokens_ = std::min(most_, tokens_ + rate_ * to_seconds(std::max(now - at_, Duration::zero())));
    at_ = now;
    return tokens_ >= 1;
  }
  void spend() { tokens_ -= 1; }
  // Until the next call is allowed, as of the last question.
  Duration wait() const {
    return tokens_ >= 1 ? Duration::zero()
                        : std::chrono::duration_cast<Duration>(
                              std::chrono::duration<double>((1 - tokens_) / rate_));
  }

 private:
  const double rate_;
  const double most_;
  double tokens_;
  MonoTime at_{};
};

}  // namespace switchgear::controller
