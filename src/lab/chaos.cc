#include "lab/chaos.h"

#include <algorithm>
#include <cmath>

#include "lab/shrink.h"

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
  // Far above what the dependency takes while it is well, so that no life ends in a false trip.
  if (random.chance(0.3)) p.slow_call_duration = 300ms;
  p.on_store_failure =
      one_of<OnStoreFailure>(random, {OnStoreFailure::allow, OnStoreFailure::allow,
                                      OnStoreFailure::refuse, OnStoreFailure::last_known});
  return p;
}

// What few circuits use, from a source of its own so that the other lives stay as they are.
void use_rare_features(WorldOptions& o, core::Random random) {
  Policy& p = o.policy;
  if (random.chance(0.15)) {
    p.strict = true;
    p.view_refresh = between(random, 1s, 5s);
  }
  if (random.chance(0.15)) p.minimum_outage = between(random, 500ms, 3s);
  if (random.chance(0.15)) o.member.limits.thinning_rate = random.between(1, 20);
  if (!random.chance(0.2)) return;
  p.acceptable_failure_rate = Policy{}.acceptable_failure_rate;
  p.unacceptable_failure_rate = Policy{}.unacceptable_failure_rate;
  p.rule = Rule::classic;
  p.sliding_window_type = random.chance(0.5) ? SlidingWindowType::count : SlidingWindowType::time;
  p.sliding_window_size = 5 + static_cast<int>(random.below(30));
  p.minimum_number_of_calls = 1 + static_cast<int>(random.below(20));
  p.failure_rate_threshold = random.between(0.2, 0.8);
}

