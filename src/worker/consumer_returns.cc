// The second half of the consumer: what becomes of messages after their call, and the end.
#include <algorithm>

#include "core/assert.h"
#include "queue/visibility.h"
#include "worker/consumer.h"

namespace switchgear::worker {

namespace {

using std::chrono::seconds;

constexpr std::size_t kBatchMax = 10;  // of SQS
// Scouts remembered while the circuit is not closed: far more than a long outage has probes.
constexpr std::size_t kScoutsMax = 4'096;
// Messages kept in hand: by far more than an outage leaves on their last receive.
constexpr std::size_t kParkedMax = 1'000;
constexpr std::size_t kParkedBytesMax = 64 << 20;
constexpr Duration kParkedFor = 2min;
// Without any other message for so long, one on its last receive is a scout.
constexpr Duration kLastResort = 2min;
// After the grace time, for the last deletes and returns.
constexpr Duration kLastWords = 5s;
const core::Backoff kSettleBackoff{.base = 200ms, .cap = 5s, .jitter = core::Jitter::equal};
// Ids of messages in one line of the log.
constexpr std::size_t kMessagesTold = 10;

}  // namespace

// ---- Events ---------------------------------------------------------------------------------

void Consumer::deleted(BatchId id, const Result<std::vector<EntryFailure>>& failures,
                       const Now& now) {
  settle(id, failures, now);
  run(now);
}

void Consumer::visibility_changed(BatchId id, const Result<std::vector<EntryFailure>>& failures,
                                  const Now& now) {
  settle(id, failures, now);
  run(now);
}

void Consumer::stop(const Now& now) {
  if (stop_at_) {
    stop_at_ = std::min(*stop_at_, now.mono);
    run(now);
    return;
  }
  stop_at_ = now.mono + options_.shutdown_grace;
  notice(Notice::Kind::stopping, Notice::Level::info,
         "stopping: receiving no more, letting calls in flight end",
         {{"in_flight", std::to_string(calls_.size())},
          {"grace_ms", std::to_string(ceil_ms(options_.shutdown_grace).count())}});
  for (const auto& [id, receiving] : receiving_) actions_.emplace_back(CancelReceiveAction{id});
  for (InHand& in_hand : std::exchange(parked_, {})) {
    if (last_receive(in_hand)) {
      parked_.push_back(std::move(in_hand));
    } else {
      parked_bytes_ -= in_hand.message.body.size();
      give_back(in_hand, 0s, GiveBack::stopping, now);
    }
  }
  run(now);
}

// ---- Scouts ---------------------------------------------------------------------------------

int Consumer::scouted(const std::string& message_id) const {
  const auto found = scouts_.find(message_id);
  return found == scouts_.end() ? 0 : found->second;
}

void Consumer::remember_scout(const std::string& message_id) {
  last_scout_ = message_id;
  if (scouts_[message_id]++ > 0) return;
  scout_order_.push_back(message_id);
  if (scout_order_.size() > kScoutsMax) {
    scouts_.erase(scout_order_.front());
    scout_order_.pop_front();
  }
}

// ---- Going back -----------------------------------------------------------------------------

seconds Consumer::wait_after_failure(const Call& call, const HandlerAnswer& answer,
                                     const Now& now) {
  const Duration held = now.mono - call.in_hand.asked_at;
  seconds wait =
      queue::back_off(options_.backoff, call.in_hand.message.receive_count, held, random_);
  if (const auto asked = queue::parse_retry_after(answer.retry_after, now.wall)) {
    const Duration bounded = std::min(*asked, options_.retry_after_max);
    // Up to a tenth more: messages that were told the same moment come back spread.
    const auto spread =
        static_cast<Duration::rep>(static_cast<double>(bounded.count()) * 0.1 * random_.unit());
    wait = queue::visibility(bounded + Duration(spread), queue::kVisibilityMax, held);
  }
  if (call.scout) {
    // Beyond the next open time, and longer each time it was a scout, so that the next scout is
    // another message and none spends its receives on one outage.
    const Duration open = std::max(circuit_.retry_after(now), circuit_.next_open_time());
    const core::Backoff growing{.base = std::max<Duration>(open, 1s),
                                .cap = std::max<Duration>(open, options_.backoff.cap),
                                .jitter = core::Jitter::none};
    const int times = std::max(1, scouted(call.in_hand.message.id));
    const Duration grown = core::exponential(growing, static_cast<std::uint64_t>(times));
    wait = std::max(wait, queue::hide_while_open(grown, held, random_));
  } else if (!flowing(now)) {
    wait = std::max(wait, queue::hide_while_open(circuit_.retry_after(now), held, random_));
  }
  return wait;
}

void Consumer::give_back(const InHand& in_hand, seconds hide, GiveBack why, const Now& now) {
  switch (why) {
    case GiveBack::failed:
      counters_.given_back_failed++;
      break;
    case GiveBack::refused:
      counters_.given_back_refused++;
      break;
    case GiveBack::scouted:
      counters_.given_back_scouted++;
      break;
    case GiveBack::stopping:
      counters_.given_back_stopping++;
      break;
  }
  to_change_.push_back(Pending{.message_id = in_hand.message.id,
                               .receipt_handle = in_hand.message.receipt_handle,
                               .visible_at = in_hand.visible_at,
                               .ready_at = now.mono,
                               .flush_at = now.mono + options_.batch_linger,
                               .hide = hide});
}

// ---- Parked messages ------------------------------------------------------------------------

// Whether a message stays in hand after its call failed: a call costs it nothing then, while the
// receive that going back leads to would cost its last one, or dead-letter it.
bool Consumer::keeps_after_failure(const Call& call, Outcome outcome, const Now& now) {
  if (outcome == Outcome::ignored || stopping()) return false;
  if (circuit_.state(now) == State::closed && !call.scout) return false;
  queue::Message next = {};
  next.receive_count = call.in_hand.message.receive_count + 1;
  return last_receive(call.in_hand) || (call.scout && queue::on_last_receive(next, attributes_));
}

bool Consumer::keep(InHand in_hand) {
  const std::size_t bytes = in_hand.message.body.size();
  if (parked_.size() >= kParkedMax || parked_bytes_ + bytes > kParkedBytesMax) return false;
  parked_bytes_ += bytes;
  in_hand.renewing = false;
  parked_.push_back(std::move(in_hand));
  return true;
}

void Consumer::park(InHand in_hand, const Now& now) {
  const std::string id = in_hand.message.id;
  const std::string count = std::to_string(in_hand.message.receive_count);
  if (keep(in_hand)) {
    counters_.parked++;
    notice(Notice::Kind::parked, Notice::Level::warn,
           "a message on its last receive is kept until the circuit lets it be called",
           {{"message", id}, {"receive_count", count}});
    return;
  }
  counters_.parked_lost++;
  notice(Notice::Kind::parked_lost, Notice::Level::error,
         "a message on its last receive is given back untried, since too many are kept already; "
         "its next receive dead-letters it. Raise the queue's maxReceiveCount",
         {{"message", id}, {"receive_count", count}});
  give_back(
      in_hand,
      queue::visibility(options_.backoff.cap, queue::kVisibilityMax, now.mono - in_hand.asked_at),
      GiveBack::refused, now);
}

// Whether a call of it would end while it is ours. One whose renewal is under way is left alone:
// the answer says until when.
bool Consumer::covers_call(const InHand& in_hand, const Now& now) const {
  return !in_hand.renewing && in_hand.visible_at - now.mono > options_.handler_timeout;
}

Consumer::Parked Consumer::callable_parked(const Now& now) {
  return std::find_if(parked_.begin(), parked_.end(),
                      [&](const InHand& in_hand) { return covers_call(in_hand, now); });
}

Consumer::InHand Consumer::take_parked(Parked place) {
  InHand in_hand = std::move(*place);
  parked_.erase(place);
  parked_bytes_ -= in_hand.message.body.size();
  return in_hand;
}

// A scout out of what is kept, for a probe that found nothing in the queue.
std::optional<Consumer::InHand> Consumer::scout_from_parked(const Now& now) {
  auto found = std::find_if(parked_.begin(), parked_.end(), [&](const InHand& in_hand) {
    return covers_call(in_hand, now) && !last_receive(in_hand);
  });
  // Somebody has to find out whether the dependency is well again.
  if (found == parked_.end() && now.mono - no_scout_since_ >= kLastResort) {
    found = callable_parked(now);
  }
  if (found == parked_.end()) return std::nullopt;
  return take_parked(found);
}

void Consumer::renew_parked(const Now& now) {
  for (auto it = parked_.begin(); it != parked_.end();) {
    if (now.mono >= it->visible_at) {
      counters_.parked_lost++;
      notice(Notice::Kind::parked_lost, Notice::Level::error,
             "a message on its last receive could not be kept hidden any longer; its next "
             "receive dead-letters it",
             {{"message", it->message.id}});
      parked_bytes_ -= it->message.body.size();
      it = parked_.erase(it);
      continue;
    }
    const Duration left = it->visible_at - now.mono;
    if (!it->renewing && left < options_.handler_timeout + options_.visibility_margin / 2) {
      const seconds more = queue::visibility(receive_visibility() + kParkedFor,
                                             queue::kVisibilityMax, now.mono - it->asked_at);
      if (more > left) {
        it->renewing = true;
        to_change_.push_back(Pending{.message_id = it->message.id,
                                     .receipt_handle = it->message.receipt_handle,
                                     .visible_at = it->visible_at,
                                     .ready_at = now.mono,
                                     .flush_at = now.mono,
                                     .hide = more,
                                     .renewal = true});
      }
    }
    ++it;
  }
}

// ---- Batches --------------------------------------------------------------------------------

void Consumer::flush(std::vector<Pending>& pending, bool deletes, const Now& now) {
  std::vector<Pending> ready;
  std::vector<Pending> later;
  for (Pending& entry : pending) {
    (entry.ready_at <= now.mono ? ready : later).push_back(std::move(entry));
  }
  pending = std::move(later);

  std::size_t sent = 0;
  while (sent < ready.size()) {
    const std::size_t count = std::min(kBatchMax, ready.size() - sent);
    const auto first = ready.begin() + static_cast<std::ptrdiff_t>(sent);
    const auto last = first + static_cast<std::ptrdiff_t>(count);
    const bool due =
        stopping() || count == kBatchMax ||
        std::any_of(first, last, [&](const Pending& p) { return p.flush_at <= now.mono; });
    if (!due) break;
    const BatchId id = next_id_++;
    DeleteAction deletion{.id = id, .entries = {}};
    VisibilityAction change{.id = id, .entries = {}};
    for (auto it = first; it != last; ++it) {
      it->sent_at = now.mono;
      if (deletes) {
        deletion.entries.push_back({it->message_id, it->receipt_handle});
      } else {
        change.entries.push_back({it->message_id, it->receipt_handle, it->hide});
      }
    }
    batches_[id] = Batch{.entries = std::vector<Pending>(first, last), .deletes = deletes};
    if (deletes) {
      actions_.emplace_back(std::move(deletion));
    } else {
      actions_.emplace_back(std::move(change));
    }
    sent += count;
  }
  pending.insert(pending.begin(),
                 std::make_move_iterator(ready.begin() + static_cast<std::ptrdiff_t>(sent)),
                 std::make_move_iterator(ready.end()));
}

void Consumer::settle(BatchId id, const Result<std::vector<EntryFailure>>& failures,
                      const Now& now) {
  const auto found = batches_.find(id);
  if (found == batches_.end()) return;
  Batch batch = std::move(found->second);
  batches_.erase(found);

  if (!failures) {
    // Whatever kept the whole request away (no credentials, no network) may pass before the
    // messages' time is over.
    for (Pending& entry : batch.entries) {
      retry_or_give_up(std::move(entry), failures.error().text(), true, batch.deletes, now);
    }
    return;
  }
  std::vector<const EntryFailure*> failed(batch.entries.size(), nullptr);
  for (const EntryFailure& failure : *failures) {
    if (failure.index < failed.size()) failed[failure.index] = &failure;
  }
  for (std::size_t i = 0; i < batch.entries.size(); i++) {
    Pending& entry = batch.entries[i];
    if (failed[i] != nullptr) {
      retry_or_give_up(std::move(entry), failed[i]->code + ": " + failed[i]->message,
                       failed[i]->retryable, batch.deletes, now);
    } else if (batch.deletes) {
      counters_.deleted++;
    } else if (entry.renewal) {
      for (InHand& kept : parked_) {
        if (kept.message.receipt_handle != entry.receipt_handle) continue;
        kept.renewing = false;
        kept.visible_at = entry.sent_at + entry.hide;
      }
    }
  }
}

void Consumer::retry_or_give_up(Pending entry, const std::string& why, bool retryable, bool deletes,
                                const Now& now) {
  entry.attempts++;
  (deletes ? counters_.delete_failures : counters_.give_back_failures)++;
  const MonoTime next =
      now.mono + core::delay(kSettleBackoff, static_cast<std::uint64_t>(entry.attempts), random_);
  const bool in_time = next < entry.visible_at && (!stop_at_ || next < *stop_at_ + kLastWords);
  if (retryable && in_time) {
    entry.ready_at = next;
    entry.flush_at = next;
    (deletes ? to_delete_ : to_change_).push_back(std::move(entry));
    return;
  }
  if (entry.renewal) {  // tried again until its time ends, which is said then
    for (InHand& kept : parked_) {
      if (kept.message.receipt_handle == entry.receipt_handle) kept.renewing = false;
    }
  } else if (deletes) {
    counters_.deletes_given_up++;
    notice(Notice::Kind::delete_given_up, Notice::Level::error,
           "a message was done but cannot be deleted; it will come again: " + why,
           {{"message", entry.message_id}});
  } else {
    notice(Notice::Kind::give_back_failed, Notice::Level::warn,
           "a message could not be hidden as long as it should; it comes back by itself: " + why,
           {{"message", entry.message_id}});
  }
}

// ---- The end --------------------------------------------------------------------------------

void Consumer::abandon_calls(const Now& now) {
  const std::size_t count = calls_.size();
  std::string messages;
  std::size_t told = 0;
  for (auto& [id, call] : std::exchange(calls_, {})) {
    counters_.abandoned++;
    actions_.emplace_back(CancelCallAction{id});
    // A probe's handler may still be at it: its slot stays taken until its lease ends.
    if (call.permit && call.permit->kind != fleet::PermitKind::probe) {
      circuit_.finish(*call.permit, Outcome::ignored, now.mono - call.started, now);
    }
    // Its handler may still be at it for a moment: not visible at once.
    give_back(call.in_hand,
              queue::back_off(options_.backoff, call.in_hand.message.receive_count,
                              now.mono - call.in_hand.asked_at, random_),
              GiveBack::stopping, now);
    if (++told <= kMessagesTold) messages += (told > 1 ? " " : "") + call.in_hand.message.id;
  }
  if (count > 0) {
    notice(Notice::Kind::abandoned, Notice::Level::warn,
           "calls did not end within the grace time; their messages go back",
           {{"calls", std::to_string(count)},
            {"messages", messages + (count > kMessagesTold ? " and more" : "")}});
  }
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    if (last_receive(waiting.in_hand)) {
      parked_bytes_ += waiting.in_hand.message.body.size();
      parked_.push_back(std::move(waiting.in_hand));
    } else {
      give_back(waiting.in_hand, 0s, GiveBack::stopping, now);
    }
  }
}

