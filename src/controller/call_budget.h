// How many calls of the control plane may be made now, a bucket of one second's worth, and whose
// turn it is to make one. Pure.
#pragma once

#include <algorithm>
#include <vector>

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

// Those that share a budget: whoever has made a call comes last, so that one with hundreds of
// mappings keeps none waiting that has one.
template <class T>
class Turns {
 public:
  void add(T* one) { order_.push_back(one); }
  std::vector<T*> order() const { return order_; }
  void spent(T* one) {
    const auto at = std::ranges::find(order_, one);
    std::rotate(at, at + 1, order_.end());
  }

 private:
  std::vector<T*> order_;
};

}  // namespace switchgear::controller
