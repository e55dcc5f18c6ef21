#include "net/clocks.h"

#include <time.h>

#include "core/assert.h"

namespace switchgear::net {
namespace {
Duration read(clockid_t clock) {
  timespec t{};
  // Fails only for a clock that the kernel does not have; CLOCK_BOOTTIME came with Linux 2.6.39.
  SG_ASSERT(::clock_gettime(clock, &t) == 0);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}
}  // namespace

Now read_clocks() {
  return {.mono = MonoTime(read(CLOCK_MONOTONIC)),
          .boot = BootTime(read(CLOCK_BOOTTIME)),
          .wall = WallTime(read(CLOCK_REALTIME))};
}

}  // namespace switchgear::net
