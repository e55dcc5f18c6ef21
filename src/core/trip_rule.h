// The serial Bernoulli CUSUM (Page 1954; optimal by Moustakides 1986): one integer per circuit.
// Used as it is by the local guard, and as the oracle of the fleet's rule over a set of reports.
#pragma once

#include "core/policy.h"

namespace switchgear::core {

// Not thread-safe. One call costs one addition.
class Cusum {
 public:
  explicit Cusum(CusumRule rule) : rule_(rule) {}
  // Adds one call; true if the sum is at or above the level afterwards. Never trips with a
  // weight of 0.
  bool add(bool failed) {
    sum_ += failed ? rule_.weight : -1;
    if (sum_ < 0) sum_ = 0;
    return tripped();
  }
  // Adds `successes` successes at once.
  void add_successes(double successes);
  // Adds `failures` failures at once; true if at or above the level afterwards.
  bool add_failures(double failures);
  void reset() { sum_ = 0; }
  double sum() const { return sum_; }
  // Evidence over trip level, 0 to about 1.
  double ratio() const { return rule_.level > 0 ? sum_ / rule_.level : 0; }
  bool tripped() const { return rule_.weight > 0 && sum_ >= rule_.level; }

 private:
  CusumRule rule_;
  double sum_ = 0;
};

}  // namespace switchgear::core
