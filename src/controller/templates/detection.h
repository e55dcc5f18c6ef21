// How long an alarm on Lambda's metrics takes to see an outage. Pure arithmetic on what CloudWatch
// documents: metrics arrive once a minute, alarms with periods of a minute or more are evaluated
// once a minute, and a call counts in the minute in which it began.
#pragma once

#include "controller/templates/options.h"

namespace switchgear::controller {

// From the moment at which every call begins to fail, with enough calls, to ALARM.
struct Detection {
  Duration least;
  Duration average;  // over the moment of the minute at which it begins
  Duration most;
  Duration hanging;  // more where calls do not fail at once but hang until the time-out
  Duration most_hanging() const { return most + hanging; }
};
// Of valid options with a function_timeout.
Detection detection_of(const TemplateOptions& options);

// The least number of periods in which `datapoints` show in full although the calls of the youngest
// still hang; one more than `datapoints` at least, so that a single period without data resets
// nothing.
int periods_for(Duration function_timeout, Duration period, int datapoints);

// How long one step of the ramp must last so that the alarms can judge it: whole minutes.
Duration ramp_step_of(const TemplateOptions& options);

}  // namespace switchgear::controller
