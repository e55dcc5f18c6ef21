// The simulated world around a fleet: virtual time, one store, one dependency, processes, and those
// who call. Everything in it follows from the seed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "lab/process.h"

namespace switchgear::lab {

struct WorldOptions {
  std::uint64_t seed = 1;
  Policy policy;
  fleet::MemberOptions member;
  DependencyOptions dependency;
  // Clocks of the processes: drift up to this, and wall clocks off by up to this.
  double clock_drift = 0;
  Duration wall_skew{0};
};

// Not thread-safe, not movable: everything in it points at everything else.
class World {
 public:
  explicit World(const WorldOptions& options);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void observe(Observer& observer) { site.observer = &observer; }

  Process& add_process();
  // One whose wall clock is off by so much.
  Process& add_process(Duration wall_off);
  std::vector<Process*> living();

  // Calls of one process at random times, `per_second` on average, for as long as it lives.
  void call_at_random(Process& process, double per_second);
  // A person's hand, through the store, at once. An empty kind releases.
  void hold(fleet::Hold hold);

  void run_for(Duration length) { scheduler.run_until(scheduler.now() + length); }
  // Runs until `condition` holds after an event, at most `longest`; whether it does.
  template <class Condition>
  bool run_until(Condition condition, Duration longest) {
    const TrueTime end = scheduler.now() + longest;
    while (!condition()) {
      if (scheduler.stopped() || scheduler.now() >= end || !scheduler.step()) return condition();
    }
    return true;
  }

  // The stored record; null if there is none that can be read.
  const fleet::Record* stored();

  // The last events, oldest first, if `tracing`.
  void note(const std::string& text);
  std::string trace() const;

  WorldOptions options;
  Scheduler scheduler;
  core::Random random;
  SimStore store;
  Dependency dependency;
  fleet::PolicyTable table;
  Site site;
  std::vector<std::unique_ptr<Process>> processes;
  bool tracing = false;
  // What became of calls, by Outcome; and how many were refused, other
  // than one that asked again while its process refreshed an old view.
  std::uint64_t outcomes[4] = {};
  std::uint64_t refusals = 0;
  std::string last_refusal;  // who and why

 private:
  static constexpr std::size_t kTraceMax = 60;
  Process& add_process(double rate, Duration wall_off);

  Observer nobody_;
  fleet::Snapshot looked_;
  std::deque<std::string> trace_;
};

// "12.345 s"
std::string seconds_text(Duration d);

}  // namespace switchgear::lab
