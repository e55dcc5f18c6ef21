#include "lab/attacks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "lab/outage.h"
#include "lab/properties.h"

namespace switchgear::lab {

namespace {

// The policy that the protocol was measured with.
Policy measured_policy() {
  Policy p;
  p.failure_weight = 10;
  p.trip_level = 100;
  return p;
}

struct Setup {
  std::uint64_t seed = 1;
  int size = 4;
  Policy policy = measured_policy();
  double failure_rate = 0;
  Duration service = 20ms;
  Duration wall_skew{0};
  double thinning_rate = 5'000;
};

WorldOptions world_of(const Setup& s) {
  WorldOptions o;
  o.seed = s.seed;
  o.policy = s.policy;
  o.member.limits.thinning_rate = s.thinning_rate;
  o.dependency = {.servers = 10'000, .service_mean = s.service, .failure_rate = s.failure_rate};
  o.wall_skew = s.wall_skew;
  return o;
}

// A fleet whose processes have all seen the circuit closed.
class Fleet {
 public:
  explicit Fleet(const Setup& setup) : world(world_of(setup)), properties(world) {
    join(setup.size);
    world.run_for(2s);
  }

  void join(int count) {
    for (int i = 0; i < count; ++i) world.add_process().run([] {});
  }
  Process& process(std::size_t i) { return *world.processes[i]; }
  void call_steadily(double per_second, std::size_t from = 0) {
    for (std::size_t i = from; i < world.processes.size(); ++i) {
      world.call_at_random(process(i), per_second);
    }
  }
  // Calls of one process that all fail, whatever the dependency is like; whether each was refused
  // and why is counted.
  void call_in_vain(Process& p, double per_second) {
    const double wait = -std::log(1 - world.random.unit()) / per_second;
    after(wait, [this, &p, per_second] {
      p.run([&] { one_in_vain(p); });
      call_in_vain(p, per_second);
    });
  }
  bool reaches(State state, Duration within) {
    return world.run_until(
        [&] { return properties.stored() && properties.stored()->state == state; }, within);
  }
  // What always holds, and this.
  std::string verdict(bool good, const std::string& otherwise) const {
    if (!properties.violation().empty()) return properties.violation();
    return good ? "" : otherwise;
  }
  std::uint64_t failed_in_vain = 0;

  World world;
  Properties properties;

 private:
  void after(double seconds, Scheduler::Task task) {
    world.scheduler.after(
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)),
        std::move(task));
  }
  void one_in_vain(Process& p) {
    const fleet::Admission admission = p.admit();
    const auto* permit = std::get_if<fleet::Permit>(&admission);
    if (!permit) return;
    const SimCall call{.process = p.index(), .permit = *permit};
    world.scheduler.after(5ms, [this, &p, call] {
      p.run([&] {
        ++failed_in_vain;
        p.member().finish(call.permit, Outcome::failure, 5ms, p.now());
        properties.call_finished(p, call, Outcome::failure);
      });
    });
  }
};

// Half the calls of one of four fast callers fail, about 5,400 if nobody stops it; the others see
// what is part of normal life. Each stop takes 25 failed calls or so, and a trial that succeeds
// ends it: in 20 s there is time for five.
std::string sick_caller(std::uint64_t seed) {
  Fleet fleet({.seed = seed, .failure_rate = 0.03});
  fleet.call_steadily(270, 1);
  fleet.world.call_at_random(fleet.process(0), 270);
  fleet.world.run_for(20s);
  fleet.call_in_vain(fleet.process(0), 270);
  fleet.world.run_for(20s);
  return fleet.verdict(fleet.properties.entered(State::open) == 0 && fleet.failed_in_vain < 150,
                       "one sick caller opened the circuit or was not stopped: " +
                           std::to_string(fleet.failed_in_vain) + " calls in vain");
}

// Four fast callers, and all calls fail.
std::string all_fail(std::uint64_t seed) {
  Fleet fleet({.seed = seed});
  fleet.call_steadily(270);
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::refusing);
  return fleet.verdict(fleet.reaches(State::open, 1s), "not open a second after all calls fail");
}

