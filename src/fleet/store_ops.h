// The five operations of a store, as values. Each is atomic on one circuit, safe to repeat as it
// is, and answers with record, reports, meter and the store's time, so that losers never need to
// read. Policy never runs in a store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/recovery_limit.h"
#include "core/time.h"
#include "fleet/meter.h"
#include "fleet/record.h"
#include "fleet/report.h"

namespace switchgear::fleet {

// Reads. Always `ok`.
struct ReadOp {
  friend bool operator==(const ReadOp&, const ReadOp&) = default;
};

// Adds a report to the evidence of `epoch`, and sums to the meter and to a step. Without a report
// there is no condition on the epoch (a heartbeat, a hello). Statuses: ok; duplicate (the very
// report is there: nothing was added, sums neither); late (another epoch, or no record: nothing
// was added); out_of_range (its time is too far from the store's).
struct ReportOp {
  std::int64_t epoch = 0;
  std::optional<Report> report;
  MeterDelta meter;
  std::optional<StepDelta> step;
  // Reports older than this change no decision any more: a store that is paid by size may drop
  // them.
  std::optional<std::chrono::milliseconds> evidence_age{};
  friend bool operator==(const ReportOp&, const ReportOp&) = default;
};

// A slot to take for `lease` from the store's now on.
struct SlotClaim {
  int slot = 0;
  InstanceId holder{};
  std::uint32_t token = 0;
  std::chrono::milliseconds lease{0};
  SlotOwner owner() const { return {.holder = holder, .token = token}; }
  friend bool operator==(const SlotClaim&, const SlotClaim&) = default;
};

// Takes a slot that is free, or expired by the store's time, from the owner whom the claimer has
// seen in it; or prolongs the lease of the slot's owner until that owner has settled it (a renewal,
// or a repeated claim). So one claim takes its slot once at most, however late its copies arrive:
// somebody else has had the slot by then. A renewal with `starts` says that the call of a probe
// begins: whoever takes the slot over in the same epoch, since its lease ended without a
// settlement, counts it as a failed probe. Statuses: ok; late (another epoch, or no record); taken
// (the answer shows by whom: whoever finds it free can claim it with what was shown).
struct ClaimOp {
  std::int64_t epoch = 0;
  SlotClaim claim;
  bool starts = false;
  std::optional<SlotOwner> seen{};  // none: the slot has never been taken. Of a renewal: itself
  friend bool operator==(const ClaimOp&, const ClaimOp&) = default;
};

enum class Settlement : unsigned char { returned, success, failure };

// Gives a slot back by its token; the slot keeps holder and token, with an expiry of 1970, until
// it is taken again, so that neither the claim nor this has an effect twice. success and failure
// count in the record (probe_ok, probe_failed) if the epoch is still the same. Statuses: ok; late
// (freed, but the epoch has passed: not counted); gone (the slot is not ours any more: nothing
// happened).
struct SettleOp {
  std::int64_t epoch = 0;
  int slot = 0;
  InstanceId holder{};
  std::uint32_t token = 0;
  Settlement settlement = Settlement::returned;
  friend bool operator==(const SettleOp&, const SettleOp&) = default;
};

// Replaces the record if it has the expected epoch and revision, `not_before` has passed, and the
// slot of `claim`, if any, is free or expired. With `unless_probe_failed` also only if no probe of
// the expected epoch has settled as a failure: settlements change no revision, so one may come
// between the view that was decided on and this. Expected epoch 0 and revision 0: only if there is
// no record. Never touches other slots. When the epoch changes the evidence starts empty and
// probe_ok and probe_failed are 0, otherwise both keep their stored value. Only the sums of the
// steps `next.step - 1` and `next.step` are kept. Statuses: ok (also when this very swap has been
// applied already, known by its swap_id); conflict; not_due; taken.
struct SwapOp {
  std::int64_t expected_epoch = 0;
  std::uint64_t expected_revision = 0;
  Record next;
  std::optional<StoreTime> not_before;
  std::optional<SlotClaim> claim;
  bool unless_probe_failed = false;
  friend bool operator==(const SwapOp&, const SwapOp&) = default;
};

using Operation = std::variant<ReadOp, ReportOp, ClaimOp, SettleOp, SwapOp>;

// "read", "report", "claim", "settle", "swap": the names in metrics.
std::string_view name_of(const Operation&);

enum class Status : unsigned char {
  ok,
  duplicate,
  late,
  out_of_range,
  taken,
  gone,
  conflict,
  not_due
};
std::string_view to_string(Status);

// All that a store knows of one circuit, at one moment of its clock.
struct Snapshot {
  // Empty: there is none. An error ("unreadable"): there is one that we do not understand.
  std::optional<Result<Record>> record;
  std::vector<Report> reports;  // in any order; malformed ones are left out and counted
  int unreadable_reports = 0;
  Meter meter;
  std::vector<StepDelta> steps;  // sums of the current step and the one before
  StoreTime time{};

  const Record* readable() const {
    return record && record->has_value() ? &record->value() : nullptr;
  }
};

// Why an operation has none.
enum class NoAnswer : unsigned char {
  lost,       // or a failure: it may have been carried out
  throttled,  // the store is asked too much: it was not carried out
};

struct Answer {
  Status status = Status::ok;
  Snapshot snapshot;
};

}  // namespace switchgear::fleet
