// All that a controller is told. Aggregates with defaults; whoever fills them in keeps the ranges
// (config/ does).
#pragma once

#include <string>
#include <vector>

#include "controller/mapping.h"
#include "core/time.h"

namespace switchgear::controller {

// Whom a circuit's state follows.
enum class Evidence : unsigned char {
  alarm,    // CloudWatch alarms open it and tell when to try again
  trial,    // alarms open it, trial messages alone close it
  circuit,  // the fleet that calls the dependency: library, worker, extension
};

// How to find out whether the dependency is well while the mappings are off.
enum class HalfOpen : unsigned char {
  trial,    // one message at a time, received and given to the function by the controller
  limited,  // the mapping itself, on for a while with the least that it can be limited to
};

struct CircuitOptions {
  std::string name;
  Evidence evidence = Evidence::alarm;
  // Names, 100 at most; any in ALARM opens. None with Evidence::circuit.
  std::vector<std::string> alarms;
  std::vector<Selector> mappings;  // at least one
  HalfOpen half_open = HalfOpen::trial;
  // Between two steps of the ramp, and how long the limited half-open lasts: at least as long as
  // detection takes, which for alarms of one-minute metrics is some minutes. 1 s to 1 h.
  Duration ramp_step = 2min;
  // Whether a mapping is switched off although records are lost by it: see Mapping::loses.
  bool accept_loss = false;
  // Whether a queue's retention may be raised while its mappings are off.
  bool raise_retention = true;
  // ARN of a standard queue of its own, to which messages are moved that would expire. Empty: none
  // is parked.
  std::string parking_queue = {};
  // A mapping without a cap of its own counts as this while ramped up; the cap then goes. 2 to
  // 1,000.
  int uncapped_limit = 100;
  // Between two looks at the alarms: in CLOSED, and otherwise. 1 s to 10 min.
  Duration alarm_interval = 10s;
  // Between two looks at the mappings while all is well. 1 s to 1 h.
  Duration mapping_interval = 1min;
};

struct ControllerOptions {
  // Of the control plane, at most; the account has 15 a second for all that runs in it, deployments
  // included. 0.1 to 15.
  double calls_per_second = 3;
  // One controller per circuit: another takes over when this has passed without a renewal. 10 s to
  // 10 min.
  Duration lease = 1min;
  std::vector<CircuitOptions> circuits;
};

// No call of the control plane takes longer, and none begins when less is left of the lease: so
// that none of an old controller comes after the first of a new one.
inline Duration call_timeout_of(Duration lease) { return lease / 6; }

}  // namespace switchgear::controller
