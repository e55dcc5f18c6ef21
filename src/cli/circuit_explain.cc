#include "cli/circuit_explain.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "cli/terminal.h"
#include "config/values.h"
#include "core/backoff.h"
#include "fleet/evidence.h"

namespace switchgear::cli {
namespace {

using Fact = Explanation::Fact;

std::string ordinal(int n) {
  const bool teen = n % 100 / 10 == 1;
  const char* end = teen || n % 10 == 0 || n % 10 > 3 ? "th"
                    : n % 10 == 1                     ? "st"
                    : n % 10 == 2                     ? "nd"
                                                      : "rd";
  return std::to_string(n) + end;
}

std::string evidence_of(const fleet::Trip& trip) {
  const char* what = trip.rule == "slow_call_rate" ? "slow call" : "failure";
  if (trip.reports == 0) {
    return count(trip.failures, what) + " in the window of one instance's own calls; " +
           short_number(trip.need) + " needed";
  }
  return count(trip.failures, what) + " in " + count(trip.reports, "report") + " by " +
         count(trip.reporters, "instance") + " within " + short_duration(trip.last - trip.first) +
         "; evidence " + short_number(trip.evidence) + " of " + short_number(trip.need) + " needed";
}

std::string shares_of(const fleet::Trip& trip) {
  std::string text;
  for (const fleet::ReporterShare& share : trip.shares) {
    text +=
        (text.empty() ? "" : ", ") + to_string(share.instance) + " " + short_number(share.failures);
  }
  const auto more = trip.reporters - static_cast<int>(trip.shares.size());
  return text + (more > 0 ? " and " + std::to_string(more) + " more" : "");
}

// What a person should read for the reason that the record gives.
Fact last_change(const fleet::Record& r) {
  const auto fact = [&](std::string kind, const std::string& text) {
    return Fact{
        .kind = std::move(kind), .at = r.since, .text = text + (r.why.empty() ? "" : ": " + r.why)};
  };
  if (r.reason == "probe_failed") {
    return fact("reopened", "opened again, " + std::to_string(r.opens) + " times in a row by now");
  }
  if (r.reason == "open_time_ended") return fact("probing", "the open time had passed");
  if (r.reason == "probes_succeeded") return fact("probed", "the dependency answered again");
  if (r.reason == "recovered") return fact("recovered", "the recovery ended");
  if (r.reason == "created") return fact("created", "the record was made");
  if (r.reason == "reassert") {
    return fact("reassert", "an instance put its newer view back into the store");
  }
  return fact("other", r.reason);
}

class Explainer {
 public:
  Explainer(const fleet::PolicyTable& table, const fleet::Snapshot& snapshot,
            const fleet::Record& record)
      : policy_(table.policy()),
        snapshot_(snapshot),
        r_(record),
        now_(snapshot.time),
        weighing_(fleet::weigh(table, snapshot)) {
    held_ = r_.hold.in_force(now_);
    settings_match_ = table.fingerprint() == r_.fingerprint;
  }

  Explanation explain() {
    out_.state = to_string(r_.state);
    what_led_here();
    if (held_) hold();
    switch (r_.state) {
      case State::closed:
        closed();
        break;
      case State::open:
        open();
        break;
      case State::half_open:
        half_open();
        break;
      case State::recovering:
        recovering();
        break;
    }
    if (held_) under_the_hold();
    notes();
    return std::move(out_);
  }

 private:
  void next(std::string kind, std::optional<StoreTime> at, std::string text) {
    out_.next.push_back({.kind = std::move(kind), .at = at, .text = std::move(text)});
  }

