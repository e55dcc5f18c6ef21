#include "cli/powertools_view.h"

#include <utility>

namespace switchgear::cli {
namespace {

using stores::PowertoolsCircuit;
using stores::PowertoolsReading;

std::string ago(StoreTime then, StoreTime now) {
  return then > now ? "in " + short_duration(then - now) : short_duration(now - then) + " ago";
}

std::string time_and_distance(StoreTime t, StoreTime now) {
  return iso_time(t) + " (" + ago(t, now) + ")";
}

std::string seconds_text(std::chrono::seconds s) { return std::to_string(s.count()) + " s"; }

}  // namespace

std::string PowertoolsView::state() const {
  return circuit() == nullptr ? "UNREADABLE" : std::string(to_string(circuit()->state));
}

std::string PowertoolsView::hold_text() const {
  const stores::PowertoolsHold& hold = *circuit()->hold;
  std::string text = std::string(to_string(HoldKind::forced_open)) + " by " + hold.who;
  if (!hold.until) {
    text += ", until released";
  } else if (circuit()->held(reading_.time)) {
    text += ", until " + time_and_distance(*hold.until, reading_.time);
  } else {
    text += ", ended " + time_and_distance(*hold.until, reading_.time);
  }
  return hold.reason.empty() ? text : text + ": " + hold.reason;
}

std::string PowertoolsView::probes_text() const {
  const PowertoolsCircuit& c = *circuit();
  if (c.state == State::closed) return "-";
  if (!c.stuck().empty()) return "never";
  const auto at = c.probes_at();
  if (!at) return "?";
  if (*at <= reading_.time) return "due";
  if (c.held(reading_.time))
    return c.hold->until ? "in " + short_duration(*at - reading_.time) : "-";
  return c.state == State::half_open ? "now" : "in " + short_duration(*at - reading_.time);
}

std::string PowertoolsView::note() const {
  if (const std::string stuck = circuit()->stuck(); !stuck.empty()) return "stuck";
  return circuit()->hold_overwritten ? "hold overwritten" : "";
}

Table PowertoolsView::list_header() {
  return Table({"NAME", "STATE", "HOLD", "OPENED", "PROBES", "FAILURES", "NOTE"});
}

void PowertoolsView::add_to(Table& table) const {
  if (circuit() == nullptr) {
    table.add({reading_.name,
               {"unreadable", Colour::yellow},
               "",
               "",
               "",
               "",
               reading_.circuit.error().message});
    return;
  }
  const PowertoolsCircuit& c = *circuit();
  table.add({reading_.name,
             {state(), colour_of(c.state)},
             c.held(reading_.time)
                 ? Cell(std::string(to_string(HoldKind::forced_open)), Colour::yellow)
                 : Cell("-"),
             c.opened_at ? ago(*c.opened_at, reading_.time) : "-",
             probes_text(),
             std::to_string(c.failure_count),
             note()});
}

void PowertoolsView::print(Context& context) const {
  const StoreTime now = reading_.time;
  Facts facts;
  facts.add("circuit", Cell(reading_.name, Colour::bold));
  if (circuit() == nullptr) {
    facts.add("state", {"unreadable", Colour::yellow});
    facts.add("why", reading_.circuit.error().message);
    facts.print(context.out, context.colour);
    return;
  }
  const PowertoolsCircuit& c = *circuit();
  facts.add("state", {state(), colour_of(c.state)});
  if (c.hold) facts.add("hold", {hold_text(), Colour::yellow});
  if (c.opened_at) facts.add("opened", time_and_distance(*c.opened_at, now));
  facts.add("failures", std::to_string(c.failure_count));
  if (const auto timeout = c.recovery_timeout()) {
    facts.add("recovery", seconds_text(*timeout) + ", by when the item expires");
  }
  if (c.state != State::closed) facts.add("probes", probes_text());
  if (c.state == State::half_open && !c.hold && c.lease_end) {
    facts.add("prober", (c.owner.empty() ? "none" : c.owner) + ", lease to " +
                            time_and_distance(*c.lease_end, now));
  }
  if (const std::string stuck = c.stuck(); !stuck.empty()) {
    facts.add("stuck", {stuck, Colour::red});
  }
  if (c.hold_overwritten) {
    facts.add("note", {"a hold was placed, and a probe's end wrote over it", Colour::yellow});
  }
  if (c.expires) facts.add("expires", time_and_distance(*c.expires, now));
  facts.print(context.out, context.colour);
}

void PowertoolsView::write(config::JsonWriter& json) const {
  json.begin_object().member("name", reading_.name);
  json.member("store_time", iso_time(reading_.time)).member("state", state());
  if (circuit() == nullptr) {
    json.member("error", reading_.circuit.error().message).end_object();
    return;
  }
  const PowertoolsCircuit& c = *circuit();
  const auto time_or_null = [&](std::string_view key, std::optional<StoreTime> t) {
    json.key(key);
    t ? json.value(iso_time(*t)) : json.null();
  };
  const auto text_or_null = [&](std::string_view key, const std::string& text) {
    json.key(key);
    text.empty() ? json.null() : json.value(text);
  };
  json.member("open", is_open()).key("hold");
  if (c.held(reading_.time)) {
    json.begin_object().member("kind", to_string(HoldKind::forced_open));
    json.member("who", c.hold->who).member("reason", c.hold->reason);
    time_or_null("until", c.hold->until);
    json.end_object();
  } else {
    json.null();
  }
  json.member("failure_count", c.failure_count);
  time_or_null("opened_at", c.opened_at);
  json.key("recovery_timeout_s");
  const auto timeout = c.recovery_timeout();
  timeout ? json.value(timeout->count()) : json.null();
  const bool until_released = c.hold && !c.hold->until;
  time_or_null("reopen", until_released ? std::nullopt : c.probes_at());
  json.key("probe");
  if (c.state == State::half_open && !c.hold) {
    json.begin_object();
    text_or_null("owner", c.owner);
    time_or_null("until", c.lease_end);
    json.end_object();
  } else {
    json.null();
  }
  text_or_null("stuck", c.stuck());
  json.member("hold_overwritten", c.hold_overwritten);
  time_or_null("expires", c.expires);
  json.end_object();
}

namespace {

class Explainer {
 public:
  Explainer(const PowertoolsCircuit& circuit, StoreTime now) : c_(circuit), now_(now) {}

