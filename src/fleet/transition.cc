#include "fleet/transition.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "core/assert.h"
#include "core/backoff.h"
#include "core/mutant.h"
#include "core/random.h"
#include "fleet/hold_clock.h"
#include "fleet/moves.h"
#include "fleet/window_rule.h"

namespace switchgear::fleet {

namespace {

std::optional<SwapOp> end_of_probing(const PolicyTable& table, const Record& current,
                                     const Snapshot& snapshot, const Decider& decider) {
  if (current.probe_failed > 0) {
    return open_circuit(table, current, snapshot, decider, "probe_failed",
                        "a probe failed after " + std::to_string(current.probe_ok) + " succeeded");
  }
  if (current.probe_ok < table.policy().probe_successes) return std::nullopt;
  const std::string why = std::to_string(current.probe_ok) + " probes succeeded";
  if (!table.policy().recovery_limit || core::mutant(core::Mutant::full_speed_after_probes)) {
    SwapOp op = close_circuit(table, current, snapshot, decider, "probes_succeeded", why);
    op.unless_probe_failed = true;
    return op;
  }
  SwapOp op = write_over(current, table, decider);
  op.unless_probe_failed = true;
  enter(op.next, State::recovering, snapshot.time, "probes_succeeded", why);
  op.next.recovery = core::begin_recovery(table.policy(), current.last_good_limit);
  op.next.step = current.step + 1;
  op.next.step_at = snapshot.time + ceil_ms(table.policy().recovery_step);
  op.next.members = weigh(table, snapshot).fleet.members;
  return op;
}

std::optional<SwapOp> recovery_step_due(const PolicyTable& table, const Record& current,
                                        const Snapshot& snapshot, const Decider& decider,
                                        double jitter) {
  const Policy& policy = table.policy();
  const auto spread =
      std::chrono::milliseconds{static_cast<int>(std::clamp(jitter, 0.0, 1.0) * 1e3)};
  if (snapshot.time < current.step_at + spread) return std::nullopt;

  core::StepSums sums;
  for (const StepDelta& delta : snapshot.steps) {
    if (delta.step == current.step) sums += delta.sums;
  }
  const StoreTime began = current.step_at - ceil_ms(policy.recovery_step);
  const Duration elapsed = std::max<Duration>(snapshot.time - began, policy.recovery_step);
  const double effective = current.recovery.limit <= kSlotLimitMax
                               ? std::floor(current.recovery.limit)
                               : current.recovery.limit;
  const core::RecoveryState stepped =
      core::recovery_step(policy, current.recovery, sums, effective, elapsed);
  Record after = current;
  after.recovery = stepped;
  if (core::recovery_done(policy, stepped)) {
    const auto quiet = std::chrono::floor<std::chrono::seconds>(policy.recovery_quiet_duration);
    SwapOp op =
        close_circuit(table, after, snapshot, decider, "recovered",
                      "the limit has not bound for " + std::to_string(quiet.count()) + " s");
    op.not_before = current.step_at;
    return op;
  }
  SwapOp op = write_over(after, table, decider);
  op.not_before = current.step_at;
  op.next.step = current.step + 1;
  op.next.step_at = snapshot.time + ceil_ms(policy.recovery_step);
  // Those who call less than once a step count too: they would all come at once otherwise.
  op.next.members = std::max(sums.members, weigh(table, snapshot).fleet.members);
  return op;
}

}  // namespace

PolicyTable::PolicyTable(const Policy& policy)
    : policy_(policy), fingerprint_(policy.fingerprint()) {
  double rate = 10;
  for (auto& compiled : by_decade_) {
    compiled = core::compile(policy, rate);
    rate *= 10;
  }
}

const core::CompiledPolicy& PolicyTable::at(double calls_per_second) const {
  std::size_t decade = 0;
  for (double rate = 10; calls_per_second > rate && decade + 1 < by_decade_.size(); rate *= 10) {
    ++decade;
  }
  return by_decade_[decade];
}

namespace {

// The meter looks back over the minute before this one.
constexpr Duration kMeterMemory = 120s;

// The classic rule's minimum of calls while recovering, at the most.
constexpr int kRecoveryCalls = 20;

// How many instances there are to outvote a sick one: in a recovery by slots only those who hold
// one, or report, make calls at all. Were the whole fleet counted, two holders whose every call
// fails could never supply enough, and the circuit would stay RECOVERING on a dead dependency. The
// same holds where one has most of the slots and two have one each, so holders count by what they
// hold: the inverse of the chance that two slots drawn at random are of the same one.
double voters(const Record& record, const Snapshot& snapshot, double members) {
  if (record.state != State::recovering || record.recovery.limit > kSlotLimitMax) return members;
  std::map<InstanceId, double> held;
  double slots = 0;
  for (const auto& slot : record.slots) {
    if (!slot || slot->expires <= snapshot.time) continue;
    ++held[slot->holder];
    ++slots;
  }
  double squares = 0;
  for (const auto& [holder, count] : held) squares += count * count;
  std::set<InstanceId> reporters;
  for (const Report& report : snapshot.reports) reporters.insert(report.instance);
  const double calling =
      slots > 0 ? slots * slots / squares : static_cast<double>(reporters.size());
  return std::clamp(calling, 1.0, std::max(1.0, members));
}

// A step raises the limit by half, and all places that are new are tried at once: as many may be
// turned away within a moment as a third of the limit, and that is its search, not an outage. In an
// outage all of its places fail. The set of reports must be able to hold what is needed. What led
// to a cut has been answered by it, and must not count for more under the smaller limit.
core::CusumRule overload_rule(core::CusumRule rule, const core::RecoveryState& recovery) {
  constexpr double kLevelMax = 40;
  const double limit = core::limit_of_evidence(recovery);
  rule.level = std::max(rule.level, static_cast<int>(std::min(std::ceil(limit / 2), kLevelMax)));
  return rule;
}

// The pace at which calls come when the limit is gone: those that it refused come too.
double pace_before_closing(const core::RecoveryState& last) {
  const double offered =
      last.base_rtt_ms > 0 ? last.offered_in_flight / last.base_rtt_ms * 1e3 : 0.0;
  return std::max(last.calls_per_second, offered);
}

}  // namespace

Trip trip_of(const Weighing& weighing, StoreTime at) {
  const Window& window = *weighing.failures;
  Trip trip{.at = at,
            .rule = weighing.rule,
            .failures = window.failures,
            .evidence = window.evidence,
            .need = window.need,
            .reports = window.reports,
            .reporters = window.reporters,
            .first = window.first,
            .last = window.last,
            .shares = window.shares};
  if (trip.shares.size() > kTripSharesMax) trip.shares.resize(kTripSharesMax);
  return trip;
}

namespace {

// Of calls that no report told of: the instance's own window saw them.
Trip trip_of(const OwnTrip& own, InstanceId instance, StoreTime at) {
  return {.at = at,
          .rule = own.reason,
          .failures = own.failures,
          .evidence = own.failures,
          .need = own.need,
          .reports = 0,
          .reporters = 1,
          .first = at,
          .last = at,
          .shares = {{.instance = instance, .failures = own.failures}}};
}

// Senders know the store's time to within a second or two, where it is told in seconds.
constexpr Duration kEvidenceAgeMin = 3s;

// A run of reports that trips lasts no longer than its failures outweigh the calls in it: its
// need is at least calls - evidence / weight, so elapsed * calls/s <= (weight + 1) * failures. With
// a report older than what all failures so far can outweigh, a run needs later ones that outweigh
// more than their own time, and those trip without it. Four times that: the rate is an estimate,
// and what one instance may supply is bounded by the need of the whole run.
std::chrono::milliseconds age_of_evidence(const Snapshot& snapshot, double weight,
                                          double calls_per_second) {
  double failures = 1;  // of the report that is about to be added
  std::chrono::milliseconds pause{0};
  for (const Report& r : snapshot.reports) {
    failures += static_cast<double>(r.failures + r.overloads + r.slow) * std::exp2(r.thinning);
    pause = std::max(pause, std::chrono::milliseconds{r.retry_after_ms});
  }
  const double seconds = std::min(4 * (weight + 1) * failures / calls_per_second, 1e6);
  return std::max({ceil_ms(std::chrono::duration_cast<Duration>(1s * seconds)),
                   ceil_ms(kEvidenceAgeMin), pause});
}

}  // namespace

Weighing weigh(const PolicyTable& table, const Snapshot& snapshot) {
  Weighing result;
  const Record* record = snapshot.readable();
  const StoreTime born = record ? record->born : snapshot.time;
  result.fleet = estimate_fleet(snapshot.meter, snapshot.reports, snapshot.time, born);
  if (!record) return result;

  const bool recovering = record->state == State::recovering;
  if (record->state != State::closed && !recovering) return result;
  // While recovering the fleet runs at the limit's pace, not at that of the last minutes; only its
  // first step has no pace of its own yet.
  const double last_step = record->recovery.calls_per_second;
  double rate = recovering && last_step > 0 ? last_step : result.fleet.calls_per_second;
  // The meter still has the minutes of the outage in it, when hardly any calls were made. A fleet
  // judged by them would trip on ordinary failures as soon as it is back. They go as the meter
  // forgets them.
  if (record->state == State::closed) {
    const double left = 1 - to_seconds(snapshot.time - record->since) / to_seconds(kMeterMemory);
    rate = std::max(rate, pace_before_closing(record->recovery) * left);
  }
  const core::CompiledPolicy& compiled = table.at(rate);
  const double members = voters(*record, snapshot, result.fleet.members);

  const auto consider = [&](const std::optional<Window>& window, const char* name) {
    if (!window || result.trips()) return;
    if (window->trips || !result.failures || window->ratio() > result.failures->ratio()) {
      result.failures = window;
      result.rule = name;
    }
  };
  const auto by_cusum = [&](core::CusumRule rule, Evidence evidence) {
    return weigh(snapshot.reports, TripQuery{.rule = rule,
                                             .evidence = evidence,
                                             .calls_per_second = rate,
                                             .members = members,
                                             .now = snapshot.time});
  };
  const Evidence failures = recovering ? Evidence::hard_failures : Evidence::failures;
  if (table.policy().rule == Rule::cusum) {
    consider(by_cusum(compiled.failure_rule, failures), "failure_rate");
    if (!recovering) consider(by_cusum(compiled.slow_rule, Evidence::slow), "slow_call_rate");
    const int weight = std::max({compiled.failure_rule.weight, compiled.slow_rule.weight, 1});
    if (rate > 0) result.evidence_age = age_of_evidence(snapshot, weight, rate);
  } else {
    core::WindowRule rule = core::window_rule(table.policy());
    // A recovery makes few calls; it must not wait for as many as a fleet at full pace.
    if (recovering) rule.minimum_calls = std::min(rule.minimum_calls, kRecoveryCalls);
    const auto by_window = [&](Evidence evidence, double threshold) {
      return weigh_window(snapshot.reports, WindowQuery{.rule = rule,
                                                        .threshold = threshold,
                                                        .evidence = evidence,
                                                        .calls_per_second = rate,
                                                        .members = members,
                                                        .since = record->since,
                                                        .now = snapshot.time});
    };
    consider(by_window(failures, rule.failure_rate), "failure_rate");
    if (!recovering) consider(by_window(Evidence::slow, rule.slow_call_rate), "slow_call_rate");
    if (!recovering && result.failures && result.fleet.members < kAloneBelow) {
      result.failures->trips = false;
    }
  }
  if (recovering) {
    consider(by_cusum(overload_rule(compiled.recovery_overload_rule, record->recovery),
                      Evidence::overloads),
             "overload");
  }
  return result;
}

OwnTrip own_trip(const core::WindowTrip& trip, const core::WindowRule& rule) {
  char why[160];
  std::snprintf(why, sizeof why, "%lld of the last %lld calls %s; the threshold is %.4g %%",
                static_cast<long long>(trip.events), static_cast<long long>(trip.calls),
                trip.slow ? "were slow" : "failed",
                100 * (trip.slow ? rule.slow_call_rate : rule.failure_rate));
  return {.reason = trip.slow ? "slow_call_rate" : "failure_rate",
          .why = why,
          .failures = static_cast<double>(trip.events),
          .need = static_cast<double>(trip.calls) *
                  (trip.slow ? rule.slow_call_rate : rule.failure_rate)};
}

std::optional<SwapOp> due_transition(const PolicyTable& table, const Snapshot& snapshot,
                                     const Decider& decider, double jitter,
                                     const std::optional<OwnTrip>& own) {
  const Record* record = snapshot.readable();
  if (!record) return std::nullopt;
  if (record->hold.kind != HoldKind::none) {
    if (record->hold.in_force(snapshot.time)) return std::nullopt;
    SwapOp op = write_over(*record, table, decider);
    op.next.epoch = next_epoch(record->epoch, snapshot.time);
    op.next.hold = Hold{.epoch = op.next.epoch};
    op.not_before = record->hold.until;  // by the store's clock, not by our estimate of it
    op.next.reason = "hold_ended";
    op.next.why = "the hold by " + record->hold.who + " ran out";
    return op;
  }
  switch (record->state) {
    case State::open:
      return std::nullopt;
    case State::half_open:
      return end_of_probing(table, *record, snapshot, decider);
    case State::closed:
    case State::recovering:
      break;
  }
  const Weighing weighing = weigh(table, snapshot);
  if (weighing.trips()) {
    SwapOp op =
        open_circuit(table, *record, snapshot, decider, weighing.rule, weighing.failures->text());
    op.next.trip = trip_of(weighing, snapshot.time);
    return op;
  }
  if (record->state == State::closed) {
    const bool alone = weighing.fleet.members < kAloneBelow ||
                       core::mutant(core::Mutant::own_window_trips_a_fleet);
    if (!own || !alone) return std::nullopt;
    SwapOp op = open_circuit(table, *record, snapshot, decider, own->reason, own->why);
    op.next.trip = trip_of(*own, decider.instance, snapshot.time);
    return op;
  }
  return recovery_step_due(table, *record, snapshot, decider, jitter);
}

int lost_probe(const Slots& slots, int count, std::int64_t epoch, StoreTime now) {
  for (int slot = 0; slot < std::min(count, kSlotsMax); ++slot) {
    const auto& held = slots[static_cast<std::size_t>(slot)];
    if (held && held->started == epoch && held->expires <= now) return slot;
  }
  return -1;
}

int free_slot(const Slots& slots, int count, StoreTime now, std::uint64_t random) {
  count = std::clamp(count, 0, kSlotsMax);
  if (count == 0) return -1;
  const int start = static_cast<int>(random % static_cast<std::uint64_t>(count));
  for (int i = 0; i < count; ++i) {
    const int slot = (start + i) % count;
    const auto& held = slots[static_cast<std::size_t>(slot)];
    if (!held || held->expires <= now) return slot;
  }
  return -1;
}

std::optional<SwapOp> half_open(const PolicyTable& table, const Snapshot& snapshot,
                                const Decider& decider, std::uint32_t token) {
  const Record* record = snapshot.readable();
  if (!record || record->state != State::open || record->hold.kind != HoldKind::none) {
    return std::nullopt;
  }
  const Policy& policy = table.policy();
  const int slot =
      free_slot(record->slots, policy.probes, snapshot.time, core::hash2(decider.nonce, kSlotSalt));
  if (slot < 0) return std::nullopt;
  SwapOp op = write_over(*record, table, decider);
  // By the reopen time at the earliest, whatever our own estimate of the store's time says.
  const StoreTime at = std::max(snapshot.time, record->reopen);
  enter(op.next, State::half_open, at, "open_time_ended",
        "open " + std::to_string(record->opens) + " time" + (record->opens == 1 ? "" : "s") +
            " in a row");
  op.not_before = record->reopen;
  op.claim = SlotClaim{.slot = slot,
                       .holder = decider.instance,
                       .token = token,
                       .lease = ceil_ms(probe_lease(policy.call_timeout))};
  return op;
}

SwapOp create_record(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider) {
  SwapOp op;
  op.next.incarnation = core::hash2(decider.nonce, kIncarnationSalt);
  op.next.epoch = next_epoch(0, snapshot.time);
  op.next.revision = 1;
  op.next.swap_id = core::hash2(decider.nonce, kSwapSalt);
  op.next.born = snapshot.time;
  op.next.since = snapshot.time;
  op.next.reason = "created";
  op.next.why = "no record was found";
  op.next.fingerprint = table.fingerprint();
  op.next.probes = table.policy().probes;
  return op;
}

SwapOp reassert(const Record& seen, const Snapshot& snapshot, const Decider& decider) {
  SwapOp op;
  op.next = seen;
  std::int64_t stored_epoch = 0;
  if (const Record* stored = snapshot.readable()) {
    op.expected_epoch = stored->epoch;
    op.expected_revision = stored->revision;
    op.next.revision = std::max(seen.revision, stored->revision) + 1;
    // Whoever put the stored record there may have seen a later hand than we have.
    if (stored->hold.epoch > seen.hold.epoch) op.next.hold = stored->hold;
    stored_epoch = stored->epoch;
  } else {
    op.next.revision = seen.revision + 1;
  }
  op.next.epoch = next_epoch(std::max(seen.epoch, stored_epoch), snapshot.time);
  op.next.swap_id = core::hash2(decider.nonce, kSwapSalt);
  op.next.reason = "reassert";
  op.next.why = "the store went back behind what this instance had seen";
  op.next.probe_ok = 0;
  op.next.probe_failed = 0;
  return op;
}

namespace {

// A write by hand: over the record that is there, or over one made for it.
SwapOp by_hand(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider) {
  const Record* record = snapshot.readable();
  if (!record) return create_record(table, snapshot, decider);
  SwapOp op = write_over(*record, table, decider);
  // The machine of whoever types this need not have the fleet's settings.
  op.next.probes = record->probes;
  op.next.fingerprint = record->fingerprint;
  return op;
}

}  // namespace

SwapOp set_hold(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
                Hold hold) {
  SG_ASSERT(hold.kind != HoldKind::none);
  SwapOp op = by_hand(table, snapshot, decider);
  op.next.epoch = next_epoch(op.next.epoch, snapshot.time);
  op.next.reason = "operator";
  op.next.why = "held by " + hold.who + (hold.why.empty() ? "" : ": " + hold.why);
  op.next.hold = std::move(hold);
  op.next.hold.epoch = op.next.epoch;
  op.next.probe_ok = 0;
  op.next.probe_failed = 0;
  return op;
}

SwapOp release_hold(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
                    const std::string& who) {
  SwapOp op = by_hand(table, snapshot, decider);
  op.next.epoch = next_epoch(op.next.epoch, snapshot.time);
  op.next.reason = "operator";
  op.next.why = "released by " + who;
  op.next.hold = Hold{.epoch = op.next.epoch};
  op.next.probe_ok = 0;
  op.next.probe_failed = 0;
  return op;
}

SwapOp reset(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
             const std::string& who) {
  SwapOp op = by_hand(table, snapshot, decider);
  enter(op.next, State::closed, snapshot.time, "operator", "reset by " + who);
  op.next.hold = Hold{.epoch = op.next.epoch};
  op.next.opens = 0;
  op.next.reopen = StoreTime{};
  op.next.recovery = core::RecoveryState{};
  op.next.trip = Trip{};
  return op;
}

}  // namespace switchgear::fleet