// The store pauses while failures come as they always do: what was gathered meanwhile is reported
// all at once.
std::string store_pauses(std::uint64_t seed) {
  Fleet fleet({.seed = seed, .failure_rate = 0.03});
  fleet.call_steadily(270);
  fleet.world.run_for(5s);
  for (int pause = 0; pause < 4; ++pause) {
    fleet.world.store.network.down = true;
    fleet.world.run_for(5s);
    fleet.world.store.network.down = false;
    fleet.world.run_for(5s);
  }
  return fleet.verdict(fleet.properties.entered(State::open) == 0,
                       "opened at 3 % failures when the store came back");
}

// Wall clocks are off by up to ten minutes.
std::string wrong_clocks(std::uint64_t seed) {
  Fleet fleet({.seed = seed, .size = 20, .wall_skew = 10min});
  fleet.call_steadily(5);
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::refusing);
  return fleet.verdict(fleet.reaches(State::open, 3s), "not open although all calls fail");
}

// More traffic than the store is to hear of: one report stands for eight failures.
std::string thinned_reports(std::uint64_t seed) {
  Fleet fleet({.seed = seed, .size = 25, .thinning_rate = 70});
  fleet.call_steadily(20);
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::refusing);
  return fleet.verdict(fleet.reaches(State::open, 2s), "not open although all calls fail");
}

// So thin that hardly any caller is ever known to the store by more than its last call: the fleet's
// rate must not be overrated, or failures drown in successes that never were.
std::string thin_traffic(std::uint64_t seed) {
  constexpr int kProcesses = 400;
  constexpr double kPerSecond = 1.0 / 60;
  Fleet fleet({.seed = seed, .size = kProcesses});
  fleet.call_steadily(kPerSecond);
  fleet.world.run_for(230s);  // the meter has forgotten the start
  double sum = 0;
  for (int i = 0; i < 12; ++i) {
    fleet.world.run_for(10s);
    sum += fleet::weigh(fleet.world.table, fleet.world.store.snapshot()).fleet.calls_per_second;
  }
  const double estimate = sum / 12 / (kProcesses * kPerSecond);
  return fleet.verdict(estimate > 0.8 && estimate < 1.4,
                       "the rate is taken for " + std::to_string(estimate) + " of what it is");
}

// The store loses everything while the circuit is open.
std::string record_lost(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.open_duration = 5min;
  policy.max_open_duration = 5min;
  Fleet fleet({.seed = seed, .size = 6, .policy = policy});
  fleet.call_steadily(5);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.run_for(5s);
  const std::uint64_t calls = fleet.world.dependency.received();
  fleet.world.store.flush();
  fleet.properties.store_lost();
  fleet.world.run_for(10s);
  const fleet::Record* record = fleet.properties.stored();
  const bool kept = record && record->state == State::open && record->reason == "reassert";
  return fleet.verdict(kept && fleet.world.dependency.received() == calls,
                       "a lost record closed the circuit");
}

// Half the fleet loses the store for five minutes while the dependency is down.
std::string blind_half(std::uint64_t seed) {
  Fleet fleet({.seed = seed, .size = 10});
  fleet.call_steadily(5, 5);
  for (std::size_t i = 0; i < 5; ++i) {
    fleet.world.store.cut_off.push_back(static_cast<int>(i));
    fleet.call_in_vain(fleet.process(i), 5);
  }
  fleet.world.dependency.set_down(Down::refusing);
  fleet.world.run_for(5min);
  // Each stops after a dozen, then tries once in 15 to 30 s.
  return fleet.verdict(fleet.failed_in_vain <= std::uint64_t{5} * 40,
                       "the blind half made " + std::to_string(fleet.failed_in_vain) + " calls");
}

// A process is stopped between getting leave for a probe and asking whether it may still start.
std::string frozen_before_the_probe(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.call_timeout = 1s;
  policy.open_duration = 1s;
  Fleet fleet({.seed = seed, .size = 3, .policy = policy});
  fleet.call_steadily(20, 1);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.dependency.set_down(Down::black_hole);
  fleet.process(1).kill();
  fleet.process(2).kill();
  std::optional<fleet::Permit> permit;
  Process& p = fleet.process(0);
  for (int i = 0; i < 6'000 && !permit; ++i) {
    p.run([&] {
      const fleet::Admission admission = p.admit();
      const auto* leave = std::get_if<fleet::Permit>(&admission);
      if (leave && leave->kind == fleet::PermitKind::probe) permit = *leave;
    });
    if (!permit) fleet.world.run_for(10ms);
  }
  if (!permit) return fleet.verdict(false, "never probed");
  p.stop(seed % 2 == 0 ? Standstill::local : Standstill::wall, 10s);
  p.run([&] { p.start(*permit, [](Outcome) {}); });
  fleet.world.run_for(15s);
  return fleet.verdict(true, "");
}

