// What the reconciler does to mappings: take them over, bring each to its target, tell what a
// person changed, give them back.
#include <algorithm>
#include <utility>

#include "controller/control_errors.h"
#include "controller/reconciler.h"

namespace switchgear::controller {
namespace {

using fleet::HoldTime;

// The facts on which mappings are taken over are no older than this: what a person switched off a
// minute ago must not count as on.
constexpr Duration kFreshFacts = 10s;
// How soon a mapping that is changing is looked at again: 1 s, doubling. AWS documents no time.
constexpr core::Backoff kLook{.base = 1s, .cap = 15s, .jitter = core::Jitter::equal};
constexpr core::Backoff kRefused{.base = 2s, .cap = 5min, .jitter = core::Jitter::equal};

// Mappings that refuse, or are changing, for longer than that are not waited for: the others go on.
constexpr int kRefusalsMax = 3;
constexpr int kLooksMax = 20;
// So is a list that cannot be had.
constexpr Duration kUnlistedMax = 1min;

// `now` without what we have set and nobody has changed since.
Settings without_ours(const Settings& now, const Entry& entry) {
  Settings left = part_of(now, entry.before);
  const Settings& before = entry.before;
  const Settings& ours = entry.wanted;
  if (now.limit == ours.limit) left.limit = before.limit;
  if (now.batch_size == ours.batch_size) left.batch_size = before.batch_size;
  if (now.window_s == ours.window_s) left.window_s = before.window_s;
  if (now.parallelization_factor == ours.parallelization_factor) {
    left.parallelization_factor = before.parallelization_factor;
  }
  return left;
}

}  // namespace

std::optional<Action> Reconciler::mapping_action(HoldTime h, bool may_call) {
  settled_ = false;
  may_call = may_call && h >= calls_not_before_ && h + call_timeout_of(lease_) < lease_until_;
  auto find_out = list_action(h);
  if (!find_out) find_out = recover_action();
  if (find_out) return may_call ? std::move(find_out) : std::nullopt;
  const auto wanted = plan(h);
  if (must_write_) return std::nullopt;  // first
  bool settled = opening_to_adopt() == 0;
  // Of those to be changed, the one with the most waiting: its function makes the most calls.
  const std::string* ask = nullptr;
  const std::string* look = nullptr;
  std::int64_t most = -1;
  for (const auto& [uuid, settings] : wanted) {
    Known& known = mappings_.at(uuid);
    const Entry& entry = ledger_.entries.at(uuid);
    const Step step = next_step(known.mapping, entry, settings);
    const bool look_again = h >= known.look;
    if ((step == Step::none || step == Step::seen) && !look_again) continue;
    settled = settled && (step == Step::none || step == Step::seen || !is_waited_for(known));
    if (!may_call || h < known.not_before) continue;
    if (look_again) {
      if (!look) look = &uuid;
    } else if (step == Step::ask && waiting_at(known.mapping.source_arn) > most) {
      ask = &uuid;
      most = waiting_at(known.mapping.source_arn);
    }
  }
  if (ask) {
    asked_for_ = *ask;
    return UpdateMappingAction{.uuid = *ask,
                               .settings = ledger_.entries.at(*ask).wanted,
                               .limitable = mappings_.at(*ask).mapping.limitable()};
  }
  if (look) {
    asked_for_ = *look;
    return GetMappingAction{*look};
  }
  settled_ = settled;
  if (settled) tell_all_off(h);
  return may_call ? tag_action(h) : std::nullopt;
}

// ---- Knowing them ------------------------------------------------------------------------------

FindMapping Reconciler::known_mapping() const {
  return [this](const std::string& uuid) {
    const auto known = mappings_.find(uuid);
    return known == mappings_.end() ? nullptr : &known->second.mapping;
  };
}

bool Reconciler::is_waited_for(const Known& known) {
  return known.refusals < kRefusalsMax && known.looks < kLooksMax;
}

// A list lags behind by seconds: what is about to be switched on is looked up.
bool Reconciler::is_fresh(const Known& known, bool to_be_on, HoldTime h) {
  return h < known.seen + kFreshFacts && (known.looked_up || !to_be_on);
}

bool Reconciler::is_given_up(const Selector& selector, HoldTime h) const {
  const auto found = unlisted_.find(selector.text);
  return found != unlisted_.end() &&
         (found->second.refusals >= kRefusalsMax || h - found->second.since >= kUnlistedMax);
}

std::optional<Action> Reconciler::list_action(HoldTime h) {
  const std::int64_t opening = opening_to_adopt();
  if (opening != opening_) {
    opening_ = opening;
    opening_seen_ = h;
  }
  for (const Selector& selector : options_.mappings) {
    const auto listed = listed_.find(selector.text);
    const bool known = listed != listed_.end() && h < listed->second + options_.mapping_interval;
    // Before they are taken over, anew.
    if (known && (opening == 0 || opening_seen_ < listed->second + kFreshFacts)) continue;
    if (is_given_up(selector, h) && h < unlisted_.at(selector.text).not_before) continue;
    listing_ = selector.text;
    return ListMappingsAction{selector};
  }
  return std::nullopt;
}

void Reconciler::mappings_listed(const Result<std::vector<Mapping>>& mappings, const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  if (!mappings) {
    const Error& error = mappings.error();
    Unlisted& unlisted = unlisted_.try_emplace(listing_, Unlisted{.since = h}).first->second;
    if (!error.retryable && !is_throttle(error)) ++unlisted.refusals;
    unlisted.not_before = h + options_.mapping_interval;
    control_plane_failed(error, "the mappings of " + listing_ + " cannot be listed", h);
    ask_for_unlisted(h);
    return;
  }
  throttled_ = 0;
  unlisted_.erase(listing_);
  if (mappings->empty()) {
    notice(ops::LogLevel::warn, "there is no event source mapping of " + listing_ +
                                    ": nothing is controlled by it; check the name under "
                                    "mappings, and the region");
  }
  listed_[listing_] = h;
  for (const Mapping& mapping : *mappings) {
    Known& known = mappings_[mapping.uuid];
    known.listed = h;
    // A list lags behind changes: what was looked up since says more.
    if (known.looked_up && known.seen + kFreshFacts > h) continue;
    take_facts(known, mapping, false, h);
  }
  // What no list shows any more may have been deleted: asked for by itself, as a list may be wrong
  // and only the ledger knows what the mapping was before.
  const Duration long_ago = 3 * options_.mapping_interval;
  for (auto known = mappings_.begin(); known != mappings_.end();) {
    if (h <= known->second.listed + long_ago) {
      ++known;
    } else if (ledger_.entries.contains(known->first)) {
      known->second.look = std::min(known->second.look, h);
      known->second.listed = h;
      ++known;
    } else {
      known = mappings_.erase(known);
    }
  }
  ask_for_unlisted(h);
}

void Reconciler::ask_for_unlisted(HoldTime h) {
  const bool all = std::ranges::all_of(options_.mappings, [&](const Selector& selector) {
    return listed_.contains(selector.text) || is_given_up(selector, h);
  });
  if (!all) return;
  for (const auto& [uuid, entry] : ledger_.entries) {
    if (mappings_.contains(uuid)) continue;
    // Of an earlier life, and in no list.
    Known& known = mappings_[uuid];
    known.mapping = {.uuid = uuid, .changing = true, .settings = entry.wanted};
    known.look = h;
    known.listed = h;
  }
}

void Reconciler::take_facts(Known& known, const Mapping& mapping, bool looked_up, HoldTime h) {
  known.mapping = mapping;
  known.seen = h;
  known.looked_up = looked_up;
  if (mapping.changing) {
    ++known.looks;
    known.look = h + core::delay(kLook, static_cast<std::uint64_t>(known.looks), random_);
  } else {
    known.looks = 0;
    known.look = HoldTime::max();
  }
}

void Reconciler::mapping_answered(const Result<Mapping>& mapping, const Now& now) {
  const HoldTime h = clock_.advance(now);
  const bool updated = awaiting_ && std::holds_alternative<UpdateMappingAction>(*awaiting_);
  awaiting_.reset();
  const auto found = mappings_.find(asked_for_);
  if (found == mappings_.end()) return;
  Known& known = found->second;
  if (mapping) {
    throttled_ = 0;
    known.refusals = 0;
    known.not_before = HoldTime{0};
    take_facts(known, *mapping, true, h);
    return;
  }
  const Error& error = mapping.error();
  if (error.code == "ResourceNotFoundException") {
    notice(ops::LogLevel::warn, "the mapping " + asked_for_ + " is gone: it was deleted");
    ledger_.entries.erase(asked_for_);
    mappings_.erase(found);
    must_write_ = true;
    return;
  }
  if (is_in_use(error)) {
    // It is changing, whatever it said before.
    known.mapping.changing = true;
    ++known.looks;
    known.look = h + core::delay(kLook, static_cast<std::uint64_t>(known.looks), random_);
    return;
  }
  if (!is_throttle(error)) {
    ++known.refusals;
    known.not_before =
        h + core::delay(kRefused, static_cast<std::uint64_t>(known.refusals), random_);
  }
  control_plane_failed(
      error, "the mapping " + asked_for_ + " cannot be " + (updated ? "changed" : "read"), h);
}

void Reconciler::control_plane_failed(const Error& error, const std::string& what, HoldTime h) {
  if (is_throttle(error)) {
    ++throttled_;
    calls_not_before_ = h + core::delay(kRefused, static_cast<std::uint64_t>(throttled_), random_);
    notice(ops::LogLevel::info, "the control plane is busy: " + error.message);
    return;
  }
  calls_not_before_ = h + core::delay(kLook, 1, random_);
  notice(ops::LogLevel::error, what + ": " + error.text() + "; it is tried again");
}

// ---- Taking over and deciding ------------------------------------------------------------------

// The epoch of an opening for which the mappings have not been taken over; 0: there is none.
std::int64_t Reconciler::opening_to_adopt() const {
  const fleet::Record* r = record();
  if (!r) return 0;
  const Target wanted = target(clock_.elapsed());
  if (wanted.gate == Gate::as_before) return 0;
  if (r->hold.kind != HoldKind::none) {
    return r->hold.epoch > ledger_.adopted_epoch ? r->hold.epoch : 0;
  }
  // A trial that failed is no new evidence against what a person switched on meanwhile.
  const bool fresh = r->state == State::open && r->reason != "probe_failed" &&
                     r->reason != "hold_ended" && r->epoch > ledger_.adopted_epoch;
  const bool never = store_knows_nothing() || ledger_.entries.empty();
  return fresh || (never && r->epoch > ledger_.adopted_epoch) ? r->epoch : 0;
}

void Reconciler::adopt() {
  const std::int64_t epoch = opening_to_adopt();
  if (epoch == 0) return;
  int off = 0;
  for (const auto& [uuid, known] : mappings_) {
    const auto entry = ledger_.entries.find(uuid);
    // What we had changed already keeps what it was before that.
    if (entry != ledger_.entries.end() && !(entry->second.left_alone && entry->second.done)) {
      entry->second.left_alone = false;
      continue;
    }
    if (!known.mapping.loses.empty() && !options_.accept_loss && known.mapping.settings.enabled) {
      notice(ops::LogLevel::error,
             "the mapping " + uuid + " is not switched off, as records would be lost: " +
                 known.mapping.loses + "; write accept_loss: true to do it all the same",
             {{"mapping", uuid}});
      continue;
    }
    Settings before{.enabled = known.mapping.settings.enabled,
                    .limit = known.mapping.settings.limit};
    if (trials_are_not_for(known.mapping)) before = known.mapping.settings;
    if (!before.enabled) ++off;
    ledger_.entries[uuid] = {.before = before, .wanted = before, .done = true};
  }
  ledger_.adopted_epoch = epoch;
  must_write_ = true;
  notice(ops::LogLevel::info,
         "took over " + std::to_string(ledger_.entries.size()) + " mappings" +
             (off > 0 ? ", " + std::to_string(off) + " of which were off and stay so" : ""));
}

bool Reconciler::trials_are_not_for(const Mapping& mapping) const {
  return options_.half_open == HalfOpen::limited || !may_be_tried(mapping);
}

std::map<std::string, Settings> Reconciler::plan(HoldTime h) {
  adopt();
  const Target wanted = target(h);
  if (wanted.gate == Gate::limited) remember_batches();
  auto settings = wanted_settings(wanted, ledger_, known_mapping(), options_);
  for (const auto& [uuid, should] : settings) {
    Entry& entry = ledger_.entries.at(uuid);
    Known& known = mappings_.at(uuid);
    switch (next_step(known.mapping, entry, should)) {
      case Step::intend:
        // What a person has changed since it was last looked at must not be overwritten.
        if (entry.done && !is_fresh(known, should.enabled, h)) {
          known.look = std::min(known.look, h);
          break;
        }
        if (wanted.gate == Gate::off && should.enabled && !entry.wanted.enabled) {
          const std::string why =
              "its " + std::string(to_string(known.mapping.kind())) + " keeps what waits for " +
              std::to_string(
                  std::chrono::duration_cast<std::chrono::hours>(rest_max(known.mapping.kind()))
                      .count()) +
              " h";
          notice(ops::LogLevel::error,
                 "the mapping " + uuid +
                     " is switched on with the least although the circuit is "
                     "open: " +
                     why,
                 {{"mapping", uuid}});
          announce(Announcement::Kind::loss_approaching, why,
                   "it runs with the least; mend the dependency, or records that fail are lost",
                   uuid);
        }
        entry.wanted = should;
        entry.done = is_as(known.mapping.settings, should);
        must_write_ = true;
        break;
      case Step::seen:
        // Whoever comes after us must not take a person's change for one of ours that is not there
        // yet.
        entry.done = true;
        must_write_ = true;
        tell_reached(uuid, entry);
        break;
      case Step::person:
        if (known.looked_up) {
          person_changed(uuid, entry, known.mapping);
        } else {
          known.look = std::min(known.look, h);
        }
        break;
      case Step::none:
      case Step::ask:
      case Step::wait:
        break;
    }
  }
  // Done with: the mapping is as it was, or as a person wants it.
  if (wanted.gate != Gate::as_before) return settings;
  for (auto entry = ledger_.entries.begin(); entry != ledger_.entries.end();) {
    const auto known = mappings_.find(entry->first);
    const bool back = entry->second.done &&
                      (entry->second.left_alone ||
                       (entry->second.wanted == entry->second.before && known != mappings_.end() &&
                        is_as(known->second.mapping.settings, entry->second.before)));
    const bool tagged = known != mappings_.end() && !known->second.mapping.arn.empty() &&
                        known->second.tags != Known::Tags::none && tags_may_be_written_;
    if (back && !tagged) {
      entry = ledger_.entries.erase(entry);
      must_write_ = true;
    } else {
      ++entry;
    }
  }
  return settings;
}

// How long it took, once for each opening.
void Reconciler::tell_all_off(HoldTime h) {
  // 0: what was taken over before the store lost it.
  if (target(h).gate != Gate::off || ledger_.adopted_epoch == 0 || ledger_.entries.empty()) return;
  if (std::exchange(told_all_off_, ledger_.adopted_epoch) == ledger_.adopted_epoch) return;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      store_now(h) - store_time_ms(ledger_.adopted_epoch));
  const auto tenths = took.count() / 100;
  notice(ops::LogLevel::info, std::to_string(paused()) + " mappings are off, " +
                                  std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) +
                                  " s after the circuit opened");
}

