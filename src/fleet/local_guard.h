// What one process decides by itself: it stops a caller that is sick alone, or whose fleet cannot
// be heard. Shown as reason `local`, never as a state of the circuit, and never written anywhere.
#pragma once

#include <limits>
#include <optional>

#include "core/random.h"
#include "core/trip_rule.h"
#include "fleet/hold_clock.h"
#include "fleet/transition.h"

namespace switchgear::fleet {

// Two serial CUSUMs (core/trip_rule.h) over this process's own calls: while blind at half the
// fleet's level, since nobody else will stop it; always at one and a half times that level, but so
// that the fleet opens first where it can: once this process has failed so often that more would be
// no evidence, or half a second after its calls began to fail. Under the classic rule, CUSUMs too,
// that neither grow nor fall at its threshold, and the half second. Once stopped it admits one
// trial call after the open time, which doubles as a circuit's does; the first trial that succeeds
// ends the stop. Not thread-safe.
class LocalGuard {
 public:
  explicit LocalGuard(const PolicyTable& table);

  bool stopped() const { return stopped_; }
  // Whether a call may go out at `h` as far as this guard is concerned. Ask, then admitted().
  bool admits(HoldTime h) const;
  void admitted(HoldTime h);
  // A call admitted at `acquired` ended without a verdict, or was never made.
  void returned(HoldTime acquired);
  // The verdict on a call; true if it stops this process, now or again.
  bool add(bool failed, bool blind, HoldTime acquired, HoldTime h, core::Random& random);
  void add_successes(double count, bool blind);
  // How long until a trial may go out, as far as is known; 0 if not stopped.
  Duration wait(HoldTime h) const;
  // How fast and large the fleet is, and for how many calls a reported one stands: by the answer to
  // what was sent at `asked`. It says how much the fleet needs to open, and how much of that it
  // takes from one.
  void expect(const FleetEstimate& fleet, double thinned_by, HoldTime asked);
  // The fleet has decided: what was seen here is part of that.
  void reset();

 private:
  bool is_trial(HoldTime acquired) const { return trial_ == acquired; }
  void stop(HoldTime h, core::Random& random);
  bool feed(core::Cusum& rule, bool failed, double share) const;

  const PolicyTable& table_;
  const Policy& policy_;
  core::Cusum blind_rule_;
  core::Cusum own_rule_;
  double window_failures_ = 0;  // classic rule: no level is below its share of these
  double of_use_ = std::numeric_limits<double>::infinity();  // more from one process is no evidence
  HoldTime of_use_since_{-1h};  // when the answer that says so was asked for
  const double success_worth_;  // what a success takes away, where a failure adds the weight
  bool stopped_ = false;
  int stops_ = 0;  // in a row
  HoldTime until_{0};
  HoldTime failing_since_{0};      // since when the sum of its own failures is above 0
  std::optional<HoldTime> trial_;  // when the trial that is out was admitted
};

}  // namespace switchgear::fleet