// Three hundred processes start while a fleet of ten recovers.
std::string many_join(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.open_duration = 1s;
  policy.recovery_initial_limit = 50;
  Fleet fleet({.seed = seed, .size = 10, .policy = policy, .service = 1s});
  fleet.call_steadily(20);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.dependency.set_down(Down::no);
  if (!fleet.reaches(State::recovering, 60s)) return fleet.verdict(false, "never recovering");
  fleet.world.run_for(1s);
  fleet.join(300);
  fleet.call_steadily(20, 10);
  double worst = 0;
  double limit = 0;  // the largest of late: calls admitted under it may still be out
  for (int i = 0; i < 50; ++i) {
    fleet.world.run_for(100ms);
    int in_flight = 0;
    for (const auto& p : fleet.world.processes) in_flight += p->member().in_flight_recovering();
    const fleet::Record* record = fleet.properties.stored();
    if (!record || record->state != State::recovering) break;
    limit = std::max(limit, record->recovery.limit);
    worst = std::max(worst, in_flight / limit);
  }
  // Twice for as long as a call takes: those of the old shares are still out when the new ones
  // begin.
  return fleet.verdict(worst <= 2.3, std::to_string(worst) + " of the limit in flight");
}

// The dependency comes back with a fifth of its capacity, and a backlog waits.
std::string weak_comeback(std::uint64_t seed) {
  OutageOptions o;
  o.seed = seed;
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 5s;
  o.consumer.handler_timeout = 2s;
  o.consumer.backoff = {.base = 1s, .cap = 20s, .jitter = core::Jitter::equal};
  o.dependency = {.servers = 20, .service_mean = 200ms, .exponential = true, .failure_rate = 0.002};
  o.backlog = 10'000;
  o.down_at = 1s;
  o.up_at = 20s;
  o.weak_servers = 4;
  o.weak_until = 10min;
  o.longest = 4min;
  const OutageResult r = run_outage(o);
  if (r.trips == 1 && r.failed_calls <= r.calls / 10) return "";
  return std::to_string(r.trips) + " trips, " + std::to_string(r.failed_calls) + " of " +
         std::to_string(r.calls) + " calls failed";
}

// While the circuit is open every wall clock steps forward past the end of the open time.
std::string clocks_step(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.open_duration = 12s;
  Fleet fleet({.seed = seed, .size = 6, .policy = policy});
  fleet.call_steadily(20);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.run_for(3s);
  // Twice: the first time each looks at the record before it would probe.
  for (int step = 0; step < 2; ++step) {
    for (const auto& p : fleet.world.processes) {
      p->clocks().step_wall(fleet.world.scheduler.now(), 12s);
    }
    fleet.world.run_for(1500ms);
  }
  return fleet.verdict(fleet.properties.stored()->state == State::open, "probed too early");
}

// The store goes back to what it held before the circuit opened.
std::string store_falls_back(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.open_duration = 5min;
  policy.max_open_duration = 5min;
  Fleet fleet({.seed = seed, .size = 6, .policy = policy});
  fleet.call_steadily(5);
  fleet.world.store.save_copy();
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.run_for(5s);
  fleet.world.store.restore_copy();
  fleet.properties.store_lost();
  fleet.world.run_for(10s);
  return fleet.verdict(fleet.properties.stored()->state == State::open,
                       "a store that went back closed the circuit");
}

