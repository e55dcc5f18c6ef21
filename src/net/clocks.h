// The clocks of this machine. The rooms that decide are told the time; this is where it is read.
#pragma once

#include "core/time.h"

namespace switchgear::net {

// Reads CLOCK_MONOTONIC, CLOCK_BOOTTIME and CLOCK_REALTIME one after the other: three calls of
// the vDSO, about 100 ns together. From any thread.
Now read_clocks();

}  // namespace switchgear::net