  void what_led_here() {
    const bool tripped = r_.trip != fleet::Trip{};
    if (tripped) {
      std::string text =
          "the rule " + r_.trip.rule + " opened the circuit: " + evidence_of(r_.trip);
      if (const std::string shares = shares_of(r_.trip); !shares.empty()) {
        text += "; reported by " + shares;
      }
      out_.because.push_back({.kind = "trip", .at = r_.trip.at, .text = text});
    }
    const StoreTime changed = r_.changed(now_);
    if (r_.reason == "operator") {
      out_.because.push_back({.kind = "operator", .at = changed, .text = r_.why});
    } else if (r_.reason == "hold_ended") {
      out_.because.push_back({.kind = "hold_ended", .at = changed, .text = r_.why});
    } else if (!tripped || r_.reason != r_.trip.rule) {
      out_.because.push_back(last_change(r_));
    }
  }

  void hold() {
    const std::string kind(to_string(r_.hold.kind));
    out_.because.push_back({.kind = "hold",
                            .at = std::nullopt,
                            .text = kind + " by " +
                                    (r_.hold.who.empty() ? "somebody" : r_.hold.who) +
                                    (r_.hold.why.empty() ? "" : ": " + r_.hold.why)});
    if (r_.hold.until == StoreTime{}) {
      next("release", std::nullopt, "somebody releases the hold; it has no end of its own");
    } else {
      next("hold_end", r_.hold.until, "the hold ends by itself");
    }
  }

  void closed() {
    out_.summary = "CLOSED: calls pass";
    if (!weighing_.failures) {
      next("trip", std::nullopt, "opens on failures; none has been reported lately");
      return;
    }
    const fleet::Window& w = *weighing_.failures;
    next("trip", std::nullopt,
         "opens when the evidence reaches what is needed: by " + weighing_.rule + " now " +
             short_number(w.evidence) + " of " + short_number(w.need) + " (" + w.text() + ")");
  }

  std::string open_time() const {
    const auto at = [&](double unit) {
      return short_duration(core::open_time(policy_, r_.opens + 1, unit));
    };
    return at(0) == at(1) ? at(0) : at(0) + " to " + at(1);
  }

  void open() {
    const bool due = r_.reopen <= now_;
    out_.summary =
        "OPEN: calls are refused, for the " +
        (r_.opens <= 1 ? std::string("first time") : ordinal(r_.opens) + " time in a row");
    const std::string probes = count(policy_.probes, "probe") + " at a time in the whole fleet";
    next("probe", r_.reopen,
         due ? "the open time is over: the first instance with a call to make sends a probe, " +
                   probes
             : "the open time ends; then the first instance with a call to make sends a probe, " +
                   probes);
  }

  void slot_ends() {
    for (int i = 0; i < fleet::kSlotsMax; ++i) {
      const auto& slot = r_.slots[static_cast<std::size_t>(i)];
      if (!slot || slot->expires <= now_) continue;
      next(
          "lease_end", slot->expires,
          "the lease of slot " + std::to_string(i) + ", held by " + to_string(slot->holder) +
              ", ends if it is not given back before" +
              (slot->started == r_.epoch ? "; its call has begun, so that is a failed probe" : ""));
    }
  }

  void half_open() {
    const int missing = std::max(0, policy_.probe_successes - r_.probe_ok);
    out_.summary = "HALF_OPEN: only probes pass, " + std::to_string(r_.probes) + " at a time; " +
                   std::to_string(r_.probe_ok) + " of " + std::to_string(policy_.probe_successes) +
                   " have succeeded";
    if (r_.probe_failed > 0) {
      next("reopen", std::nullopt,
           count(r_.probe_failed, "probe") + " failed: opens again with the next look, for " +
               open_time());
    } else if (missing == 0) {
      next("success", std::nullopt, "enough probes succeeded: goes on with the next look");
    } else {
      next("success", std::nullopt,
           std::to_string(missing) + (missing == 1 ? " more success" : " more successes") +
               (policy_.recovery_limit ? " and a limited recovery begins" : " and it closes"));
      next("failure", std::nullopt, "one failed probe opens it again, for " + open_time());
    }
    slot_ends();
  }