// What a store pushes is a hint: a true one brings the new view to those who do not call, a false
// one costs a read and no more.
std::string pushes(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.open_duration = 5min;
  policy.max_open_duration = 5min;
  Fleet fleet({.seed = seed, .size = 6, .policy = policy});
  fleet.call_steadily(5, 3);
  fleet.world.run_for(5s);
  const auto push = [&](std::int64_t epoch) {
    for (const auto& p : fleet.world.processes) {
      p->run([&] { p->member().heard_of(epoch); });
    }
  };
  const std::int64_t before = fleet.properties.stored()->epoch;
  const auto operations_of = [&](Duration length) {
    const std::uint64_t start = fleet.world.store.operations;
    fleet.world.run_for(length);
    return fleet.world.store.operations - start;
  };
  const std::uint64_t usual = operations_of(10s);
  push(before + 1'000'000);
  const std::uint64_t pushed = operations_of(10s);
  if (fleet.properties.stored()->epoch != before)
    return fleet.verdict(false, "a push was believed");
  // A read each at once, and what is usual anyway, give or take a refresh.
  if (pushed > usual + 18) {
    return fleet.verdict(false, "a false push cost " + std::to_string(pushed) + " operations");
  }
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 20s)) return fleet.verdict(false, "never open");
  push(fleet.properties.stored()->epoch);
  fleet.world.run_for(200ms);
  bool all_know = true;
  for (const auto& p : fleet.world.processes) {
    all_know = all_know && p->member().state() == State::open;
  }
  return fleet.verdict(all_know, "a push reached nobody who does not call");
}

// Strict: no call goes out on a view that is due for a refresh, whether its process was idle or
// stood still, since the circuit may have opened.
std::string strict_views(std::uint64_t seed) {
  Policy policy = measured_policy();
  policy.strict = true;
  policy.open_duration = 30min;
  policy.max_open_duration = 30min;
  Fleet fleet({.seed = seed, .size = 6, .policy = policy});
  fleet.call_steadily(20, 2);
  fleet.process(0).stop(seed % 2 == 0 ? Standstill::local : Standstill::wall, 10min);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 5s)) return fleet.verdict(false, "never open");
  fleet.world.run_for(5s);
  int admitted = 0;
  const auto call = [&](std::size_t i) {
    Process& p = fleet.process(i);
    p.run([&] { admitted += std::holds_alternative<fleet::Permit>(p.admit()); });
  };
  call(1);
  fleet.world.run_for(100ms);
  call(1);
  call(0);  // as soon as it is resumed
  fleet.world.run_for(11min);
  return fleet.verdict(admitted == 0, "strict, but " + std::to_string(admitted) +
                                          " calls went out on an old view of an open circuit");
}

// The classic rule, alone: once the outage is over, nothing of it is in the window.
std::string classic_relapse(std::uint64_t seed) {
  Policy policy;
  policy.rule = Rule::classic;
  policy.sliding_window_size = 50;
  policy.minimum_number_of_calls = 50;
  policy.open_duration = 1s;
  policy.recovery_limit = false;
  Fleet fleet({.seed = seed, .size = 1, .policy = policy});
  fleet.call_steadily(50);
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::refusing);
  if (!fleet.reaches(State::open, 10s)) return fleet.verdict(false, "never open");
  fleet.world.dependency.set_down(Down::no);
  if (!fleet.reaches(State::closed, 60s)) return fleet.verdict(false, "never closed again");
  const int opened = fleet.properties.entered(State::open);
  fleet.world.run_for(20s);
  return fleet.verdict(fleet.properties.entered(State::open) == opened,
                       "opened again by calls of the outage that was over");
}

constexpr std::array kAttacks{
    Attack{"sick_caller", sick_caller},
    Attack{"all_fail", all_fail},
    Attack{"store_pauses", store_pauses},
    Attack{"wrong_clocks", wrong_clocks},
    Attack{"thinned_reports", thinned_reports},
    Attack{"thin_traffic", thin_traffic},
    Attack{"record_lost", record_lost},
    Attack{"blind_half", blind_half},
    Attack{"frozen_before_the_probe", frozen_before_the_probe},
    Attack{"many_join", many_join},
    Attack{"weak_comeback", weak_comeback},
    Attack{"clocks_step", clocks_step},
    Attack{"store_falls_back", store_falls_back},
    Attack{"pushes", pushes},
    Attack{"strict_views", strict_views},
    Attack{"classic_relapse", classic_relapse},
};

}  // namespace

std::span<const Attack> attacks() { return kAttacks; }

const Attack* find_attack(std::string_view name) {
  const auto it = std::ranges::find(kAttacks, name, &Attack::name);
  return it == kAttacks.end() ? nullptr : &*it;
}

}  // namespace switchgear::lab
