// Faults of a dependency, and how breakers that stand outside of the function come through them.
// The same options give the same figures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/decision.h"
#include "core/state.h"
#include "lab/mapping_world.h"

namespace switchgear::lab {

enum class Design : unsigned char {
  none,
  alarm,
  trial,
  circuit,
  circuit_in_one,  // nearly all calls are made by one environment
  gerkens,
  stepfunctions
};
inline constexpr Design kDesigns[] = {Design::none,         Design::alarm,          Design::trial,
                                      Design::circuit,      Design::circuit_in_one, Design::gerkens,
                                      Design::stepfunctions};
// As a table names it: "alarm", "Gerkens, 60 s data".
std::string_view to_string(Design);

struct DependencyFault {
  std::string_view name;   // "100 % errors"
  std::string_view file;   // of its picture: "all-errors"; empty: it has none
  std::string_view title;  // what happens, for a person
  std::vector<Health> health;
  std::vector<Traffic> traffic;
  TrueTime begins{0};
  TrueTime ends{0};
  TrueTime until{0};  // of the run: long enough for whoever comes back at all
};
// The fault experiments: all errors, answers after the time-out, half errors, a slow recovery,
// idle, flapping; and an outage of two hours.
std::span<const DependencyFault> faults();

struct FaultOptions {
  std::uint64_t seed = 1;
  Design design = Design::alarm;
  AlarmNews news;
  bool woken = false;  // the controller, as a function: see ReconcilerRuns
};

// At one moment of it.
struct FaultSample {
  TrueTime at{0};
  controller::AlarmView::State alarm = controller::AlarmView::State::insufficient_data;
  State circuit = State::closed;
  int admitted = 0;
  Duration oldest{0};
};

struct FaultResult {
  std::vector<FaultSample> samples;  // each 5 s
  double stop_seconds = -1;  // from the fault until the mapping, or the circuit, lets none through
  double full_seconds = -1;  // from its end until the mapping is as before, and stays so
  MappingCounts counts;
  MessageQueue::Counts messages;
  std::int64_t waiting = 0;  // at the end
  // Neither handled nor dead-lettered, and not there any more.
  std::int64_t lost() const;
  // The mapping is not as before although the dependency is well: a failed run.
  bool stays_off() const { return full_seconds < 0; }
};
FaultResult run_fault(const DependencyFault& fault, const FaultOptions& options);

// All faults and designs.
struct FaultRow {
  const DependencyFault* fault = nullptr;
  Design design = Design::none;
  FaultResult result;
};
std::vector<FaultRow> fault_rows(std::uint64_t seed);
// As `fleet_figures controller` prints them and the docs show them, of this seed.
inline constexpr std::uint64_t kFaultSeed = 1;
std::string fault_table(std::span<const FaultRow> rows);

}  // namespace switchgear::lab
