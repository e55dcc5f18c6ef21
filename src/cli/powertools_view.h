// One circuit of AWS Powertools as its item says it, for people and for programs.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cli/circuit_explain.h"
#include "cli/circuit_watch.h"
#include "cli/context.h"
#include "cli/terminal.h"
#include "config/json_writer.h"
#include "stores/powertools_table.h"

namespace switchgear::cli {

class PowertoolsView {
 public:
  // The reading has an item, readable or not.
  explicit PowertoolsView(stores::PowertoolsReading reading) : reading_(std::move(reading)) {}

  // Whether calls are refused: OPEN or HALF_OPEN, as far as it can be read.
  bool is_open() const { return circuit() != nullptr && circuit()->state != State::closed; }
  // CLOSED, OPEN, HALF_OPEN, UNREADABLE
  std::string state() const;

  static Table list_header();
  void add_to(Table& table) const;
  void print(Context& context) const;
  // One object, whose members only ever get more; times are ISO 8601, store_time by DynamoDB's
  // clock, the others as Powertools' environments wrote them:
  //   name, store_time, state (CLOSED, OPEN, HALF_OPEN; UNREADABLE comes with `error` and nothing
  //   else), open (whether calls are refused), hold (null, or kind, who, reason and until, which is
  //   null until released), failure_count, opened_at, recovery_timeout_s (null unless the item
  //   gives it away), reopen (when a call may probe, or null), probe (null, or owner and until),
  //   stuck (why nobody will ever probe, or null), hold_overwritten, expires.
  void write(config::JsonWriter& json) const;

 private:
  const stores::PowertoolsCircuit* circuit() const {
    return reading_.circuit ? &*reading_.circuit : nullptr;
  }
  std::string hold_text() const;
  std::string probes_text() const;
  std::string note() const;

  stores::PowertoolsReading reading_;
};

// The same words as for a circuit of Switchgear where they mean the same. Kinds: trip, reopened,
// opened, closed, probing, hold, hold_overwritten, unreadable; next: trip, probe, success, failure,
// lease_end, hold_end, release, expiry, none.
Explanation explain(const stores::PowertoolsReading& reading);

// As CircuitWatch. A change is another state, hold or time of opening.
class PowertoolsWatch {
 public:
  std::optional<Change> look(const stores::PowertoolsReading& reading, bool tell_new);

 private:
  struct Seen {
    std::string state = "NONE";
    std::optional<StoreTime> opened_at = {};
    bool held = false;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace switchgear::cli
