// The trip rule over a set of reports: pure, free of order, the same for every instance.
//
// For every run of reports that ends at a recent one, ordered by time:
//   elapsed = time from the first failure of the run to the last report of it
//   calls   = calls/s * elapsed, thinned as the last report was
//   E_i     = weight * failures of instance i in the run
//   counted = sum of min(E_i, share * need)
//   need    = level + max(0, calls - (counted / weight - 1))   (successes drain 1 each)
// It trips iff counted >= need for some run. Without the bound this is the
// CUSUM, because its sum is the maximum over such windows. The bound says: no instance may supply
// more than a share of what the window needs, so one sick caller never opens the circuit.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/policy.h"
#include "fleet/report.h"

namespace switchgear::fleet {

// Which events of a report are the failures of the rule.
enum class Evidence : unsigned char {
  failures,       // hard failures and overload: CLOSED
  hard_failures,  // RECOVERING: overload has a rule of its own there
  overloads,
  slow,
};
// How many of them a report holds, thinned as it is.
double events_of(const Report& report, Evidence evidence);

struct TripQuery {
  core::CusumRule rule;
  Evidence evidence = Evidence::failures;
  double calls_per_second = 0;
  double members = 1;
  StoreTime now;
};

// The run of reports that came closest to tripping.
struct Window {
  bool trips = false;
  double evidence = 0;  // after the share bound
  double need = 0;
  double failures = 0;  // as reported, thinning undone
  double calls = 0;     // estimated; only of the classic rule (window_rule.h)
  int reports = 0;
  int reporters = 0;  // distinct instances
  StoreTime first;
  StoreTime last;
  std::vector<ReporterShare> shares;  // what each instance reported, the most first
  double ratio() const { return need > 0 ? evidence / need : 0; }
  std::string text() const;  // "12 failures by 3 instances in 0.4 s; evidence 48 of 41 needed"
};

// The share of the evidence that one instance may supply: clamp(1.4 / members, 1/4, 1/2), and
// 1 below 1.5 members, where nobody is there to outvote it. Just above a third for 4 members:
// queues share out messages unevenly, and three of four workers must do.
double share_bound(double members);

// Only runs whose last report is younger than this at `now` are looked at, so that a trip missed
// by an instance that died is still found, and old evidence trips nothing.
inline constexpr std::chrono::milliseconds kTripAgeMax{5'000};

// The tripping window, or the one that came closest; empty without reports or with weight 0.
// At most kReportsMax^2 steps.
std::optional<Window> weigh(std::span<const Report> reports, const TripQuery& query);

}  // namespace switchgear::fleet