void Reconciler::tell_reached(const std::string& uuid, const Entry& entry) {
  if (entry.wanted == entry.before) {
    announce(Announcement::Kind::resumed, "it is " + describe(entry.wanted) + ", as before", "",
             uuid);
  } else if (!entry.wanted.enabled || target(clock_.elapsed()).gate == Gate::limited) {
    announce(Announcement::Kind::paused,
             "it is " + describe(entry.wanted) + "; before: " + describe(entry.before),
             next_of(record()->state, HoldKind::none), uuid);
  }
}

// Where messages cannot be tried, or not any more, batches are limited too: what they were is
// written down first.
void Reconciler::remember_batches() {
  for (auto& [uuid, entry] : ledger_.entries) {
    const auto known = mappings_.find(uuid);
    if (known == mappings_.end() || entry.left_alone || !entry.before.enabled) continue;
    const Settings& now = known->second.mapping.settings;
    if (entry.before.batch_size || !now.batch_size) continue;
    entry.before.batch_size = now.batch_size;
    entry.before.window_s = now.window_s;
    entry.before.parallelization_factor = now.parallelization_factor;
    known->second.tags = Known::Tags::unknown;
    must_write_ = true;
  }
}

// It was as we had asked, and is not any more. What a person wants stays.
void Reconciler::person_changed(const std::string& uuid, Entry& entry, const Mapping& mapping) {
  must_write_ = true;
  const Settings& now = mapping.settings;
  if (!now.enabled && !entry.wanted.enabled) {
    const bool on = entry.before.enabled;
    entry.wanted = part_of(now, entry.before);
    entry.before = entry.wanted;
    entry.before.enabled = on;
    mappings_.at(uuid).tags = Known::Tags::unknown;
    notice(ops::LogLevel::info, "the mapping " + uuid +
                                    " was changed by somebody: kept for when it is on again, " +
                                    describe(entry.before));
    return;
  }
  if (!now.enabled) {
    // Off it stays; what only we had limited goes back, for whoever switches it on.
    const Settings left = without_ours(now, entry);
    entry.wanted = part_of(now, entry.before);
    entry.before = left;
    notice(ops::LogLevel::info,
           "the mapping " + uuid + " was switched off by somebody, and stays off");
    return;
  }
  const Settings left = without_ours(now, entry);
  if (entry.wanted.enabled && now.limit == entry.wanted.limit) {
    // Only how it takes its batches. It goes on as the circuit wants it.
    entry.before = left;
    entry.wanted = part_of(now, entry.before);
    mappings_.at(uuid).tags = Known::Tags::unknown;
    notice(ops::LogLevel::info, "the batches of the mapping " + uuid +
                                    " were changed by somebody: kept for when it is as before, " +
                                    describe(entry.before));
    return;
  }
  const bool off_by_us = !entry.wanted.enabled;
  // What only we had limited goes back, once; then it is not touched any more.
  entry.before = left;
  entry.wanted = left;
  entry.done = is_as(now, left);
  entry.left_alone = true;
  notice(ops::LogLevel::warn,
         "the mapping " + uuid +
             " was changed by somebody, and is left alone now: " + describe(now) +
             (off_by_us ? "; it delivers to a dependency whose circuit is open until new evidence "
                          "opens it again; to keep it off, hold the circuit: switchgear circuits "
                          "hold " +
                              options_.name
                        : ""),
         {{"mapping", uuid}});
}

}  // namespace switchgear::controller
