#include "lab/fleet_figures.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <queue>

#include "core/random.h"
#include "fleet/member.h"
#include "lab/local_clocks.h"
#include "lab/sim_store.h"
#include "stores/memory_store.h"

namespace switchgear::lab {

namespace {

constexpr Duration kOneWay = 5ms;
constexpr Duration kCallTime = 100ms;
constexpr Duration kCalm = 65s;
constexpr Duration kMeasured = 60s;
constexpr Duration kOpensWithin = 300s;
// The idlest call every five seconds, at random.
constexpr Duration kStopsWithin = 60s;
constexpr Duration kSick = 180s;
constexpr int kNobody = -1;

// Copied to go on from one moment in several ways.
class Fleet {
 public:
  struct Tables {
    fleet::PolicyTable enforcing;
    fleet::PolicyTable observing;  // for the sick one
  };

  // `tables` outlives the fleet and its copies.
  Fleet(const FleetOptions& options, const Tables& tables, bool sick, bool busiest)
      : options_(options), random_(core::hash2(options.seed, 0x466c656574)) {
    // At any moment of a minute: the meter counts by minutes of the store's time.
    start_ = kEpochStart + std::chrono::duration_cast<Duration>(60s * random_.unit());
    const FleetShape& shape = options.shape;
    std::vector<double> rates;
    for (int i = 0; i < shape.members; ++i) {
      rates.push_back(shape.rate_low * std::pow(shape.rate_high / shape.rate_low, random_.unit()));
    }
    if (sick) {
      const auto it = busiest ? std::max_element(rates.begin(), rates.end())
                              : std::min_element(rates.begin(), rates.end());
      sick_ = static_cast<int>(it - rates.begin());
    }
    processes_.reserve(rates.size());
    for (int i = 0; i < shape.members; ++i) {
      const auto index = static_cast<std::uint64_t>(i);
      const fleet::InstanceId id{core::hash2(options.seed, index) & ((std::uint64_t{1} << 48) - 1)};
      processes_.push_back(
          {.member = fleet::Member(i == sick_ ? tables.observing : tables.enforcing,
                                   fleet::MemberOptions{.thinning_rate = options.thinning_rate}, id,
                                   options.seed, clocks()),
           .rate = rates[index]});
      add(gap(i), Kind::call, i);
    }
  }

  void run_until(TrueTime end) {
    while (!events_.empty() && events_.top().when <= end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.when;
      handle(event);
    }
    now_ = end;
  }
  void run_for(Duration length) { run_until(now_ + length); }

  void begin_failing(double rate) {
    failure_rate_ = rate;
    calls_ = 0;
  }
  void begin_sickness() { sick_now_ = true; }

  TrueTime now() const { return now_; }
  bool opened() const { return opened_at_.has_value(); }
  TrueTime opened_at() const { return *opened_at_; }
  std::uint64_t calls() const { return calls_; }
  std::uint64_t writes() const { return writes_; }
  std::uint64_t reads() const { return reads_; }
  bool all_stopped() const {
    return std::all_of(processes_.begin(), processes_.end(),
                       [&](const Process& p) { return p.member.state() != State::closed; });
  }
  fleet::FleetEstimate estimate() {
    const fleet::Snapshot s = table_.execute(kCircuit, fleet::ReadOp{}, store_time()).snapshot;
    return fleet::estimate_fleet(s.meter, s.reports, s.time,
                                 s.readable() ? s.readable()->born : s.time);
  }

 private:
  enum class Kind : unsigned char { call, end, wake, request, reply, told };

  struct Event {
    TrueTime when;
    std::uint64_t sequence;
    int process;
    int call;  // of Kind::end
    Kind kind;
    // The earliest first.
    friend bool operator<(const Event& a, const Event& b) {
      return std::pair(a.when, a.sequence) > std::pair(b.when, b.sequence);
    }
  };

  struct Process {
    fleet::Member member;
    double rate;
    std::optional<fleet::Operation> operation{};
    std::optional<fleet::Answer> answer{};
    TrueTime wake_at{-1};
    TrueTime next_call{0};  // one call at a time: the earliest start of the next
    int waiting = 0;        // calls that wait for a view
  };

