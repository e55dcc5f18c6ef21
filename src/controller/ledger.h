// What the controller of a circuit keeps beside the circuit's record: its lease, and what the
// mappings were before it touched them. A value, kept in the store as JSON text.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "controller/mapping.h"
#include "core/result.h"
#include "core/state.h"
#include "core/time.h"
#include "fleet/report.h"

namespace switchgear::controller {

// One mapping. Written before the mapping is changed, so that a controller that dies between the
// two leaves nothing that its successor cannot finish.
struct Entry {
  Settings before;          // as a person had it
  Settings wanted;          // as we last decided
  bool done = false;        // it has been seen as wanted since
  bool left_alone = false;  // a person changed it since: not touched until new evidence opens
  friend bool operator==(const Entry&, const Entry&) = default;
};

// One queue, for the age of what waits in it and for its retention.
struct QueueEntry {
  StoreTime since{};               // nothing in it is older, as far as is known
  std::chrono::seconds before{0};  // its retention as a person had it
  std::chrono::seconds wanted{0};  // as we set it; 0: it was not touched
  bool done = false;               // it has been seen so since
  // Its redrive policy as a person had it, while it is raised; empty: it is not touched.
  std::string redrive = {};
  bool parking = false;  // its messages are being parked
  friend bool operator==(const QueueEntry&, const QueueEntry&) = default;
};

struct Ledger {
  // Who controls the circuit, and until when if it is not renewed, by the store's clock.
  fleet::InstanceId owner{};
  StoreTime lease_until{};
  // Random per write: two writers never write the same text.
  std::uint64_t nonce = 0;
  // The epoch of the opening for which the mappings were taken over; 1: none; 0: none, and their
  // tags have not been looked through yet, which are all that is left if the store was lost.
  std::int64_t adopted_epoch = 0;
  // No tags tell of a ledger that was lost: they were looked through.
  bool tags_read = false;
  // The last change of the circuit that the outside was told of, and the state it was told.
  std::int64_t announced_epoch = 0;
  State announced_state = State::closed;
  std::map<std::string, Entry> entries;      // by UUID
  std::map<std::string, QueueEntry> queues;  // by ARN
  // Of each alarm that has opened the circuit: when it had gone to ALARM, in ms since 1970, so that
  // the same alarm opens it only once.
  std::map<std::string, std::int64_t> applied_alarms;
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

std::string encode(const Ledger& ledger);
// Error "unreadable": not written by us, or by a newer version; the message names the member.
Result<Ledger> decode_ledger(const std::string& text);

}  // namespace switchgear::controller
