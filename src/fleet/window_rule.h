// The classic rule over a fleet: reported failures within the window over the estimated traffic.
// Pure, free of order, the same for every instance. One process alone judges its own calls exactly
// instead (core/sliding_window.h); here successes are known only as a rate.
//
//   window   = n seconds, or the time in which the fleet makes n calls; never longer than the epoch
//              is old, and never shorter than instances gather failures for one report
//   calls    = calls/s * window, or the events themselves where that is more
//   E_i      = events of instance i in the window, thinning undone; a report that spans a time
//              counts with the part of it that lies within
//   counted  = sum of min(E_i, share * need)
//   need     = threshold * calls, and one and a half standard errors of the estimate (58 of 100
//              calls where the threshold is 50 %), but never more than all calls
// It trips iff calls >= the minimum and counted >= need, for a window that ends now or at one of
// the last reports. The share (share_bound) keeps one sick instance from opening the circuit.
//
// A set holds kReportsMax reports. Where it is full, nothing is known of the time before the
// oldest of them: then the time since is judged, stretched to the minimum of calls as if nothing
// had failed before. So at most about 64 reports decide, which tells 30 % from 60 % but not 45 %:
// for that there is the default rule.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "core/policy.h"
#include "fleet/evidence.h"
#include "fleet/report.h"

namespace switchgear::fleet {

struct WindowQuery {
  core::WindowRule rule;
  double threshold = 0.5;  // of the two rates of the rule, the one for `evidence`; 0: no such rule
  Evidence evidence = Evidence::failures;
  double calls_per_second = 0;
  double members = 1;
  StoreTime since;  // evidence began to be gathered
  StoreTime now;
};

// No window of a fleet is shorter than this, the longest gap between two reports of an instance.
inline constexpr std::chrono::milliseconds kFleetWindowMin{200};

// The tripping window, or the one that came closest; empty without traffic or threshold.
// At most kReportsMax^2 steps.
std::optional<Window> weigh_window(std::span<const Report> reports, const WindowQuery& query);

// How much a member thins its reports for this rule while CLOSED: j such that 64 reports of one
// failure each, each standing for 2^j, hold what the threshold is of a whole window, and what is
// needed of the minimum of calls. Else a fast fleet would fill the set with the last moments of its
// window, and one whose every call fails might fill it before it holds enough evidence.
int window_thinning(const core::WindowRule& rule, double calls_per_second);

}  // namespace switchgear::fleet
