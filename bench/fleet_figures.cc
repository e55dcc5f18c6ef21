// The figures of the fleet protocol, taken from the shipped objects in virtual time, beside those
// that were published for it. fleet_figures [--seeds N] [--json FILE] [--pictures FOLDER]
// [fleet|false-trips|recovery|capacity|controller]
#include "lab/fleet_figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "lab/capacity.h"
#include "lab/false_trips.h"
#include "lab/fault_picture.h"
#include "lab/fault_runs.h"
#include "lab/published_figures.h"
#include "lab/recovery_figures.h"

namespace switchgear::lab {
namespace {

// Beside the figures that are more than 15 % worse than the published ones.
const char* mark(double measured, double published) {
  return published > 0 && measured > published * kWorse ? "!" : "";
}

// Collects objects of one list.
class Json {
 public:
  void list(std::string_view name) {
    text_ << (text_.str().empty() ? "{" : "],\n") << '"' << name << "\": [";
    first_ = true;
  }
  void begin() {
    text_ << (first_ ? "\n  {" : ",\n  {");
    first_ = false;
    first_field_ = true;
  }
  void field(std::string_view name, double value) {
    key(name);
    if (std::isfinite(value)) {
      text_ << value;
    } else {
      text_ << "null";
    }
  }
  void field(std::string_view name, std::string_view value) {
    key(name);
    text_ << '"' << value << '"';
  }
  void end() { text_ << '}'; }
  std::string text() const { return text_.str() + "]}\n"; }

