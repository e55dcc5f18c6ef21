#include "controller/reconciler.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace switchgear::controller {
namespace {

using fleet::HoldTime;

// A batch of messages is back from the parking queue after that.
constexpr Duration kScoutsComeBack = 5s;

// Alarms that could not be read for so long are as good as none.
constexpr Duration kAlarmsUnread = 1min;

// Between attempts on something that refuses: 1 s, doubling, up to a minute.
constexpr core::Backoff kRetry{.base = 1s, .cap = 1min, .jitter = core::Jitter::equal};

}  // namespace

bool calls_control_plane(const Action& action) {
  return std::holds_alternative<ListMappingsAction>(action) ||
         std::holds_alternative<GetMappingAction>(action) ||
         std::holds_alternative<UpdateMappingAction>(action) ||
         std::holds_alternative<ReadTagsAction>(action) ||
         std::holds_alternative<TagAction>(action) || std::holds_alternative<UntagAction>(action);
}

Reconciler::Reconciler(CircuitOptions options, const fleet::PolicyTable& table, Duration lease,
                       fleet::InstanceId self, std::uint64_t seed, const Now& now)
    : options_(std::move(options)),
      table_(table),
      lease_(lease),
      self_(self),
      random_(seed),
      clock_(now) {}

bool Reconciler::in_control(const Now& now) {
  return holds_lease_ && clock_.advance(now) < lease_until_;
}

std::optional<Action> Reconciler::begin(Action action) {
  asked_at_ = clock_.elapsed();
  awaiting_ = action;
  return action;
}

std::optional<Action> Reconciler::next_action(const Now& now, bool may_call) {
  const HoldTime h = clock_.advance(now);
  if (awaiting_) return std::nullopt;
  if (holds_lease_ && h >= lease_until_) {
    holds_lease_ = false;
    note_due_ = h;
    notice(ops::LogLevel::warn,
           "the lease of the circuit has ended without a renewal: nothing is changed until it is "
           "ours again");
  }
  if (auto action = lease_action(h)) return begin(std::move(*action));
  if (!holds_lease_ || leaving_) return std::nullopt;
  if (auto action = store_action(h)) return begin(std::move(*action));
  if (!record()) return std::nullopt;
  if (auto action = alarm_action(h)) return begin(std::move(*action));
  // What is to be done is written down before it is done.
  if (auto action = mapping_action(h, may_call)) return begin(std::move(*action));
  if (must_write_) return begin(write_note(h));
  if (auto action = queue_action(h)) return begin(std::move(*action));
  if (auto action = decision_action(h)) return begin(std::move(*action));
  // Beside the others.
  if (auto action = move_action(h)) return action;
  if (auto action = trial_action(h)) return action;
  return std::nullopt;
}

// ---- The lease ---------------------------------------------------------------------------------

std::optional<Action> Reconciler::lease_action(HoldTime h) {
  if (leaving_) {
    if (!holds_lease_) return std::nullopt;
    ledger_.lease_until = StoreTime{};
    return write_note(h);
  }
  if (std::exchange(taking_, false) || (holds_lease_ && h >= note_due_)) return write_note(h);
  if (!holds_lease_ && h >= note_due_) return ReadNoteAction{};
  return std::nullopt;
}

Action Reconciler::write_note(HoldTime h) {
  ledger_.owner = self_;
  if (!leaving_) ledger_.lease_until = store_now(h) + ceil_ms(lease_);
  ledger_.nonce = random_.next();
  return WriteNoteAction{.expected = note_revision_, .text = encode(ledger_)};
}

