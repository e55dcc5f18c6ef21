// One circuit in one item of DynamoDB, and what each operation writes to it. Pure. Its attributes:
//
//   circuit (S)       the key: "<namespace>/<name>"
//   v, inc, st … (S)  the record's fields, as in every store; pok and pfail (N), to be counted
//   s0 … s31 (S)      who has the slot or had it last: "inst.token"
//   s0e … (N)         until when, in milliseconds since 1970; 0: given back
//   s0b … (S)         the epoch in which its call began, once it has
//   e<epoch>.… (SS)   reports of that epoch, by the time at which they were sent
//   c:<minute> … (N)  sums, see sums.h
//   ttl (N)           when the item may go, in seconds since 1970; none under a hold
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "aws/dynamodb.h"
#include "fleet/store_ops.h"
#include "stores/dynamodb_clock.h"

namespace switchgear::stores {

inline constexpr char kItemKey[] = "circuit";
inline constexpr char kItemTtl[] = "ttl";

// Less than this is an item with all that a circuit may hold: the reports kept and the sets about
// to go, each as long as a report can be, and every slot taken. With ordinary numbers 7 KB.
inline constexpr std::size_t kItemBytesMax = 16'384;

// The item as an answer showed it.
struct FoundItem {
  std::optional<aws::Item> item;  // nothing: there is none
};

// All that an item says, at that moment of the service's clock.
fleet::Snapshot snapshot_of(const std::optional<aws::Item>& item, StoreTime now);

// Epoch and revision, by which an answer that is older than another is known; zeros without a
// record, or with one that cannot be read.
std::pair<std::int64_t, std::uint64_t> age_of(const std::optional<aws::Item>& item);

// What to do next for an operation: it is decided (nothing was written), the item has to be read
// first, or this is to be written, under its condition.
struct ReadFirst {};
using ItemStep = std::variant<fleet::Status, ReadFirst, aws::ItemUpdate>;

// `last`: the newest answer about the circuit, for what writers clean up by the way and, if
// `decides`, to decide by; else what is written is what an operation mostly does, and its condition
// finds out. An update that went through is `ok`, but see settled_late(). Neither table nor key are
// filled in.
ItemStep step_of(const fleet::Operation& operation, const FoundItem* last, bool decides,
                 const DynamoDbClock::Bounds& time);

// Whether a settlement that went through came after its epoch.
bool settled_late(const fleet::SettleOp& op, const aws::Item& after);

}  // namespace switchgear::stores