  Explanation explain() {
    out_.state = to_string(c_.state);
    if (c_.held(now_)) {
      held();
    } else if (c_.state == State::open) {
      open();
    } else if (c_.state == State::half_open) {
      half_open();
    } else {
      closed();
    }
    if (const std::string stuck = c_.stuck(); !stuck.empty()) {
      next("none", {},
           "nobody will ever probe: " + stuck + "; close it with: switchgear circuits reset NAME");
    }
    overwritten();
    expiry();
    out_.notes.push_back(
        "An environment goes by its own copy of the item for local_cache_max_age, 5 s unless set "
        "otherwise.");
    return std::move(out_);
  }

 private:
  void because(std::string kind, std::optional<StoreTime> at, std::string text) {
    out_.because.push_back({.kind = std::move(kind), .at = at, .text = std::move(text)});
  }
  void next(std::string kind, std::optional<StoreTime> at, std::string text) {
    out_.next.push_back({.kind = std::move(kind), .at = at, .text = std::move(text)});
  }

  void held() {
    out_.summary = "held open by " + c_.hold->who + ": every call is refused";
    because("hold", {},
            "held open by " + c_.hold->who +
                (c_.hold->reason.empty() ? "" : ": " + c_.hold->reason) +
                (c_.hold->was_closed ? "; it was closed before" : "; it was open before"));
    if (c_.hold->until) {
      next("hold_end", c_.hold->until, "the hold ends, and the first call after it probes");
    }
    next("release", {},
         std::string("switchgear circuits release NAME ") +
             (c_.hold->was_closed ? "closes it" : "lets the next call probe"));
  }

  void opened() {
    if (c_.failure_count > 0) {
      because("trip", c_.opened_at,
              "one environment counted " + count(static_cast<double>(c_.failure_count), "failure") +
                  " in a row, and opened it for all; which one and which failures, the item does "
                  "not say");
    } else {
      because("reopened", c_.opened_at, "a probe failed");
    }
    if (c_.opened_at && *c_.opened_at > now_ + 5s) {
      out_.notes.push_back(
          "It was opened in the future by DynamoDB's time: the clock of the "
          "environment that wrote it is wrong, and the recovery begins only then.");
    }
  }

  void open() {
    out_.summary = "OPEN: every call is refused";
    opened();
    if (!c_.stuck().empty()) return;
    if (const auto timeout = c_.recovery_timeout()) {
      next("probe", c_.probes_at(),
           "the first call from then on probes, by a recovery_timeout of " +
               seconds_text(*timeout) + " as the item's expiry gives it away");
    } else {
      next("probe", {},
           "the first call after the recovery_timeout probes; the item does not give it away");
    }
  }