void Reconciler::note_answered(const Result<stores::NoteAnswer>& answer, const Now& now) {
  const HoldTime h = clock_.advance(now);
  SG_ASSERT(awaiting_);
  const bool wrote = std::holds_alternative<WriteNoteAction>(*awaiting_);
  awaiting_.reset();
  if (!answer) {
    // A write may have been carried out all the same: our name in it will tell.
    note_due_ = h + core::delay(kRetry, 1, random_);
    if (leaving_) holds_lease_ = false;
    if (answer.error().code == "too_large") {
      // The lease and what mappings were before matter more than how old messages may be.
      std::erase_if(ledger_.queues, [](const auto& queue) {
        return queue.second.wanted == std::chrono::seconds{0};
      });
      notice(ops::LogLevel::error,
             "the circuit guards more mappings than one note in the store can hold, so none more "
             "is touched: make several circuits of it: " +
                 answer.error().text());
      return;
    }
    notice(ops::LogLevel::warn, "the store does not answer: " + answer.error().text());
    return;
  }
  const stores::Note& note = answer->note;
  note_revision_ = note.revision;
  store_time_ = note.time;
  store_time_at_ = h;
  if (wrote && answer->written) {
    must_write_ = false;
    if (leaving_) {
      holds_lease_ = false;
      notice(ops::LogLevel::info, "gave the circuit up to whoever controls it next");
      return;
    }
    if (!holds_lease_) notice(ops::LogLevel::info, "controls the circuit");
    holds_lease_ = true;
    written_until_ = ledger_.lease_until;
    lease_until_ = asked_at_ + fleet::usable_lease(lease_);
    note_due_ = asked_at_ + lease_ / 3;
    return;
  }
  note_found(note, wrote, h);
}

// The note is not as we wrote it, or was read.
void Reconciler::note_found(const stores::Note& note, bool wrote, HoldTime h) {
  Ledger found;
  if (note.revision > 0) {
    auto ledger = decode_ledger(note.text);
    if (!ledger) {
      notice(ops::LogLevel::error, ledger.error().text());
      holds_lease_ = false;
      note_due_ = h + lease_;
      return;
    }
    found = *std::move(ledger);
  }
  if (wrote && holds_lease_) {
    // Whoever took the lease after us has a later one. An earlier one that has ended is of a store
    // that lost what we wrote last: what we know is newer.
    const bool went_back = found.lease_until < written_until_ && note.time >= found.lease_until;
    // An earlier write of ours, whose answer was lost.
    if (went_back || found.owner == self_) {
      must_write_ = true;
      note_due_ = h;
      return;
    }
    notice(ops::LogLevel::warn,
           "somebody else has written the circuit's note: nothing is changed until it is ours "
           "again");
  }
  holds_lease_ = false;
  if (found.owner != self_ && note.time < found.lease_until) {
    const Duration rest = found.lease_until - note.time;
    note_due_ = h + std::min<Duration>(rest, lease_) + core::delay(kRetry, 1, random_);
    return;
  }
  // Free. All that we knew of the circuit may have changed meanwhile.
  ledger_ = std::move(found);
  taking_ = true;
  must_write_ = false;
  recovered_ = false;
  snapshot_.reset();
  circuit_due_ = h;
  alarms_known_ = false;
  alarms_due_ = h;
  mappings_.clear();
  listed_.clear();
  unlisted_.clear();
  queues_.clear();
  last_told_.reset();
  seen_epoch_ = 0;
}

// ---- The circuit -------------------------------------------------------------------------------

StoreTime Reconciler::store_now(HoldTime h) const {
  return store_time_ + floor_ms(h - store_time_at_);
}

std::optional<Action> Reconciler::store_action(HoldTime h) {
  if (snapshot_ && !snapshot_->record && h < circuit_due_) {
    return CircuitAction{fleet::create_record(table_, *snapshot_, decider())};
  }
  if (h >= circuit_due_) return CircuitAction{fleet::ReadOp{}};
  return std::nullopt;
}

void Reconciler::circuit_answered(const Result<fleet::Answer>& answer, const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  if (!answer) {
    circuit_due_ = h + core::delay(kRetry, 1, random_);
    notice(ops::LogLevel::warn, "the store does not answer: " + answer.error().text());
    return;
  }
  take_snapshot(answer->snapshot, h);
}

void Reconciler::take_snapshot(const fleet::Snapshot& snapshot, HoldTime h) {
  snapshot_ = snapshot;
  store_time_ = snapshot.time;
  store_time_at_ = h;
  const Policy& policy = table_.policy();
  const fleet::Record* now = snapshot_->readable();
  const bool calm = now && now->state == State::closed;
  circuit_due_ = h + (calm ? policy.view_refresh : policy.view_refresh_in_trouble);
  if (!now) {
    if (snapshot_->record) {
      notice(ops::LogLevel::error, "the circuit's record cannot be read, so nothing is changed: " +
                                       snapshot_->record->error().text());
      circuit_due_ = h + lease_;
    } else if (!ledger_.applied_alarms.empty()) {
      // The store has lost it, and with it that these alarms had opened it.
      ledger_.applied_alarms.clear();
      must_write_ = true;
    }
    return;
  }
  if (now->epoch != seen_epoch_ || now->step != seen_step_) {
    trials_ = {};
    tried_empty_.clear();
    no_verdicts_ = 0;
    trial_not_before_ = HoldTime{0};
  }
  if (now->epoch != seen_epoch_) {
    if (seen_epoch_ != 0 || now->state != State::closed) {
      notice(now->state == State::open ? ops::LogLevel::warn : ops::LogLevel::info,
             std::string("the circuit is ") + std::string(to_string(now->state)) + ": " + now->why,
             {{"reason", now->reason}, {"epoch", std::to_string(now->epoch)}});
    }
    announce_change(*now);
    seen_epoch_ = now->epoch;
    alarms_due_ = std::min(alarms_due_, h);
  }
  seen_step_ = now->step;
}

