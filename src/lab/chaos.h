// A random life of a fleet: a random policy and size, random faults of every kind at random times,
// then peace. Everything follows from the seed; a violation can be run again, with a trace.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "lab/properties.h"

namespace switchgear::lab {

enum class FaultKind : unsigned char {
  dependency_refuses,
  dependency_hangs,
  dependency_fails,
  store_refuses,
  store_silent,
  store_slow,
  partition,
  stop_process,
  step_clock,
  kill_process,
  hold,
  store_loses_all,
  store_rolls_back,
  newer_version,
};

// One thing that went wrong, as it was drawn: what is needed to make it happen again.
struct Fault {
  TrueTime at{0};
  FaultKind kind = FaultKind::dependency_refuses;
  Duration lasts{0};        // until it ends; of a kill: until another process starts instead
  int process = -1;         // stopped, killed, or with the clock that steps
  double rate = 0;          // of failures
  Duration by{0};           // how slow, or how far the clock steps
  std::vector<int> cut{};   // processes without the store
  Standstill standstill{};  // which clocks stand still meanwhile
  HoldKind hold{};
  bool hold_ends = false;  // by itself; otherwise a person ends it
};

// "the store is silent for 3.210 s"
std::string describe(const Fault& fault);

struct ChaosOptions {
  std::uint64_t seed = 1;
  bool tracing = false;
  // How long faults go on.
  Duration faults = 60s;
  // These instead of the ones that the seed would draw. The rest of the life is the seed's.
  std::optional<std::vector<Fault>> only{};
  // No more processes than this at the start.
  int processes_max = std::numeric_limits<int>::max();
  // Whether messages to the store get lost, late and repeated all the time, and probers may be
  // stopped between check and start.
  bool noise = true;
  // Replaces the store's own operations: to see that broken stores are caught.
  SimStore::Execute broken_store{};
};

struct ChaosResult {
  std::string violation;      // "" or the property, the time and what happened
  std::string trace;          // the last events, if tracing
  std::vector<Fault> faults;  // in order
  int processes = 0;
  int trips = 0;      // times the store's record became OPEN
  int recovered = 0;  // times it became RECOVERING
  int probes = 0;
  std::uint64_t calls = 0;
  std::uint64_t store_operations = 0;
  Duration back_after{0};  // from the end of faults until CLOSED or RECOVERING for good
  Duration lived{0};
};

// Runs one seed: P1 to P4, P9 and P12 after every step, P7 once faults have ended.
ChaosResult run_chaos(const ChaosOptions& options);

// The same; and if something was violated, the shortest life found in which it still is
// (lab/shrink.h).
struct SeedVerdict {
  std::string problem;  // "" or all that a person needs
  Duration lived{0};    // simulated
};
SeedVerdict check_seed(std::uint64_t seed);

}  // namespace switchgear::lab