WorldOptions random_world(std::uint64_t seed, core::Random& random) {
  WorldOptions o;
  o.seed = seed;
  o.policy = random_policy(random);
  use_rare_features(o, core::Random(core::hash2(seed, 0x3a7e5)));
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
    const int drawn =
        1 + static_cast<int>(random_.chance(0.3) ? random_.below(4) : random_.below(40));
    const int size = std::min(drawn, options_.processes_max);
    per_second_ = random_.between(0.5, 4.0);
    world_.site.stop_before_probe = random_.chance(0.3) ? 0.1 : 0;
    loses_writes_ = random_.chance(0.35);
    core::Random rare(core::hash2(options_.seed, 0xa5c5));
    if (rare.chance(0.15)) world_.site.asks_to_wait = between(rare, 1s, 20s);
    for (int i = 0; i < size; ++i) join();
    world_.run_for(between(random_, 1s, 5s));
    disturb_network();
    if (!options_.noise) {
      world_.store.network = {};
      world_.site.stop_before_probe = 0;
    }
    plan_faults();
    world_.run_for(options_.faults);
    end_faults();
    check_recovery();

    ChaosResult result;
    result.violation = properties_.violation();
    result.trace = world_.trace();
    result.faults = faults_;
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

  void plan_faults() {
    if (options_.only) {
      for (const Fault& fault : *options_.only) {
        world_.scheduler.at(std::max(fault.at, world_.scheduler.now()),
                            [this, fault] { happen(fault); });
      }
      return;
    }
    const int faults = 4 + static_cast<int>(random_.below(12));
    for (int i = 0; i < faults; ++i) {
      world_.scheduler.after(between(random_, 0s, options_.faults), [this] { random_fault(); });
    }
    core::Random rare(core::hash2(options_.seed, 0x5c4e3a));
    if (!rare.chance(0.2)) return;
    world_.scheduler.after(
        between(rare, 0s, options_.faults), [this, lasts = between(rare, 1s, 20s)] {
          happen({.at = world_.scheduler.now(), .kind = FaultKind::newer_version, .lasts = lasts});
        });
  }

  // Faults of the way to the store that last as long as faults do.
  void disturb_network() {
    StoreNetwork& n = world_.store.network;
    n.latency_mean = between(random_, 200us, 20ms);
    const double most = random_.chance(0.5) ? 0.0 : 0.15;
    n.lost_request = random_.between(0, most);
    n.lost_reply = random_.between(0, most);
    n.repeated = random_.between(0, most);
    n.late = random_.between(0, most);
    // What not every store does: throttle, and answer reads from the past.
    core::Random rare(core::hash2(options_.seed, 0x7a4e));
    if (rare.chance(0.15)) n.throttled = rare.between(0, 0.3);
    if (rare.chance(0.15)) {
      world_.store.keep_history(5s);
      n.stale_reads = rare.unit();
      n.stale_by = between(rare, 100ms, 3s);
    }
  }

  Process* anyone() {
    const auto living = world_.living();
    return living.empty() ? nullptr : living[random_.below(living.size())];
  }

  Process* process(int index) {
    const auto i = static_cast<std::size_t>(index);
    return i < world_.processes.size() ? world_.processes[i].get() : nullptr;
  }

  void later(Duration wait, Scheduler::Task task) {
    world_.scheduler.after(wait, [this, task = std::move(task)] {
      if (!peace_) task();
    });
  }

  void random_fault() {
    if (peace_) return;
    std::optional<Fault> fault = draw();
    if (!fault) return;
    fault->at = world_.scheduler.now();
    happen(*fault);
  }

  // What goes wrong now, by the seed; nothing if there is nobody to whom it could happen.
  std::optional<Fault> draw() {
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
        return draw_dependency_down();
      case 3: {
        Fault f{.kind = FaultKind::dependency_fails};
        f.rate = random_.between(0.2, 1);
        f.lasts = between(random_, 3s, 20s);
        return f;
      }
      case 4: {
        const bool refuses = random_.chance(0.5);
        return Fault{.kind = refuses ? FaultKind::store_refuses : FaultKind::store_silent,
                     .lasts = between(random_, 500ms, 25s)};
      }
      case 5: {
        Fault f{.kind = FaultKind::partition};
        for (const Process* p : world_.living()) {
          if (random_.chance(0.5)) f.cut.push_back(p->index());
        }
        f.lasts = between(random_, 1s, 30s);
        return f;
      }
      case 6: {
        Fault f{.kind = FaultKind::store_slow};
        f.by = between(random_, 100ms, 2s);
        f.lasts = between(random_, 1s, 15s);
        return f;
      }
      case 8:
        return draw_step_clock();
      case 9: {
        const Process* p = anyone();
        if (!p) return std::nullopt;
        return Fault{.kind = FaultKind::kill_process,
                     .lasts = between(random_, 0s, 10s),
                     .process = p->index()};
      }
      case 10:
        return draw_hold();
      case 11:
        return draw_lost_writes();
      default:
        return draw_stop();
    }
  }

  Fault draw_dependency_down() {
    const bool refuses = random_.chance(0.5);
    return {.kind = refuses ? FaultKind::dependency_refuses : FaultKind::dependency_hangs,
            .lasts = between(random_, 3s, 30s)};
  }

  std::optional<Fault> draw_stop() {
    const Process* p = anyone();
    if (!p) return std::nullopt;
    Fault f{.kind = FaultKind::stop_process, .process = p->index()};
    f.standstill =
        one_of<Standstill>(random_, {Standstill::none, Standstill::local, Standstill::wall});
    f.lasts = between(random_, 300ms, 30s);
    return f;
  }

  std::optional<Fault> draw_step_clock() {
    const Process* p = anyone();
    if (!p || p->stopped()) return std::nullopt;
    return Fault{.kind = FaultKind::step_clock,
                 .process = p->index(),
                 .by = between(random_, -10min, 10min)};
  }

  Fault draw_hold() {
    Fault f{.kind = FaultKind::hold};
    f.hold = one_of<HoldKind>(
        random_, {HoldKind::forced_open, HoldKind::forced_closed, HoldKind::metrics_only});
    f.hold_ends = random_.chance(0.6);
    f.lasts = f.hold_ends ? between(random_, 5s, 30s) : between(random_, 2s, 30s);
    return f;
  }

  Fault draw_lost_writes() {
    if (!loses_writes_) return draw_dependency_down();
    if (random_.chance(0.5)) return {.kind = FaultKind::store_loses_all};
    return {.kind = FaultKind::store_rolls_back, .lasts = between(random_, 500ms, 15s)};
  }

  void happen(const Fault& fault) {
    if (peace_) return;
    faults_.push_back(fault);
    note(describe(fault));
    switch (fault.kind) {
      case FaultKind::dependency_refuses:
      case FaultKind::dependency_hangs:
        world_.dependency.set_down(fault.kind == FaultKind::dependency_refuses ? Down::refusing
                                                                               : Down::black_hole);
        return later(fault.lasts, [this] {
          note("dependency is back");
          world_.dependency.set_down(Down::no);
        });
      case FaultKind::dependency_fails:
        world_.dependency.options().failure_rate = fault.rate;
        return later(fault.lasts, [this] { world_.dependency.options().failure_rate = 0.002; });
      case FaultKind::store_refuses:
      case FaultKind::store_silent:
        world_.store.network.down = true;
        world_.store.network.refusing = fault.kind == FaultKind::store_refuses;
        return later(fault.lasts, [this] {
          note("store is back");
          world_.store.network.down = false;
        });
      case FaultKind::store_slow:
        world_.store.network.slow = fault.by;
        return later(fault.lasts, [this] { world_.store.network.slow = 0s; });
      case FaultKind::partition:
        world_.store.cut_off = fault.cut;
        return later(fault.lasts, [this] {
          note("the fleet is whole again");
          world_.store.cut_off.clear();
        });
      case FaultKind::hold:
        return hold(fault);
      case FaultKind::store_loses_all:
        world_.store.flush();
        return properties_.store_lost();
      case FaultKind::store_rolls_back:
        world_.store.save_copy();
        return later(fault.lasts, [this] {
          note("store goes back to its earlier copy");
          world_.store.restore_copy();
          properties_.store_lost();
        });
      case FaultKind::newer_version:
        write_newer_version();
        return later(fault.lasts, [this] { write_our_version(); });
      case FaultKind::stop_process:
      case FaultKind::step_clock:
      case FaultKind::kill_process:
        if (Process* p = process(fault.process)) happen_to(*p, fault);
        return;
    }
  }

  void happen_to(Process& p, const Fault& fault) {
    if (p.dead()) return;
    if (fault.kind == FaultKind::stop_process) return p.stop(fault.standstill, fault.lasts);
    if (fault.kind == FaultKind::step_clock) {
      return p.clocks().step_wall(world_.scheduler.now(), fault.by);
    }
    p.kill();
    later(fault.lasts, [this] { join(); });
  }

  // What a process of a newer version does with the record, and then, after a downgrade, one of
  // ours.
  void write_newer_version() {
    const fleet::Record* stored = world_.stored();
    if (!stored) return;
    ours_ = *stored;
    write(*stored, "2");
  }
  void write_our_version() {
    const fleet::Snapshot stored = world_.store.snapshot();
    if (!stored.record || stored.readable()) return;
    note("the record is written by our version again");
    write(ours_, "1");
  }
  void write(fleet::Record record, const std::string& schema) {
    record.epoch = std::max(std::max(record.epoch, newest_epoch_) + 1, to_ms(world_.store.time()));
    newest_epoch_ = record.epoch;
    record.revision += 2;
    record.probe_ok = record.probe_failed = 0;
    auto& cell = world_.store.table().cells()[kCircuit];
    cell.fields = fleet::encode_fields(record);
    for (auto& [name, value] : cell.fields) {
      if (name == "v") value = schema;
    }
    cell.reports.clear();
    properties_.another_version_wrote();
  }

  void hold(const Fault& fault) {
    fleet::Hold h{
        .kind = fault.hold, .who = "anna" + std::to_string(++holds_), .why = "", .until = {}};
    if (fault.hold_ends) h.until = world_.store.time() + ceil_ms(fault.lasts);
    world_.hold(h);
    properties_.person_acted();
    if (!fault.hold_ends) later(fault.lasts, [this] { release(); });
  }

  void release() {
    note("hold released");
    world_.hold({.kind = HoldKind::none, .who = "anna", .why = "", .until = {}});
    properties_.person_acted();
  }

  void end_faults() {
    note("faults end");
    peace_ = true;
    world_.store.network = {};
    world_.store.cut_off.clear();
    world_.dependency.set_down(Down::no);
    world_.dependency.options().failure_rate = 0;
    world_.site.stop_before_probe = 0;
    write_our_version();
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
  fleet::Record ours_;  // the last of our version, while the store holds a newer one
  std::int64_t newest_epoch_ = 0;
  std::vector<Fault> faults_;
  Duration back_after_{0};
  std::string late_violation_;
};

}  // namespace

