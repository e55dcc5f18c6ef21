#include "lab/chaos.h"

#include <algorithm>
#include <cmath>

namespace switchgear::lab {

namespace {

// A store takes reports of failures that are at most this old.
constexpr Duration kReportAgeMax = 10s;

template <class T>
const T& one_of(core::Random& random, const std::vector<T>& choices) {
  return choices[random.below(choices.size())];
}

Duration between(core::Random& random, Duration low, Duration high) {
  return low + std::chrono::duration_cast<Duration>((high - low) * random.unit());
}

Policy random_policy(core::Random& random) {
  Policy p;
  p.probes = 1 + static_cast<int>(random.below(3));
  p.probe_successes = 1 + static_cast<int>(random.below(4));
  p.call_timeout = between(random, 200ms, 3s);
  p.open_duration = between(random, 1s, 5s);
  p.max_open_duration = std::max(p.open_duration, between(random, 5s, 20s));
  p.recovery_step = between(random, 1s, 3s);
  p.recovery_quiet_duration = between(random, 10s, 30s);
  p.recovery_initial_limit = random.chance(0.2) ? 50 : 2;
  p.recovery_limit = random.chance(0.9);
  p.unacceptable_failure_rate = random.chance(0.5) ? 0.5 : 0.3;
  p.acceptable_failure_rate = random.chance(0.5) ? 0.05 : 0.01;
  if (random.chance(0.3)) p.slow_call_duration = 150ms;
  p.on_store_failure =
      one_of<OnStoreFailure>(random, {OnStoreFailure::allow, OnStoreFailure::allow,
                                      OnStoreFailure::refuse, OnStoreFailure::last_known});
  return p;
}

WorldOptions random_world(std::uint64_t seed, core::Random& random) {
  WorldOptions o;
  o.seed = seed;
  o.policy = random_policy(random);
  o.dependency = {.servers = 200, .service_mean = 40ms, .exponential = true, .failure_rate = 0.002};
  o.clock_drift = 0.0005;
  o.wall_skew = random.chance(0.5) ? 10min : 0min;
  return o;
}

// The life of one seed.
class Chaos {
 public:
  explicit Chaos(const ChaosOptions& options)
      : options_(options),
        random_(core::hash2(options.seed, 0xc4a05)),
        world_(random_world(options.seed, random_)),
        properties_(world_) {
    world_.tracing = options.tracing;
    world_.store.execute_with = options.broken_store;
  }

  ChaosResult run() {
    const int size =
        1 + static_cast<int>(random_.chance(0.3) ? random_.below(4) : random_.below(40));
    per_second_ = random_.between(0.5, 4.0);
    world_.site.stop_before_probe = random_.chance(0.3) ? 0.1 : 0;
    loses_writes_ = random_.chance(0.35);
    for (int i = 0; i < size; ++i) join();
    world_.run_for(between(random_, 1s, 5s));
    disturb_network();
    const int faults = 4 + static_cast<int>(random_.below(12));
    for (int i = 0; i < faults; ++i) {
      world_.scheduler.after(between(random_, 0s, options_.faults), [this] { fault(); });
    }
    world_.run_for(options_.faults);
    end_faults();
    check_recovery();

    ChaosResult result;
    result.violation = properties_.violation();
    result.trace = world_.trace();
    result.processes = size;
    result.trips = properties_.entered(State::open);
    result.recovered = properties_.entered(State::recovering);
    result.probes = properties_.probes_started();
    result.calls = world_.site.next_call - 1;
    result.store_operations = world_.store.operations;
    result.back_after = back_after_;
    result.lived = world_.scheduler.now();
    if (result.violation.empty()) result.violation = late_violation_;
    return result;
  }

 private:
  void join() {
    Process& p = world_.add_process();
    note("process " + std::to_string(p.index()) + " starts as " + to_string(p.member().instance()));
    p.run([] {});
    world_.call_at_random(p, per_second_);
  }

  void note(const std::string& text) { world_.note(text); }