 private:
  void key(std::string_view name) {
    text_ << (first_field_ ? "" : ", ") << '"' << name << "\": ";
    first_field_ = false;
  }
  std::ostringstream text_;
  bool first_ = true;
  bool first_field_ = true;
};

struct SickRuns {
  int runs = 0;
  int opened = 0;            // as shipped
  int opened_observing = 0;  // by one that does not stop itself
};
SickRuns sick_runs(const PublishedRow& row, int seeds) {
  SickRuns sick{.runs = std::min(seeds, row.sick_runs_max)};
  for (int seed = 1; seed <= sick.runs; ++seed) {
    const FleetOptions options = row.options(static_cast<std::uint64_t>(seed));
    const bool busiest = seed % 2 == 0;
    sick.opened += sick_process_opens(options, busiest);
    sick.opened_observing += sick_process_opens(options, busiest, true);
  }
  return sick;
}

void fleet(int seeds, Json& json) {
  json.list("fleet");
  std::printf(
      "the means of %d seeds (published in brackets; ! where more than 15 %% worse)\n"
      "%-28s %8s  %-15s %-50s %s\n",
      seeds, "fleet", "calls/s", "writes/s", "seconds until open, calls: 100 %, 50 %, 20 %",
      "sick one opens, does if it does not stop itself, of; false trips");
  for (const PublishedRow& row : published_rows()) {
    const MeanFigures mean = mean_figures(row, seeds);
    const FleetFigures& f = mean.figures;
    const double writes = row.writes_at(f.calls_per_second);
    std::printf("%-28s %8.0f  %5.1f (%5.1f)%-1s ", row.name.data(), f.calls_per_second,
                f.writes_per_second, writes, mark(f.writes_per_second, writes));
    json.begin();
    json.field("fleet", row.name);
    json.field("seeds", seeds);
    json.field("calls_per_second", f.calls_per_second);
    json.field("writes_per_second", f.writes_per_second);
    json.field("writes_per_second_published", writes);
    json.field("reads_per_second", f.reads_per_second);
    for (std::size_t i = 0; i < std::size(kFailureRates); ++i) {
      const OnsetFigures& onset = f.onsets[i];
      const double seconds = row.published.seconds[i];
      const double calls = row.published.calls[i];
      std::printf(" %.2f (%.2f)%s %llu (%.0f)%s%s", onset.seconds, seconds,
                  mark(onset.seconds, seconds), static_cast<unsigned long long>(onset.calls), calls,
                  mark(static_cast<double>(onset.calls), calls), i < 2 ? "," : "");
      if (mean.not_open[i] > 0) std::printf(" [%d not open]", mean.not_open[i]);
      const std::string at = "_at_" + std::to_string(static_cast<int>(100 * kFailureRates[i]));
      json.field("seconds" + at, onset.seconds);
      json.field("seconds_published" + at, seconds);
      json.field("calls" + at, static_cast<double>(onset.calls));
      json.field("calls_published" + at, calls);
      json.field("not_open" + at, mean.not_open[i]);
    }
    const SickRuns sick = sick_runs(row, seeds);
    std::printf("  %d, %d of %d; %d\n", sick.opened, sick.opened_observing, sick.runs,
                mean.false_trips);
    json.field("sick_opens", sick.opened);
    json.field("sick_opens_observing", sick.opened_observing);
    json.field("sick_runs", sick.runs);
    json.field("false_trips", mean.false_trips);
    json.end();
    std::fflush(stdout);
  }
}

void false_trips(Json& json) {
  json.list("false_trips_per_day");
  std::printf("\n%-52s %11s %8s  %s\n", "one day, 1,000 calls/s, 5 % failures: trips",
              "independent", "bursty", "calls until stopped at 100 %, 50 %");
  const auto line = [&json](const std::string& name, std::uint64_t independent,
                            std::uint64_t bursty, const TripDelay& delay) {
    std::printf("%-52s %11llu %8llu  %.0f, %.0f\n", name.c_str(),
                static_cast<unsigned long long>(independent),
                static_cast<unsigned long long>(bursty), delay.at_100_percent, delay.at_50_percent);
    std::fflush(stdout);
    json.begin();
    json.field("rule", name);
    json.field("independent", static_cast<double>(independent));
    json.field("bursty", static_cast<double>(bursty));
    json.field("calls_at_100", delay.at_100_percent);
    json.field("calls_at_50", delay.at_50_percent);
    json.end();
  };
  const FalseTripOptions independent{.stream = kIndependent};
  const FalseTripOptions bursty{.stream = kBursty};
  const auto ours = [&](const char* name, const Policy& policy) {
    const core::CusumRule rule = core::compile(policy, independent.calls_per_second).failure_rule;
    line(std::string(name) + ", w = " + std::to_string(rule.weight) +
             ", H = " + std::to_string(rule.level),
         false_trips_of_cusum(rule, independent), false_trips_of_cusum(rule, bursty),
         trip_delay_of_cusum(rule));
  };
  ours("default policy", {});
  ours("for bursts (20 %, 50 %, 100 years)", policy_for_bursts());
  const auto as_shipped = [&](const char* name, const Policy& policy) {
    const FleetTrips calm = false_trips_of_fleet(policy, 10, independent);
    const FleetTrips rough = false_trips_of_fleet(policy, 10, bursty);
    std::printf("%-52s %11llu %8llu  refused meanwhile: %llu, %llu calls\n", name,
                static_cast<unsigned long long>(calm.trips),
                static_cast<unsigned long long>(rough.trips),
                static_cast<unsigned long long>(calm.refused),
                static_cast<unsigned long long>(rough.refused));
    std::fflush(stdout);
    json.begin();
    json.field("rule", std::string(name));
    json.field("independent", static_cast<double>(calm.trips));
    json.field("bursty", static_cast<double>(rough.trips));
    json.field("refused_independent", static_cast<double>(calm.refused));
    json.field("refused_bursty", static_cast<double>(rough.refused));
    json.end();
  };
  as_shipped("default policy, 10 processes as shipped", {});
  as_shipped("for bursts, 10 processes as shipped", policy_for_bursts());
  for (const int processes : {10, 1'000}) {
    const std::string by = ", " + std::to_string(processes) + " processes";
    line("5 in a row open for all" + by, false_trips_of_five_in_a_row(processes, independent),
         false_trips_of_five_in_a_row(processes, bursty), trip_delay_of_five_in_a_row(processes));
    line("half of the last 100, each for itself" + by,
         false_trips_of_half_of_100(processes, independent),
         false_trips_of_half_of_100(processes, bursty), trip_delay_of_half_of_100(processes));
  }
}

void recovery(int seeds, Json& json) {
  json.list("recovery");
  std::printf("\n%-28s %-7s %8s %5s  %-14s %-9s %-12s %-14s %s\n", "recovery", "", "backlog",
              "seeds", "drain / ideal", "re-trips", "failed calls", "relapse: drain",
              "reopened after s, calls (worst)");
  for (const RecoveryFleet& fleet : {kFourWorkers, kEnvironments}) {
    constexpr std::uint64_t backlog = 216'000;  // of an hour
    for (const Profile profile : kProfiles) {
      // A thousand processes take many times the events.
      const int runs = std::min(seeds, fleet.workers > 100 ? 1 : 3);
      double drain = 0;
      double drain_relapse = 0;
      double failed = 0;
      double reopened = 0;
      double reopened_calls = 0;
      int again = 0;
      for (int seed = 1; seed <= runs; ++seed) {
        const auto number = static_cast<std::uint64_t>(seed);
        const OutageResult r = run_outage(recovery_options(profile, fleet, backlog, number));
        drain += r.drain_seconds / r.drain_seconds_ideal / runs;
        failed += static_cast<double>(r.failed_calls) / runs;
        again += r.trips - 1;
        const OutageResult relapse = run_outage(relapse_options(profile, fleet, backlog, number));
        again += relapse.trips - 2;
        drain_relapse += relapse.drain_seconds / relapse.drain_seconds_ideal / runs;
        const bool noticed = relapse.relapse_reopened_seconds >= 0;
        reopened = std::max(reopened, noticed ? relapse.relapse_reopened_seconds : INFINITY);
        reopened_calls = std::max(reopened_calls, static_cast<double>(relapse.relapse_calls));
      }
      std::printf("%-28s %-7s %8llu %5d  %-14.3f %-9d %-12.0f %-14.3f %.1f, %.0f\n",
                  fleet.name.data(), to_string(profile).data(),
                  static_cast<unsigned long long>(backlog), runs, drain, again, failed,
                  drain_relapse, reopened, reopened_calls);
      std::fflush(stdout);
      json.begin();
      json.field("fleet", fleet.name);
      json.field("profile", to_string(profile));
      json.field("backlog", static_cast<double>(backlog));
      json.field("seeds", runs);
      json.field("drain_over_ideal", drain);
      json.field("re_trips", again);
      json.field("failed_calls", failed);
      json.field("relapse_drain_over_ideal", drain_relapse);
      json.field("relapse_reopened_seconds", reopened);
      json.field("relapse_calls", reopened_calls);
      json.end();
    }
  }
}

// Of one table of DynamoDB, beside a counter in it and AWS Powertools' rule.
void capacity(Json& json) {
  json.list("capacity");
  std::printf("\n%-24s %-10s %-8s %9s %9s %9s %9s %8s %8s %6s\n", "capacity, one item", "design",
              "phase", "calls", "refused", "writes", "reads", "writes/s", "reads/s", "bytes");
  std::printf("%-24s %-10s %-8s %9s %9s %9s %9s %8s %8s %6s\n", "", "", "", "", "", "units",
              "units", "at most", "at most", "");
  const auto line = [&json](const std::string& fleet, const char* design, const char* name,
                            const CapacityPhase& phase) {
    std::printf("%-24s %-10s %-8s %9llu %9llu %9.0f %9.0f %8.0f %8.0f %6zu  %.4f USD\n",
                fleet.c_str(), design, name, static_cast<unsigned long long>(phase.calls),
                static_cast<unsigned long long>(phase.refused), phase.units.writes,
                phase.units.reads, phase.writes_max, phase.reads_max, phase.item_bytes_max,
                phase.units.usd());
    std::fflush(stdout);
    json.begin();
    json.field("fleet", fleet);
    json.field("design", design);
    json.field("phase", name);
    json.field("seconds", phase.seconds);
    json.field("calls", static_cast<double>(phase.calls));
    json.field("refused", static_cast<double>(phase.refused));
    json.field("write_units", phase.units.writes);
    json.field("read_units", phase.units.reads);
    json.field("write_units_per_second_max", phase.writes_max);
    json.field("read_units_per_second_max", phase.reads_max);
    json.field("item_bytes_max", static_cast<double>(phase.item_bytes_max));
    json.field("usd", phase.units.usd());
    json.end();
  };
  const auto lines = [&line](const std::string& fleet, const char* design,
                             const CapacityFigures& f) {
    line(fleet, design, "start", f.start);
    line(fleet, design, "healthy", f.healthy);
    line(fleet, design, "outage", f.outage);
    line(fleet, design, "after", f.after);
    line(fleet, design, "idle", f.idle);
  };
  struct Row {
    const char* name;
    FleetShape shape;
    double failing = 1;
  };
  const FleetShape busy{1'000, 5, 50, false};
  // At 10 % the default policy does not open; at 20 % it does now and then.
  const Row rows[] = {
      {"10 environments", lambda_like(10)},       {"60 workers, 20,000/s", {60, 200, 500, false}},
      {"1,000 environments", lambda_like(1'000)}, {"1,000 busy, 10 % fail", busy, 0.1},
      {"1,000 busy, 20 % fail", busy, 0.2},       {"10,000 environments", lambda_like(10'000)}};
  for (const Row& row : rows) {
    // A process that nobody calls reads every 30 s: of ten thousand an hour will do.
    const CapacityOptions options{.shape = row.shape,
                                  .failing = row.failing,
                                  .idle = row.shape.members > 1'000 ? Duration{1h} : Duration{24h}};
    const CapacityFigures ours = measure_capacity(options);
    lines(row.name, "switchgear", ours);
    lines(row.name, "Powertools", measure_powertools(options));
    for (const auto& [name, phase] :
         {std::pair("healthy", &ours.healthy), std::pair("outage", &ours.outage)}) {
      CapacityPhase counted{.seconds = phase->seconds,
                            .calls = phase->calls,
                            .refused = phase->refused,
                            .units = units_of_a_counter(*phase)};
      line(row.name, "a counter", name, counted);
    }
  }
}

// Breakers that stand outside of the function. The faults lie at one moment of a minute, so of one
// seed: that of the docs.
void controller(Json& json, const std::string& pictures) {
  json.list("controller");
  const std::vector<FaultRow> rows = fault_rows(kFaultSeed);
  for (const FaultRow& row : rows) {
    json.begin();
    json.field("fault", row.fault->name);
    json.field("design", to_string(row.design));
    json.field("stop_seconds", row.result.stop_seconds);
    json.field("failed_invocations", static_cast<double>(row.result.counts.failed));
    json.field("receives_burnt", static_cast<double>(row.result.counts.burnt));
    json.field("dead_lettered", static_cast<double>(row.result.messages.dead_lettered));
    json.field("lost", static_cast<double>(row.result.lost()));
    json.field("full_seconds", row.result.full_seconds);
    json.end();
  }
  std::printf("\n%s", fault_table(rows).c_str());
  if (pictures.empty()) return;
  for (const FaultRow& row : rows) {
    if (row.design != kPictured || row.fault->file.empty()) continue;
    std::ofstream file(pictures + "/" + picture_name(*row.fault));
    write_fault_picture(file, *row.fault, row.result);
  }
}

int run(const std::vector<std::string>& arguments) {
  int seeds = 20;
  std::string file;
  std::string pictures;
  std::string only;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool more = i + 1 < arguments.size();
    if (arguments[i] == "--seeds" && more) {
      seeds = std::max(1, std::atoi(arguments[++i].c_str()));
    } else if (arguments[i] == "--json" && more) {
      file = arguments[++i];
    } else if (arguments[i] == "--pictures" && more) {
      pictures = arguments[++i];
    } else {
      only = arguments[i];
    }
  }
  const std::vector<std::string> parts{"fleet", "false-trips", "recovery", "capacity",
                                       "controller"};
  if (!only.empty() && std::ranges::find(parts, only) == parts.end()) {
    std::fprintf(stderr,
                 "fleet_figures: no part \"%s\"; there are fleet, false-trips, recovery, "
                 "capacity and controller\n",
                 only.c_str());
    return 2;
  }
  Json json;
  if (only.empty() || only == "false-trips") false_trips(json);
  if (only.empty() || only == "fleet") fleet(seeds, json);
  if (only.empty() || only == "recovery") recovery(seeds, json);
  if (only.empty() || only == "capacity") capacity(json);
  if (only.empty() || only == "controller") controller(json, pictures);
  if (!file.empty() && !(std::ofstream(file) << json.text())) {
    std::fprintf(stderr, "fleet_figures: cannot write %s\n", file.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace switchgear::lab

int main(int argc, char** argv) {
  return switchgear::lab::run(std::vector<std::string>(argv + 1, argv + argc));
}
