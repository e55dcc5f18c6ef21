// The record of a circuit: all that the fleet shares besides the evidence and the meter.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/recovery_limit.h"
#include "core/result.h"
#include "core/state.h"
#include "fleet/report.h"

namespace switchgear::fleet {

// A person's hand over the circuit.
struct Hold {
  HoldKind kind = HoldKind::none;
  std::string who;
  std::string why;
  StoreTime until{};  // 1970: until released
  // Of the change that set or ended it: of two holds the one with the larger epoch is the newer.
  std::int64_t epoch = 0;
  bool in_force(StoreTime now) const {
    return kind != HoldKind::none && (until == StoreTime{} || now < until);
  }
  friend bool operator==(const Hold&, const Hold&) = default;
};

// Who made the claim that took a slot. In one slot no owner comes twice.
struct SlotOwner {
  InstanceId holder{};
  std::uint32_t token = 0;
  friend bool operator==(const SlotOwner&, const SlotOwner&) = default;
};
std::string to_string(const SlotOwner&);  // "inst.token"

// A place for one call (HALF_OPEN) or for one stream of calls (RECOVERING), leased. Slots outlive
// epochs: they free by settlement or expiry only, so that a failed round never hands out a second
// set of places while its slower probes still run.
struct Slot {
  InstanceId holder{};
  std::uint32_t token = 0;
  StoreTime expires{};
  // The epoch in which its owner said that the call of a probe begins; 0: it has not. A slot whose
  // owner died or was frozen before is taken over for nothing, one of a call is a failed probe.
  std::int64_t started = 0;
  SlotOwner owner() const { return {.holder = holder, .token = token}; }
  std::string encode() const;  // "inst.token@expiry", and "!epoch" where it has started
  static Result<Slot> decode(std::string_view);
  friend bool operator==(const Slot&, const Slot&) = default;
};
inline constexpr int kSlotsMax = 32;
using Slots = std::array<std::optional<Slot>, kSlotsMax>;
std::string slot_field(int slot);  // its name among the fields: "s3"
// Whose slot it is or was last; none if it has never been taken.
std::optional<SlotOwner> owner_of(const std::optional<Slot>& slot);

// A limit up to this is handed out in slots, above it in quotas.
inline constexpr double kSlotLimitMax = kSlotsMax;

// The evidence that last opened the circuit out of CLOSED or RECOVERING: kept through the outage
// and after it, so that all that followed can be explained.
struct Trip {
  StoreTime at{};       // 1970: it has never tripped
  std::string rule;     // "failure_rate", "slow_call_rate", "overload"
  double failures = 0;  // thinning undone
  double evidence = 0;  // after the share bound
  double need = 0;
  int reports = 0;
  int reporters = 0;                  // distinct instances
  StoreTime first{};                  // the first failure
  StoreTime last{};                   // the last report
  std::vector<ReporterShare> shares;  // of those who reported most, kTripSharesMax at most
  // "at rule failures evidence need reports reporters first last [inst=failures]…"; "": none.
  std::string encode() const;
  static Result<Trip> decode(std::string_view);
  friend bool operator==(const Trip&, const Trip&) = default;
};
inline constexpr std::size_t kTripSharesMax = 8;

inline constexpr int kSchemaVersion = 1;

struct Record {
  int schema = kSchemaVersion;
  std::uint64_t incarnation = 0;  // random at creation
  std::int64_t epoch = 0;         // grows with every change of state or hold, never reused
  std::uint64_t revision = 0;     // grows with every whole-record write
  std::uint64_t swap_id = 0;      // of the last whole-record write, so a retry knows its own
  State state = State::closed;
  StoreTime born;      // creation
  StoreTime since{};   // of the state
  StoreTime reopen{};  // when OPEN may turn HALF_OPEN
  int opens = 0;       // openings in a row
  std::string reason;  // of the last transition: "failure_rate", "probe_failed", "operator", …
  std::string why;     // the evidence behind it, for a person
  Trip trip;
  Hold hold;
  std::string fingerprint;  // of the policy of whoever wrote last
  int probes = 1;           // slots that HALF_OPEN hands out
  int probe_ok = 0;         // settled in this epoch
  int probe_failed = 0;
  core::RecoveryState recovery;
  double last_good_limit = 0;  // learnt by the last recovery
  std::uint32_t step = 0;      // of the recovery limit
  StoreTime step_at{};         // when the next step is due
  double members = 0;          // instances that share the limit, as of the last step
  Slots slots;

  // When the epoch began, as seen at `now`: state and hold have been as they are since then.
  StoreTime changed(StoreTime now) const {
    return std::min(std::max(since, store_time_ms(epoch)), now);
  }
  friend bool operator==(const Record&, const Record&) = default;
};

using Fields = std::vector<std::pair<std::string, std::string>>;

// All fields but the slots ("s0" … "s31"), which only claims and settlements write, and the
// settled counts ("pok", "pfail") when the epoch stays.
Fields encode_fields(const Record& record);
// The record from all its fields, slots included. Errors: "unreadable" for a missing or malformed
// field, an unknown word, or a schema newer than ours; the message names the field. A reader then
// keeps its hands off.
Result<Record> decode_record(const Fields& fields);

}  // namespace switchgear::fleet