// ---- The alarms --------------------------------------------------------------------------------

std::optional<Action> Reconciler::alarm_action(HoldTime h) {
  if (options_.alarms.empty() || h < alarms_due_) return std::nullopt;
  return ReadAlarmsAction{options_.alarms};
}

void Reconciler::alarms_answered(const Result<Alarms>& alarms, const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  alarms_due_ = h + options_.alarm_interval;
  const bool knew = alarms_known_;
  if (!alarms) {
    // A failure or two says nothing; what was last read still holds.
    if (!alarms_fail_since_) alarms_fail_since_ = h;
    if (h - *alarms_fail_since_ < kAlarmsUnread) return;
    alarms_known_ = true;
    for (const std::string& name : options_.alarms) alarms_[name] = {};
    notice(ops::LogLevel::warn,
           "the alarms cannot be read, so trials decide: " + alarms.error().text() +
               "; the controller needs cloudwatch:DescribeAlarms");
    return;
  }
  alarms_known_ = true;
  alarms_fail_since_.reset();
  for (const auto& [name, view] : *alarms) {
    const auto before = alarms_.find(name);
    if (view.state == AlarmView::State::missing &&
        (!knew || before == alarms_.end() || before->second.state != view.state)) {
      notice(ops::LogLevel::warn, "there is no alarm " + name +
                                      ": it opens nothing, and trials decide when to close; create "
                                      "it, or name another under alarms");
    }
  }
  alarms_ = *alarms;
  if (record() && options_.evidence != Evidence::circuit) {
    auto applied = applied_alarms(*record(), alarms_, ledger_);
    if (applied != ledger_.applied_alarms) {
      ledger_.applied_alarms = std::move(applied);
      must_write_ = true;
    }
  }
}

// ---- Decisions ---------------------------------------------------------------------------------

fleet::Decider Reconciler::decider() { return {.instance = self_, .nonce = random_.next()}; }

Facts Reconciler::facts() const {
  Facts facts{.snapshot = &*snapshot_,
              .alarms = &alarms_,
              .ledger = &ledger_,
              .trials = trials_,
              .settled = settled_};
  facts.trials.impossible = trials_impossible();
  return facts;
}

std::optional<Action> Reconciler::decision_action(HoldTime h) {
  if (!options_.alarms.empty() && !alarms_known_) return std::nullopt;
  // At our estimate of the store's time; what must not come early says so to the store itself.
  fleet::Snapshot now = *snapshot_;
  now.time = store_now(h);
  Facts known = facts();
  known.snapshot = &now;
  auto swap = decide(options_, table_, known, decider());
  if (!swap) return std::nullopt;
  return CircuitAction{std::move(*swap)};
}

Target Reconciler::target(HoldTime h) const {
  Target wanted =
      target_of(options_, table_.policy(), *record(), store_now(h), trials_impossible());
  if (wanted.gate != Gate::as_before) {
    // An epoch is the store's time at which it began. What a store has lost may have begun earlier
    // than the state that it has now, which is then all that is known.
    const StoreTime since =
        ledger_.adopted_epoch > 0 ? store_time_ms(ledger_.adopted_epoch) : record()->since;
    wanted.off_for = std::max<Duration>(store_now(h) - since, Duration::zero());
  }
  return wanted;
}

// ---- Trials ------------------------------------------------------------------------------------

bool Reconciler::trials_impossible() const {
  if (table_.policy().mode != Mode::enforce) return true;
  if (options_.half_open == HalfOpen::limited && !spares_receives()) return true;
  return std::ranges::none_of(ledger_.entries, [this](const auto& entry) {
    const auto known = mappings_.find(entry.first);
    return known != mappings_.end() && entry.second.before.enabled && !entry.second.left_alone &&
           may_be_tried(known->second.mapping) && !not_triable_.contains(entry.first);
  });
}

