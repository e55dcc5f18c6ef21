#include "ops/circuit_metrics.h"

#include <limits>

#include "core/name.h"
#include "core/state.h"

namespace switchgear::ops {
namespace {

using Type = MetricsText::Type;

constexpr Outcome kOutcomes[] = {Outcome::success, Outcome::failure, Outcome::overload,
                                 Outcome::ignored};
constexpr HoldKind kHolds[] = {HoldKind::forced_open, HoldKind::forced_closed,
                               HoldKind::metrics_only};

double limit_in_force(const fleet::Member& member) {
  const fleet::Record* record = member.record();
  switch (member.state()) {
    case State::closed:
      return std::numeric_limits<double>::infinity();
    case State::open:
      return 0;
    case State::half_open:
      return record == nullptr ? 0 : record->probes;
    case State::recovering:
      return record == nullptr ? 0 : record->recovery.limit;
  }
  return 0;
}

// So many calls make a baseline: at 5 % failures it is then within a seventh of the truth.
constexpr double kBaselineCalls = 1'000;
// Beyond these the past counts half, so that a baseline follows what changes.
constexpr double kBaselineMemory = 1'000'000;

// The name in labels: keys are rolled up into their parent, since any number of them may come.
std::string label_of(const std::string& circuit) {
  const auto parent = core::parent_of(circuit);
  return parent.empty() ? circuit : std::string(parent);
}

void add(fleet::MemberCounters& sum, const fleet::MemberCounters& more) {
  const auto add_each = [](auto& to, const auto& from) {
    for (std::size_t i = 0; i < std::size(to); i++) to[i] += from[i];
  };
  add_each(sum.outcomes, more.outcomes);
  add_each(sum.probes, more.probes);
  add_each(sum.refused, more.refused);
  sum.late_results += more.late_results;
}

double false_trips_per_day(const fleet::Member& member, double failure_rate) {
  const double calls_per_second = member.fleet().calls_per_second;
  const core::CusumRule rule = core::compile(member.policy(), calls_per_second).failure_rule;
  return core::expected_false_trips_per_day(rule, failure_rate, calls_per_second);
}

}  // namespace

// The measured rate once enough calls were seen, else the one that the policy declares to be
// normal. Only calls between two scrapes of one closed epoch count: those that led to a trip do
// not.
double CircuitMetrics::failure_rate(const std::string& circuit, const fleet::Member& member) {
  Baseline& baseline = baselines_[circuit];
  const auto count = [&](Outcome outcome) {
    return static_cast<double>(member.counters().outcomes[static_cast<std::size_t>(outcome)]);
  };
  const double failures = count(Outcome::failure) + count(Outcome::overload);
  const double calls = failures + count(Outcome::success);
  const fleet::Record* record = member.record();
  const bool closed = record != nullptr && member.state() == State::closed;
  if (closed && record->epoch == baseline.epoch) {
    baseline.calls += calls - baseline.calls_before;
    baseline.failures += failures - baseline.failures_before;
    if (baseline.calls > kBaselineMemory) {
      baseline.calls /= 2;
      baseline.failures /= 2;
    }
  }
  baseline.epoch = closed ? record->epoch : -1;
  baseline.calls_before = calls;
  baseline.failures_before = failures;
  return baseline.calls >= kBaselineCalls ? baseline.failures / baseline.calls
                                          : member.policy().acceptable_failure_rate;
}

void CircuitMetrics::transition(const std::string& circuit, const fleet::Transition& transition) {
  auto key = std::tuple(label_of(circuit), transition.from, transition.to, transition.reason);
  // Reasons come out of the store, so somebody else may have written them.
  if (!transitions_.contains(key) && transitions_.size() >= kSeriesMax) {
    key = std::tuple(std::string("other"), transition.from, transition.to, std::string("other"));
  }
  transitions_[key]++;
}

void CircuitMetrics::store_result(const guard::StoreResult& result) {
  store_[std::tuple(std::string(result.backend), std::string(result.operation),
                    std::string(result.result))]++;
}

void CircuitMetrics::call(const std::string& name, Duration duration) {
  const std::string circuit = label_of(name);
  auto found = durations_.find(circuit);
  if (found == durations_.end()) {
    if (durations_.size() >= kSeriesMax) return;
    found = durations_.emplace(circuit, Histogram::of_seconds()).first;
  }
  found->second.observe(to_seconds(duration));
}

void CircuitMetrics::collect(guard::Engine& engine, MetricsText& text) {
  std::vector<std::string> names;                       // without the keys
  std::map<std::string, fleet::MemberCounters> counts;  // with them
  std::map<std::string, std::map<State, double>> keys;  // of a parent, by state
  std::map<std::string, double> unreadable;
  std::map<std::string, double> differing;
  for (std::string& name : engine.names()) {
    fleet::Member& member = engine.member(name);
    const std::string label = label_of(name);
    add(counts[label], member.counters());
    unreadable[label] += !member.unreadable().empty();
    differing[label] += member.settings_differ();
    if (label == name) {
      names.push_back(std::move(name));
    } else {
      for (const State state : kStates) keys[label][state] += member.state() == state;
    }
  }
  const auto each = [&](auto&& what) {
    for (const std::string& name : names) what(name, engine.member(name));
  };

  text.family("switchgear_circuit_state", Type::gauge,
              "1 for the state that the circuit is in, as this process sees it.");
  each([&](const std::string& name, fleet::Member& member) {
    for (const State state : kStates) {
      text.sample({{"circuit", name}, {"state", to_string(state)}}, member.state() == state);
    }
  });
  text.family("switchgear_circuit_hold", Type::gauge, "1 for the hold that is in force.");
  each([&](const std::string& name, fleet::Member& member) {
    for (const HoldKind hold : kHolds) {
      text.sample({{"circuit", name}, {"hold", to_string(hold)}}, member.hold_in_force() == hold);
    }
  });
  text.family("switchgear_circuit_keys", Type::gauge,
              "Keyed circuits of this parent in this process, by state.");
  for (const auto& [name, states] : keys) {
    for (const auto& [state, number] : states) {
      text.sample({{"circuit", name}, {"state", to_string(state)}}, number);
    }
  }
  text.family("switchgear_calls_total", Type::counter, "Calls that ended, probes included.");
  for (const auto& [name, sum] : counts) {
    for (const Outcome outcome : kOutcomes) {
      const auto i = static_cast<std::size_t>(outcome);
      text.sample({{"circuit", name}, {"outcome", to_string(outcome)}},
                  static_cast<double>(sum.outcomes[i] + sum.probes[i]));
    }
  }
  text.family("switchgear_probes_total", Type::counter, "Probe calls that ended.");
  for (const auto& [name, sum] : counts) {
    for (const Outcome outcome : kOutcomes) {
      text.sample({{"circuit", name}, {"outcome", to_string(outcome)}},
                  static_cast<double>(sum.probes[static_cast<std::size_t>(outcome)]));
    }
  }
  text.family("switchgear_refused_total", Type::counter, "Times that a call was refused.");
  for (const auto& [name, sum] : counts) {
    for (std::size_t i = 0; i < std::size(sum.refused); i++) {
      const auto reason = static_cast<fleet::RefusalReason>(i);
      text.sample({{"circuit", name}, {"reason", to_string(reason)}},
                  static_cast<double>(sum.refused[i]));
    }
  }
  text.family("switchgear_call_duration_seconds", Type::histogram, "How long calls took.");
  for (const auto& [name, histogram] : durations_) text.histogram({{"circuit", name}}, histogram);
  text.family("switchgear_evidence_ratio", Type::gauge,
              "Evidence over the level at which the circuit trips.");
  each([&](const std::string& name, fleet::Member& member) {
    text.sample({{"circuit", name}}, member.evidence_ratio());
  });
  text.family("switchgear_expected_false_trips_per_day", Type::gauge,
              "Trips a day that chance alone makes likely, at the failure rate that this process "
              "has measured while closed, or at the acceptable one until it has.");
  each([&](const std::string& name, fleet::Member& member) {
    if (member.policy().rule == Rule::classic) return;  // nothing is known of it beforehand
    text.sample({{"circuit", name}}, false_trips_per_day(member, failure_rate(name, member)));
  });
  text.family("switchgear_inflight_limit", Type::gauge,
              "Calls in flight that the circuit allows the whole fleet now.");
  each([&](const std::string& name, fleet::Member& member) {
    text.sample({{"circuit", name}}, limit_in_force(member));
  });
  text.family("switchgear_transitions_total", Type::counter,
              "Changes of state or hold that this process saw.");
  for (const auto& [key, count] : transitions_) {
    const auto& [circuit, from, to, reason] = key;
    text.sample({{"circuit", circuit},
                 {"from", to_string(from)},
                 {"to", to_string(to)},
                 {"reason", reason}},
                static_cast<double>(count));
  }
  text.family("switchgear_late_results_total", Type::counter,
              "Results of an earlier epoch, which changed nothing.");
  for (const auto& [name, sum] : counts) {
    text.sample({{"circuit", name}}, static_cast<double>(sum.late_results));
  }
  text.family(
      "switchgear_record_unreadable", Type::gauge,
      "Records of the circuit and its keys that cannot be read, so that they are left alone.");
  for (const auto& [name, number] : unreadable) text.sample({{"circuit", name}}, number);
  text.family("switchgear_settings_mismatch", Type::gauge,
              "Records of the circuit and its keys that were last written by other settings than "
              "this process's.");
  for (const auto& [name, number] : differing) text.sample({{"circuit", name}}, number);
  text.family("switchgear_store_operations_total", Type::counter,
              "Operations of the store that ended, by status or error.");
  for (const auto& [key, count] : store_) {
    const auto& [backend, operation, result] = key;
    text.sample({{"backend", backend}, {"op", operation}, {"result", result}},
                static_cast<double>(count));
  }
  text.family("switchgear_store_up", Type::gauge, "0 while the store's last operation failed.");
  text.sample({}, engine.store_up());
}

}  // namespace switchgear::ops