void Consumer::end_if_done(const Now& now) {
  if (!stop_at_) return;
  // Parked ones may still get a permit, or are called without one when their time comes.
  const bool last_calls =
      now.mono < *stop_at_ && !stops_under_hold_ && callable_parked(now) != parked_.end();
  const bool settled = !last_calls && calls_.empty() && receiving_.empty() && waiting_.empty() &&
                       to_delete_.empty() && to_change_.empty() && batches_.empty();
  if (!settled && now.mono < *stop_at_ + kLastWords) return;
  finished_ = true;
  for (const auto& [id, receiving] : receiving_) {
    for (const fleet::Permit& permit : receiving.permits) return_unused(permit, now);
  }
  receiving_.clear();
  for (const InHand& in_hand : parked_) {
    counters_.parked_lost++;
    notice(Notice::Kind::parked_lost, Notice::Level::error,
           "stopping while the circuit is held open, or with no time left: a message on its last "
           "receive is left to its visibility; its next receive dead-letters it",
           {{"message", in_hand.message.id}});
  }
  parked_.clear();
  notice(
      Notice::Kind::stopped, Notice::Level::info, "stopped",
      {{"done", std::to_string(counters_.deleted)},
       {"failed", std::to_string(counters_.given_back_failed)},
       {"given_back", std::to_string(counters_.given_back_refused + counters_.given_back_scouted +
                                     counters_.given_back_stopping)},
       {"abandoned", std::to_string(counters_.abandoned)},
       {"deletes_given_up", std::to_string(counters_.deletes_given_up)}});
}