const Mapping* Reconciler::next_to_try() {
  // The one after the last, so that no queue gives all the scouts.
  const Mapping* first = nullptr;
  for (const auto& [uuid, entry] : ledger_.entries) {
    const auto known = mappings_.find(uuid);
    if (known == mappings_.end() || !entry.before.enabled || entry.left_alone) continue;
    if (!may_be_tried(known->second.mapping) || not_triable_.contains(uuid)) continue;
    if (tried_empty_.contains(uuid)) continue;
    if (uuid > last_tried_) return &known->second.mapping;
    if (!first) first = &known->second.mapping;
  }
  return first;
}

std::optional<Action> Reconciler::trial_action(HoldTime h) {
  if (trial_out_ || !settled_) return std::nullopt;
  if (const Mapping* mapping = next_to_admit(h)) {
    last_tried_ = mapping->uuid;
    trial_out_ = trial_admits_ = true;
    return TrialAction{*mapping, trial_rest(*mapping)};
  }
  if (h < trial_not_before_ || trials_.failed) return std::nullopt;
  if (trials_.nothing_to_try || trials_impossible()) return std::nullopt;
  if (!wants_trial(options_, table_.policy(), *record(), alarms_, ledger_, store_now(h))) {
    return std::nullopt;
  }
  const Mapping* mapping = next_to_try();
  if (!mapping) return std::nullopt;
  last_tried_ = mapping->uuid;
  trial_out_ = true;
  trial_epoch_ = record()->epoch;
  trial_step_ = record()->step;
  return TrialAction{*mapping, trial_rest(*mapping)};
}

void Reconciler::trial_ended(const TrialResult& result, const Now& now) {
  const HoldTime h = clock_.advance(now);
  trial_out_ = false;
  if (const auto known = mappings_.find(last_tried_); known != mappings_.end()) {
    note_sent(known->second.mapping.source_arn, result.sent);
  }
  if (std::exchange(trial_admits_, false)) return admitted(result, h);
  // Of an earlier state of the circuit: says nothing of this one.
  if (!record() || record()->epoch != trial_epoch_ || record()->step != trial_step_) return;
  using Kind = TrialResult::Kind;
  switch (result.kind) {
    case Kind::succeeded:
      ++trials_.succeeded;
      no_verdicts_ = 0;
      break;
    case Kind::failed:
      trials_.succeeded = 0;
      if (options_.evidence == Evidence::circuit) {
        // The fleet judges its own calls; this one was a demand for a probe.
        trial_not_before_ = h + core::open_time(table_.policy(), record()->opens, 0.5);
        break;
      }
      trials_.failed = true;
      trials_.failure = result.detail;
      break;
    case Kind::nothing:
      if (is_hidden_by_parking(last_tried_, h)) {
        trial_not_before_ = h + table_.policy().open_duration;
        break;
      }
      if (waiting_at(options_.parking_queue) > 0) {
        // All of it has been parked: a few come back, to be tried.
        wants_scouts_back_ = true;
        trial_not_before_ = h + kScoutsComeBack;
        break;
      }
      tried_empty_.insert(last_tried_);
      if (!next_to_try()) {
        tried_empty_.clear();
        trials_.nothing_to_try = options_.evidence != Evidence::circuit;
        trial_not_before_ = h + table_.policy().open_duration;
      }
      break;
    case Kind::no_verdict:
      ++no_verdicts_;
      trial_not_before_ = h + core::open_time(table_.policy(), no_verdicts_, random_.unit());
      notice(ops::LogLevel::warn, "a trial message ended without a verdict: " + result.detail);
      break;
    case Kind::not_so:
      not_triable_.insert(last_tried_);
      notice(ops::LogLevel::warn,
             "no trial messages for the mapping " + last_tried_ + ": " + result.detail);
      break;
  }
}

int Reconciler::paused() const {
  return static_cast<int>(std::ranges::count_if(ledger_.entries, [](const auto& entry) {
    return !entry.second.left_alone && entry.second.wanted != entry.second.before;
  }));
}

