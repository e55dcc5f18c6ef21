#include "stores/memory_store.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "core/assert.h"
#include "core/mutant.h"
#include "net/loop.h"

namespace switchgear::stores {
namespace {

using fleet::Answer;
using fleet::Status;
using Cell = MemoryTable::Cell;

// The text of a field, "" if there is none.
std::string field(const Cell& cell, std::string_view name) {
  for (const auto& [key, value] : cell.fields) {
    if (key == name) return value;
  }
  return {};
}

void set_field(Cell& cell, std::string_view name, std::string value) {
  for (auto& [key, old] : cell.fields) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  cell.fields.emplace_back(name, std::move(value));
}

// Epochs are compared as text, so that a record that we cannot read can still be told apart.
bool in_epoch(const Cell& cell, std::int64_t epoch) {
  return cell.exists && field(cell, "ep") == std::to_string(epoch);
}

void add_one(Cell& cell, std::string_view name) {
  const std::string text = field(cell, name);
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return;
  set_field(cell, name, std::to_string(count + 1));
}

std::optional<fleet::Slot>& slot_of(Cell& cell, int slot) {
  SG_ASSERT(slot >= 0 && slot < fleet::kSlotsMax);
  return cell.slots[static_cast<std::size_t>(slot)];
}

bool is_free(const std::optional<fleet::Slot>& slot, StoreTime now) {
  if (core::mutant(core::Mutant::lease_never_ends) && slot && slot->expires != StoreTime{})
    return false;
  return !slot || slot->expires <= now;
}

// Free, but remembers who gave it back: should a claim or settlement of theirs come again, repeated
// on its way, it neither takes the slot a second time nor counts twice.
constexpr StoreTime kSettled{};

bool is_settled(const std::optional<fleet::Slot>& slot) {
  return slot && slot->expires == kSettled;
}

fleet::Slot leased(const fleet::SlotClaim& claim, StoreTime now) {
  return {.holder = claim.holder, .token = claim.token, .expires = now + claim.lease};
}

// By time, and for equal times by text, so that every backend drops the same one.
bool older(const fleet::Report& a, const fleet::Report& b) {
  return a.sent != b.sent ? a.sent < b.sent : a.encode() < b.encode();
}

void add_sums(Cell& cell, const fleet::StepDelta& delta) {
  if (delta.sums == core::StepSums{}) return;
  auto it = std::ranges::lower_bound(cell.steps, delta.step, {}, &fleet::StepDelta::step);
  if (it == cell.steps.end() || it->step != delta.step) {
    it = cell.steps.insert(it, fleet::StepDelta{.step = delta.step, .sums = {}});
  }
  it->sums += delta.sums;
  if (cell.steps.size() > 2) cell.steps.erase(cell.steps.begin(), cell.steps.end() - 2);
}

Status carry_out(Cell&, const fleet::ReadOp&, StoreTime) { return Status::ok; }

Status carry_out(Cell& cell, const fleet::ReportOp& op, StoreTime now) {
  if (op.report) {
    if (!in_epoch(cell, op.epoch) && !core::mutant(core::Mutant::report_in_any_epoch))
      return Status::late;
    if (op.report->sent < now - fleet::kReportAgeMax ||
        op.report->sent > now + fleet::kReportAheadMax) {
      return Status::out_of_range;
    }
    if (!core::mutant(core::Mutant::report_counted_twice) &&
        std::ranges::find(cell.reports, *op.report) != cell.reports.end()) {
      return Status::duplicate;
    }
    cell.reports.insert(std::ranges::upper_bound(cell.reports, *op.report, older), *op.report);
    if (cell.reports.size() > fleet::kReportsMax) cell.reports.erase(cell.reports.begin());
  }
  if (!op.meter.empty()) {
    cell.meter = fleet::at_minute(cell.meter, fleet::minute_of(now));
    cell.meter.current.calls += op.meter.calls;
    cell.meter.current.active_ms += op.meter.active_ms;
    cell.meter.current.members += op.meter.members;
    cell.meter.current.hellos += op.meter.hellos;
  }
  if (op.step) add_sums(cell, *op.step);
  return Status::ok;
}

Status carry_out(Cell& cell, const fleet::ClaimOp& op, StoreTime now) {
  auto& slot = slot_of(cell, op.claim.slot);
  if (!in_epoch(cell, op.epoch)) return Status::late;
  const bool ours = fleet::owner_of(slot) == op.claim.owner();
  const bool free = is_free(slot, now) || core::mutant(core::Mutant::claim_of_a_held_slot);
  if (!free && core::mutant(core::Mutant::refused_claim_renews))
    slot->expires = now + op.claim.lease;
  const bool as_seen =
      fleet::owner_of(slot) == op.seen || core::mutant(core::Mutant::claim_of_a_changed_slot);
  if (ours ? is_settled(slot) : !free || !as_seen) return Status::taken;
  const bool began =
      slot && (slot->started == op.epoch || core::mutant(core::Mutant::probe_without_call_counted));
  if (!ours && began && !is_settled(slot) && !core::mutant(core::Mutant::lost_probe_forgotten)) {
    add_one(cell, "pfail");
  }
  const std::int64_t started = op.starts ? op.epoch : ours ? slot->started : 0;
  slot = leased(op.claim, now);
  slot->started = started;
  return Status::ok;
}

Status carry_out(Cell& cell, const fleet::SettleOp& op, StoreTime) {
  auto& slot = slot_of(cell, op.slot);
  const bool theirs = slot && slot->holder == op.holder && slot->token == op.token;
  if (!slot || (!theirs && !core::mutant(core::Mutant::settle_without_token)) ||
      (is_settled(slot) && !core::mutant(core::Mutant::settle_counted_twice))) {
    return Status::gone;
  }
  slot->expires = kSettled;
  slot->started = 0;
  if (!in_epoch(cell, op.epoch) && !core::mutant(core::Mutant::result_of_another_round))
    return Status::late;
  if (op.settlement == fleet::Settlement::success) add_one(cell, "pok");
  if (op.settlement == fleet::Settlement::failure) add_one(cell, "pfail");
  return Status::ok;
}

Status carry_out(Cell& cell, const fleet::SwapOp& op, StoreTime now) {
  const std::string epoch = field(cell, "ep");
  const std::string revision = field(cell, "rev");
  const std::string next_epoch = std::to_string(op.next.epoch);
  if (!core::mutant(core::Mutant::own_write_not_recognised) && cell.exists && epoch == next_epoch &&
      revision == std::to_string(op.next.revision) &&
      field(cell, "swap") == std::to_string(op.next.swap_id)) {
    return Status::ok;  // this very swap, repeated
  }
  const bool creates = op.expected_epoch == 0 && op.expected_revision == 0;
  const bool expected = creates ? !cell.exists
                                : cell.exists && epoch == std::to_string(op.expected_epoch) &&
                                      revision == std::to_string(op.expected_revision);
  const bool granted =
      core::mutant(core::Mutant::unconditional_write) ||
      (core::mutant(core::Mutant::unfenced_close) && op.next.state == State::closed) ||
      (core::mutant(core::Mutant::unfenced_trip) && op.next.state == State::open);
  if (!expected && !(cell.exists && !creates && granted)) return Status::conflict;
  if (op.unless_probe_failed && field(cell, "pfail") != "0") return Status::conflict;
  const bool due = !op.not_before || now >= *op.not_before;
  if (!due && !core::mutant(core::Mutant::reopen_by_local_time)) return Status::not_due;
  if (op.claim && !is_free(slot_of(cell, op.claim->slot), now)) return Status::taken;

  for (auto& [name, value] : fleet::encode_fields(op.next)) {
    if (name != "pok" && name != "pfail") set_field(cell, name, std::move(value));
  }
  if (creates || epoch != next_epoch) {
    if (creates || !core::mutant(core::Mutant::results_outlive_epoch)) set_field(cell, "pok", "0");
    set_field(cell, "pfail", "0");
    if (!core::mutant(core::Mutant::evidence_outlives_epoch)) cell.reports.clear();
    if (core::mutant(core::Mutant::slots_die_with_epoch)) cell.slots = {};
  }
  cell.exists = true;
  if (op.claim) slot_of(cell, op.claim->slot) = leased(*op.claim, now);
  std::erase_if(cell.steps, [&](const fleet::StepDelta& delta) {
    return delta.step != op.next.step && delta.step + std::uint64_t{1} != op.next.step;
  });
  return Status::ok;
}

fleet::Snapshot snapshot_of(Cell& cell, StoreTime now) {
  fleet::Snapshot snapshot;
  if (cell.exists) {
    if (!cell.read_record || cell.read_fields != cell.fields) {
      cell.read_record = fleet::decode_record(cell.fields);
      cell.read_fields = cell.fields;
    }
    snapshot.record = cell.read_record;
    if (snapshot.record->has_value()) snapshot.record->value().slots = cell.slots;
  }
  snapshot.reports = cell.reports;
  snapshot.meter = fleet::at_minute(cell.meter, fleet::minute_of(now));
  snapshot.steps = cell.steps;
  snapshot.time = now;
  return snapshot;
}

}  // namespace

Answer MemoryTable::execute(const std::string& circuit, const fleet::Operation& operation,
                            StoreTime now) {
  // A circuit that nothing was written to leaves no trace, whatever names are read.
  const auto it = cells_.find(circuit);
  Cell fresh;
  Cell& cell = it != cells_.end() ? it->second : fresh;
  Answer answer;
  answer.status = std::visit([&](const auto& op) { return carry_out(cell, op, now); }, operation);
  answer.snapshot = snapshot_of(cell, now);
  const bool written = fresh.exists || !fresh.steps.empty() || fresh.meter != fleet::Meter{};
  if (it == cells_.end() && written) cells_.emplace(circuit, std::move(fresh));
  return answer;
}

NoteAnswer MemoryTable::read_note(const std::string& circuit, StoreTime now) const {
  const auto it = cells_.find(circuit);
  if (it == cells_.end()) return {.note = {.revision = 0, .text = {}, .time = now}};
  const Cell& cell = it->second;
  return {.note = {.revision = cell.note_revision, .text = cell.note, .time = now}};
}

NoteAnswer MemoryTable::write_note(const std::string& circuit, std::uint64_t expected,
                                   const std::string& text, StoreTime now) {
  NoteAnswer found = read_note(circuit, now);
  found.written = found.note.revision == expected + 1 && found.note.text == text;  // repeated
  if (found.note.revision != expected) return found;
  Cell& cell = cells_[circuit];
  cell.note_revision = expected + 1;
  cell.note = text;
  return {.written = true, .note = {.revision = expected + 1, .text = text, .time = now}};
}

std::vector<std::string> MemoryTable::names() const {
  std::vector<std::string> names;
  for (const auto& [name, cell] : cells_) {
    if (cell.exists) names.push_back(name);
  }
  return names;
}

void MemoryTable::remove(const std::string& circuit) { cells_.erase(circuit); }

MemoryStore::MemoryStore(net::Loop& loop, std::function<StoreTime()> now)
    : loop_(loop), now_(std::move(now)) {}
MemoryStore::~MemoryStore() { *alive_ = false; }

void MemoryStore::later(std::function<void()> answer) {
  loop_.post([alive = alive_, answer = std::move(answer)] {
    if (*alive) answer();
  });
}

void MemoryStore::execute(const std::string& circuit, const fleet::Operation& operation,
                          AnswerCallback done) {
  later([done = std::move(done), answer = table_.execute(circuit, operation, now_())]() mutable {
    done(std::move(answer));
  });
}

void MemoryStore::read_note(const std::string& circuit, NoteCallback done) {
  later([done = std::move(done), answer = table_.read_note(circuit, now_())]() mutable {
    done(std::move(answer));
  });
}

void MemoryStore::write_note(const std::string& circuit, std::uint64_t expected,
                             const std::string& text, NoteCallback done) {
  if (auto problem = problem_with_note(text)) {
    return later([done = std::move(done), error = *std::move(problem)] { done(error); });
  }
  later([done = std::move(done),
         answer = table_.write_note(circuit, expected, text, now_())]() mutable {
    done(std::move(answer));
  });
}

void MemoryStore::list(NamesCallback done) {
  later([done = std::move(done), names = table_.names()]() mutable { done(std::move(names)); });
}

void MemoryStore::remove(const std::string& circuit, std::function<void(Result<void>)> done) {
  table_.remove(circuit);
  later([done = std::move(done)] { done(Result<void>{}); });
}

}  // namespace switchgear::stores