// ---- What to do -----------------------------------------------------------------------------

std::vector<Action> Consumer::take_actions() { return std::exchange(actions_, {}); }
std::vector<Notice> Consumer::take_notices() { return std::exchange(notices_, {}); }

void Consumer::notice(Notice::Kind kind, Notice::Level level, std::string text,
                      std::vector<std::pair<std::string, std::string>> fields) {
  notices_.push_back(Notice{kind, level, std::move(text), std::move(fields)});
}

Duration Consumer::until_tick(const Now& now) const {
  // Anything missed is made good within a second.
  Duration least = 1s;
  const auto consider = [&](MonoTime at) {
    if (at > now.mono) least = std::min(least, at - now.mono);
  };
  consider(ask_again_);
  consider(receive_after_);
  consider(attributes_at_);
  if (stop_at_) {
    if (!parked_.empty()) consider(last_chance());
    consider(*stop_at_);
    consider(*stop_at_ + kLastWords);
  }
  if (!waiting_.empty()) least = std::min<Duration>(least, 20ms);
  for (const auto* pending : {&to_delete_, &to_change_}) {
    for (const Pending& entry : *pending) {
      consider(entry.ready_at > now.mono ? entry.ready_at : entry.flush_at);
    }
  }
  return least;
}

}  // namespace switchgear::worker
