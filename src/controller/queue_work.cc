// What the reconciler does for the messages that wait while mappings are off: it watches their age
// and raises the queue's retention before they expire.
#include <algorithm>
#include <utility>

#include "controller/reconciler.h"

namespace switchgear::controller {
namespace {

using fleet::HoldTime;
using std::chrono::seconds;

// Between two looks at a queue: while its mappings are kept off, and otherwise. The second tells
// how old the oldest message may be when the first begins.
constexpr Duration kLookPaused = 1min;
constexpr Duration kLookCalm = 5min;

// "6 h", "90 min", "45 s".
std::string told(Duration time) {
  const auto s = std::chrono::duration_cast<seconds>(time).count();
  if (s >= 2 * 3600) return std::to_string(s / 3600) + " h";
  return s >= 2 * 60 ? std::to_string(s / 60) + " min" : std::to_string(s) + " s";
}

}  // namespace

std::set<std::string> Reconciler::queues() const {
  std::set<std::string> all;
  for (const auto& [uuid, known] : mappings_) {
    const SourceKind kind = known.mapping.kind();
    if (kind != SourceKind::sqs && kind != SourceKind::sqs_fifo) continue;
    all.insert(known.mapping.source_arn);
  }
  if (!options_.parking_queue.empty()) all.insert(options_.parking_queue);
  return all;
}

std::optional<Action> Reconciler::queue_action(HoldTime h) {
  for (const std::string& arn : queues()) {
    KnownQueue& queue = queues_.try_emplace(arn, KnownQueue{.known_since = h}).first->second;
    if (const auto entry = ledger_.queues.find(arn);
        entry != ledger_.queues.end() && !queue.age.since()) {
      queue.age.restore(entry->second.since);
    }
    if (auto policy = std::exchange(queue.redrive_to_set, {})) {
      looked_at_ = arn;
      return SetRedriveAction{arn, *std::move(policy)};
    }
    if (h < queue.due) continue;
    looked_at_ = arn;
    const auto entry = ledger_.queues.find(arn);
    // Written down before, and not there yet.
    if (entry != ledger_.queues.end() && entry->second.wanted > seconds{0} && !entry->second.done &&
        queue.retention > seconds{0} && queue.retention != entry->second.wanted) {
      queue.retention = seconds{0};  // unknown until the next look
      return SetRetentionAction{arn, entry->second.wanted};
    }
    return LookAtQueueAction{arn};
  }
  return std::nullopt;
}

void Reconciler::queue_answered(const Result<QueueLook>& look, const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  KnownQueue& queue = queues_[looked_at_];
  const bool calm = target(h).gate == Gate::as_before;
  queue.due = h + (calm ? kLookCalm : kLookPaused);
  if (!look) {
    notice(ops::LogLevel::warn,
           "the queue " + looked_at_ +
               " cannot be read, so nobody watches "
               "whether its messages expire: " +
               look.error().text() +
               "; the controller needs sqs:GetQueueUrl and sqs:GetQueueAttributes");
    return;
  }
  // A short retention has no minute to lose.
  queue.due = std::min(queue.due, h + std::max<Duration>(look->attributes.retention / 20, 1s));
  const StoreTime at = store_now(h);
  queue.age.looked(at);
  if (look->empty()) {
    queue.age.empty(at);
    if (calm) queue.due = h + queue::OldestAge::kApart;
  } else {
    queue.age.not_empty();
  }
  queue.retention = look->attributes.retention;
  queue.waiting = look->visible + look->in_flight;
  queue.attributes = look->attributes;
  ledger_.queues[looked_at_].since = *queue.age.since();
  weigh_receives(looked_at_, *look);
  weigh_retention(looked_at_, *look, h);
  weigh_parking(looked_at_, h);
  weigh_redrive(looked_at_, *look, h);
}

// A mapping that is on with the least, while everything fails, uses up receives of the messages
// that it gets. Where they would not bear it trial messages are sent instead: these are counted.
void Reconciler::weigh_receives(const std::string& arn, const QueueLook& look) {
  if (options_.half_open != HalfOpen::limited || arn == options_.parking_queue) return;
  KnownQueue& queue = queues_[arn];
  const int burnt = queue::receives_burnt(options_.ramp_step, look.attributes);
  // One round may come on top of another, and the last receive is not for trying.
  queue.spared = look.attributes.redrive && burnt >= look.attributes.redrive->max_receive_count - 1;
  if (std::exchange(queue.burns_told, true)) return;
  const std::string rate = "a limited half-open of the queue " + arn + " may use " +
                           std::to_string(burnt) + " receives of a message each time";
  if (!look.attributes.redrive) {
    notice(ops::LogLevel::info, rate + "; nothing is dead-lettered there");
  } else if (!queue.spared) {
    notice(ops::LogLevel::info,
           rate + " of " + std::to_string(look.attributes.redrive->max_receive_count));
  } else {
    notice(ops::LogLevel::error,
           rate + ", and maxReceiveCount is " +
               std::to_string(look.attributes.redrive->max_receive_count) +
               ": half_open: limited is refused, and trial messages are sent instead; raise "
               "maxReceiveCount or the visibility timeout, or write a shorter ramp_step",
           {{"queue", arn}});
  }
}

bool Reconciler::spares_receives() const {
  return std::ranges::any_of(queues_, [](const auto& queue) { return queue.second.spared; });
}

std::int64_t Reconciler::waiting_at(const std::string& arn) const {
  const auto queue = queues_.find(arn);
  return queue == queues_.end() ? 0 : queue->second.waiting;
}

void Reconciler::weigh_retention(const std::string& arn, const QueueLook& look, HoldTime h) {
  KnownQueue& queue = queues_[arn];
  QueueEntry& entry = ledger_.queues[arn];
  const seconds retention = look.attributes.retention;
  if (entry.wanted > seconds{0} && retention == entry.wanted) entry.done = true;
  const bool given_back = entry.done && entry.wanted == entry.before;
  const bool changed_by_a_person = entry.done && retention != entry.wanted;
  if (given_back || changed_by_a_person) {
    entry = {.since = entry.since};
    must_write_ = true;
  }
  // A change takes its time; until then what is asked for counts.
  const bool ours = entry.wanted > seconds{0};
  const seconds before = ours ? entry.before : retention;
  const Duration age = queue.age.at(store_now(h));
  const auto step =
      queue::retention_step({.oldest = age,
                             .retention = ours ? entry.wanted : retention,
                             .before = before,
                             .read = target(h).gate == Gate::as_before,
                             .may_be_raised = retention_may_be_set_ && options_.raise_retention});
  queue.endangered = step == queue::RetentionStep::rescue && look.waiting();
  switch (step) {
    case queue::RetentionStep::none:
      return;
    case queue::RetentionStep::raise:
      entry.before = before;
      entry.wanted = queue::kRetentionMax;
      entry.done = false;
      must_write_ = true;
      queue.due = h;
      notice(ops::LogLevel::warn,
             "messages of the queue " + arn + " may be " + told(age) +
                 " old and would expire after " + told(retention) +
                 ": its retention is raised to 14 days, and lowered again once they are done",
             {{"queue", arn}});
      return;
    case queue::RetentionStep::lower:
      entry.wanted = before;
      entry.done = false;
      must_write_ = true;
      queue.due = h;
      notice(ops::LogLevel::info, "the retention of the queue " + arn + " goes back to " +
                                      told(before) + ": nothing in it is that old any more");
      return;
    case queue::RetentionStep::rescue:
      return tell_rescue(arn, h);
  }
}

void Reconciler::tell_rescue(const std::string& arn, HoldTime h) {
  KnownQueue& queue = queues_[arn];
  if (!queue.endangered || target(h).gate == Gate::ramp) return;
  if (std::exchange(queue.told, true)) return;
  const std::string why = "messages of the queue " + arn + " may be " +
                          told(queue.age.at(store_now(h))) + " old and expire after " +
                          told(queue.retention) +
                          (retention_may_be_set_ && options_.raise_retention
                               ? ", which is as long as a queue can keep them"
                               : ", and the retention may not be changed");
  const std::string let_run = "move them away, or let the function run (switchgear circuits hold " +
                              options_.name + " --closed)";
  const std::string next =
      may_be_parked(arn) ? std::string(held_open(h) ? ""
                                                    : "they are given to the function, and if "
                                                      "it fails ") +
                               "they are parked in " + options_.parking_queue
      : held_open(h) || arn == options_.parking_queue
          ? let_run
          : "they are given to the function one at a time; mend the dependency, or " + let_run;
  notice(ops::LogLevel::error, why + ": " + next, {{"queue", arn}});
  announce(Announcement::Kind::loss_approaching, why, next, arn);
}

void Reconciler::retention_set(const Result<void>& result, const Now& now) {
  const HoldTime h = clock_.advance(now);
  awaiting_.reset();
  KnownQueue& queue = queues_[looked_at_];
  queue.due = h + kLookPaused;
  if (result) return;
  if (result.error().retryable) {
    queue.due = h + 10s;
  } else {
    retention_may_be_set_ = false;
    ledger_.queues[looked_at_] = {.since = ledger_.queues[looked_at_].since};
    must_write_ = true;
  }
  notice(ops::LogLevel::error, "the retention of the queue " + looked_at_ +
                                   " cannot be changed: " + result.error().text() +
                                   "; the controller needs sqs:SetQueueAttributes");
}

void Reconciler::note_sent(const std::string& arn, std::optional<WallTime> sent) {
  if (!sent) return;
  const StoreTime at{floor_ms(sent->time_since_epoch())};
  const HoldTime h = clock_.elapsed();
  KnownQueue& queue = queues_.try_emplace(arn, KnownQueue{.known_since = h}).first->second;
  queue.age.sent(at);
  queue.scouts.push_back({at, h + scouts_hidden()});
}

std::map<std::string, Reconciler::QueueView> Reconciler::queue_views(const Now& now) {
  const HoldTime h = clock_.advance(now);
  std::map<std::string, QueueView> views;
  for (const auto& [arn, queue] : queues_) {
    views[arn] = {.oldest = queue.age.at(store_now(h)), .retention = queue.retention};
  }
  return views;
}

}  // namespace switchgear::controller
