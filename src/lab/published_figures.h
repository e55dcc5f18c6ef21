// The figures that the fleet protocol was published with, taken from a model of it, and the fleets
// that they are of. The shipped code is measured against them: no more than 15 % worse.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lab/fleet_figures.h"

namespace switchgear::lab {

inline constexpr double kFailureRates[] = {1, 0.5, 0.2};
inline constexpr double kWorse = 1.15;

struct PublishedFigures {
  double calls_per_second;  // of the fleet that was measured; 0: not told
  double writes_per_second;
  // After an onset of each of kFailureRates; 0: not told.
  double seconds[3];
  double calls[3];
};

struct PublishedRow {
  std::string_view name;
  FleetShape shape;
  double background;
  bool default_policy;
  Reading reading;
  Duration view_refresh;
  double thinning_rate;
  PublishedFigures published;
  int sick_runs_max = 20;

  FleetOptions options(std::uint64_t seed) const;
  // Writes follow the failures, and those the calls: what the published fleet would have written at
  // this pace.
  double writes_at(double calls_per_second) const;
};

// Means over the seeds 1 to `seeds`, those of an onset over the runs that it opened.
struct MeanFigures {
  FleetFigures figures;
  std::vector<int> not_open;  // runs, by rate
  int false_trips = 0;
};
MeanFigures mean_figures(const PublishedRow& row, int seeds, bool calm_minute = true,
                         std::span<const double> rates = kFailureRates);

std::span<const PublishedRow> published_rows();
const PublishedRow& published_row(std::string_view name);

}  // namespace switchgear::lab
