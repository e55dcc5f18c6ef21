// Why a circuit is in its state, and what comes next: from the record, for people and programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "config/json_writer.h"
#include "fleet/transition.h"

namespace switchgear::cli {

// Pure: the same snapshot and settings give the same words.
struct Explanation {
  struct Fact {
    std::string kind;             // a word that programs may rely on, such as "probe"
    std::optional<StoreTime> at;  // when, by the store's clock; empty: no time, or not known
    std::string text;
  };
  std::string state;          // CLOSED, OPEN, HALF_OPEN, RECOVERING, UNREADABLE
  std::string summary;        // one sentence
  std::vector<Fact> because;  // what led here, oldest first
  std::vector<Fact> next;     // what may happen, the soonest first
  std::vector<std::string> notes;
};

// The snapshot has a record, readable or not.
Explanation explain(const fleet::PolicyTable& table, const fleet::Snapshot& snapshot);

void print(const std::string& name, const Explanation& explanation, StoreTime now,
           Context& context);
// Of an open object: name, store_time, state, summary, because, next, notes; see below.
void write_members(const std::string& name, const Explanation& explanation, StoreTime now,
                   config::JsonWriter& json);

// One object, whose members only ever get more; times are ISO 8601, by the store's clock:
//   name, store_time, state, epoch, summary, because (kind, at, text), trip (the evidence that last
//   opened the circuit, or null) and evidence (what there is now, or null): rule, failures,
//   evidence, need, reports, reporters, first, last, shares (instance, failures); next (kind, at,
//   in_ms, text), notes. Kinds: created, trip, reopened, probing, probed, recovered, operator,
//   hold, hold_ended, reassert, other; next: trip, probe, success, failure, lease_end, step,
//   close, reopen, hold_end, release, none.
void write(const std::string& name, const Explanation& explanation, const fleet::PolicyTable& table,
           const fleet::Snapshot& snapshot, config::JsonWriter& json);

}  // namespace switchgear::cli
