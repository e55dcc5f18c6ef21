// The kernel's coarse clocks: as precise as its tick (1 to 10 ms), at 4 ns a reading.
#pragma once

#include <time.h>

#include <cstdint>

namespace switchgear::guard {

using ReadClock = int (*)(clockid_t, timespec*);

// The kernel's own function in the vDSO. Calling it without the detour through libc saves 1.5 ns a
// reading, and a call makes two. clock_gettime itself where the vDSO has no such function.
ReadClock find_read_clock();

// Before any initialiser has run it is clock_gettime, which is right too.
extern ReadClock read_clock;

// CLOCK_MONOTONIC_COARSE or CLOCK_REALTIME_COARSE, in ns. From any thread.
inline std::int64_t read_coarse(clockid_t id) {
  timespec t{};
  read_clock(id, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

}  // namespace switchgear::guard
