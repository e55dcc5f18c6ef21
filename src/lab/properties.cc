#include "lab/properties.h"

#include <algorithm>
#include <sstream>

namespace switchgear::lab {

namespace {

using fleet::Status;

// No process has so much to say to the store in one second, whatever happens.
constexpr int kOperationsPerSecondMax = 400;

// The evidence is kept newest first by time, then by text, as every backend does.
bool older(const fleet::Report& a, const fleet::Report& b) {
  return a.sent != b.sent ? a.sent < b.sent : a.encode() < b.encode();
}

std::string text_of(const fleet::Record& r) {
  std::ostringstream out;
  out << to_string(r.state) << " epoch " << r.epoch << " revision " << r.revision << " ("
      << r.reason << ")";
  if (r.state == State::recovering) out << " limit " << r.recovery.limit << " of " << r.members;
  if (r.hold.kind != HoldKind::none) out << " held " << to_string(r.hold.kind);
  return out.str();
}

// By its text: whoever reads it as a record may do so wrongly.
bool of_newer_schema(const stores::MemoryTable::Cell& cell) {
  return std::ranges::any_of(cell.fields,
                             [](const auto& f) { return f.first == "v" && f.second != "1"; });
}

// All that may only change with a whole-record write.
fleet::Record without_slots_and_counts(fleet::Record r) {
  r.slots = {};
  r.probe_ok = 0;
  r.probe_failed = 0;
  return r;
}

}  // namespace

std::string describe(const fleet::Operation& operation) {
  std::ostringstream out;
  out << fleet::name_of(operation);
  if (const auto* op = std::get_if<fleet::ReportOp>(&operation)) {
    if (op->report) {
      out << " " << op->report->failures << "+" << op->report->overloads << " failures, epoch "
          << op->epoch << ", " << to_string(op->report->instance) << " #" << op->report->seq;
    }
    if (op->step) out << " sums of step " << op->step->step;
  } else if (const auto* claim = std::get_if<fleet::ClaimOp>(&operation)) {
    out << " slot " << claim->claim.slot << " epoch " << claim->epoch << " token "
        << claim->claim.token << (claim->starts ? " starts" : "");
  } else if (const auto* settle = std::get_if<fleet::SettleOp>(&operation)) {
    out << " slot " << settle->slot << " epoch " << settle->epoch << " token " << settle->token
        << " "
        << (settle->settlement == fleet::Settlement::success   ? "success"
            : settle->settlement == fleet::Settlement::failure ? "failure"
                                                               : "returned");
  } else if (const auto* swap = std::get_if<fleet::SwapOp>(&operation)) {
    out << " " << swap->expected_epoch << "/" << swap->expected_revision << " -> "
        << text_of(swap->next);
    if (swap->claim) out << " with slot " << swap->claim->slot << " token " << swap->claim->token;
  }
  return out.str();
}

Properties::Properties(World& world) : world_(world), before_(world.store.snapshot()) {
  world.observe(*this);
  world.store.on_step = [this](int process, const fleet::Operation& op, const fleet::Answer& a) {
    store_stepped(process, op, a);
  };
}

void Properties::fail(const std::string& property, const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = property + " at " + seconds_text(world_.scheduler.now()) + ": " + what;
  world_.note("VIOLATION " + violation_);
  world_.scheduler.stop();
}

bool Properties::lost_lately() const {
  // Slots that were forgotten may be in use for as long as their lease.
  const Duration lease = fleet::probe_lease(world_.options.policy.call_timeout);
  return world_.scheduler.now() - lost_at_ <= lease + world_.options.policy.call_timeout;
}

void Properties::store_lost() {
  lost_at_ = world_.scheduler.now();
  done_.clear();
  settled_.clear();  // a settlement that it forgot counts when it comes again
  look_again();
}

void Properties::look_again() {
  before_ = world_.store.snapshot();
  evidence_ = before_.reports;
  std::sort(evidence_.begin(), evidence_.end(), older);
  foreign_.reset();
  const auto& cells = world_.store.table().cells();
  if (const auto cell = cells.find(kCircuit);
      cell != cells.end() && of_newer_schema(cell->second)) {
    foreign_ = cell->second;
  }
}

void Properties::person_acted() {
  if (const fleet::Record* record = before_.readable()) person_epoch_ = record->epoch;
}

// ---- The store ------------------------------------------------------------------------------

void Properties::store_stepped(int process, const fleet::Operation& op,
                               const fleet::Answer& answer) {
  if (!violation_.empty()) return;
  fleet::Snapshot after = world_.store.snapshot();
  if (world_.tracing && !std::holds_alternative<fleet::ReadOp>(op)) {
    world_.note("store: process " + std::to_string(process) + " " + describe(op) + " = " +
                std::string(to_string(answer.status)));
  }
  if (foreign_) check_hands_off(op);
  if (const fleet::Record* record = after.readable()) {
    check_record(process, op, answer.status, *record);
    check_slots(op, answer.status, *record);
    check_owners(op, *record);
    check_probe_counts(op, answer.status, *record);
    check_content(*record);
  } else if (before_.readable()) {
    fail("P2", "the record vanished by " + describe(op));
  }
  if (const auto* report = std::get_if<fleet::ReportOp>(&op)) {
    check_report(*report, answer.status);
  }
  check_evidence(after);
  before_ = std::move(after);
  note_probes();
}

void Properties::check_record(int process, const fleet::Operation& op, Status status,
                              const fleet::Record& after) {
  const fleet::Record* before = before_.readable();
  const auto* write = std::get_if<fleet::SwapOp>(&op);
  if (write && before && status == Status::conflict && write->next.swap_id == before->swap_id &&
      write->next.epoch == before->epoch && write->next.revision == before->revision) {
    fail("P2", "a write that was applied is denied to whoever made it: " + describe(op));
  }
  if (before && without_slots_and_counts(*before) == without_slots_and_counts(after)) return;
  const auto* swap = std::get_if<fleet::SwapOp>(&op);
  if (!swap || status != Status::ok) {
    fail("P2", "the record changed to " + text_of(after) + " by " + describe(op) +
                   ", which is no write that was granted");
    return;
  }
  const std::int64_t epoch = before ? before->epoch : 0;
  const std::uint64_t revision = before ? before->revision : 0;
  if (epoch != swap->expected_epoch || revision != swap->expected_revision) {
    fail("P2", "an unconditional write: " + describe(op) + " over epoch " + std::to_string(epoch) +
                   " revision " + std::to_string(revision));
  }
  if (after.epoch < epoch) fail("P2", "the stored epoch fell to " + std::to_string(after.epoch));
  if (before && after.epoch == before->epoch &&
      (after.state != before->state || after.hold != before->hold)) {
    fail("P2", "a change without a new epoch: " + text_of(after));
  }
  if (before && before->state == State::open && after.state == State::half_open &&
      after.reason == "open_time_ended" && world_.store.time() < before->reopen) {
    fail("P3", "probing began before the open time had ended");
  }
  if (before) check_step(process, *before, after);
  if (!before || after.state != before->state) {
    entered_[static_cast<std::size_t>(after.state)]++;
  }
}

void Properties::note_probes() {
  const fleet::Record* record = before_.readable();
  if (!record || record->state != State::half_open) return;
  Round& round = rounds_[record->epoch];
  round.ok = std::max(round.ok, record->probe_ok);
  round.failed = std::max(round.failed, record->probe_failed);
}

// The states follow one another as the design says, each step with what it needs behind it.
void Properties::check_step(int process, const fleet::Record& before, const fleet::Record& after) {
  const bool by_hand = after.epoch != before.epoch && after.reason == "operator";
  if (by_hand && process >= 0) fail("P2", "a process wrote as if a person had: " + text_of(after));
  const auto found = rounds_.find(before.epoch);
  const Round round = found == rounds_.end() ? Round{} : found->second;
  // Put back over a store that lost it: whatever it was.
  if (by_hand || after.state == before.state || after.reason == "reassert") return;
  const bool probes_ok =
      before.probe_failed == 0 && round.ok >= world_.options.policy.probe_successes;
  bool may_follow = false;
  switch (before.state) {
    case State::closed:
      may_follow = after.state == State::open;
      break;
    case State::open:
      may_follow = after.state == State::half_open;
      break;
    case State::half_open:
      may_follow = after.state == State::open ? round.failed > 0 : probes_ok;
      break;
    case State::recovering:
      may_follow = after.state != State::half_open;
      break;
  }
  if (!may_follow) {
    fail("P2", text_of(after) + " may not follow " + text_of(before) + " with " +
                   std::to_string(before.probe_ok) + " good and " +
                   std::to_string(before.probe_failed) + " failed probes");
  }
}

void Properties::check_content(const fleet::Record& after) {
  std::ostringstream content;
  content << to_string(after.state) << "|" << to_ms(after.since) << "|" << to_ms(after.reopen)
          << "|" << after.opens << "|" << after.reason << "|" << after.why << "|"
          << to_string(after.hold.kind) << "|" << after.hold.who << "|" << to_ms(after.hold.until);
  const auto [it, fresh] = contents_.try_emplace(after.epoch, content.str());
  if (!fresh && it->second != content.str()) {
    fail("P2", "epoch " + std::to_string(after.epoch) + " stands for two things: " + it->second +
                   " and " + content.str());
  }
}

// Only what takes or gives back this very slot, and is granted, changes it.
bool Properties::may_change_slot(const fleet::Operation& op, Status status, int slot) {
  if (const auto* claim = std::get_if<fleet::ClaimOp>(&op)) {
    return status == Status::ok && claim->claim.slot == slot;
  }
  if (const auto* swap = std::get_if<fleet::SwapOp>(&op)) {
    return status == Status::ok && swap->claim && swap->claim->slot == slot;
  }
  const auto* settle = std::get_if<fleet::SettleOp>(&op);
  return settle && status != Status::gone && settle->slot == slot;
}

void Properties::check_slots(const fleet::Operation& op, Status status,
                             const fleet::Record& after) {
  const fleet::Record* before = before_.readable();
  for (std::size_t i = 0; before && i < after.slots.size(); ++i) {
    const auto& old = before->slots[i];
    const auto& now = after.slots[i];
    if (old == now) continue;
    if (!may_change_slot(op, status, static_cast<int>(i))) {
      fail("P3",
           "slot " + std::to_string(i) + " changed by " + describe(op) + ", which was not granted");
    }
    if (!old || old->expires <= world_.store.time()) continue;
    const bool same = now && now->holder == old->holder && now->token == old->token;
    if (same) continue;
    const auto* settle = std::get_if<fleet::SettleOp>(&op);
    const bool given_back = !now && settle && status != Status::gone &&
                            settle->slot == static_cast<int>(i) && settle->holder == old->holder &&
                            settle->token == old->token;
    if (!given_back) {
      fail("P3", "slot " + std::to_string(i) + " was held by " + to_string(old->holder) +
                     " for another " +
                     std::to_string((old->expires - world_.store.time()).count()) +
                     " ms and changed hands by " + describe(op));
    }
  }
  const auto granted = [&](const fleet::SlotClaim& claim) {
    const auto& slot = after.slots[static_cast<std::size_t>(claim.slot)];
    return slot && slot->holder == claim.holder && slot->token == claim.token;
  };
  if (status != Status::ok) return;
  if (const auto* claim = std::get_if<fleet::ClaimOp>(&op); claim && !granted(claim->claim)) {
    fail("P3", "granted, but not kept: " + describe(op));
  }
}

void Properties::check_hands_off(const fleet::Operation& op) {
  const auto& cells = world_.store.table().cells();
  const auto cell = cells.find(kCircuit);
  const bool same =
      cell != cells.end() && cell->second.fields == foreign_->fields &&
      cell->second.reports == foreign_->reports &&
      (cell->second.slots == foreign_->slots || std::holds_alternative<fleet::SettleOp>(op));
  if (!same) fail("P12", "a record of a newer schema was changed by " + describe(op));
  if (same) foreign_ = cell->second;
}

// A slot that was settled, or that another has had since, never comes back to the claim that took
// it, though copies of that claim are still on their way.
void Properties::check_owners(const fleet::Operation& op, const fleet::Record& after) {
  const fleet::Record* before = before_.readable();
  for (std::size_t i = 0; before && i < after.slots.size(); ++i) {
    const auto& old = before->slots[i];
    const auto& now = after.slots[i];
    if (old == now) continue;
    const auto slot = static_cast<int>(i);
    if (old && (!now || now->owner() != old->owner() || now->expires == StoreTime{})) {
      done_.insert({slot, old->holder, old->token});
    }
    if (now && now->expires != StoreTime{} && done_.contains({slot, now->holder, now->token})) {
      fail("P1", "slot " + std::to_string(i) + " taken a second time: " + describe(op));
    }
  }
}

void Properties::check_probe_counts(const fleet::Operation& op, Status status,
                                    const fleet::Record& after) {
  const fleet::Record* before = before_.readable();
  if (!before || before->epoch != after.epoch) {
    if (after.probe_ok != 0 || after.probe_failed != 0) {
      fail("P4", "an epoch began with results of another");
    }
    return;
  }
  const int more = after.probe_ok - before->probe_ok + after.probe_failed - before->probe_failed;
  if (more == 0) return;
  if (status == Status::ok && more == 1 && check_lost_probe(op, *before, after)) return;
  const auto* settle = std::get_if<fleet::SettleOp>(&op);
  if (!settle || status != Status::ok || more != 1 || settle->epoch != after.epoch) {
    fail("P4", "probe results changed by " + describe(op));
    return;
  }
  const Holder holder{settle->holder, settle->token};
  if (!settled_.insert(holder).second) fail("P1", "a probe counted twice: " + describe(op));
  const auto result = probe_results_.find(holder);
  const bool succeeded = result != probe_results_.end() && result->second == Outcome::success;
  if ((settle->settlement == fleet::Settlement::success) && !succeeded) {
    fail("P4", "a probe counted as a success that was none: " + describe(op));
  }
}

// Whoever takes a slot over counts it as a failed probe if its owner made a call in this round, and
// nothing was heard of it by the time its lease ended.
bool Properties::check_lost_probe(const fleet::Operation& op, const fleet::Record& before,
                                  const fleet::Record& after) {
  const auto* claim = std::get_if<fleet::ClaimOp>(&op);
  if (!claim || after.probe_failed != before.probe_failed + 1) return false;
  const auto& old = before.slots[static_cast<std::size_t>(claim->claim.slot)];
  if (!old) return false;
  const Holder lost{old->holder, old->token};
  const bool over = old->expires > StoreTime{} && old->expires <= world_.store.time();
  const auto called = probed_.find(lost);
  if (!over || called == probed_.end() || called->second != after.epoch) {
    fail("P4", "a slot counted as a lost probe, but no call was made on it: " + describe(op));
  }
  if (!settled_.insert(lost).second) fail("P1", "a probe counted twice: " + describe(op));
  lost_probes_++;
  return true;
}

void Properties::check_report(const fleet::ReportOp& op, Status status) {
  if (!op.report) return;
  const fleet::Record* record = before_.readable();
  const ReportId id{op.report->instance, op.report->seq};
  const bool current = record && record->epoch == op.epoch;
  const bool there = std::find(evidence_.begin(), evidence_.end(), *op.report) != evidence_.end();
  if (status == Status::ok && (!current || there)) {
    fail("P1",
         std::string(there ? "counted twice: " : "counted in another epoch: ") + describe(op));
  }
  if (status != Status::ok) return;
  evidence_.insert(std::upper_bound(evidence_.begin(), evidence_.end(), *op.report, older),
                   *op.report);
  if (evidence_.size() > fleet::kReportsMax) evidence_.erase(evidence_.begin());
  // One that was crowded out and comes again is crowded out again: it counts once for P4.
  if (!applied_.insert(id).second) return;
  double& sum = reported_[{op.report->instance, op.epoch}];
  sum += op.report->failures + op.report->overloads;
  const double failed =
      failed_[{op.report->instance, op.epoch}] + failed_[{op.report->instance, 0}];
  if (sum > failed) {
    fail("P4", "more failures reported in this epoch than calls admitted in it have failed: " +
                   describe(op));
  }
}

void Properties::check_evidence(const fleet::Snapshot& after) {
  const fleet::Record* old = before_.readable();
  const fleet::Record* record = after.readable();
  if (record && (!old || old->epoch != record->epoch)) evidence_.clear();
  std::vector<fleet::Report> stored = after.reports;
  std::sort(stored.begin(), stored.end(), older);
  if (stored != evidence_) {
    fail("P1", "the store holds " + std::to_string(stored.size()) + " reports, " +
                   std::to_string(evidence_.size()) + " were acknowledged");
  }
}

// ---- Processes ------------------------------------------------------------------------------

void Properties::answered(Process& process, const fleet::Operation& op,
                          const fleet::Answer* answer) {
  if (world_.tracing && !answer) {
    world_.note("process " + std::to_string(process.index()) + ": no answer to " + describe(op));
  }
  const auto* report = std::get_if<fleet::ReportOp>(&op);
  if (!report || !report->report || !answer) return;
  const ReportId id{report->report->instance, report->report->seq};
  if ((answer->status == Status::ok || answer->status == Status::duplicate) &&
      !applied_.contains(id)) {
    fail("P1", "acknowledged, but nowhere counted: " + describe(op));
  }
}

void Properties::sent(Process& process, const fleet::Operation& op) {
  Seen& seen = seen_[process.index()];
  const std::int64_t second = world_.scheduler.now() / 1s;
  if (seen.second != second) seen.operations = 0;
  seen.second = second;
  if (++seen.operations > kOperationsPerSecondMax) {
    fail("spin",
         "process " + std::to_string(process.index()) + " floods the store with " + describe(op));
  }
}

void Properties::ran(Process& process, bool spins) {
  if (spins) {
    fail("spin", "process " + std::to_string(process.index()) + " asks to be woken for nothing");
  }
  const fleet::Record* record = process.member().record();
  if (!record) return;
  Seen& seen = seen_[process.index()];
  if (record->epoch == seen.epoch) return;
  if (record->epoch < seen.epoch) {
    fail("P2", "process " + std::to_string(process.index()) + " went back from epoch " +
                   std::to_string(seen.epoch) + " to " + std::to_string(record->epoch));
  }
  if (world_.tracing) {
    world_.note("process " + std::to_string(process.index()) + " now at " + text_of(*record));
  }
  if (seen.hold.in_force(world_.store.time()) && record->hold != seen.hold &&
      person_epoch_ <= seen.hold.epoch) {
    fail("P9", "process " + std::to_string(process.index()) + " forgot the hold by " +
                   seen.hold.who + " that nobody released, and is at " + text_of(*record));
  }
  seen.hold = record->hold;
  seen.epoch = record->epoch;
}

void Properties::admitted(Process& process, const fleet::Admission& admission) {
  const auto* refusal = std::get_if<fleet::Refusal>(&admission);
  const auto* permit = std::get_if<fleet::Permit>(&admission);
  if (permit && permit->kind == fleet::PermitKind::probe) {
    probed_[{process.member().instance(), permit->token}] = permit->epoch;
  }
  const fleet::Record* record = process.member().record();
  if (!record || record->hold.kind == HoldKind::none) return;
  // Whoever asks within a moment of the end may be answered either way.
  if (record->hold.until != StoreTime{} && world_.store.time() + 100ms > record->hold.until) return;
  const bool refused = refusal != nullptr;
  if (refused != (record->hold.kind == HoldKind::forced_open)) {
    fail("P9", "process " + std::to_string(process.index()) + " has seen " +
                   std::string(to_string(record->hold.kind)) + " and " +
                   (refused ? "refused" : "admitted") + " a call");
  }
}

void Properties::call_started(Process& process, const SimCall& call) {
  const fleet::Record* seen = process.member().record();
  if (call.permit.kind == fleet::PermitKind::normal && seen && seen->epoch == call.permit.epoch &&
      (seen->state == State::open || seen->state == State::half_open) &&
      seen->hold.kind == HoldKind::none) {
    fail("P3", "process " + std::to_string(process.index()) + " starts a call without a slot in " +
                   std::string(to_string(seen->state)));
  }
  if (call.permit.kind != fleet::PermitKind::probe) return;
  if (world_.tracing) {
    world_.note("process " + std::to_string(process.index()) + " starts a probe on slot " +
                std::to_string(call.permit.slot) + " token " + std::to_string(call.permit.token));
  }
  ++probes_started_;
  const TrueTime now = world_.scheduler.now();
  const Duration timeout = world_.options.policy.call_timeout;
  std::erase_if(probes_, [&](const Probe& p) { return now - p.started >= timeout; });
  probes_.push_back({call.id, now, call.stopped_before_start});
  if (call.stopped_before_start || lost_lately()) return;

  const auto out = static_cast<int>(
      std::count_if(probes_.begin(), probes_.end(), [](const Probe& p) { return !p.excused; }));
  probes_at_once_max_ = std::max(probes_at_once_max_, out);
  if (out > world_.options.policy.probes) {
    fail("P3", std::to_string(out) + " probes in flight");
  }
  const fleet::Record* record = before_.readable();
  const fleet::Slots* slots = record ? &record->slots : foreign_ ? &foreign_->slots : nullptr;
  const auto& slot =
      slots ? (*slots)[static_cast<std::size_t>(call.permit.slot)] : std::optional<fleet::Slot>{};
  const bool covered = slot && slot->holder == process.member().instance() &&
                       slot->token == call.permit.token &&
                       slot->expires >= world_.store.time() + timeout;
  if (!covered) fail("P3", "a probe was started that its lease does not cover");
}

void Properties::call_left_dependency(const SimCall& call) {
  std::erase_if(probes_, [&](const Probe& p) { return p.call == call.id; });
}

void Properties::call_finished(Process& process, const SimCall& call, Outcome outcome) {
  const fleet::InstanceId who = process.member().instance();
  if (call.permit.kind == fleet::PermitKind::probe) {
    probe_results_[{who, call.permit.token}] = outcome;
  } else if (outcome == Outcome::failure || outcome == Outcome::overload) {
    failed_[{who, call.permit.epoch}] += 1;
  }
}

}  // namespace switchgear::lab