  // Faults of the way to the store that last as long as faults do.
  void disturb_network() {
    StoreNetwork& n = world_.store.network;
    n.latency_mean = between(random_, 200us, 20ms);
    const double most = random_.chance(0.5) ? 0.0 : 0.15;
    n.lost_request = random_.between(0, most);
    n.lost_reply = random_.between(0, most);
    n.repeated = random_.between(0, most);
    n.late = random_.between(0, most);
  }

  Process* anyone() {
    const auto living = world_.living();
    return living.empty() ? nullptr : living[random_.below(living.size())];
  }

  void later(Duration least, Duration most, Scheduler::Task task) {
    world_.scheduler.after(between(random_, least, most), [this, task = std::move(task)] {
      if (!peace_) task();
    });
  }

  void fault() {
    if (peace_) return;
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
        return dependency_down();
      case 3:
        return dependency_fails();
      case 4:
        return store_down();
      case 5:
        return partition();
      case 6:
        return store_slow();
      case 7:
        return stop_process();
      case 8:
        return step_clock();
      case 9:
        return kill_process();
      case 10:
        return hold();
      case 11:
        return lose_writes();
      case 12:
        return stop_process();
      default:
        return;
    }
  }

  void dependency_down() {
    const Down down = random_.chance(0.5) ? Down::refusing : Down::black_hole;
    note(down == Down::refusing ? "dependency refuses" : "dependency is a black hole");
    world_.dependency.set_down(down);
    later(3s, 30s, [this] {
      note("dependency is back");
      world_.dependency.set_down(Down::no);
    });
  }

  void dependency_fails() {
    const double rate = random_.between(0.2, 1);
    note("dependency fails " + std::to_string(rate));
    world_.dependency.options().failure_rate = rate;
    later(3s, 20s, [this] { world_.dependency.options().failure_rate = 0.002; });
  }

  void store_down() {
    StoreNetwork& n = world_.store.network;
    n.down = true;
    n.refusing = random_.chance(0.5);
    note(n.refusing ? "store refuses" : "store is silent");
    later(500ms, 25s, [this] {
      note("store is back");
      world_.store.network.down = false;
    });
  }

  void partition() {
    world_.store.cut_off.clear();
    for (const Process* p : world_.living()) {
      if (random_.chance(0.5)) world_.store.cut_off.push_back(p->index());
    }
    note("half the fleet loses the store");
    later(1s, 30s, [this] {
      note("the fleet is whole again");
      world_.store.cut_off.clear();
    });
  }

  void store_slow() {
    world_.store.network.slow = between(random_, 100ms, 2s);
    note("store is slow by " + seconds_text(world_.store.network.slow));
    later(1s, 15s, [this] { world_.store.network.slow = 0s; });
  }

  void stop_process() {
    Process* p = anyone();
    if (!p) return;
    const auto which =
        one_of<Standstill>(random_, {Standstill::none, Standstill::local, Standstill::wall});
    const Duration length = between(random_, 300ms, 30s);
    note("process " + std::to_string(p->index()) + " is stopped for " + seconds_text(length));
    p->stop(which, length);
  }

  void step_clock() {
    Process* p = anyone();
    if (!p || p->stopped()) return;
    const Duration by = between(random_, -10min, 10min);
    note("process " + std::to_string(p->index()) + " wall clock steps by " + seconds_text(by));
    p->clocks().step_wall(world_.scheduler.now(), by);
  }

  void kill_process() {
    Process* p = anyone();
    if (!p) return;
    note("process " + std::to_string(p->index()) + " is killed");
    p->kill();
    later(0s, 10s, [this] { join(); });
  }

  void hold() {
    const auto kind = one_of<HoldKind>(
        random_, {HoldKind::forced_open, HoldKind::forced_closed, HoldKind::metrics_only});
    fleet::Hold h{.kind = kind, .who = "anna" + std::to_string(++holds_), .why = "", .until = {}};
    if (random_.chance(0.6)) h.until = world_.store.time() + ceil_ms(between(random_, 5s, 30s));
    note("hold " + std::string(to_string(kind)) + (h.until == StoreTime{} ? "" : " for a while"));
    world_.hold(h);
    properties_.person_acted();
    if (h.until == StoreTime{}) later(2s, 30s, [this] { release(); });
  }