bool Reconciler::quiet() const {
  const fleet::Record* known = record();
  const auto parking = queues_.find(options_.parking_queue);
  const bool none_parked =
      options_.parking_queue.empty() || (parking != queues_.end() && parking->second.attributes &&
                                         parking->second.waiting == 0 && !moving_);
  return none_parked && holds_lease_ && !awaiting_ && !trial_out_ && !must_write_ && settled_ &&
         alarms_known_ && options_.evidence != Evidence::circuit && known &&
         known->state == State::closed && known->hold.kind == HoldKind::none &&
         ledger_.entries.empty();
}

std::vector<Mapping> Reconciler::triable() const {
  std::vector<Mapping> found;
  for (const auto& [uuid, known] : mappings_) {
    if (may_be_tried(known.mapping) && !not_triable_.contains(uuid)) {
      found.push_back(known.mapping);
    }
  }
  return found;
}

// ---- What is told ------------------------------------------------------------------------------

void Reconciler::announce_change(const fleet::Record& now) {
  if (now.epoch == ledger_.announced_epoch) return;
  if (ledger_.announced_epoch == 0 && now.reason == "created") {
    ledger_.announced_epoch = now.epoch;
    return;
  }
  const HoldKind hold = now.hold.in_force(store_time_) ? now.hold.kind : HoldKind::none;
  announcements_.push_back({.kind = Announcement::Kind::state,
                            .circuit = options_.name,
                            .epoch = now.epoch,
                            .from = last_told_.value_or(ledger_.announced_state),
                            .to = now.state,
                            .hold = hold,
                            .at = now.changed(store_time_),
                            .reason = now.reason,
                            .why = now.why,
                            .next = next_of(now.state, hold)});
  last_told_ = now.state;
}

void Reconciler::announce(Announcement::Kind kind, std::string why, std::string next,
                          std::string source) {
  const fleet::Record* now = record();
  if (!now) return;
  const HoldKind hold = now->hold.in_force(store_time_) ? now->hold.kind : HoldKind::none;
  announcements_.push_back({.kind = kind,
                            .circuit = options_.name,
                            .epoch = now->epoch,
                            .from = now->state,
                            .to = now->state,
                            .hold = hold,
                            .at = store_now(clock_.elapsed()),
                            .reason = now->reason,
                            .why = std::move(why),
                            .next = std::move(next),
                            .source = std::move(source)});
}

std::vector<Announcement> Reconciler::take_announcements() {
  return std::exchange(announcements_, {});
}

// Written with the next renewal of the lease: what is told twice does no harm.
void Reconciler::announced(const Announcement& announcement) {
  if (announcement.kind != Announcement::Kind::state) return;
  if (announcement.epoch <= ledger_.announced_epoch) return;
  ledger_.announced_epoch = announcement.epoch;
  ledger_.announced_state = announcement.to;
}

std::vector<Notice> Reconciler::take_notices() { return std::exchange(notices_, {}); }

void Reconciler::notice(ops::LogLevel level, std::string text,
                        std::vector<std::pair<std::string, std::string>> fields) {
  // A fault that lasts says so once.
  if (level != ops::LogLevel::info) {
    if (text == last_trouble_) return;
    last_trouble_ = text;
  } else {
    last_trouble_.clear();
  }
  notices_.push_back({level, std::move(text), std::move(fields)});
}

Duration Reconciler::until_next(const Now& now) {
  const HoldTime h = clock_.advance(now);
  if (awaiting_) return 1h;
  HoldTime due = note_due_;
  if (holds_lease_) {
    due = std::min({due, circuit_due_, lease_until_});
    if (!options_.alarms.empty()) due = std::min(due, alarms_due_);
    for (const auto& [selector, at] : listed_) {
      const auto failing = unlisted_.find(selector);
      const HoldTime listed = at + options_.mapping_interval;
      due = std::min(due,
                     std::max({listed, calls_not_before_,
                               failing == unlisted_.end() ? listed : failing->second.not_before}));
    }
    for (const auto& [arn, queue] : queues_) due = std::min(due, queue.due);
    for (const auto& [uuid, entry] : ledger_.entries) {
      const auto known = mappings_.find(uuid);
      if (known == mappings_.end() || entry.left_alone) continue;
      const HoldTime allowed = std::max(known->second.not_before, calls_not_before_);
      due = std::min(due, std::max(known->second.look, allowed));
      if (allowed > h) due = std::min(due, allowed);
    }
    if (record() && !trial_out_) due = std::min(due, std::max(trial_not_before_, h + 1s));
  }
  return std::clamp<Duration>(due - h, 10ms, 1s);
}

}  // namespace switchgear::controller
