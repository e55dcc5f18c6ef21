// The metrics of a process's circuits and of its store.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "guard/engine.h"
#include "ops/metrics.h"

namespace switchgear::ops {

// On the engine's thread. Give it the engine's events; it asks the engine for the rest when the
// metrics are scraped. The number of series is bounded whatever reasons the store holds.
class CircuitMetrics {
 public:
  void transition(const std::string& circuit, const fleet::Transition& transition);
  void store_result(const guard::StoreResult& result);
  // A call through a circuit ended.
  void call(const std::string& circuit, Duration duration);

  void collect(guard::Engine& engine, MetricsText& text);

 private:
  // How calls went while the circuit was closed, from scrape to scrape.
  struct Baseline {
    std::int64_t epoch = -1;
    double calls_before = 0;  // at the last scrape
    double failures_before = 0;
    double calls = 0;
    double failures = 0;
  };
  double failure_rate(const std::string& circuit, const fleet::Member& member);

  static constexpr std::size_t kSeriesMax = 1'000;
  std::map<std::tuple<std::string, State, State, std::string>, std::uint64_t> transitions_;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> store_;
  std::map<std::string, Histogram> durations_;
  std::map<std::string, Baseline> baselines_;
};

}  // namespace switchgear::ops
