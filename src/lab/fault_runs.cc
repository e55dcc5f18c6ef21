#include "lab/fault_runs.h"

#include <cmath>
#include <cstdio>

#include "controller/templates/detection.h"
#include "core/assert.h"
#include "lab/outside_breaker.h"

namespace switchgear::lab {

namespace {

bool by_circuit(Design design) {
  return design == Design::circuit || design == Design::circuit_in_one;
}

constexpr Duration kBegins = 10min;
constexpr Duration kSample = 5s;
constexpr double kBusy = 20;  // messages a second

std::vector<DependencyFault> make_faults() {
  const std::vector<Traffic> busy{{.at = 0s, .per_second = kBusy}};
  std::vector<DependencyFault> all;
  const auto add = [&](std::string_view name, std::string_view file, std::string_view title,
                       std::vector<Health> health, Duration length) {
    all.push_back({name, file, title, std::move(health), busy, kBegins, kBegins + length,
                   kBegins + length + 90min});
    all.back().health.push_back({.at = kBegins + length});
  };
  add("100 % errors", "all-errors", "Every call fails for 20 minutes",
      {{.at = kBegins, .failing = 1}}, 20min);
  add("delay beyond time-out", "delay", "No call is answered in time for 20 minutes",
      {{.at = kBegins, .hangs = true}}, 20min);
  add("50 % errors", "half-errors", "Half of the calls fail for 20 minutes",
      {{.at = kBegins, .failing = 0.5}}, 20min);
  add("recovery at a part", "recovery",
      "Every call fails for 10 minutes; for 30 more there is room for 3 calls at a time",
      {{.at = kBegins, .failing = 1}, {.at = kBegins + 10min, .capacity = 3}}, 40min);
  // Sixty messages every ten minutes, none between.
  add("idle", "idle", "60 messages each 10 minutes; every call fails for 20 minutes",
      {{.at = kBegins, .failing = 1}}, 20min);
  all.back().traffic.clear();
  for (Duration at = 1min; at < all.back().until; at += 10min) {
    all.back().traffic.push_back({.at = at, .per_second = 30});
    all.back().traffic.push_back({.at = at + 2s, .per_second = 0});
  }
  std::vector<Health> flaps;
  for (Duration at = 0s; at < 24min; at += 4min) {
    flaps.push_back({.at = kBegins + at, .failing = 1});
    flaps.push_back({.at = kBegins + at + 2min});
  }
  add("flapping", "flapping", "Every call fails for 2 minutes of each 4, six times", flaps, 22min);
  add("100 % errors, 2 h", "", "", {{.at = kBegins, .failing = 1}}, 2h);
  return all;
}

// What `switchgear template` makes for such a function.
controller::TemplateOptions template_of(Design design, Duration function_timeout) {
  return {.kind = design == Design::trial ? controller::TemplateKind::trial_breaker
                                          : controller::TemplateKind::alarm_breaker,
          .function_timeout = function_timeout};
}

AlarmRule alarm_of(Design design, const controller::TemplateOptions& t) {
  if (design == Design::gerkens) {
    return {.percent = 50, .minimum = 1, .failures = 10, .missing_is_good = true};
  }
  if (design == Design::stepfunctions) return {.percent = 80, .minimum = 1};
  return {.percent = t.error_percent,
          .minimum = static_cast<std::uint64_t>(t.minimum),
          .datapoints = t.datapoints,
          .periods = t.evaluation_periods(),
          .missing_is_good = design == Design::trial};
}

Policy policy_of(Design design, const controller::TemplateOptions& t) {
  Policy p;
  // The call's own time-out lies within the function's, so that the library sees how it ended.
  p.call_timeout = 5s;
  if (by_circuit(design)) return p;
  p.open_duration = t.open_duration;
  p.max_open_duration = t.max_open_duration;
  return p;
}

std::unique_ptr<OutsideBreaker> breaker_of(const FaultOptions& options, MappingWorld& world,
                                           const fleet::PolicyTable& table,
                                           const controller::TemplateOptions& t) {
  using controller::Evidence;
  if (options.design == Design::none) return nullptr;
  if (options.design == Design::gerkens) return gerkens_breaker(world);
  if (options.design == Design::stepfunctions) return stepfunctions_breaker(world);
  controller::CircuitOptions circuit{.name = MappingWorld::kCircuit,
                                     .mappings = {controller::selector_of("orders")},
                                     .ramp_step = controller::ramp_step_of(t)};
  if (by_circuit(options.design)) {
    circuit.evidence = Evidence::circuit;
  } else {
    circuit.evidence = options.design == Design::alarm ? Evidence::alarm : Evidence::trial;
    circuit.alarms = {"events", "function"};
  }
  return shipped_breaker(world, table, {.circuit = circuit, .woken = options.woken});
}

FaultSample sample_of(const MappingWorld& world, const OutsideBreaker* breaker) {
  using AlarmState = controller::AlarmView::State;
  const AlarmState events = world.events_alarm().view().state;
  return {.at = world.now(),
          .alarm = events == AlarmState::alarm ? events : world.function_alarm().view().state,
          .circuit = breaker ? breaker->state() : State::closed,
          .admitted = world.admitted(),
          .oldest = world.queue.oldest_age(world.now())};
}

std::string time_text(double seconds) {
  if (seconds < 0) return "never";
  char text[32];
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 100) {
    std::snprintf(text, sizeof text, "%ld s", whole);
  } else {
    std::snprintf(text, sizeof text, "%ld min %02ld s", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

std::string_view to_string(Design design) {
  switch (design) {
    case Design::none:
      return "no breaker";
    case Design::alarm:
      return "alarm";
    case Design::trial:
      return "trial";
    case Design::circuit:
      return "circuit";
    case Design::circuit_in_one:
      return "circuit, one environment";
    case Design::gerkens:
      return "Gerkens, 60 s data";
    case Design::stepfunctions:
      return "AWS sample, Step Functions";
  }
  SG_ASSERT(false);
}

std::span<const DependencyFault> faults() {
  static const std::vector<DependencyFault> kFaults = make_faults();
  return kFaults;
}

std::int64_t FaultResult::lost() const {
  return static_cast<std::int64_t>(messages.sent - messages.done - messages.dead_lettered) -
         waiting;
}

FaultResult run_fault(const DependencyFault& fault, const FaultOptions& options) {
  MappingWorldOptions o{.seed = options.seed, .health = fault.health, .traffic = fault.traffic};
  const controller::TemplateOptions t = template_of(options.design, o.function_timeout);
  const fleet::PolicyTable table(policy_of(options.design, t));
  o.alarm = alarm_of(options.design, t);
  o.news = options.news;
  if (by_circuit(options.design)) o.library = &table;
  o.first_environment = options.design == Design::circuit_in_one;
  MappingWorld world(o);
  const auto breaker = breaker_of(options, world, table, t);

  FaultResult result;
  TrueTime as_before_since{0};
  while (world.now() < fault.until) {
    world.scheduler.run_until(world.now() + 1s);
    const bool off =
        world.admitted() == 0 || (o.library != nullptr && breaker->state() == State::open);
    if (off && result.stop_seconds < 0 && world.now() >= fault.begins) {
      result.stop_seconds = to_seconds(world.now() - fault.begins);
    }
    if (!world.as_before()) as_before_since = world.now();
    if (world.now() % kSample == 0s) result.samples.push_back(sample_of(world, breaker.get()));
  }
  if (world.as_before()) {
    result.full_seconds = std::max(0.0, to_seconds(as_before_since - fault.ends));
  }
  result.counts = world.counts();
  result.messages = world.queue.counts();
  result.waiting = world.queue.size();
  return result;
}

std::vector<FaultRow> fault_rows(std::uint64_t seed) {
  std::vector<FaultRow> rows;
  for (const DependencyFault& fault : faults()) {
    for (const Design design : kDesigns) {
      rows.push_back({&fault, design, run_fault(fault, {.seed = seed, .design = design})});
    }
  }
  return rows;
}

std::string fault_table(std::span<const FaultRow> rows) {
  std::string text =
      "| Fault | Design | Until off | Failed invocations | Calls among them | Receives burnt | "
      "Dead-lettered | "
      "Lost | Until full rate |\n|---|---|---|---|---|---|---|---|---|\n";
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  for (const FaultRow& row : rows) {
    const FaultResult& r = row.result;
    const bool first = row.design == Design::none;
    text += "| " + std::string(first ? row.fault->name : "") + " | " +
            std::string(to_string(row.design)) + " | " + time_text(r.stop_seconds) + " | " +
            number(r.counts.failed) + " | " + number(r.counts.failed - r.counts.refused) + " | " +
            number(r.counts.burnt) + " | " + number(r.messages.dead_lettered) + " | " +
            std::to_string(r.lost()) + " | " + (first ? "-" : time_text(r.full_seconds)) + " |\n";
  }
  return text;
}

}  // namespace switchgear::lab
