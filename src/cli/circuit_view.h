// One circuit as the store holds it, for people and for programs.
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "cli/terminal.h"
#include "config/config.h"
#include "config/json_writer.h"
#include "fleet/transition.h"

namespace switchgear::cli {

class CircuitView {
 public:
  // `policy` is what this machine's configuration says of the circuit; the evidence is weighed by
  // it. The snapshot has a record, readable or not.
  CircuitView(std::string name, const Policy& policy, fleet::Snapshot snapshot);

  // Whether calls are refused: open or probing, or held open; not if held otherwise.
  bool is_open() const;

  static Table list_header();
  void add_to(Table& table) const;
  void print(Context& context) const;
  // One object; its members are documented in docs/cli.md and only ever grow.
  void write(config::JsonWriter& json) const;

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

// The policy that this machine's configuration has for the circuit, or the default one.
const Policy& policy_for(const config::Config& config, const std::string& circuit);

}  // namespace switchgear::cli
