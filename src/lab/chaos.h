// A random life of a fleet: a random policy and size, random faults of every kind at random times,
// then peace. Everything follows from the seed; a violation can be run again, with a trace.
#pragma once

#include <cstdint>
#include <string>

#include "lab/properties.h"

namespace switchgear::lab {

struct ChaosOptions {
  std::uint64_t seed = 1;
  bool tracing = false;
  // How long faults go on.
  Duration faults = 60s;
  // Replaces the store's own operations: to see that broken stores are caught.
  SimStore::Execute broken_store{};
};

struct ChaosResult {
  std::string violation;  // "" or the property, the time and what happened
  std::string trace;      // the last events, if tracing
  int processes = 0;
  int trips = 0;      // times the store's record became OPEN
  int recovered = 0;  // times it became RECOVERING
  int probes = 0;
  std::uint64_t calls = 0;
  std::uint64_t store_operations = 0;
  Duration back_after{0};  // from the end of faults until CLOSED or RECOVERING for good
  Duration lived{0};
};

// Runs one seed: P1 to P4 and P9 after every step, P7 once faults have ended.
ChaosResult run_chaos(const ChaosOptions& options);

// The same, and once more with a trace if something was violated. "" or all that a person needs.
std::string check_seed(std::uint64_t seed);

}  // namespace switchgear::lab
