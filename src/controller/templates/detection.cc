#include "controller/templates/detection.h"

#include <algorithm>

namespace switchgear::controller {
namespace {

// A metric is sent up to a minute after the end of its own minute, and the alarm looks at it up to
// a minute later. CloudWatch promises neither; both are taken as even.
constexpr Duration kLagMost = 2min;

}  // namespace

Detection detection_of(const TemplateOptions& options) {
  const Duration p = options.period;
  // The part of a period that must lie in the outage for the period to breach.
  const Duration part = p * options.error_percent / 100;
  const Duration further = (options.datapoints - 1) * p;
  // An outage that begins with at least `part` of a period left counts in that one; else the
  // count begins with the next, and the rest of this one is lost.
  return {.least = part + further,
          .average = further + p / 2 + part + kLagMost / 2,
          .most = part + further + p + kLagMost,
          .hanging = options.function_timeout};
}

int periods_for(Duration function_timeout, Duration period, int datapoints) {
  const auto hidden = (function_timeout + period - Duration(1)) / period;
  return datapoints + static_cast<int>(std::max<Duration::rep>(hidden, 1));
}

Duration ramp_step_of(const TemplateOptions& options) {
  const auto minutes = (detection_of(options).most_hanging() + 1min - Duration(1)) / Duration(1min);
  return std::min<Duration>(minutes * Duration(1min), 1h);
}

}  // namespace switchgear::controller
