#include "core/trip_rule.h"

#include <algorithm>

namespace switchgear::core {

void Cusum::add_successes(double successes) { sum_ = std::max(0.0, sum_ - successes); }

bool Cusum::add_failures(double failures) {
  sum_ += rule_.weight * failures;
  return tripped();
}

}  // namespace switchgear::core
