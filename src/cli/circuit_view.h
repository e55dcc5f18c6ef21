// One circuit as the store holds it, for people and for programs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "config/json_writer.h"
#include "fleet/transition.h"

namespace switchgear::cli {

struct CircuitKeys;

class CircuitView {
 public:
  // `policy` is what this machine's configuration says of the circuit; the evidence is weighed by
  // it. The snapshot has a record, readable or not.
  CircuitView(std::string name, const Policy& policy, fleet::Snapshot snapshot);

  // Whether calls are refused: open or probing, or held open; not if held otherwise.
  bool is_open() const;

  const std::string& name() const { return name_; }
  // Of the record; empty if it cannot be read.
  std::optional<State> state() const;
  bool held() const { return hold().has_value(); }

  static Table list_header();
  void add_to(Table& table) const;
  // `keys`: of this circuit, if it has any.
  void print(Context& context, const CircuitKeys* keys = nullptr) const;
  // One object, whose members only ever get more; times are ISO 8601, by the store's clock:
  //   name, store_time, state (CLOSED, OPEN, HALF_OPEN, RECOVERING; UNREADABLE comes with `error`
  //   and nothing else), open (whether calls are refused), hold (null, or kind, who, reason and
  //   until, which is null until released), epoch, revision, since, reason, why, reopen (null
  //   unless OPEN), opens (in a row), probes (at_a_time, succeeded, failed), slots (those taken:
  //   slot, holder, expires), limit (calls in flight; null unless RECOVERING), evidence (ratio of
  //   a trip, rule, text), fleet (members, calls_per_second), settings_match (whether this
  //   machine's settings, by which evidence is weighed, are the fleet's), keys (if it has any and
  //   they are asked for: see CircuitKeys).
  void write(config::JsonWriter& json, const CircuitKeys* keys = nullptr) const;

 private:
  const fleet::Record* record() const { return snapshot_.readable(); }
  std::optional<fleet::Hold> hold() const;
  std::string evidence_text() const;
  std::string since_text() const;
  std::string reopens_text() const;
  bool settings_match() const;

  std::string name_;
  fleet::Snapshot snapshot_;
  fleet::Weighing weighing_;
  std::string fingerprint_;  // of this machine's settings
};

// The keyed circuits of one parent, rolled up.
struct CircuitKeys {
  int keys = 0;
  int refusing = 0;  // calls: OPEN, HALF_OPEN, or held open
  int recovering = 0;
  int held = 0;
  int unreadable = 0;
  void add_to(Table& table, const std::string& parent) const;
  // For circuits show, one line.
  void add_to(Facts& facts) const;
  // keys, open (those that refuse calls), recovering, held, unreadable
  void write(config::JsonWriter& json) const;

 private:
  std::string text() const;
};
// Takes the keyed ones out of `views`.
std::map<std::string, CircuitKeys> roll_up(std::vector<CircuitView>& views);

// The policy that this machine's configuration has for the circuit, or for its parent if it has a
// key, or the default one.
const Policy& policy_for(const config::Config& config, const std::string& circuit);

}  // namespace switchgear::cli
