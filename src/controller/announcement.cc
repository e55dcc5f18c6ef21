#include "controller/announcement.h"

#include <boost/json.hpp>

#include "queue/time_text.h"

namespace switchgear::controller {
namespace {

namespace json = boost::json;

// "…:48Z" with the milliseconds and the zone as CloudWatch has them.
std::string timestamp(StoreTime at) {
  std::string text = queue::utc_text(WallTime(at.time_since_epoch()));
  text.pop_back();
  const auto ms = to_ms(at) % 1000;
  const std::string digits = std::to_string(ms);
  return text + "." + std::string(3 - digits.size(), '0') + digits + "+0000";
}

std::string_view word(Announcement::Kind kind) {
  switch (kind) {
    case Announcement::Kind::state:
      return "state";
    case Announcement::Kind::paused:
      return "paused";
    case Announcement::Kind::resumed:
      return "resumed";
    case Announcement::Kind::loss_approaching:
      return "loss_approaching";
  }
  return "state";
}

}  // namespace

std::string detail_type(const Announcement& a) {
  switch (a.kind) {
    case Announcement::Kind::state:
      return "Switchgear Circuit State Change";
    case Announcement::Kind::paused:
      return "Switchgear Source Paused";
    case Announcement::Kind::resumed:
      return "Switchgear Source Resumed";
    case Announcement::Kind::loss_approaching:
      return "Switchgear Loss Approaching";
  }
  return "Switchgear Circuit State Change";
}

std::string headline(const Announcement& a) {
  switch (a.kind) {
    case Announcement::Kind::state:
      return a.circuit + " is " +
             std::string(a.hold == HoldKind::none ? to_string(a.to) : to_string(a.hold));
    case Announcement::Kind::paused:
      return a.circuit + " has paused a source";
    case Announcement::Kind::resumed:
      return a.circuit + " has resumed a source";
    case Announcement::Kind::loss_approaching:
      return a.circuit + ": messages will expire";
  }
  return a.circuit;
}

std::string detail(const Announcement& a) {
  json::object state{{"value", std::string(to_string(a.to))},
                     {"reason", a.reason},
                     {"why", a.why},
                     {"timestamp", timestamp(a.at)}};
  json::object out{{"kind", std::string(word(a.kind))},
                   {"circuit", a.circuit},
                   {"epoch", a.epoch},
                   {"state", std::move(state)},
                   {"previousState", json::object{{"value", std::string(to_string(a.from))}}},
                   {"next", a.next}};
  if (a.hold != HoldKind::none) out["hold"] = std::string(to_string(a.hold));
  if (!a.source.empty()) out["source"] = a.source;
  return json::serialize(out);
}

std::string next_of(State state, HoldKind hold) {
  if (hold == HoldKind::forced_open) {
    return "mappings stay off until the hold ends: switchgear circuits release";
  }
  if (hold == HoldKind::forced_closed) return "mappings stay as they were until the hold ends";
  if (hold == HoldKind::metrics_only) return "nothing is changed until the hold ends";
  switch (state) {
    case State::closed:
      return "nothing: every mapping has what it had before";
    case State::open:
      return "mappings are switched off; when the open time has ended it is tried again";
    case State::half_open:
      return "trial messages, or the mapping limited to the least, show whether it is well";
    case State::recovering:
      return "mappings come back step by step";
  }
  return "";
}

}  // namespace switchgear::controller
