#include "cli/circuit_view.h"

#include <ostream>

#include "core/name.h"

namespace switchgear::cli {
namespace {

std::string ago(StoreTime then, StoreTime now) { return short_duration(now - then) + " ago"; }

std::string hold_text(const fleet::Hold& hold, StoreTime now) {
  std::string text(to_string(hold.kind));
  if (!hold.who.empty()) text += " by " + hold.who;
  text += hold.until == StoreTime{} ? ", until released"
                                    : ", for another " + short_duration(hold.until - now);
  if (!hold.why.empty()) text += ": " + hold.why;
  return text;
}

std::string holders(const fleet::Record& record, StoreTime now) {
  std::string text;
  for (int i = 0; i < fleet::kSlotsMax; ++i) {
    const auto& slot = record.slots[static_cast<std::size_t>(i)];
    if (!slot || slot->expires <= now) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(i) + " by " + to_string(slot->holder) +
            " for " + short_duration(slot->expires - now);
  }
  return text.empty() ? "none taken" : text;
}

}  // namespace

const Policy& policy_for(const config::Config& config, const std::string& circuit) {
  static const Policy kDefault;
  auto found = config.circuits.find(circuit);
  if (found == config.circuits.end()) {
    found = config.circuits.find(std::string(core::parent_of(circuit)));
  }
  return found == config.circuits.end() ? kDefault : found->second;
}

std::string CircuitKeys::text() const {
  std::string text = std::to_string(refusing) + " of " + std::to_string(keys) + " open";
  if (recovering > 0) text += ", " + std::to_string(recovering) + " recovering";
  if (unreadable > 0) text += ", " + std::to_string(unreadable) + " unreadable";
  return text;
}

void CircuitKeys::add_to(Table& table, const std::string& parent) const {
  table.add({parent + "/*",
             {text(), refusing > 0 ? Colour::red : Colour::green},
             held > 0 ? Cell(std::to_string(held) + " held", Colour::yellow) : Cell("-")});
}

void CircuitKeys::add_to(Facts& facts) const {
  facts.add("keys", {text() + (held > 0 ? ", " + std::to_string(held) + " held" : ""),
                     refusing > 0 ? Colour::red : Colour::green});
}

void CircuitKeys::write(config::JsonWriter& json) const {
  json.member("keys", keys).member("open", refusing).member("recovering", recovering);
  json.member("held", held).member("unreadable", unreadable);
}

std::map<std::string, CircuitKeys> roll_up(std::vector<CircuitView>& views) {
  std::map<std::string, CircuitKeys> all;
  std::erase_if(views, [&](const CircuitView& view) {
    const auto parent = core::parent_of(view.name());
    if (parent.empty()) return false;
    CircuitKeys& keys = all[std::string(parent)];
    ++keys.keys;
    keys.refusing += view.is_open();
    keys.recovering += view.state() == State::recovering;
    keys.held += view.held();
    keys.unreadable += !view.state().has_value();
    return true;
  });
  return all;
}

CircuitView::CircuitView(std::string name, const Policy& policy, fleet::Snapshot snapshot)
    : name_(std::move(name)), snapshot_(std::move(snapshot)) {
  const fleet::PolicyTable table(policy);
  fingerprint_ = table.fingerprint();
  weighing_ = fleet::weigh(table, snapshot_);
}

std::optional<fleet::Hold> CircuitView::hold() const {
  if (record() == nullptr || !record()->hold.in_force(snapshot_.time)) return std::nullopt;
  return record()->hold;
}

std::optional<State> CircuitView::state() const {
  return record() == nullptr ? std::nullopt : std::optional(record()->state);
}

bool CircuitView::is_open() const {
  if (record() == nullptr) return false;
  if (const auto held = hold()) return held->kind == HoldKind::forced_open;
  return record()->state == State::open || record()->state == State::half_open;
}

bool CircuitView::settings_match() const { return record()->fingerprint == fingerprint_; }

std::string CircuitView::evidence_text() const {
  if (!weighing_.failures) return "0%";
  return short_number(100 * weighing_.failures->ratio()) + "%";
}

std::string CircuitView::since_text() const { return ago(record()->since, snapshot_.time); }

std::string CircuitView::reopens_text() const {
  if (record()->state != State::open) return "-";
  const auto left = record()->reopen - snapshot_.time;
  return left.count() > 0 ? "in " + short_duration(left) : "due";
}

Table CircuitView::list_header() {
  return Table({"NAME", "STATE", "HOLD", "SINCE", "PROBES", "EVIDENCE", "REASON"});
}

void CircuitView::add_to(Table& table) const {
  if (record() == nullptr) {
    table.add({name_,
               {"unreadable", Colour::yellow},
               "",
               "",
               "",
               "",
               snapshot_.record ? snapshot_.record->error().message : ""});
    return;
  }
  const auto held = hold();
  table.add({name_,
             {std::string(to_string(record()->state)), colour_of(record()->state)},
             held ? Cell(std::string(to_string(held->kind)), Colour::yellow) : Cell("-"),
             since_text(),
             reopens_text(),
             evidence_text(),
             record()->reason});
}

void CircuitView::print(Context& context, const CircuitKeys* keys) const {
  Facts facts;
  facts.add("circuit", Cell(name_, Colour::bold));
  if (record() == nullptr) {
    facts.add("state", {"unreadable", Colour::yellow});
    if (snapshot_.record) facts.add("why", snapshot_.record->error().message);
    if (keys != nullptr) keys->add_to(facts);
    facts.print(context.out, context.colour);
    return;
  }
  const fleet::Record& r = *record();
  facts.add("state", {std::string(to_string(r.state)), colour_of(r.state)});
  if (const auto held = hold())
    facts.add("hold", {hold_text(*held, snapshot_.time), Colour::yellow});
  facts.add("since", iso_time(r.since) + " (" + since_text() + ")");
  facts.add("reason", r.reason);
  if (!r.why.empty()) facts.add("why", r.why);
  facts.add("epoch", std::to_string(r.epoch));
  if (r.state == State::open) {
    facts.add("probes", iso_time(r.reopen) + " (" + reopens_text() + ")");
    facts.add("opened", std::to_string(r.opens) + " times in a row");
  }
  if (r.state == State::half_open) {
    facts.add("probes", std::to_string(r.probe_ok) + " succeeded, " +
                            std::to_string(r.probe_failed) + " failed, " +
                            std::to_string(r.probes) + " at a time");
  }
  if (r.state == State::recovering) {
    facts.add("limit", short_number(r.recovery.limit) + " calls in flight");
  }
  facts.add("slots", holders(r, snapshot_.time));
  facts.add(
      "evidence",
      evidence_text() + " of a trip" +
          (weighing_.failures ? " (" + weighing_.rule + ": " + weighing_.failures->text() + ")"
                              : "") +
          (settings_match() ? "" : ", by settings of this machine that are not the fleet's"));
  facts.add("fleet", count(weighing_.fleet.members, "instance") + ", " +
                         short_number(weighing_.fleet.calls_per_second) + " calls/s");
  if (keys != nullptr) keys->add_to(facts);
  facts.print(context.out, context.colour);
}

void CircuitView::write(config::JsonWriter& json, const CircuitKeys* keys) const {
  const auto time_or_null = [&](std::string_view key, StoreTime t) {
    json.key(key);
    if (t == StoreTime{}) {
      json.null();
    } else {
      json.value(iso_time(t));
    }
  };
  json.begin_object().member("name", name_);
  json.member("store_time", iso_time(snapshot_.time));
  if (keys != nullptr) {
    json.key("keys").begin_object();
    keys->write(json);
    json.end_object();
  }
  if (record() == nullptr) {
    json.member("state", "UNREADABLE");
    json.member("error", snapshot_.record ? snapshot_.record->error().message : "");
    json.end_object();
    return;
  }
  const fleet::Record& r = *record();
  json.member("state", to_string(r.state)).member("open", is_open());
  json.key("hold");
  if (const auto held = hold()) {
    json.begin_object().member("kind", to_string(held->kind));
    json.member("who", held->who).member("reason", held->why);
    time_or_null("until", held->until);
    json.end_object();
  } else {
    json.null();
  }
  json.member("epoch", r.epoch).member("revision", r.revision);
  json.member("since", iso_time(r.since));
  json.member("reason", r.reason).member("why", r.why);
  time_or_null("reopen", r.state == State::open ? r.reopen : StoreTime{});
  json.member("opens", r.opens);
  json.key("probes").begin_object().member("at_a_time", r.probes);
  json.member("succeeded", r.probe_ok).member("failed", r.probe_failed).end_object();
  json.key("slots").begin_array();
  for (int i = 0; i < fleet::kSlotsMax; ++i) {
    const auto& slot = r.slots[static_cast<std::size_t>(i)];
    if (!slot || slot->expires <= snapshot_.time) continue;
    json.begin_object().member("slot", i).member("holder", to_string(slot->holder));
    json.member("expires", iso_time(slot->expires));
    json.member("call_begun", slot->started == r.epoch).end_object();
  }
  json.end_array();
  json.key("limit");
  if (r.state == State::recovering) {
    json.value(r.recovery.limit);
  } else {
    json.null();
  }
  json.key("evidence").begin_object();
  json.member("ratio", weighing_.failures ? weighing_.failures->ratio() : 0.0);
  json.member("rule", weighing_.rule);
  json.member("text", weighing_.failures ? weighing_.failures->text() : std::string());
  json.end_object();
  json.key("fleet").begin_object();
  json.member("members", weighing_.fleet.members);
  json.member("calls_per_second", weighing_.fleet.calls_per_second).end_object();
  json.member("settings_match", settings_match()).end_object();
}

}  // namespace switchgear::cli
