#include "lab/fleet_figures.h"

namespace switchgear::lab {

namespace {

constexpr Duration kCalm = 65s;
constexpr Duration kMeasured = 60s;
constexpr Duration kOpensWithin = 300s;
// The idlest call every five seconds, at random.
constexpr Duration kStopsWithin = 60s;
constexpr Duration kSick = 180s;

OnsetFigures onset(LeanFleet fleet, double rate) {
  OnsetFigures f{.failure_rate = rate};
  const TrueTime began = fleet.now();
  fleet.begin_failing(rate);
  while (!fleet.opened() && fleet.now() < began + kOpensWithin) fleet.run_for(100ms);
  f.opened = fleet.opened();
  if (f.opened) {
    f.seconds = to_seconds(fleet.opened_at() - began);
    const TrueTime latest = fleet.now() + kStopsWithin;
    while (!fleet.all_stopped() && fleet.now() < latest) fleet.run_for(100ms);
  }
  f.calls = fleet.calls();
  return f;
}

}  // namespace

Policy measured_policy(Duration view_refresh) {
  Policy p = measured_default_policy(view_refresh);
  p.failure_weight = 10;
  p.trip_level = 100;
  return p;
}

Policy measured_default_policy(Duration view_refresh) {
  Policy p;
  p.view_refresh = view_refresh;
  p.open_duration = 10min;
  p.max_open_duration = 10min;
  return p;
}

FleetFigures measure_fleet(const FleetOptions& options, std::span<const double> failure_rates) {
  const LeanFleet::Tables tables = LeanFleet::tables_of(options);
  LeanFleet fleet(options, tables);
  FleetFigures f;
  fleet.run_for(1s);
  f.writes_at_start = fleet.writes();
  fleet.run_until(kCalm);
  for (const double rate : failure_rates) f.onsets.push_back(onset(fleet, rate));

  f.false_trip = fleet.opened();
  if (!options.calm_minute) return f;
  const std::uint64_t calls = fleet.calls();
  const std::uint64_t writes = fleet.writes();
  const std::uint64_t reads = fleet.reads();
  fleet.run_for(kMeasured);
  const auto per_second = [](std::uint64_t n) {
    return static_cast<double>(n) / to_seconds(kMeasured);
  };
  f.calls_per_second = per_second(fleet.calls() - calls);
  f.writes_per_second = per_second(fleet.writes() - writes);
  f.reads_per_second = per_second(fleet.reads() - reads);
  f.estimated_rate = fleet.estimate().calls_per_second / f.calls_per_second;
  f.estimated_members = fleet.estimate().members;
  f.false_trip = fleet.opened();
  return f;
}

bool sick_process_opens(const FleetOptions& options, bool busiest, bool only_observes) {
  LeanFleet::Tables tables = LeanFleet::tables_of(options);
  if (!only_observes) tables.observing = tables.enforcing;
  LeanFleet fleet(options, tables, busiest ? LeanFleet::Sick::busiest : LeanFleet::Sick::idlest);
  fleet.run_until(kCalm);
  fleet.begin_sickness();
  const TrueTime end = fleet.now() + kSick;
  while (!fleet.opened() && fleet.now() < end) fleet.run_for(1s);
  return fleet.opened();
}

}  // namespace switchgear::lab
