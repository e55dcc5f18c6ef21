// What the reconciler does for messages that no retention can save: it admits them to the function
// one at a time, and, if that fails, parks them in another queue, from which they come back when
// the circuit lets them.
#include <algorithm>
#include <utility>

#include "controller/reconciler.h"
#include "core/assert.h"

namespace switchgear::controller {
namespace {

using fleet::HoldTime;
using std::chrono::seconds;

// SQS takes so long at most until a changed redrive policy acts everywhere.
constexpr Duration kRedriveActs = 1min;
constexpr Duration kReadBack = 5s;
constexpr Duration kRedriveBackMax = 24h;
// A receive that finds nothing may be wrong: it takes so many in a row.
constexpr int kEmptyBatches = 2;
// Where old messages are hidden as trial messages, the queue is looked through again so soon.
constexpr Duration kScoutsBack = 1min;
// After a batch that came to nothing.
constexpr Duration kMoveFailed = 10s;
// What had been hidden when messages came back is there again.
constexpr Duration kLookAfterReturn = queue::kParkingHidden + 1min;

// SQS hides a message for 12 hours at most after it was received. What is kept on its last receive
// comes back then, so long before that it must bear more of them.
constexpr Duration kKeptLong = 6h;
// How long a trial message may be hidden whose function runs for long, with a margin.
constexpr Duration kTrialHidden = 17min;

StoreTime time_of(WallTime time) { return StoreTime{floor_ms(time.time_since_epoch())}; }

}  // namespace

// How long a trial message that failed stays away at first. Of a queue that is parked not at all:
// trials that follow each other could keep the same old messages hidden until they expire.
Duration Reconciler::trial_rest(const Mapping& mapping) const {
  const auto entry = ledger_.queues.find(mapping.source_arn);
  if (entry != ledger_.queues.end() && entry->second.parking) return Duration{0};
  return kTrialRest * table_.policy().max_open_duration;
}

// A trial message comes back after this at the latest.
Duration Reconciler::scouts_hidden() const {
  return std::max(kTrialHidden, kTrialRest * table_.policy().max_open_duration + 1min);
}

bool Reconciler::held_open(HoldTime h) const {
  const fleet::Record* r = record();
  return r && r->hold.in_force(store_now(h)) && r->hold.kind == HoldKind::forced_open;
}

bool Reconciler::may_be_parked(const std::string& arn) const {
  const auto parking = queues_.find(options_.parking_queue);
  const auto queue = queues_.find(arn);
  // Until it has been looked at for the first time it is taken for granted.
  return parking != queues_.end() &&
         (!parking->second.attributes || !parking->second.attributes->fifo) &&
         arn != options_.parking_queue && queue != queues_.end() &&
         !queue->second.raising_refused && kind_of_source(arn) == SourceKind::sqs;
}

bool Reconciler::is_to_be_parked(const std::string& arn, HoldTime h) const {
  const auto queue = queues_.find(arn);
  return queue != queues_.end() && queue->second.endangered && may_be_parked(arn) &&
         target(h).gate == Gate::off;
}

// Nobody that we know of receives from it.
bool Reconciler::is_unread(const std::string& arn) const {
  return std::ranges::all_of(mappings_, [&arn](const auto& known) {
    const Mapping& mapping = known.second.mapping;
    return mapping.source_arn != arn || (!mapping.settings.enabled && !mapping.changing);
  });
}

// Whether the queue of this mapping only seems to be empty.
bool Reconciler::is_hidden_by_parking(const std::string& uuid, HoldTime h) const {
  const auto known = mappings_.find(uuid);
  if (known == mappings_.end()) return false;
  const auto queue = queues_.find(known->second.mapping.source_arn);
  return queue != queues_.end() && queue->second.hidden_until && h < *queue->second.hidden_until;
}

// After each look at the queue: whether it is parked from now on, or no longer. The intent is
// written down before anything is done.
void Reconciler::weigh_parking(const std::string& arn, HoldTime h) {
  KnownQueue& queue = queues_[arn];
  QueueEntry& entry = ledger_.queues[arn];
  const bool wanted = is_to_be_parked(arn, h);
  if (!wanted && entry.parking) {
    entry.parking = false;
    queue.pass_since.reset();
    queue.admission_over = false;
    queue.told = false;
    must_write_ = true;
    notice(ops::LogLevel::info, "the queue " + arn + " is not parked any more");
  }
  if (!wanted || entry.parking) return;
  const bool may_admit = !held_open(h) && std::ranges::any_of(mappings_, [&](const auto& known) {
    return known.second.mapping.source_arn == arn && may_be_admitted(known.second.mapping);
  });
  if (may_admit && !queue.admission_over) return;
  entry.parking = true;
  queue.pass_since.reset();
  must_write_ = true;
  notice(ops::LogLevel::warn,
         "the messages of the queue " + arn + " that would expire are parked in " +
             options_.parking_queue + ", and come back when the circuit lets them",
         {{"queue", arn}});
}

// ---- The redrive policy ------------------------------------------------------------------------

// Receiving messages to park them, or to try one for days, must not dead-letter any: the policy is
// raised meanwhile, with what it was written down before. It is put back once no message is left
// that was there during the outage, or a day after it: what still fails then does so for another
// reason.
void Reconciler::weigh_redrive(const std::string& arn, const QueueLook& look, HoldTime h) {
  KnownQueue& queue = queues_[arn];
  QueueEntry& entry = ledger_.queues[arn];
  const auto& redrive = look.attributes.redrive;
  const bool raised = redrive && redrive->max_receive_count >= queue::kReceiveCountMax;
  if (!raised) queue.raised_since.reset();
  if (raised && !queue.raised_since) queue.raised_since = h;
  const bool calm = target(h).gate == Gate::as_before;
  const bool needed = entry.parking || (queue.keeps_long && !calm);
  if (needed && redrive && !raised && !queue.raising_refused) {
    // As it is now: a person may have changed it meanwhile.
    if (std::exchange(entry.redrive, look.attributes.redrive_text) != entry.redrive) {
      must_write_ = true;
    }
    queue.redrive_to_set =
        queue::redrive_policy_text({queue::kReceiveCountMax, redrive->dead_letter_arn});
    return;
  }
  if (calm) queue.keeps_long = false;
  if (needed || entry.redrive.empty()) return;
  if (!raised) {
    // Back, or changed by a person, which stays.
    entry.redrive.clear();
    must_write_ = true;
    return;
  }
  const StoreTime closed = record()->since;
  const bool drained = look.empty() || queue.age.at(store_now(h)) <= store_now(h) - closed;
  if (calm && record()->state == State::closed &&
      (drained || store_now(h) >= closed + kRedriveBackMax)) {
    queue.redrive_to_set = entry.redrive;
  }
}

void Reconciler::redrive_set(const Result<void>& result, const Now& now) {
  const HoldTime h = clock_.advance(now);
  SG_ASSERT(awaiting_);
  const bool raising =
      std::get<SetRedriveAction>(*awaiting_).policy != ledger_.queues[looked_at_].redrive;
  awaiting_.reset();
  KnownQueue& queue = queues_[looked_at_];
  queue.due = h + kReadBack;
  if (result) return;
  queue.due = h + kMoveFailed;
  if (raising && !result.error().retryable) queue.raising_refused = true;
  notice(ops::LogLevel::error,
         "the redrive policy of the queue " + looked_at_ + " cannot be " +
             (raising ? "raised to " + std::to_string(queue::kReceiveCountMax) + " receives"
                      : "put back to " + ledger_.queues[looked_at_].redrive) +
             ": " + result.error().text() + "; the controller needs sqs:SetQueueAttributes" +
             (queue.raising_refused ? ", and without it no message is parked" : ""),
         {{"queue", looked_at_}});
}

void Reconciler::keeps(const std::string& arn, Duration for_how_long) {
  const auto queue = queues_.find(arn);
  if (queue == queues_.end() || queue->second.keeps_long || for_how_long < kKeptLong) return;
  queue->second.keeps_long = true;
  queue->second.due = HoldTime{0};
}

// ---- Moving ------------------------------------------------------------------------------------

std::optional<Action> Reconciler::move_action(HoldTime h) {
  if (moving_ || h < move_not_before_ || options_.parking_queue.empty() || !settled_) {
    return std::nullopt;
  }
  auto action = park_action(h);
  if (!action) action = return_action(h);
  moving_ = action.has_value();
  return action;
}

// What was sent before is parked: what has half of its time yet is not.
StoreTime Reconciler::park_before(seconds retention, HoldTime h) const {
  return store_now(h) - floor_ms(retention) / 2;
}

std::optional<Action> Reconciler::park_action(HoldTime h) {
  for (auto& [arn, queue] : queues_) {
    const auto entry = ledger_.queues.find(arn);
    if (entry == ledger_.queues.end() || !entry->second.parking || !is_to_be_parked(arn, h)) {
      continue;
    }
    if (!is_unread(arn)) {
      queue.unread_since.reset();
      continue;
    }
    if (!queue.unread_since) queue.unread_since = h;
    // What was received before comes back first, and the policy has acted.
    if (h < *queue.unread_since + queue.attributes->visibility_timeout) continue;
    const auto& redrive = queue.attributes->redrive;
    if (redrive && (!queue.raised_since || h < *queue.raised_since + kRedriveActs)) continue;
    if (h < queue.pass_due) continue;
    if (!queue.pass_since) {
      queue.pass_since = h;
      queue.oldest_left.reset();
      queue.empty_batches = 0;
    }
    const auto& parking = queues_.at(options_.parking_queue).attributes;
    if (!parking) continue;
    moving_from_ = arn;
    return ParkAction{{.circuit = options_.name,
                       .queue_arn = arn,
                       .parking_arn = options_.parking_queue,
                       .sent_before = WallTime(park_before(queue.retention, h).time_since_epoch()),
                       .size_max = parking->maximum_message_size}};
  }
  return std::nullopt;
}

// Back to where they came from, no faster than the circuit lets calls through.
std::optional<Action> Reconciler::return_action(HoldTime h) {
  const auto parking = queues_.find(options_.parking_queue);
  if (parking == queues_.end() || parking->second.waiting == 0) return std::nullopt;
  const Gate gate = target(h).gate;
  const bool as_scouts = std::exchange(wants_scouts_back_, false) && gate == Gate::off;
  if (gate != Gate::as_before && gate != Gate::ramp && !as_scouts) return std::nullopt;
  moving_from_ = options_.parking_queue;
  return ReturnParkedAction{options_.parking_queue};
}

void Reconciler::moved(const queue::MoveResult& result, const Now& now) {
  const HoldTime h = clock_.advance(now);
  moving_ = false;
  if (!result.trouble.empty()) notice(ops::LogLevel::warn, result.trouble);
  const bool in_vain = !result.trouble.empty() && result.moved == 0 && result.stayed == 0;
  if (in_vain) move_not_before_ = h + kMoveFailed;
  if (moving_from_ != options_.parking_queue) return parked(result, h);

  returned_ += result.moved;
  KnownQueue& parking = queues_[options_.parking_queue];
  empty_returns_ = result.received == 0 && !in_vain ? empty_returns_ + 1 : 0;
  if (empty_returns_ == kEmptyBatches) {
    empty_returns_ = 0;
    parking.waiting = 0;  // until the next look
    parking.due = h + kLookAfterReturn;
    if (returned_ > 0) {
      notice(ops::LogLevel::info, std::to_string(returned_) +
                                      " messages have come back from the queue " +
                                      options_.parking_queue);
    }
  }
  const Target wanted = target(h);
  if (wanted.gate == Gate::ramp && result.moved > 0) {
    move_not_before_ = h + std::chrono::ceil<Duration>(std::chrono::duration<double>(
                               result.moved / std::max(wanted.limit, 1.0)));
  }
}

void Reconciler::parked(const queue::MoveResult& result, HoldTime h) {
  parked_ += result.moved;
  const auto known = queues_.find(moving_from_);
  if (known == queues_.end()) return;
  KnownQueue& queue = known->second;
  if (result.oldest_left) {
    const StoreTime left = time_of(*result.oldest_left);
    queue.oldest_left = std::min(queue.oldest_left.value_or(left), left);
  }
  if (result.received > result.moved) queue.hidden_until = h + queue::kParkingHidden;
  // What does not fit is left to admission.
  if (result.unfit > 0) queue.admission_over = false;
  const bool nothing = result.received == 0 && result.trouble.empty();
  queue.empty_batches = nothing ? queue.empty_batches + 1 : 0;
  if (queue.pass_since && queue.empty_batches >= kEmptyBatches) end_pass(moving_from_, h);
}

// All that could be received has been. What could not was hidden as a trial message, by us, or by
// whoever controlled the circuit before.
void Reconciler::end_pass(const std::string& arn, HoldTime h) {
  KnownQueue& queue = queues_[arn];
  const HoldTime began = *std::exchange(queue.pass_since, {});
  // What was hidden meanwhile is there the next time.
  std::erase_if(queue.scouts, [&](const Scout& scout) { return scout.hidden_until < began; });
  const bool old_scouts = std::ranges::any_of(queue.scouts, [&](const Scout& scout) {
    return scout.sent < park_before(queue.retention, h);
  });
  queue.pass_due = h + (old_scouts ? kScoutsBack : scouts_hidden());
  notice(ops::LogLevel::info,
         std::to_string(parked_) + " messages have been parked in " + options_.parking_queue,
         {{"queue", arn}});
  if (const HoldTime all_known = queue.known_since + scouts_hidden(); began < all_known) {
    queue.pass_due = std::min(queue.pass_due, all_known);
    return;
  }
  StoreTime oldest = std::min(store_now(began), queue.oldest_left.value_or(StoreTime::max()));
  for (const Scout& scout : queue.scouts) oldest = std::min(oldest, scout.sent);
  queue.age.restore(oldest);
  ledger_.queues[arn].since = oldest;
  must_write_ = true;
  queue.due = h;  // whether that is enough
}

// ---- Admitting ---------------------------------------------------------------------------------

bool Reconciler::may_be_admitted(const Mapping& mapping) const {
  const auto entry = ledger_.entries.find(mapping.uuid);
  return entry != ledger_.entries.end() && !entry->second.left_alone && may_be_tried(mapping) &&
         !not_triable_.contains(mapping.uuid);
}

const Mapping* Reconciler::next_to_admit(HoldTime h) const {
  if (h < admit_not_before_ || target(h).gate != Gate::off || held_open(h)) return nullptr;
  if (record()->state != State::open) return nullptr;
  for (const auto& [uuid, known] : mappings_) {
    const Mapping& mapping = known.mapping;
    const auto queue = queues_.find(mapping.source_arn);
    if (queue == queues_.end() || !queue->second.endangered || queue->second.admission_over) {
      continue;
    }
    if (may_be_admitted(mapping)) return &mapping;
  }
  return nullptr;
}

// Says nothing of the circuit: that has its own time for trials.
void Reconciler::admitted(const TrialResult& result, HoldTime h) {
  if (result.kind == TrialResult::Kind::not_so) not_triable_.insert(last_tried_);
  const auto known = mappings_.find(last_tried_);
  if (known == mappings_.end()) return;
  const std::string& arn = known->second.mapping.source_arn;
  KnownQueue& queue = queues_[arn];
  if (result.kind == TrialResult::Kind::succeeded) {
    notice(ops::LogLevel::info,
           "a message that would have expired was given to the function, and "
           "is done",
           {{"queue", arn}});
    return;
  }
  admit_not_before_ = h + table_.policy().open_duration;
  if (!may_be_parked(arn)) return;
  queue.admission_over = true;
  queue.due = h;
}

}  // namespace switchgear::controller
