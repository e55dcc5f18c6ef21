// From a failing life of a fleet (lab/chaos.h) to the shortest that still fails in the same way:
// what a person wants to read.
#pragma once

#include <string>

#include "lab/chaos.h"

namespace switchgear::lab {

struct Shrunk {
  ChaosOptions options;  // run_chaos() of these fails again, with a trace
  ChaosResult result;    // what comes of them
  std::size_t faults_before = 0;
  int processes_before = 0;
  int runs = 0;  // lives that were tried
};

// "P3" of "P3 at 12.345 s: …"; "" if nothing was violated.
std::string property_of(const std::string& violation);

// Takes away faults, noise and processes, makes faults shorter and lets them end earlier, for as
// long as the same property is violated; tries at most `runs_max` lives. `failing` must fail.
Shrunk shrink(const ChaosOptions& failing, int runs_max = 300);

// What was violated, all that is left of the life, its last events, and how to see it again.
std::string to_text(const Shrunk& shrunk);

}  // namespace switchgear::lab
