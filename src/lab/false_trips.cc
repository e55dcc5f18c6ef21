#include "lab/false_trips.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <vector>

#include "core/assert.h"
#include "core/random.h"
#include "core/trip_rule.h"
#include "lab/properties.h"

namespace switchgear::lab {

namespace {

constexpr int kDelayRuns = 400;
constexpr double kCalm = 0.005;
constexpr int kCalmCalls = 20'000;

class Outcomes {
 public:
  explicit Outcomes(const FalseTripOptions& o) : stream_(o.stream), random_(core::mix64(o.seed)) {}
  bool failed() {
    if (stream_.burst_share > 0) {
      const double leave = 1 / stream_.burst_length;
      const double enter = leave * stream_.burst_share / (1 - stream_.burst_share);
      if (random_.chance(burst_ ? leave : enter)) burst_ = !burst_;
    }
    return random_.chance(burst_ ? stream_.burst_rate : stream_.failure_rate);
  }
  std::size_t process(int processes) {
    return random_.below(static_cast<std::uint64_t>(processes));
  }

 private:
  CallStream stream_;
  core::Random random_;
  bool burst_ = false;
};

// One process's rule; each returns true where it trips, and then starts afresh.
class InARow {
 public:
  bool add(bool failed) {
    row_ = failed ? row_ + 1 : 0;
    if (row_ < 5) return false;
    row_ = 0;
    return true;
  }

 private:
  int row_ = 0;
};

class HalfOf100 {
 public:
  bool add(bool failed) {
    const std::size_t at = calls_ % kWindow;
    failures_ += int{failed} - int{window_[at]};
    window_[at] = failed;
    if (++calls_ < kWindow || 2 * failures_ < static_cast<int>(kWindow)) return false;
    *this = HalfOf100();
    return true;
  }

 private:
  static constexpr std::size_t kWindow = 100;
  std::bitset<kWindow> window_;
  std::size_t calls_ = 0;
  int failures_ = 0;
};

template <class Rule>
std::uint64_t trips_by_process(int processes, const FalseTripOptions& o) {
  std::vector<Rule> rules(static_cast<std::size_t>(processes));
  Outcomes outcomes(o);
  std::uint64_t trips = 0;
  for (std::uint64_t i = 0; i < o.calls; ++i) {
    const bool failed = outcomes.failed();
    trips += rules[outcomes.process(processes)].add(failed);
  }
  return trips;
}

// Mean calls until `over(failed, process)`.
template <class MakeRule>
double mean_delay(double rate, int processes, MakeRule make) {
  core::Random random(core::mix64(static_cast<std::uint64_t>(1'000 * rate)));
  std::uint64_t calls = 0;
  for (int run = 0; run < kDelayRuns; ++run) {
    auto over = make();
    const auto next = [&](double p) {
      const bool failed = random.chance(p);
      return over(failed, random.below(static_cast<std::uint64_t>(processes)));
    };
    for (int i = 0; i < kCalmCalls; ++i) next(kCalm);
    do ++calls;
    while (!next(rate));
  }
  return static_cast<double>(calls) / kDelayRuns;
}

template <class MakeRule>
TripDelay delays(int processes, MakeRule make) {
  return {mean_delay(1, processes, make), mean_delay(0.5, processes, make)};
}

}  // namespace

std::uint64_t false_trips_of_cusum(core::CusumRule rule, const FalseTripOptions& o) {
  core::Cusum cusum(rule);
  Outcomes outcomes(o);
  std::uint64_t trips = 0;
  for (std::uint64_t i = 0; i < o.calls; ++i) {
    if (!cusum.add(outcomes.failed())) continue;
    ++trips;
    cusum.reset();
  }
  return trips;
}

FleetTrips false_trips_of_fleet(Policy policy, int processes, const FalseTripOptions& o) {
  policy.open_duration = policy.max_open_duration = 100ms;
  policy.call_timeout = 100ms;
  policy.probe_successes = 1;
  policy.recovery_limit = false;
  WorldOptions world_options;
  world_options.seed = o.seed;
  world_options.policy = policy;
  World world(world_options);
  Properties properties(world);
  for (int i = 0; i < processes; ++i) world.add_process();

  Outcomes outcomes(o);
  FleetTrips result;
  const auto call = [&](Process& p) {
    p.run([&] {
      const fleet::Admission admission = p.admit();
      const Outcome outcome = outcomes.failed() ? Outcome::failure : Outcome::success;
      if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
        p.member().finish(*permit, outcome, 5ms, p.now());
        properties.call_finished(p, SimCall{.process = p.index(), .permit = *permit}, outcome);
      } else {
        ++result.refused;
      }
    });
  };
  for (std::uint64_t i = 0; i < o.calls; ++i) {
    const double wait = -std::log(1 - world.random.unit()) / o.calls_per_second;
    world.run_for(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)));
    call(*world.processes[outcomes.process(processes)]);
  }
  SG_ASSERT(properties.violation().empty());
  result.trips = static_cast<std::uint64_t>(properties.entered(State::open));
  return result;
}

std::uint64_t false_trips_of_five_in_a_row(int processes, const FalseTripOptions& options) {
  return trips_by_process<InARow>(processes, options);
}

std::uint64_t false_trips_of_half_of_100(int processes, const FalseTripOptions& options) {
  return trips_by_process<HalfOf100>(processes, options);
}

TripDelay trip_delay_of_cusum(core::CusumRule rule) {
  return delays(1, [rule] {
    return
        [cusum = core::Cusum(rule)](bool failed, std::size_t) mutable { return cusum.add(failed); };
  });
}

TripDelay trip_delay_of_five_in_a_row(int processes) {
  return delays(processes, [processes] {
    return [rules = std::vector<InARow>(static_cast<std::size_t>(processes))](
               bool failed, std::size_t process) mutable { return rules[process].add(failed); };
  });
}

TripDelay trip_delay_of_half_of_100(int processes) {
  return delays(processes, [processes] {
    return [rules = std::vector<HalfOf100>(static_cast<std::size_t>(processes)),
            stopped = std::vector<bool>(static_cast<std::size_t>(processes)),
            left = processes](bool failed, std::size_t process) mutable {
      if (!stopped[process] && rules[process].add(failed)) {
        stopped[process] = true;
        --left;
      }
      return left == 0;
    };
  });
}

}  // namespace switchgear::lab