  void half_open() {
    if (c_.opened_at) because("opened", c_.opened_at, "it opened");
    const bool over = c_.lease_end && *c_.lease_end <= now_;
    if (c_.hold) {
      because("hold", c_.hold->until, "the hold by " + c_.hold->who + " ended");
    } else if (!c_.owner.empty()) {
      because("probing", {}, "the thread " + c_.owner + " was elected to probe");
    }
    if (over) {
      out_.summary = "HALF_OPEN, and nobody probes: every call is refused until one probes";
      if (!c_.hold && !c_.owner.empty()) {
        because("lease_end", c_.lease_end,
                "its lease ended before enough of its calls had succeeded");
      }
      next("probe", c_.lease_end, "the next call takes the probe over");
      return;
    }
    out_.summary = "HALF_OPEN: one thread probes, every other call is refused";
    if (c_.owner.empty()) return;
    next("success", {},
         "it closes when success_threshold calls of this one thread have succeeded, 3 unless set "
         "otherwise; the lease is not renewed");
    next("failure", {}, "it opens again when one of them fails");
    if (c_.lease_end) {
      next("lease_end", c_.lease_end, "another thread takes the probe over, and counts anew");
    }
  }

  void closed() {
    out_.summary = "CLOSED: calls go through";
    because("closed", {}, "probes succeeded, or somebody reset it; the item does not say which");
    next("trip", {},
         "it opens when one environment counts failure_threshold failures in a row, 5 unless set "
         "otherwise; what they have counted is in their memory alone");
  }

  void overwritten() {
    if (!c_.hold_overwritten) return;
    because("hold_overwritten", {},
            "a hold was placed while a thread probed, and the end of its probe wrote over it: "
            "Powertools writes that without a condition");
  }

  void expiry() {
    if (!c_.expires) return;
    if (*c_.expires <= now_) {
      out_.notes.push_back(
          "The item has expired at " + iso_time(*c_.expires) +
          ": DynamoDB may drop it at any time, if time to live is switched on, and then the "
          "circuit counts as closed.");
      return;
    }
    next("expiry", c_.expires,
         c_.state == State::closed ? "DynamoDB may drop the item if nobody writes it"
                                   : "DynamoDB may drop the item if nobody writes it; then the "
                                     "circuit counts as closed");
  }

  const PowertoolsCircuit& c_;
  const StoreTime now_;
  Explanation out_;
};

}  // namespace

Explanation explain(const PowertoolsReading& reading) {
  if (reading.circuit) return Explainer(*reading.circuit, reading.time).explain();
  Explanation out{
      .state = "UNREADABLE",
      .summary = "unreadable, and Powertools lets all calls through if it cannot read it either",
      .because = {},
      .next = {},
      .notes = {}};
  out.because.push_back(
      {.kind = "unreadable", .at = std::nullopt, .text = reading.circuit.error().message});
  out.next.push_back({.kind = "none",
                      .at = std::nullopt,
                      .text = "nothing by itself: an environment that opens the circuit writes the "
                              "item anew"});
  return out;
}

std::optional<Change> PowertoolsWatch::look(const PowertoolsReading& reading, bool tell_new) {
  const bool first = !seen_.contains(reading.name);
  Seen& seen = seen_[reading.name];
  const Seen before = seen;
  Change change{
      .circuit = reading.name, .time = reading.time, .epoch = std::nullopt, .from = before.state};
  seen = {};
  if (reading.item && !reading.circuit) {
    seen.state = "UNREADABLE";
    change.why = reading.circuit.error().message;
  } else if (reading.item) {
    const PowertoolsCircuit& c = *reading.circuit;
    seen = {.state = std::string(to_string(c.state)),
            .opened_at = c.opened_at,
            .held = c.held(reading.time)};
    if (seen.held) {
      change.hold = to_string(HoldKind::forced_open);
      change.reason = "operator";
      change.why = "held by " + c.hold->who;
    } else if (c.state == State::open) {
      change.reason = c.failure_count > 0 ? "trip" : "reopened";
      if (c.failure_count > 0) {
        change.why = count(static_cast<double>(c.failure_count), "failure") + " in a row";
      }
    }
  } else {
    change.reason = "removed";
  }
  change.to = seen.state;
  if (seen == before || (first && !tell_new)) return std::nullopt;
  return change;
}

}  // namespace switchgear::cli
