#include "cli/circuit_watch.h"

#include "cli/terminal.h"
#include "config/json_writer.h"
#include "config/values.h"

namespace switchgear::cli {

std::string Change::text() const {
  std::string line = iso_time(time) + "  " + circuit + "  " + from + " -> " + to;
  if (!hold.empty()) line += " (" + hold + ")";
  if (!reason.empty()) line += "  " + reason;
  if (!why.empty()) line += ": " + why;
  return config::printable(line);
}

std::string Change::json() const {
  std::string line = "{";
  const auto member = [&](const char* name, const std::string& value) {
    line += (line.size() > 1 ? ", " : "") + config::json_string(name) + ": " + value;
  };
  member("time", config::json_string(iso_time(time)));
  member("circuit", config::json_string(circuit));
  member("epoch", epoch ? std::to_string(*epoch) : "null");
  member("from", config::json_string(from));
  member("to", config::json_string(to));
  member("hold", hold.empty() ? "null" : config::json_string(hold));
  member("reason", config::json_string(reason));
  member("why", config::json_string(why));
  return line + "}";
}

std::optional<Change> CircuitWatch::look(const std::string& circuit,
                                         const fleet::Snapshot& snapshot, bool tell_new) {
  const bool first = !seen_.contains(circuit);
  Seen& seen = seen_[circuit];
  const Seen before = seen;
  Change change{.circuit = circuit, .time = snapshot.time, .from = before.state};
  if (const fleet::Record* record = snapshot.readable()) {
    seen = {.state = std::string(to_string(record->state)), .epoch = record->epoch};
    change.time = record->changed(snapshot.time);
    change.hold = record->hold.in_force(snapshot.time) ? to_string(record->hold.kind) : "";
    change.reason = record->reason;
    change.why = record->why;
  } else if (snapshot.record) {
    seen = {.state = "UNREADABLE", .epoch = 0};
    change.why = snapshot.record->error().message;
  } else {
    seen = {};
    change.reason = "removed";
  }
  change.to = seen.state;
  change.epoch = seen.epoch;
  if (seen.epoch == before.epoch && seen.state == before.state) return std::nullopt;
  if (first && !tell_new) return std::nullopt;
  return change;
}

}  // namespace switchgear::cli
