#include "lab/lean_fleet.h"

#include <algorithm>
#include <cmath>

#include "lab/sim_store.h"

namespace switchgear::lab {

namespace {

constexpr Duration kOneWay = 5ms;
constexpr Duration kCallTime = 100ms;

}  // namespace

LeanFleet::Tables LeanFleet::tables_of(const FleetOptions& options) {
  Policy enforcing = options.policy;
  enforcing.strict = options.reading == Reading::before;
  Policy observing = enforcing;
  observing.mode = Mode::observe;
  return {fleet::PolicyTable(enforcing), fleet::PolicyTable(observing)};
}

LeanFleet::LeanFleet(const FleetOptions& options, const Tables& tables, Sick sick)
    : options_(options), random_(core::hash2(options.seed, 0x466c656574)) {
  // At any moment of a minute: the meter counts by minutes of the store's time.
  start_ = kEpochStart + std::chrono::duration_cast<Duration>(60s * random_.unit());
  const FleetShape& shape = options.shape;
  std::vector<double> rates;
  for (int i = 0; i < shape.members; ++i) {
    rates.push_back(shape.rate_low * std::pow(shape.rate_high / shape.rate_low, random_.unit()));
  }
  if (sick != Sick::nobody) {
    const auto it = sick == Sick::busiest ? std::max_element(rates.begin(), rates.end())
                                          : std::min_element(rates.begin(), rates.end());
    sick_ = static_cast<int>(it - rates.begin());
  }
  processes_.reserve(rates.size());
  for (int i = 0; i < shape.members; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const fleet::InstanceId id{core::hash2(options.seed, index) & ((std::uint64_t{1} << 48) - 1)};
    processes_.push_back({.member = fleet::Member(i == sick_ ? tables.observing : tables.enforcing,
                                                  fleet::MemberOptions{.limits = options.limits},
                                                  id, options.seed, clocks()),
                          .rate = rates[index]});
    add(gap(i), Kind::call, i);
  }
}

void LeanFleet::run_until(TrueTime end) {
  while (!events_.empty() && events_.top().when <= end) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.when;
    handle(event);
  }
  now_ = end;
}

void LeanFleet::begin_failing(double rate) {
  failure_rate_ = rate;
  calls_ = 0;
}

const stores::MemoryTable::Cell& LeanFleet::stored() const {
  static const stores::MemoryTable::Cell kNothing;
  const auto& cells = table_.cells();
  const auto it = cells.find(kCircuit);
  return it != cells.end() ? it->second : kNothing;
}

State LeanFleet::state() const {
  const auto& record = stored().read_record;
  return record && record->has_value() ? record->value().state : State::closed;
}

bool LeanFleet::all_stopped() const {
  return std::all_of(processes_.begin(), processes_.end(),
                     [&](const Process& p) { return p.member.state() != State::closed; });
}

fleet::FleetEstimate LeanFleet::estimate() {
  const fleet::Snapshot s = table_.execute(kCircuit, fleet::ReadOp{}, store_time()).snapshot;
  return fleet::estimate_fleet(s.meter, s.reports, s.time,
                               s.readable() ? s.readable()->born : s.time);
}

Now LeanFleet::clocks() const {
  return Now{.mono = MonoTime{1'000s + now_},
             .boot = BootTime{2'000s + now_},
             .wall = WallTime{start_ + now_}};
}

void LeanFleet::add(TrueTime when, Kind kind, int process, int call) {
  events_.push({when, sequence_++, process, call, kind});
}

Duration LeanFleet::gap(int process) {
  const double seconds = -std::log(1 - random_.unit()) / at(process).rate;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void LeanFleet::handle(const Event& event) {
  const int who = event.process;
  Process& p = at(who);
  switch (event.kind) {
    case Kind::call:
      if (silent_) return;
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

void LeanFleet::call(int who) {
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
    if (refusal) ++refused_;
    over(who);
  }
  pump(who);
}

void LeanFleet::start(int who, const fleet::Permit& permit) {
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

void LeanFleet::end(int who, int index) {
  const Call call = in_flight_[static_cast<std::size_t>(index)];
  free_.push_back(index);
  at(who).member.finish(call.permit, call.fails ? Outcome::failure : Outcome::success, kCallTime,
                        clocks());
  over(who);
  pump(who);
}

void LeanFleet::over(int who) {
  if (options_.shape.one_call_at_a_time) {
    add(std::max(now_, at(who).next_call), Kind::call, who);
  }
}

void LeanFleet::pump(int who) {
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

void LeanFleet::request(int who) {
  Process& p = at(who);
  const bool read = std::holds_alternative<fleet::ReadOp>(*p.operation);
  ++(read ? reads_ : writes_);
  p.answer = table_.execute(kCircuit, *p.operation, store_time());
  if (carried_) carried_(who, *p.operation, *this);
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

void LeanFleet::reply(int who) {
  Process& p = at(who);
  p.operation.reset();
  p.member.answered(*p.answer, clocks());
  p.answer.reset();
  pump(who);
  for (int waiting = std::exchange(p.waiting, 0); waiting > 0; --waiting) call(who);
}

}  // namespace switchgear::lab
