// What has changed between two looks at a circuit.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "fleet/store_ops.h"

namespace switchgear::cli {

struct Change {
  std::string circuit;
  StoreTime time{};
  std::optional<std::int64_t> epoch = 0;  // 0 for a record that is gone; none: there are no epochs
  std::string from;                       // a state; "NONE": there was no record; "UNREADABLE"
  std::string to;
  std::string hold;  // that is in force now, or ""
  std::string reason;
  std::string why;

  // "2026-01-31T12:00:00.250Z  payments-api  CLOSED -> OPEN  failure_rate: 12 failures …"
  std::string text() const;
  // The same as one line of JSON: time, circuit, epoch, from, to, hold, reason, why.
  std::string json() const;
};

// Remembers what each circuit looked like. A change is a new epoch, or the appearance or loss of
// a readable record. Changes that came and went between two looks are not seen: the one that is
// reported then leads from the state of the look before.
class CircuitWatch {
 public:
  // `tell_new`: whether the first sight of a circuit is a change.
  std::optional<Change> look(const std::string& circuit, const fleet::Snapshot& snapshot,
                             bool tell_new);

 private:
  struct Seen {
    std::string state = "NONE";
    std::int64_t epoch = 0;
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace switchgear::cli