  void recovering() {
    const double limit = r_.recovery.limit;
    out_.summary = "RECOVERING: " + count(std::max(1.0, std::floor(limit)), "call") +
                   " in flight allowed in the whole fleet, step " + std::to_string(r_.step);
    next("step", r_.step_at,
         "the limit is judged anew: it grows while calls succeed, and shrinks on overload or "
         "latency; last step " +
             short_number(r_.recovery.calls_per_second) + " calls/s over " +
             count(r_.members, "instance"));
    const Duration unbound = policy_.recovery_step * r_.recovery.unbound_steps;
    const Duration left = std::max<Duration>(policy_.recovery_quiet_duration - unbound, 0s);
    next("close", std::nullopt,
         "closes once the limit has not bound for " +
             short_duration(policy_.recovery_quiet_duration) + "; so far " +
             short_duration(unbound) + ", at least " + short_duration(left) + " to go");
    std::string text = "opens again if failures go on, for " + open_time();
    if (weighing_.failures) {
      text += "; evidence by " + weighing_.rule + " now " +
              short_number(weighing_.failures->evidence) + " of " +
              short_number(weighing_.failures->need);
    }
    next("reopen", std::nullopt, text);
    if (limit <= fleet::kSlotLimitMax) slot_ends();
  }

  // What the machine does when nobody holds it is still said, but as what comes after.
  void under_the_hold() {
    const std::string machine = out_.summary;
    switch (r_.hold.kind) {
      case HoldKind::forced_open:
        out_.summary = "held open: calls are refused";
        break;
      case HoldKind::forced_closed:
        out_.summary = "held closed: calls pass whatever happens";
        break;
      case HoldKind::metrics_only:
      case HoldKind::none:
        out_.summary = "metrics only: calls pass, and are counted";
        break;
    }
    out_.summary += r_.hold.until == StoreTime{}
                        ? ", until released"
                        : ", for another " + short_duration(r_.hold.until - now_);
    out_.notes.push_back("below the hold the circuit is " + machine +
                         "; it moves on once the hold has ended");
    out_.next.resize(1);
  }

  void notes() {
    if (r_.hold.kind != HoldKind::none && !held_) {
      out_.notes.push_back("the hold by " + r_.hold.who +
                           " has run out; the next instance to look writes that down");
    }
    const double share = fleet::share_bound(weighing_.fleet.members);
    out_.notes.push_back("the fleet: " + count(weighing_.fleet.members, "instance") + ", " +
                         short_number(weighing_.fleet.calls_per_second) +
                         " calls/s; no instance may supply more "
                         "than " +
                         short_number(100 * share) + "% of the evidence");
    if (!settings_match_) {
      out_.notes.push_back(
          "this machine's settings for the circuit are not the fleet's, so what is "
          "said of evidence and of what comes next may be off");
    }
    if (snapshot_.unreadable_reports > 0) {
      out_.notes.push_back(count(snapshot_.unreadable_reports, "report") +
                           " cannot be read and is left out");
    }
  }

