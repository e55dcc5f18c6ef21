// The three clocks of one simulated process, none of which need be right.
#pragma once

#include "core/time.h"
#include "lab/scheduler.h"

namespace switchgear::lab {

// Where simulated time begins on every right wall clock and on the store's: 2026-01-01.
inline constexpr std::chrono::seconds kEpochStart{1'767'225'600};

// Which clocks do not count while a process is stopped. Never all of them: then nothing inside
// could tell that time has passed.
enum class Standstill : unsigned char { none, local, wall };

class LocalClocks {
 public:
  // `rate` is how fast the local clocks run (1.0005 is 500 ppm fast).
  LocalClocks(TrueTime truth, double rate, Duration wall_skew)
      : truth_(truth), rate_(rate), wall_(kEpochStart + truth + wall_skew) {}

  Now read(TrueTime truth) {
    advance(truth);
    return Now{.mono = MonoTime{mono_}, .boot = BootTime{boot_}, .wall = WallTime{wall_}};
  }
  void stand_still(TrueTime truth, Standstill which) {
    advance(truth);
    standstill_ = which;
  }
  void step_wall(TrueTime truth, Duration by) {
    advance(truth);
    wall_ += by;
  }

 private:
  void advance(TrueTime truth) {
    const auto step = std::chrono::duration_cast<Duration>((truth - truth_) * rate_);
    truth_ = truth;
    if (standstill_ != Standstill::local) {
      mono_ += step;
      boot_ += step;
    }
    if (standstill_ != Standstill::wall) wall_ += step;
  }

  TrueTime truth_;
  double rate_;
  Standstill standstill_ = Standstill::none;
  // Any start will do; not zero, so that nothing relies on it.
  Duration mono_{1'000s};
  Duration boot_{2'000s};
  Duration wall_;
};

}  // namespace switchgear::lab