  void release() {
    note("hold released");
    world_.hold({.kind = HoldKind::none, .who = "anna", .why = "", .until = {}});
    properties_.person_acted();
  }

  void lose_writes() {
    if (!loses_writes_) return dependency_down();
    if (random_.chance(0.5)) {
      note("store loses everything");
      world_.store.flush();
      properties_.store_lost();
      return;
    }
    world_.store.save_copy();
    later(500ms, 15s, [this] {
      note("store goes back to an earlier copy");
      world_.store.restore_copy();
      properties_.store_lost();
    });
  }

  void end_faults() {
    note("faults end");
    peace_ = true;
    world_.store.network = {};
    world_.store.cut_off.clear();
    world_.dependency.set_down(Down::no);
    world_.dependency.options().failure_rate = 0;
    world_.site.stop_before_probe = 0;
    // The last fault may have killed everybody.
    if (world_.living().empty()) join();
    // Calls from before may still time out and be reported, a lost record may still come back with
    // its hold; all that belongs to the faults.
    world_.run_for(world_.options.policy.call_timeout + kReportAgeMax);
    const fleet::Record* record = world_.stored();
    if (record && record->hold.kind != HoldKind::none) release();
  }

  static bool serving(const fleet::Record* r) {
    return r && (r->state == State::closed || r->state == State::recovering);
  }

  // P7: back to serving, then closed, then nobody is refused any more.
  void check_recovery() {
    const Policy& policy = world_.options.policy;
    const TrueTime from = world_.scheduler.now();
    // Whoever is still stopped is resumed within 30 s; then some rounds of probes by few callers.
    const Duration probing = 60s + 4 * policy.max_open_duration +
                             policy.probe_successes * (3 * policy.call_timeout + 15s);
    if (!world_.run_until([&] { return serving(properties_.stored()); }, probing)) {
      return late("P7: not serving " + seconds_text(probing) + " after the last fault: ");
    }
    back_after_ = world_.scheduler.now() - from;
    const Duration closing = policy.recovery_quiet_duration + 20 * policy.recovery_step + 60s;
    if (!world_.run_until(
            [&] {
              const fleet::Record* r = properties_.stored();
              return r && r->state == State::closed;
            },
            probing + closing)) {
      return late("P7: not closed " + seconds_text(probing + closing) + " after serving again: ");
    }
    world_.run_for(policy.view_max_age + 35s);
    const std::uint64_t refused = world_.refusals;
    world_.run_for(10s);
    if (world_.refusals != refused) {
      late("P7: a call is refused although all is well (" + world_.last_refusal + "): ");
    }
    for (Process* p : world_.living()) {
      const fleet::Record* seen = p->member().record();
      const fleet::Record* stored = properties_.stored();
      if (!p->stopped() && (!seen || !stored || seen->epoch != stored->epoch)) {
        late("P7: process " + std::to_string(p->index()) + " does not see the fleet's record: ");
      }
    }
  }

  void late(const std::string& what) {
    if (world_.scheduler.stopped() || !late_violation_.empty()) return;
    const fleet::Record* r = world_.stored();
    late_violation_ = what + (r ? std::string(to_string(r->state)) + " " + r->reason + " hold \"" +
                                      std::string(to_string(r->hold.kind)) + "\""
                                : "no record");
  }

  ChaosOptions options_;
  core::Random random_;
  World world_;
  Properties properties_;
  double per_second_ = 1;
  bool loses_writes_ = false;
  bool peace_ = false;
  int holds_ = 0;
  Duration back_after_{0};
  std::string late_violation_;
};

}  // namespace

ChaosResult run_chaos(const ChaosOptions& options) { return Chaos(options).run(); }

std::string check_seed(std::uint64_t seed) {
  const ChaosResult result = run_chaos({.seed = seed});
  if (result.violation.empty()) return "";
  const ChaosResult again = run_chaos({.seed = seed, .tracing = true});
  return "seed " + std::to_string(seed) + ": " + result.violation +
         "\nRepeat with SWITCHGEAR_SEED=" + std::to_string(seed) + ". The last events:\n" +
         again.trace;
}

}  // namespace switchgear::lab
