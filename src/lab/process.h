// One process of the fleet in the simulated world: a shipped fleet::Member with clocks of its own,
// carried out over the simulated store and dependency. It can be stopped, resumed and killed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "fleet/member.h"
#include "lab/dependency.h"
#include "lab/local_clocks.h"
#include "lab/scheduler.h"
#include "lab/sim_store.h"

namespace switchgear::lab {

class Process;

// One call on its way.
struct SimCall {
  std::uint64_t id = 0;
  int process = 0;
  fleet::Permit permit;
  TrueTime started{0};
  MonoTime started_mono;
  // The process was stopped between the check that it may start and the start: nothing can fence
  // such a call.
  bool stopped_before_start = false;
  bool open = true;  // the caller still waits
};

// Sees everything that happens, at the moment it happens. All defaults do nothing.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void admitted(Process&, const fleet::Admission&) {}
  virtual void call_started(Process&, const SimCall&) {}
  virtual void call_left_dependency(const SimCall&) {}
  virtual void call_finished(Process&, const SimCall&, Outcome) {}
  // After each time a process had something to do; `spins`: it asks to be woken at once and then
  // does nothing.
  virtual void ran(Process&, bool spins) { (void)spins; }
  virtual void sent(Process&, const fleet::Operation&) {}
  virtual void answered(Process&, const fleet::Operation&, const fleet::Answer*) {}
};

// What all processes share. Everything outlives them.
struct Site {
  Scheduler& scheduler;
  core::Random& random;
  SimStore& store;
  Dependency& dependency;
  const fleet::PolicyTable& table;
  fleet::MemberOptions member;
  Observer* observer = nullptr;  // never null once processes run
  // Chance that a process is stopped right before it starts a probe, for up to three leases.
  double stop_before_probe = 0;
  // What the dependency asks for with each call that it fails or turns away (Retry-After).
  Duration asks_to_wait{0};
  std::uint64_t next_call = 1;
};

class Process {
 public:
  using Done = std::function<void(Outcome)>;

  Process(Site& site, int index, std::uint64_t seed, const LocalClocks& clocks);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Runs `task` in this process now, or when it is resumed, or never if it has been killed.
  void run(Scheduler::Task task);
  // Only inside run(): tries to make a call. The refusal, or nothing and `done` is called when the
  // call has ended.
  std::optional<fleet::Refusal> try_call(Done done);
  // Only inside run(): a call made by the caller's own hands; start() then carries it out.
  fleet::Admission admit();
  void start(const fleet::Permit& permit, Done done);

  // Calls of this process go there from now on: its own way to the dependency is broken, or the
  // part of it that it uses. `dependency` outlives the process.
  void use(Dependency& dependency) { dependency_ = &dependency; }

  void stop(Standstill which, Duration length);
  void kill() { dead_ = true; }
  bool dead() const { return dead_; }
  bool stopped() const { return stopped_; }

  Now now() { return clocks_.read(site_.scheduler.now()); }
  LocalClocks& clocks() { return clocks_; }
  int index() const { return index_; }
  fleet::Member& member() { return member_; }
  int calls_out() const { return calls_out_; }

 private:
  void send(const fleet::Permit& permit, bool stopped, Done done);
  void end(const std::shared_ptr<SimCall>& call, Outcome outcome, const Done& done);
  void pump();
  void resume();

  Site& site_;
  Dependency* dependency_;
  int index_;
  LocalClocks clocks_;
  fleet::Member member_;
  bool dead_ = false;
  bool stopped_ = false;
  std::deque<Scheduler::Task> postponed_;
  std::optional<TrueTime> wake_at_;
  int calls_out_ = 0;
};

}  // namespace switchgear::lab
