#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "config/checker.h"
#include "config/config.h"
#include "config/values.h"

namespace switchgear::config {

Problems ControlledCircuit::validate() const {
  Checker check;
  const bool of_fleet = evidence == Evidence::circuit;
  if (of_fleet && !alarms.empty()) {
    check.problems.push_back({"alarms",
                              "must be empty, since evidence is circuit; remove it, or write "
                              "evidence: alarm"});
  } else if (!of_fleet && alarms.empty()) {
    check.problems.push_back(
        {"alarms", "is empty, but evidence is " +
                       std::string(evidence == Evidence::alarm ? "alarm" : "trial") +
                       "; write the names of CloudWatch alarms, for example [payments-errors], or "
                       "evidence: circuit"});
  }
  // What one call of CloudWatch tells of.
  constexpr std::size_t kAlarmsMax = 100;
  if (alarms.size() > kAlarmsMax) {
    check.problems.push_back({"alarms", "are " + std::to_string(alarms.size()) +
                                            ", but must be at most 100; write a composite alarm "
                                            "in place of several"});
  }
  if (mappings.empty()) {
    check.problems.push_back({"mappings",
                              "is empty, but the circuit must have something to guard; write the "
                              "name of a function, for example [orders-function]"});
  }
  check.in_range("ramp_step", ramp_step, 1s, 1h, "2m");
  check.in_range("uncapped_limit", uncapped_limit, 2, 1000, "100");
  check.in_range("alarm_interval", alarm_interval, 1s, 10min, "10s");
  check.in_range("mapping_interval", mapping_interval, 1s, 1h, "1m");
  return check.problems;
}

Problems ControllerSettings::validate() const {
  Checker check;
  check.in_range("calls_per_second", calls_per_second, 0.1, 15.0, "3");
  check.in_range("lease", lease, 10s, 10min, "1m");
  std::map<std::string_view, std::string_view> parked;    // circuits by parking queue
  std::map<std::string_view, std::string_view> followed;  // circuits by mapping
  for (const auto& [name, circuit] : circuits) {
    const std::string place = "circuits." + name + ".";
    for (const Problem& p : circuit.validate()) {
      check.problems.push_back({place + p.place, p.message});
    }
    if (!circuit.parking_queue.empty()) {
      if (std::ranges::find(circuit.mappings, circuit.parking_queue) != circuit.mappings.end()) {
        check.problems.push_back({place + "parking_queue",
                                  "is among the mappings too; nothing may read it but the "
                                  "controller, so write another queue"});
      }
      const auto [first, fresh] = parked.emplace(circuit.parking_queue, name);
      if (!fresh) {
        check.problems.push_back(
            {place + "parking_queue",
             in_quotes(circuit.parking_queue) + " is the parking queue of the circuit " +
                 std::string(first->second) + " already; create another for this one"});
      }
    }
    for (const std::string& mapping : circuit.mappings) {
      const auto [first, fresh] = followed.emplace(mapping, name);
      if (fresh || first->second == name) continue;
      check.problems.push_back(
          {place + "mappings", in_quotes(mapping) + " is a mapping of the circuit " +
                                   std::string(first->second) +
                                   " already, and can follow one only; remove it from one"});
    }
  }
  return check.problems;
}

}  // namespace switchgear::config
