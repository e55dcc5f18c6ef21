// How much of a fleet one record of a store bears.
#pragma once

namespace switchgear::fleet {

// Members go easy on the record accordingly. The defaults are for a server in memory.
struct StoreLimits {
  // Failures above this fleet rate are thinned. Calls/s.
  double thinning_rate = 5'000;
  // Instances that add their sums to one recovery step, at the most: of those that made calls, and
  // of those that only had some refused.
  double step_sample = 300;
  // Reads a second by all instances that make calls, to have young views; and at the most as many
  // again for failures that they do not report. Where there are more, each reads less often.
  double reads_per_second = 100'000;
};

}  // namespace switchgear::fleet
