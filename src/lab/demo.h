// The demo: an outage as a fleet of workers lives through it, shown second by second, then the same
// outage without a circuit, then both side by side. The deciding objects are those that ship, in
// virtual time; nothing outside this process is needed.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>

#include "lab/outage.h"

namespace switchgear::lab {

struct DemoOptions {
  std::uint64_t seed = 1;
  bool fast = false;    // no pacing
  bool json = false;    // one object instead of the table
  bool colour = false;  // ANSI colours; only for a terminal
  int width = 80;       // columns; at least 60
};

// Waits for so long in real time. Called between the lines that are shown.
using Pace = std::function<void(Duration)>;

struct DemoResult {
  OutageResult with;
  OutageResult without;
};

// Writes to `out`; the same options give the same bytes. `pace` may be empty.
DemoResult run_demo(const DemoOptions& options, std::ostream& out, const Pace& pace = {});

// The world of the demo, with and without the circuit.
OutageOptions demo_outage(std::uint64_t seed, bool circuit);

// The seconds of both runs as CSV with a header line: run,second,state,waiting,…
void write_series(std::ostream& out, const DemoResult& result);

}  // namespace switchgear::lab