  struct Call {
    fleet::Permit permit;
    bool fails = false;
  };

  Process& at(int process) { return processes_[static_cast<std::size_t>(process)]; }
  StoreTime store_time() const { return StoreTime{floor_ms(start_ + now_)}; }
  Now clocks() const {
    return Now{.mono = MonoTime{1'000s + now_},
               .boot = BootTime{2'000s + now_},
               .wall = WallTime{start_ + now_}};
  }
  void add(TrueTime when, Kind kind, int process, int call = -1) {
    events_.push({when, sequence_++, process, call, kind});
  }
  Duration gap(int process) {
    const double seconds = -std::log(1 - random_.unit()) / at(process).rate;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

  void handle(const Event& event) {
    const int who = event.process;
    Process& p = at(who);
    switch (event.kind) {
      case Kind::call:
        if (options_.shape.one_call_at_a_time) {
          p.next_call = now_ + gap(who);
        } else {
          add(now_ + gap(who), Kind::call, who);
        }
        return call(who);
      case Kind::end:
        return end(who, event.call);
      case Kind::wake:
        if (p.wake_at != event.when) return;
        p.wake_at = TrueTime{-1};
        return pump(who);
      case Kind::request:
        return request(who);
      case Kind::reply:
        return reply(who);
      case Kind::told:
        // A hint, as the store's push is: the process reads before it believes.
        p.member.heard_of(pushed_epoch_);
        return pump(who);
    }
  }

  void call(int who) {
    Process& p = at(who);
    const Now now = clocks();
    const fleet::Admission admission = p.member.admit(now);
    const auto* permit = std::get_if<fleet::Permit>(&admission);
    const auto* refusal = std::get_if<fleet::Refusal>(&admission);
    if (options_.reading == Reading::before &&
        (p.member.record() == nullptr ||
         (refusal && refusal->reason == fleet::RefusalReason::stale_view))) {
      // Asking made the refresh due, if nothing is under way that will bring a view.
      if (permit) p.member.give_back(*permit, now);
      ++p.waiting;
      return pump(who);
    }
    if (permit && p.member.may_start(*permit, now)) {
      start(who, *permit);
    } else {
      over(who);
    }
    pump(who);
  }

  void start(int who, const fleet::Permit& permit) {
    const double rate = who == sick_ && sick_now_ ? 1.0
                        : failure_rate_ >= 0      ? failure_rate_
                                                  : options_.background;
    int index = static_cast<int>(in_flight_.size());
    if (free_.empty()) {
      in_flight_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    in_flight_[static_cast<std::size_t>(index)] = {permit, random_.chance(rate)};
    ++calls_;
    add(now_ + kCallTime, Kind::end, who, index);
  }

  void end(int who, int index) {
    const Call call = in_flight_[static_cast<std::size_t>(index)];
    free_.push_back(index);
    at(who).member.finish(call.permit, call.fails ? Outcome::failure : Outcome::success, kCallTime,
                          clocks());
    over(who);
    pump(who);
  }

  // This process may go on to its next call.
  void over(int who) {
    if (options_.shape.one_call_at_a_time) {
      add(std::max(now_, at(who).next_call), Kind::call, who);
    }
  }

  void pump(int who) {
    Process& p = at(who);
    const Now now = clocks();
    if (auto operation = p.member.next_operation(now)) {
      p.operation = std::move(operation);
      add(now_ + kOneWay, Kind::request, who);
    }
    const Duration wait = p.member.until_next(now);
    if (wait == Duration::max()) return;
    const TrueTime wake = now_ + std::max<Duration>(wait, 1us);
    if (p.wake_at >= now_ && p.wake_at <= wake) return;
    p.wake_at = wake;
    add(wake, Kind::wake, who);
  }

  void request(int who) {
    Process& p = at(who);
    const bool read = std::holds_alternative<fleet::ReadOp>(*p.operation);
    ++(read ? reads_ : writes_);
    p.answer = table_.execute(kCircuit, *p.operation, store_time());
    add(now_ + kOneWay, Kind::reply, who);
    const fleet::Record* record = p.answer->snapshot.readable();
    if (!opened_at_ && record && record->state == State::open) {
      opened_at_ = now_;
      pushed_epoch_ = record->epoch;
      if (options_.reading == Reading::pushed) {
        for (int i = 0; i < options_.shape.members; ++i) add(now_ + kOneWay, Kind::told, i);
      }
    }
  }

  void reply(int who) {
    Process& p = at(who);
    p.operation.reset();
    p.member.answered(*p.answer, clocks());
    p.answer.reset();
    pump(who);
    for (int waiting = std::exchange(p.waiting, 0); waiting > 0; --waiting) call(who);
  }

  FleetOptions options_;
  core::Random random_;
  Duration start_{0};
  TrueTime now_{0};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Event> events_;
  std::vector<Process> processes_;
  std::vector<Call> in_flight_;
  std::vector<int> free_;
  stores::MemoryTable table_;
  int sick_ = kNobody;
  bool sick_now_ = false;
  double failure_rate_ = -1;  // below 0: the background's
  std::optional<TrueTime> opened_at_;
  std::int64_t pushed_epoch_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t reads_ = 0;
};

Fleet::Tables tables_of(const FleetOptions& options) {
  Policy enforcing = options.policy;
  enforcing.strict = options.reading == Reading::before;
  Policy observing = enforcing;
  observing.mode = Mode::observe;
  return {fleet::PolicyTable(enforcing), fleet::PolicyTable(observing)};
}

OnsetFigures onset(Fleet fleet, double rate) {
  OnsetFigures f{.failure_rate = rate};
  const TrueTime began = fleet.now();
  fleet.begin_failing(rate);
  while (!fleet.opened() && fleet.now() < began + kOpensWithin) fleet.run_for(100ms);
  f.opened = fleet.opened();
  if (f.opened) {
    f.seconds = to_seconds(fleet.opened_at() - began);
    const TrueTime latest = fleet.now() + kStopsWithin;
    while (!fleet.all_stopped() && fleet.now() < latest) fleet.run_for(100ms);
  }
  f.calls = fleet.calls();
  return f;
}

}  // namespace

Policy measured_policy(Duration view_refresh) {
  Policy p = measured_default_policy(view_refresh);
  p.failure_weight = 10;
  p.trip_level = 100;
  return p;
}

Policy measured_default_policy(Duration view_refresh) {
  Policy p;
  p.view_refresh = view_refresh;
  p.open_duration = 10min;
  p.max_open_duration = 10min;
  return p;
}

FleetFigures measure_fleet(const FleetOptions& options, std::span<const double> failure_rates) {
  const Fleet::Tables tables = tables_of(options);
  Fleet fleet(options, tables, false, false);
  FleetFigures f;
  fleet.run_for(1s);
  f.writes_at_start = fleet.writes();
  fleet.run_until(kCalm);
  for (const double rate : failure_rates) f.onsets.push_back(onset(fleet, rate));

  f.false_trip = fleet.opened();
  if (!options.calm_minute) return f;
  const std::uint64_t calls = fleet.calls();
  const std::uint64_t writes = fleet.writes();
  const std::uint64_t reads = fleet.reads();
  fleet.run_for(kMeasured);
  const auto per_second = [](std::uint64_t n) {
    return static_cast<double>(n) / to_seconds(kMeasured);
  };
  f.calls_per_second = per_second(fleet.calls() - calls);
  f.writes_per_second = per_second(fleet.writes() - writes);
  f.reads_per_second = per_second(fleet.reads() - reads);
  f.estimated_rate = fleet.estimate().calls_per_second / f.calls_per_second;
  f.estimated_members = fleet.estimate().members;
  f.false_trip = fleet.opened();
  return f;
}

bool sick_process_opens(const FleetOptions& options, bool busiest, bool only_observes) {
  Fleet::Tables tables = tables_of(options);
  if (!only_observes) tables.observing = tables.enforcing;
  Fleet fleet(options, tables, true, busiest);
  fleet.run_until(kCalm);
  fleet.begin_sickness();
  const TrueTime end = fleet.now() + kSick;
  while (!fleet.opened() && fleet.now() < end) fleet.run_for(1s);
  return fleet.opened();
}

}  // namespace switchgear::lab