  const Policy& policy_;
  const fleet::Snapshot& snapshot_;
  const fleet::Record& r_;
  const StoreTime now_;
  const fleet::Weighing weighing_;
  bool held_ = false;
  bool settings_match_ = false;
  Explanation out_;
};

void write_facts(const std::vector<Fact>& facts, StoreTime now, bool with_wait,
                 config::JsonWriter& json) {
  json.begin_array();
  for (const Fact& fact : facts) {
    json.begin_object().member("kind", fact.kind).key("at");
    fact.at ? json.value(iso_time(*fact.at)) : json.null();
    if (with_wait) {
      json.key("in_ms");
      if (fact.at) {
        json.value(std::max<std::int64_t>(0, to_ms(*fact.at) - to_ms(now)));
      } else {
        json.null();
      }
    }
    json.member("text", fact.text).end_object();
  }
  json.end_array();
}

void write_trip(const fleet::Trip& trip, config::JsonWriter& json) {
  if (trip == fleet::Trip{}) {
    json.null();
    return;
  }
  json.begin_object().member("at", iso_time(trip.at)).member("rule", trip.rule);
  json.member("failures", trip.failures).member("evidence", trip.evidence);
  json.member("need", trip.need).member("reports", trip.reports);
  json.member("reporters", trip.reporters).member("first", iso_time(trip.first));
  json.member("last", iso_time(trip.last)).key("shares").begin_array();
  for (const fleet::ReporterShare& share : trip.shares) {
    json.begin_object().member("instance", to_string(share.instance));
    json.member("failures", share.failures).end_object();
  }
  json.end_array().end_object();
}

}  // namespace

Explanation explain(const fleet::PolicyTable& table, const fleet::Snapshot& snapshot) {
  if (const fleet::Record* record = snapshot.readable()) {
    return Explainer(table, snapshot, *record).explain();
  }
  Explanation out{.state = "UNREADABLE",
                  .summary =
                      "unreadable: every instance leaves the circuit alone and decides by "
                      "itself",
                  .because = {},
                  .next = {},
                  .notes = {}};
  const std::string why = snapshot.record ? snapshot.record->error().message : "there is no record";
  out.because.push_back({.kind = "unreadable", .at = std::nullopt, .text = why});
  out.next.push_back({.kind = "none",
                      .at = std::nullopt,
                      .text = "nothing by itself: use the version that wrote the record, or remove "
                              "it with: switchgear circuits reset NAME --forget"});
  return out;
}

void print(const std::string& name, const Explanation& explanation, StoreTime now,
           Context& context) {
  using config::printable;
  const auto facts = [&](const char* title, const std::vector<Fact>& list, bool future) {
    context.out << title << '\n';
    for (const Fact& fact : list) {
      context.out << "  ";
      if (fact.at) {
        const Duration away = future ? *fact.at - now : now - *fact.at;
        context.out << iso_time(*fact.at) << " (";
        if (future) {
          context.out << (away > 0s ? "in " + short_duration(away) : "due") << ")  ";
        } else {
          context.out << short_duration(away) << " ago)  ";
        }
      }
      context.out << printable(fact.text) << '\n';
    }
  };
  context.out << coloured(name, Colour::bold, context.colour) << " is "
              << printable(explanation.summary) << '\n';
  facts("Why", explanation.because, false);
  facts("Next", explanation.next, true);
  if (explanation.notes.empty()) return;
  context.out << "Notes\n";
  for (const std::string& note : explanation.notes) context.out << "  " << printable(note) << '\n';
}

void write_members(const std::string& name, const Explanation& explanation, StoreTime now,
                   config::JsonWriter& json) {
  json.member("name", name).member("store_time", iso_time(now));
  json.member("state", explanation.state).member("summary", explanation.summary).key("because");
  write_facts(explanation.because, now, false, json);
  json.key("next");
  write_facts(explanation.next, now, true, json);
  json.key("notes").begin_array();
  for (const std::string& note : explanation.notes) json.value(note);
  json.end_array();
}

void write(const std::string& name, const Explanation& explanation, const fleet::PolicyTable& table,
           const fleet::Snapshot& snapshot, config::JsonWriter& json) {
  const fleet::Record* record = snapshot.readable();
  json.begin_object();
  write_members(name, explanation, snapshot.time, json);
  json.key("epoch");
  record ? json.value(record->epoch) : json.null();
  json.key("trip");
  record ? write_trip(record->trip, json) : static_cast<void>(json.null());
  json.key("evidence");
  const fleet::Weighing weighing = fleet::weigh(table, snapshot);
  write_trip(weighing.failures ? fleet::trip_of(weighing, snapshot.time) : fleet::Trip{}, json);
  json.end_object();
}

}  // namespace switchgear::cli