std::string describe(const Fault& fault) {
  const auto who = [&] { return "process " + std::to_string(fault.process); };
  const auto what = [&]() -> std::string {
    switch (fault.kind) {
      case FaultKind::dependency_refuses:
        return "the dependency answers with errors";
      case FaultKind::dependency_hangs:
        return "the dependency never answers";
      case FaultKind::dependency_fails:
        return "the dependency fails " + std::to_string(static_cast<int>(100 * fault.rate)) +
               " % of calls";
      case FaultKind::store_refuses:
        return "the store answers with errors";
      case FaultKind::store_silent:
        return "the store is silent";
      case FaultKind::store_slow:
        return "the store is slower by " + seconds_text(fault.by) + " each way";
      case FaultKind::partition: {
        std::string names;
        for (const int p : fault.cut) names += " " + std::to_string(p);
        return "the store cannot be reached by" + (names.empty() ? " nobody" : names);
      }
      case FaultKind::stop_process:
        return who() + " is stopped" +
               (fault.standstill == Standstill::local  ? ", its monotonic clocks with it"
                : fault.standstill == Standstill::wall ? ", its wall clock with it"
                                                       : "");
      case FaultKind::step_clock:
        return "the wall clock of " + who() + " steps by " + seconds_text(fault.by);
      case FaultKind::kill_process:
        return who() + " is killed; the next starts";
      case FaultKind::hold:
        return "a person holds " + std::string(to_string(fault.hold));
      case FaultKind::store_loses_all:
        return "the store loses everything";
      case FaultKind::store_rolls_back:
        return "the store is copied; it goes back to that";
      case FaultKind::newer_version:
        return "the record is written by a newer version";
    }
    return "?";
  };
  const bool after =
      fault.kind == FaultKind::kill_process || fault.kind == FaultKind::store_rolls_back;
  return what() +
         (fault.lasts == 0s ? "" : (after ? " after " : " for ") + seconds_text(fault.lasts));
}

ChaosResult run_chaos(const ChaosOptions& options) { return Chaos(options).run(); }

SeedVerdict check_seed(std::uint64_t seed) {
  const ChaosResult result = run_chaos({.seed = seed});
  return {.problem = result.violation.empty() ? "" : to_text(shrink({.seed = seed})),
          .lived = result.lived};
}

}  // namespace switchgear::lab
