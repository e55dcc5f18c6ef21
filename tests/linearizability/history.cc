#include "history.h"

#include <algorithm>
#include <boost/json.hpp>

#include "net/clocks.h"

namespace switchgear::linearizability {
namespace {

namespace json = boost::json;

void add_claim(json::object& out, const fleet::SlotClaim& claim) {
  out["slot"] = claim.slot;
  out["owner"] = to_string(claim.owner());
  out["lease_ms"] = claim.lease.count();
}

void add_arguments(json::object&, const fleet::ReadOp&) {}
void add_arguments(json::object& out, const fleet::ReportOp& op) {
  out["epoch"] = op.epoch;
  out["report"] = op.report->encode();
}
void add_arguments(json::object& out, const fleet::ClaimOp& op) {
  out["epoch"] = op.epoch;
  out["seen"] = op.seen ? to_string(*op.seen) : "";
  if (op.starts) out["starts"] = true;
  add_claim(out, op.claim);
}
void add_arguments(json::object& out, const fleet::SettleOp& op) {
  out["epoch"] = op.epoch;
  out["slot"] = op.slot;
  out["owner"] = to_string(fleet::SlotOwner{.holder = op.holder, .token = op.token});
  out["settlement"] = op.settlement == fleet::Settlement::success   ? "success"
                      : op.settlement == fleet::Settlement::failure ? "failure"
                                                                    : "returned";
}
void add_arguments(json::object& out, const fleet::SwapOp& op) {
  out["epoch"] = op.expected_epoch;
  out["revision"] = op.expected_revision;
  out["next"] = json::object{{"epoch", op.next.epoch},
                             {"revision", op.next.revision},
                             {"swap", std::to_string(op.next.swap_id)},
                             {"state", to_string(op.next.state)},
                             {"why", op.next.why}};
  if (op.not_before) out["not_before_ms"] = to_ms(*op.not_before);
  if (op.claim) add_claim(out, *op.claim);
  if (op.unless_probe_failed) out["unless_probe_failed"] = true;
}

json::value record_of(const fleet::Snapshot& snapshot) {
  if (!snapshot.record) return nullptr;
  const fleet::Record* record = snapshot.readable();
  if (record == nullptr) return json::object{{"unreadable", snapshot.record->error().message}};
  std::vector<std::string> known;
  for (const fleet::Report& report : snapshot.reports) known.push_back(report.encode());
  std::ranges::sort(known);
  json::object slots;
  for (std::size_t i = 0; i < record->slots.size(); ++i) {
    const auto& slot = record->slots[i];
    if (!slot) continue;
    slots[std::to_string(i)] = json::object{{"owner", to_string(slot->owner())},
                                            {"expires_ms", to_ms(slot->expires)},
                                            {"started", slot->started}};
  }
  return json::object{{"epoch", record->epoch},
                      {"revision", record->revision},
                      {"swap", std::to_string(record->swap_id)},
                      {"state", to_string(record->state)},
                      {"why", record->why},
                      {"probe_ok", record->probe_ok},
                      {"probe_failed", record->probe_failed},
                      {"reports", json::value_from(known)},
                      {"slots", std::move(slots)}};
}

}  // namespace

// "connect" and "full" come before anything is sent. Whatever else the server or the network says,
// the operation may have been carried out: taking it as lost is never wrong.
Fate fate_of(const Result<fleet::Answer>& answer) {
  if (answer) return Fate::answered;
  const std::string& code = answer.error().code;
  return code == "connect" || code == "full" ? Fate::not_sent : Fate::lost;
}

std::int64_t monotonic_ns() { return net::read_clocks().mono.time_since_epoch().count(); }
std::int64_t wall_ms() { return floor_ms(net::read_clocks().wall.time_since_epoch()).count(); }

void History::add(const Attempt& attempt, const Result<fleet::Answer>& answer) {
  if (fate_of(answer) == Fate::not_sent) return;
  json::object out{{"client", attempt.client},
                   {"operation", attempt.operation_id},
                   {"attempt", attempt.attempt},
                   {"circuit", attempt.circuit},
                   {"kind", name_of(attempt.operation)},
                   {"call_ns", attempt.call_ns},
                   {"call_wall_ms", attempt.call_wall_ms}};
  std::visit([&](const auto& op) { add_arguments(out, op); }, attempt.operation);
  if (answer) {
    out["return_ns"] = monotonic_ns();
    out["return_wall_ms"] = wall_ms();
    out["status"] = to_string(answer->status);
    out["time_ms"] = to_ms(answer->snapshot.time);
    out["record"] = record_of(answer->snapshot);
  } else {
    out["status"] = "unknown";
    out["error"] = answer.error().code;
  }
  file_ << json::serialize(out) << std::endl;
}

}  // namespace switchgear::linearizability
