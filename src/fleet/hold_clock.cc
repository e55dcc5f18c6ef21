#include "fleet/hold_clock.h"

#include <algorithm>

#include "core/mutant.h"

namespace switchgear::fleet {

HoldTime HoldClock::advance(const Now& now) {
  const Duration mono = now.mono - last_.mono;
  const Duration boot = now.boot - last_.boot;
  const Duration wall = now.wall - last_.wall;
  Duration most = std::max({mono, boot, wall, Duration::zero()});
  if (core::mutant(core::Mutant::lease_by_wall_clock)) most = std::max(wall, Duration::zero());
  if (core::mutant(core::Mutant::lease_by_monotonic_clock)) most = mono;
  at_least_ += std::max(std::min({mono, boot, wall}), Duration::zero());
  last_ = now;
  elapsed_ += most;
  return elapsed_;
}

}  // namespace switchgear::fleet
