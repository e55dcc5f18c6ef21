// Who this process is among the instances of a fleet: random at every start.
#pragma once

#include <cstdint>

#include "fleet/report.h"

namespace switchgear::guard {

struct Identity {
  fleet::InstanceId instance;  // 48 bits
  std::uint64_t seed = 0;      // of jitter; never of secrets
};

// From the kernel's generator (getrandom). std::random_device would bring in a symbol that the
// glibc of Amazon Linux 2023 does not have.
Identity random_identity();

}  // namespace switchgear::guard
