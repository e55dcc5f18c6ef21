#include "controller/decision.h"

#include <algorithm>
#include <cmath>

#include "fleet/moves.h"

namespace switchgear::controller {
namespace {

// The control plane makes 3 calls a second by default: room for 1,800 mappings.
constexpr Duration kSettleMax = 10min;

using fleet::Record;
using fleet::SwapOp;

// The first alarm in ALARM, and whether it went there since it last opened the circuit.
struct InAlarm {
  const std::string* name = nullptr;
  const AlarmView* view = nullptr;
  bool fresh = false;
};
InAlarm in_alarm(const Alarms& alarms, const Ledger& ledger) {
  InAlarm found;
  for (const auto& [name, view] : alarms) {
    if (view.state != AlarmView::State::alarm) continue;
    const auto applied = ledger.applied_alarms.find(name);
    const bool fresh = applied == ledger.applied_alarms.end() || applied->second != view.since_ms;
    if (!found.name || (fresh && !found.fresh)) found = {&name, &view, fresh};
  }
  return found;
}

// No alarm says anything of the dependency now: none can be read, or one stands in ALARM since
// before the circuit opened and may stand there for another trigger of the function.
bool trials_decide(const Alarms& alarms, const Ledger& ledger) {
  if (const InAlarm found = in_alarm(alarms, ledger); found.name) return !found.fresh;
  return std::ranges::none_of(alarms, [](const auto& entry) {
    return entry.second.state == AlarmView::State::ok ||
           entry.second.state == AlarmView::State::insufficient_data;
  });
}

std::string why_of(const InAlarm& found) {
  std::string why = "the alarm " + *found.name + " is in ALARM";
  if (!found.view->reason.empty()) why += ": " + found.view->reason;
  constexpr std::size_t kWhyMax = 400;
  if (why.size() > kWhyMax) why.resize(kWhyMax);
  return why;
}

std::optional<SwapOp> out_of_open(const CircuitOptions& options, const fleet::PolicyTable& table,
                                  const Record& record, const Facts& facts,
                                  const fleet::Decider& decider) {
  const fleet::Snapshot& snapshot = *facts.snapshot;
  if (snapshot.time < record.reopen) return std::nullopt;
  const bool overdue = snapshot.time >= record.since + ceil_ms(table.policy().max_open_duration);
  // Hundreds of mappings take their time to be switched off; one that never gets there must not
  // keep the others off.
  const bool stuck = snapshot.time >= record.since + ceil_ms(kSettleMax);
  if (!facts.settled && !stuck) return std::nullopt;
  std::string why = "the open time has ended";
  if (options.evidence == Evidence::alarm) {
    if (const InAlarm found = in_alarm(*facts.alarms, *facts.ledger); found.name) {
      if (!overdue) return std::nullopt;
      why = "the alarm " + *found.name +
            " is still in ALARM after max_open_duration, which another trigger of the function may "
            "cause: trying all the same";
    } else if (trials_decide(*facts.alarms, *facts.ledger)) {
      why += "; no alarm can be read";
    } else {
      why += ", and no alarm is in ALARM";
    }
  }
  return fleet::begin_trials(table, record, snapshot, decider, why);
}

std::optional<SwapOp> out_of_half_open(const CircuitOptions& options,
                                       const fleet::PolicyTable& table, const Record& record,
                                       const Facts& facts, const fleet::Decider& decider) {
  const fleet::Snapshot& snapshot = *facts.snapshot;
  const Trials& trials = facts.trials;
  const auto ramp = [&](std::string reason, std::string why) {
    return fleet::begin_ramp(table, record, snapshot, decider, kLimitMin, options.ramp_step,
                             std::move(reason), std::move(why));
  };
  if (!trials.impossible) {
    if (trials.failed) {
      return fleet::open_circuit(table, record, snapshot, decider, "probe_failed", trials.failure);
    }
    if (trials.succeeded >= table.policy().probe_successes) {
      return ramp("probes_succeeded",
                  std::to_string(trials.succeeded) + " trial messages succeeded in a row");
    }
    if (trials.nothing_to_try) {
      return ramp("nothing_to_try",
                  "no message waits, so the next ones to come are the trial, two at a time");
    }
    return std::nullopt;
  }
  if (const InAlarm found = in_alarm(*facts.alarms, *facts.ledger); found.name && found.fresh) {
    return fleet::open_circuit(table, record, snapshot, decider, "probe_failed", why_of(found));
  }
  if (snapshot.time < record.since + ceil_ms(options.ramp_step) || !facts.settled) {
    return std::nullopt;
  }
  if (const InAlarm found = in_alarm(*facts.alarms, *facts.ledger); found.name) {
    return fleet::open_circuit(
        table, record, snapshot, decider, "probe_failed",
        why_of(found) +
            " (all along: if another trigger of the function keeps it there, use an "
            "alarm of the mapping's own metrics, or trial messages)");
  }
  return ramp("probes_succeeded", "limited for a step, and no alarm went to ALARM");
}

std::optional<SwapOp> out_of_recovering(const CircuitOptions& options,
                                        const fleet::PolicyTable& table, const Record& record,
                                        const Facts& facts, const fleet::Decider& decider) {
  const fleet::Snapshot& snapshot = *facts.snapshot;
  const Trials& trials = facts.trials;
  if (const InAlarm found = in_alarm(*facts.alarms, *facts.ledger); found.name && found.fresh) {
    return fleet::open_circuit(table, record, snapshot, decider, "alarm", why_of(found));
  }
  if (trials.failed) {
    return fleet::open_circuit(table, record, snapshot, decider, "trial_failed", trials.failure);
  }
  if (snapshot.time < record.step_at || !facts.settled) return std::nullopt;
  const bool judged = trials.impossible || trials.nothing_to_try || trials.succeeded > 0 ||
                      !trials_decide(*facts.alarms, *facts.ledger);
  if (!judged) return std::nullopt;
  const double end = ramp_end(facts.ledger->entries, options.uncapped_limit);
  if (record.recovery.limit >= end) {
    return fleet::close_circuit(table, record, snapshot, decider, "ramp_done",
                                "every mapping has what it had before");
  }
  return fleet::step_ramp(table, record, snapshot, decider,
                          std::min(2 * record.recovery.limit, std::max<double>(end, kLimitMin)),
                          options.ramp_step);
}

}  // namespace

std::optional<SwapOp> decide(const CircuitOptions& options, const fleet::PolicyTable& table,
                             const Facts& facts, const fleet::Decider& decider) {
  const fleet::Snapshot& snapshot = *facts.snapshot;
  const Record* record = snapshot.readable();
  if (!record) return std::nullopt;
  if (record->hold.kind != HoldKind::none) {
    if (record->hold.in_force(snapshot.time)) return std::nullopt;
    SwapOp op = fleet::write_over(*record, table, decider);
    fleet::enter(op.next, record->state, record->since, "hold_ended",
                 "the hold by " + record->hold.who + " has ended");
    op.next.epoch = fleet::next_epoch(record->epoch, snapshot.time);
    op.next.hold = fleet::Hold{.epoch = op.next.epoch};
    return op;
  }
  if (options.evidence == Evidence::circuit) return std::nullopt;
  switch (record->state) {
    case State::closed:
      if (const InAlarm found = in_alarm(*facts.alarms, *facts.ledger); found.name && found.fresh) {
        return fleet::open_circuit(table, *record, snapshot, decider, "alarm", why_of(found));
      }
      return std::nullopt;
    case State::open:
      return out_of_open(options, table, *record, facts, decider);
    case State::half_open:
      return out_of_half_open(options, table, *record, facts, decider);
    case State::recovering:
      return out_of_recovering(options, table, *record, facts, decider);
  }
  return std::nullopt;
}

std::map<std::string, std::int64_t> applied_alarms(const Record& record, const Alarms& alarms,
                                                   const Ledger& ledger) {
  auto applied = ledger.applied_alarms;
  // A name that is not asked for any more, or has left ALARM, need not be remembered.
  std::erase_if(applied, [&](const auto& entry) {
    const auto view = alarms.find(entry.first);
    return view == alarms.end() || view->second.state == AlarmView::State::ok ||
           view->second.state == AlarmView::State::insufficient_data;
  });
  if (record.state != State::open) return applied;
  for (const auto& [name, view] : alarms) {
    if (view.state == AlarmView::State::alarm) applied[name] = view.since_ms;
  }
  return applied;
}

Target target_of(const CircuitOptions& options, const Policy& policy, const Record& record,
                 StoreTime now, bool trials_impossible) {
  if (policy.mode != Mode::enforce) return {};
  if (record.hold.in_force(now)) {
    return {.gate = record.hold.kind == HoldKind::forced_open ? Gate::off : Gate::as_before};
  }
  const Gate half_open = trials_impossible ? Gate::limited : Gate::off;
  switch (record.state) {
    case State::closed:
      return {};
    case State::open:
      // The fleet probes with the calls that it makes: somebody has to make one.
      return {.gate = options.evidence == Evidence::circuit && now >= record.reopen ? half_open
                                                                                    : Gate::off};
    case State::half_open:
      return {.gate = half_open};
    case State::recovering: {
      // A fleet's limit moves every few seconds, a mapping's within a minute: only doublings are
      // followed, and the fleet's own limit goes on to hold.
      double limit = std::max<double>(record.recovery.limit, kLimitMin);
      if (options.evidence == Evidence::circuit) limit = std::exp2(std::ceil(std::log2(limit)));
      return {.gate = Gate::ramp, .limit = limit};
    }
  }
  return {};
}

bool wants_trial(const CircuitOptions& options, const Policy& policy, const Record& record,
                 const Alarms& alarms, const Ledger& ledger, StoreTime now) {
  if (policy.mode != Mode::enforce || record.hold.in_force(now)) return false;
  switch (record.state) {
    case State::closed:
      return false;
    case State::open:
      return options.evidence == Evidence::circuit && now >= record.reopen;
    case State::half_open:
      return true;
    case State::recovering:
      return options.evidence != Evidence::circuit && now >= record.step_at &&
             trials_decide(alarms, ledger);
  }
  return false;
}

}  // namespace switchgear::controller
