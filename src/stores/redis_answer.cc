#include "stores/redis_answer.h"

#include <optional>
#include <string_view>
#include <utility>

#include "core/assert.h"
#include "fleet/text.h"
#include "stores/sums.h"

namespace switchgear::stores {
namespace {

using fleet::number_text;
using fleet::to_number;
using net::resp::Value;

std::string text(std::int64_t number) { return std::to_string(number); }
std::string text(std::uint64_t number) { return std::to_string(number); }

// ---- Operations ---------------------------------------------------------------------------

RedisCall call_for(const fleet::ReadOp&) { return {&redis_scripts().read, {}}; }

RedisCall call_for(const fleet::ReportOp& op) {
  RedisCall call{&redis_scripts().report, {}};
  call.arguments = {text(op.epoch),
                    op.report ? op.report->encode() : "",
                    op.report ? text(to_ms(op.report->sent)) : "",
                    text(std::int64_t{fleet::kReportAgeMax.count()}),
                    text(std::int64_t{fleet::kReportAheadMax.count()}),
                    text(std::uint64_t{fleet::kReportsMax}),
                    number_text(op.meter.calls),
                    number_text(op.meter.active_ms),
                    number_text(op.meter.members),
                    number_text(op.meter.hellos),
                    op.step ? std::to_string(op.step->step) : ""};
  const core::StepSums sums = op.step ? op.step->sums : core::StepSums{};
  for (const double sum : {sums.ok, sums.overload, sums.failure, sums.rtt_sum_ms, sums.rtt_count,
                           sums.busy_ms, sums.refused, sums.members}) {
    call.arguments.push_back(number_text(sum));
  }
  return call;
}

RedisCall call_for(const fleet::ClaimOp& op) {
  return {&redis_scripts().claim,
          {text(op.epoch), fleet::slot_field(op.claim.slot), fleet::to_string(op.claim.owner()),
           text(std::int64_t{op.claim.lease.count()}), op.seen ? fleet::to_string(*op.seen) : "",
           op.starts ? "1" : ""}};
}

RedisCall call_for(const fleet::SettleOp& op) {
  std::string counter;
  if (op.settlement == fleet::Settlement::success) counter = "pok";
  if (op.settlement == fleet::Settlement::failure) counter = "pfail";
  return {&redis_scripts().settle,
          {text(op.epoch), fleet::slot_field(op.slot),
           fleet::to_string(fleet::SlotOwner{op.holder, op.token}), counter}};
}

RedisCall call_for(const fleet::SwapOp& op) {
  RedisCall call{&redis_scripts().swap, {}};
  call.arguments = {text(op.expected_epoch),
                    text(op.expected_revision),
                    text(op.next.epoch),
                    text(op.next.revision),
                    text(op.next.swap_id),
                    op.not_before ? text(to_ms(*op.not_before)) : "",
                    op.claim ? fleet::slot_field(op.claim->slot) : "",
                    op.claim ? fleet::to_string(op.claim->owner()) : "",
                    op.claim ? text(std::int64_t{op.claim->lease.count()}) : "",
                    std::to_string(op.next.step),
                    op.next.hold.kind != HoldKind::none ? "1" : "",
                    op.unless_probe_failed ? "1" : ""};
  for (auto& [name, value] : fleet::encode_fields(op.next)) {
    if (name == "pok" || name == "pfail") continue;  // settlements count them, in the store
    call.arguments.push_back(name);
    call.arguments.push_back(std::move(value));
  }
  return call;
}

// ---- Answers ------------------------------------------------------------------------------

std::optional<fleet::Status> status_of(std::string_view word) {
  using enum fleet::Status;
  for (const fleet::Status status :
       {ok, duplicate, late, out_of_range, taken, gone, conflict, not_due}) {
    if (word == fleet::to_string(status)) return status;
  }
  return std::nullopt;
}

// Of a list of names, each followed by its value.
fleet::Fields fields_of(const Value& list) {
  fleet::Fields fields;
  for (std::size_t i = 0; i + 1 < list.items.size(); i += 2) {
    fields.emplace_back(list.items[i].text, list.items[i + 1].text);
  }
  return fields;
}

Error strange_answer() {
  return {
      .code = "protocol",
      .message = "the script's answer has another form than ours; is this really a Redis server?",
      .retryable = false,
      .source = ""};
}

bool all_text(const Value& list) {
  for (const Value& item : list.items) {
    if (!item.is_text()) return false;
  }
  return list.is_list();
}

}  // namespace

RedisCall redis_call(const fleet::Operation& operation) {
  return std::visit([](const auto& op) { return call_for(op); }, operation);
}

Result<fleet::Answer> redis_answer(const Value& value) {
  const Error strange = strange_answer();
  if (value.kind != net::resp::Kind::array || value.items.size() != 5) return strange;
  const auto& [status_word, time, record, reports, sums] =
      std::tie(value.items[0], value.items[1], value.items[2], value.items[3], value.items[4]);
  const auto status = status_of(status_word.text);
  const auto now = to_number<std::int64_t>(time.text);
  if (!status || !now || !all_text(record) || record.items.size() % 2 != 0 || !all_text(reports) ||
      !all_text(sums) || sums.items.size() % 2 != 0) {
    return strange;
  }
  fleet::Answer answer;
  answer.status = *status;
  fleet::Snapshot& snapshot = answer.snapshot;
  snapshot.time = store_time_ms(*now);
  if (!record.items.empty()) snapshot.record = fleet::decode_record(fields_of(record));
  for (const Value& item : reports.items) {
    if (auto report = fleet::Report::decode(item.text)) {
      snapshot.reports.push_back(*report);
    } else {
      ++snapshot.unreadable_reports;
    }
  }
  read_sums(fields_of(sums), snapshot);
  return answer;
}

Result<NoteAnswer> redis_note_answer(const Value& value, const std::string& text) {
  if (value.kind != net::resp::Kind::array || value.items.size() != 4) return strange_answer();
  const auto& [written, time, revision, stored] =
      std::tie(value.items[0], value.items[1], value.items[2], value.items[3]);
  const auto now = to_number<std::int64_t>(time.text);
  if (written.kind != net::resp::Kind::integer || !now) return strange_answer();
  const auto number = to_number<std::uint64_t>(revision.text);
  if (!number) return unreadable_note("its revision is no number");
  const bool ours = written.integer == 1;
  return NoteAnswer{
      .written = ours,
      .note = {
          .revision = *number, .text = ours ? text : stored.text, .time = store_time_ms(*now)}};
}

}  // namespace switchgear::stores
