// What the scenario tests share: a fleet in a simulated world whose properties are checked after
// every step, a log of what its record went through, and a way to catch a moment of its life.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lab/properties.h"

namespace switchgear::lab {

// Passes on what happens to the properties, so that a test may watch beside them.
class Watch : public Observer {
 public:
  explicit Watch(Properties& properties) : properties_(properties) {}
  void admitted(Process& p, const fleet::Admission& a) override { properties_.admitted(p, a); }
  void call_started(Process& p, const SimCall& c) override { properties_.call_started(p, c); }
  void call_left_dependency(const SimCall& c) override { properties_.call_left_dependency(c); }
  void call_finished(Process& p, const SimCall& c, Outcome o) override {
    properties_.call_finished(p, c, o);
  }
  void ran(Process& p, bool spins) override { properties_.ran(p, spins); }
  void sent(Process& p, const fleet::Operation& o) override { properties_.sent(p, o); }
  void answered(Process& p, const fleet::Operation& o, const fleet::Answer* a) override {
    properties_.answered(p, o, a);
  }

 private:
  Properties& properties_;
};

// Counts, by process, what was sent to the store, and how much of it at a time.
class CountOperations : public Watch {
 public:
  using Watch::Watch;
  void sent(Process& p, const fleet::Operation& o) override {
    ++total;
    ++of[p.index()];
    swaps[p.index()] += std::holds_alternative<fleet::SwapOp>(o);
    at_once_max = std::max(at_once_max, ++out_[p.index()]);
    Watch::sent(p, o);
  }
  void answered(Process& p, const fleet::Operation& o, const fleet::Answer* a) override {
    --out_[p.index()];
    Watch::answered(p, o, a);
  }
  std::uint64_t total = 0;
  std::map<int, int> of;
  std::map<int, int> swaps;
  int at_once_max = 0;

 private:
  std::map<int, int> out_;
};

// Stops or kills whoever starts the first probe.
class OnFirstProbe : public Watch {
 public:
  OnFirstProbe(Properties& properties, std::function<void(Process&, const SimCall&)> act)
      : Watch(properties), act_(std::move(act)) {}
  void call_started(Process& p, const SimCall& c) override {
    Watch::call_started(p, c);
    if (c.permit.kind != fleet::PermitKind::probe) return;
    probes.push_back({p.index(), c.permit.token});
    if (probes.size() == 1) act_(p, c);
  }
  std::vector<std::pair<int, std::uint32_t>> probes;  // process and token, as started

 private:
  std::function<void(Process&, const SimCall&)> act_;
};

// A world with a fleet in it whose processes have all seen the circuit closed.
class Fleet {
 public:
  // A new epoch, as written in the store.
  struct Change {
    TrueTime at{0};
    fleet::Record record;
  };

  Fleet(int size, const Policy& policy,
        const DependencyOptions& dependency = {.servers = 1'000, .service_mean = 20ms})
      : Fleet(size, options(policy, dependency)) {}
  Fleet(int size, const WorldOptions& options) : world(options), properties(world) {
    world.store.on_step = [this, check = world.store.on_step](int process,
                                                              const fleet::Operation& op,
                                                              const fleet::Answer& answer) {
      check(process, op, answer);
      const fleet::Record* now = properties.stored();
      if (now && (changes.empty() || changes.back().record.epoch != now->epoch)) {
        changes.push_back({world.scheduler.now(), *now});
      }
    };
    for (int i = 0; i < size; ++i) world.add_process().run([] {});
    world.run_for(2s);
  }
  ~Fleet() { EXPECT_EQ(properties.violation(), ""); }

  static WorldOptions options(const Policy& policy, const DependencyOptions& dependency) {
    WorldOptions o;
    o.seed = 7;
    o.policy = policy;
    o.dependency = dependency;
    return o;
  }

  Process& process(int i) { return *world.processes[static_cast<std::size_t>(i)]; }
  const fleet::Record& stored() { return *properties.stored(); }
  State state() { return stored().state; }
  bool reaches(State wanted, Duration within) {
    return world.run_until([&] { return properties.stored() && state() == wanted; }, within);
  }
  // Changes of the record since the log was last cleared.
  int changed_to(State to, const std::string& reason) {
    return static_cast<int>(std::count_if(changes.begin(), changes.end(), [&](const Change& c) {
      return c.record.state == to && c.record.reason == reason;
    }));
  }

  // Tries a call in a process right now; whether it was admitted.
  bool call(int i) {
    bool admitted = false;
    process(i).run([&] {
      admitted = !process(i).try_call(
          [this](Outcome outcome) { world.outcomes[static_cast<std::size_t>(outcome)]++; });
    });
    return admitted;
  }
  fleet::Admission ask(int i) {
    fleet::Admission admission;
    process(i).run([&] { admission = process(i).admit(); });
    return admission;
  }
  fleet::Permit admit(int i) { return std::get<fleet::Permit>(ask(i)); }
  // All living processes ask every few milliseconds until one of them is granted a probe.
  struct Probe {
    int process = 0;
    fleet::Permit permit;
  };
  Probe probe(Duration within = 5s) {
    const TrueTime end = world.scheduler.now() + within;
    while (world.scheduler.now() < end && !world.scheduler.stopped()) {
      for (Process* p : world.living()) {
        const fleet::Admission admission = ask(p->index());
        const auto* permit = std::get_if<fleet::Permit>(&admission);
        if (permit && permit->kind == fleet::PermitKind::probe) return {p->index(), *permit};
      }
      world.run_for(5ms);
    }
    ADD_FAILURE() << "nobody is granted a probe " << properties.violation();
    return {};
  }
  void finish(int i, const fleet::Permit& permit, Outcome outcome, Duration duration) {
    process(i).run([&] {
      process(i).member().finish(permit, outcome, duration, process(i).now());
      properties.call_finished(process(i), SimCall{.process = i, .permit = permit}, outcome);
    });
  }
  void call_steadily(double per_second) {
    for (Process* p : world.living()) world.call_at_random(*p, per_second);
  }
  // All fail until the circuit is open.
  void trip() {
    world.dependency.set_down(Down::refusing);
    for (int round = 0; round < 100 && state() != State::open; ++round) {
      for (std::size_t i = 0; i < world.processes.size(); ++i) call(static_cast<int>(i));
      world.run_for(50ms);
    }
    ASSERT_EQ(state(), State::open);
  }
  std::uint64_t sum(std::uint64_t fleet::MemberCounters::* counter) {
    std::uint64_t n = 0;
    for (auto& p : world.processes) n += p->member().counters().*counter;
    return n;
  }
  std::uint64_t failed() const {
    return world.outcomes[static_cast<std::size_t>(Outcome::failure)] +
           world.outcomes[static_cast<std::size_t>(Outcome::overload)];
  }

  World world;
  Properties properties;
  std::vector<Change> changes;
};

}  // namespace switchgear::lab
