// The token bucket that keeps a fleet of clients from retrying a failing service to death: the
// "standard" retry mode of the AWS SDKs. Pure.
#pragma once

namespace switchgear::aws {

// 500 tokens; a retry takes 14, after throttling 5, as in botocore since 2026 (before: 5, and 10
// after a timeout); a success gives back what its own retry took, or 1 if it needed none. When most
// calls fail, the bucket runs dry and errors pass straight through until successes refill it.
class RetryQuota {
 public:
  // Takes the tokens for one retry: how many, or 0 if there are not enough.
  int take(bool after_throttling) {
    const int cost = after_throttling ? 5 : 14;
    if (tokens_ < cost) return 0;
    tokens_ -= cost;
    return cost;
  }
  // A call succeeded whose last retry took `taken` tokens (0: the first attempt).
  void succeeded(int taken) {
    tokens_ += taken > 0 ? taken : 1;
    if (tokens_ > kTokens) tokens_ = kTokens;
  }
  int tokens() const { return tokens_; }

 private:
  static constexpr int kTokens = 500;
  int tokens_ = kTokens;
};

}  // namespace switchgear::aws
