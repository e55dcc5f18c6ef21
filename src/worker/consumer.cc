// What the consumer calls, and what it makes of answers and of the circuit. How it receives:
// consumer_receive.cc. What becomes of messages afterwards: consumer_returns.cc.
#include "worker/consumer.h"

#include <algorithm>
#include <cmath>

#include "core/assert.h"
#include "queue/time_text.h"
#include "queue/visibility.h"

namespace switchgear::worker {

namespace {

using std::chrono::seconds;

// An empty answer that came at once is not asked for again at once.
constexpr Duration kEmptyPause = 500ms;
constexpr Duration kEmptyProbePause = 1s;
// How soon and how late the circuit is asked again after it refused.
constexpr Duration kAskSoonest = 20ms;
constexpr Duration kAskLatest = 5s;
// A pause is told with its cause, which is settled once the store has taken the trip.
constexpr Duration kCausePatience = 1s;
const core::Backoff kReceiveBackoff{.base = 500ms, .cap = 30s, .jitter = core::Jitter::equal};

}  // namespace

Consumer::Consumer(const ConsumerOptions& options, CircuitPort& circuit, std::uint64_t seed)
    : options_(options), circuit_(circuit), random_(core::hash2(seed, 0x776f726b6572ULL)) {}

seconds Consumer::receive_visibility() const {
  // Never shorter than a call can take, so that no message comes up again under its own handler.
  const seconds needed =
      std::chrono::ceil<seconds>(options_.handler_timeout + options_.visibility_margin);
  return std::min(std::max(needed, attributes_.visibility_timeout), queue::kVisibilityMax);
}

int Consumer::lanes_used() const {
  std::size_t used = calls_.size() + waiting_.size();
  for (const auto& [id, receiving] : receiving_) {
    used += static_cast<std::size_t>(receiving.asked) + (receiving.aside ? 1 : 0);
  }
  return static_cast<int>(used);
}

int Consumer::messages_held() const {
  std::size_t held = calls_.size() + waiting_.size() + parked_.size();
  for (const auto& [id, receiving] : receiving_) held += receiving.aside ? 1 : 0;
  return static_cast<int>(held);
}

bool Consumer::last_receive(const InHand& in_hand) const {
  return queue::on_last_receive(in_hand.message, attributes_);
}

// Whether calls go out as calls, not only as trials.
bool Consumer::flowing(const Now& now) {
  const State state = circuit_.state(now);
  return state == State::closed || state == State::recovering;
}

// A probe, or the trial of a process that has lost the store while the circuit was open.
bool Consumer::scouting(const fleet::Permit& permit, const Now& now) {
  return permit.kind == fleet::PermitKind::probe || permit.trial ||
         (permit.kind == fleet::PermitKind::local && !flowing(now));
}

// A permit must not lie idle, and a probe's lease must still cover the call.
seconds Consumer::short_wait() const {
  return std::min(options_.handler_timeout >= 2s ? seconds(1) : seconds(0), options_.receive_wait);
}

// ---- Events ---------------------------------------------------------------------------------

void Consumer::tick(const Now& now) { run(now); }

void Consumer::circuit_changed(const Now& now) {
  ask_again_ = MonoTime{};
  run(now);
}

void Consumer::run(const Now& now) {
  if (finished_) return;
  if (!permits_first_ && !scouts_.empty() && circuit_.state(now) == State::closed) {
    scouts_.clear();
    scout_order_.clear();
    last_scout_.clear();
  }
  if (!stopping() && !attributes_under_way_ && now.mono >= attributes_at_) {
    attributes_under_way_ = true;
    actions_.emplace_back(ReadAttributesAction{});
  }
  if (stop_at_ && now.mono >= *stop_at_) abandon_calls(now);
  renew_parked(now);
  call_parked(now);
  retry_waiting(now);
  if (stop_at_ && now.mono < *stop_at_) call_parked_at_last(now);
  plan_receives(now);
  note_state(now);
  if (unsaid_pause_ && unsaid_pause_->reason == fleet::RefusalReason::local &&
      circuit_.state(now) == State::open) {
    // This process stopped itself a moment before the fleet did.
    unsaid_pause_->reason = fleet::RefusalReason::open;
    unsaid_pause_->state = State::open;
  }
  const bool settled = unsaid_pause_ && unsaid_pause_->reason != fleet::RefusalReason::local &&
                       !circuit_.cause().empty();
  if (unsaid_pause_ && (settled || now.mono >= unsaid_until_)) {
    say_pause(fleet::Refusal(*unsaid_pause_), false, now);
  }
  flush(to_delete_, true, now);
  flush(to_change_, false, now);
  end_if_done(now);
}

void Consumer::received(ReceiveId id, Result<std::vector<queue::Message>> messages,
                        const Now& now) {
  const auto found = receiving_.find(id);
  if (found == receiving_.end()) return;
  Receiving receiving = std::move(found->second);
  receiving_.erase(found);

  if (!messages) {
    if (!stopping()) {
      counters_.receive_errors++;
      receive_failures_++;
      receive_after_ = now.mono + core::delay(kReceiveBackoff, receive_failures_, random_);
      if (receive_failures_ == 1) {
        notice(Notice::Kind::receive_failed, Notice::Level::error,
               "nothing can be received, trying again: " + messages.error().text());
      }
    }
    take_messages(std::move(receiving), {}, now);
    run(now);
    return;
  }
  if (receive_failures_ > 0) {
    receive_failures_ = 0;
    notice(Notice::Kind::receive_recovered, Notice::Level::info, "receiving again");
  }
  const int count = static_cast<int>(messages->size());
  counters_.received += messages->size();
  last_receive_empty_ = count == 0;
  if (count == 0) {
    counters_.empty_receives++;
    receives_wanted_ = 1;
    const Duration pause = receiving.scouting ? kEmptyProbePause : kEmptyPause;
    if (receiving.scouting || now.mono - receiving.sent < kEmptyPause) {
      receive_after_ = std::max(receive_after_, now.mono + pause);
    }
  } else if (count >= receiving.asked) {
    receives_wanted_ = std::min(receives_wanted_ * 2, options_.receives_max);
  }
  std::vector<InHand> in_hand;
  for (queue::Message& message : *messages) {
    InHand one{.message = std::move(message),
               .asked_at = receiving.sent,
               .visible_at = now.mono + receiving.visibility};
    if (static_cast<int>(in_hand.size()) < receiving.asked) {
      in_hand.push_back(std::move(one));
    } else {  // more than was asked for: there is no place for it
      give_back(one, 1s, GiveBack::refused, now);
    }
  }
  take_messages(std::move(receiving), std::move(in_hand), now);
  run(now);
}

void Consumer::queue_attributes(const Result<queue::QueueAttributes>& attributes, const Now& now) {
  attributes_under_way_ = false;
  attributes_at_ = now.mono + options_.attributes_interval;
  if (attributes) {
    attributes_ = *attributes;
  } else {
    // What was known stays in force; before anything was known the guard has nothing to go by.
    attributes_at_ = now.mono + std::min<Duration>(options_.attributes_interval, 30s);
    notice(Notice::Kind::attributes_failed, Notice::Level::warn,
           "the queue's attributes cannot be read, so a changed maxReceiveCount is not noticed: " +
               attributes.error().text());
  }
  attributes_answered_ = true;
  run(now);
}

void Consumer::handled(CallId id, const HandlerAnswer& answer, const Now& now) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;  // abandoned meanwhile
  Call call = std::move(found->second);
  calls_.erase(found);

  Outcome outcome = Outcome::failure;
  switch (answer.kind) {
    case HandlerAnswer::Kind::answered:
      outcome = core::outcome_of_handler(answer.status);
      break;
    case HandlerAnswer::Kind::timeout:
      outcome = Outcome::overload;
      counters_.timeouts++;
      break;
    case HandlerAnswer::Kind::connection:
      outcome = Outcome::failure;
      counters_.connection_errors++;
      break;
    case HandlerAnswer::Kind::unsendable:
      outcome = Outcome::ignored;
      break;
  }
  counters_.outcomes[static_cast<std::size_t>(outcome)]++;
  if (outcome == Outcome::overload || outcome == Outcome::failure) {
    if (const auto asked = queue::parse_retry_after(answer.retry_after, now.wall)) {
      circuit_.asked_to_wait(*asked, now);
    }
  }
  if (call.permit) circuit_.finish(*call.permit, outcome, now.mono - call.started, now);
  ask_again_ = MonoTime{};  // the place that this call had may be had again

  if (answer.kind == HandlerAnswer::Kind::connection) {
    if (++handler_failures_ == 1) {
      notice(Notice::Kind::handler_trouble, Notice::Level::warn,
             "the handler cannot be reached: " + answer.detail);
    }
  } else if (handler_failures_ > 0 && answer.kind == HandlerAnswer::Kind::answered) {
    handler_failures_ = 0;
    notice(Notice::Kind::handler_recovered, Notice::Level::info, "the handler answers again");
  }

  if (outcome == Outcome::success) {
    if (now.mono >= call.in_hand.visible_at) {
      notice(Notice::Kind::visibility_overrun, Notice::Level::warn,
             "a message was done only after it had become visible again; it may be done twice",
             {{"message", call.in_hand.message.id}});
    }
    to_delete_.push_back(Pending{.message_id = call.in_hand.message.id,
                                 .receipt_handle = call.in_hand.message.receipt_handle,
                                 .visible_at = call.in_hand.visible_at,
                                 .ready_at = now.mono,
                                 .flush_at = now.mono + options_.batch_linger});
  } else if (!keeps_after_failure(call, outcome, now) || !keep(call.in_hand)) {
    give_back(call.in_hand, wait_after_failure(call, answer, now), GiveBack::failed, now);
  }
  run(now);
}

// ---- Calling --------------------------------------------------------------------------------

void Consumer::dispatch(InHand in_hand, MonoTime patient_until, const Now& now) {
  if (last_receive(in_hand) && !flowing(now)) {
    park(std::move(in_hand), now);
    return;
  }
  const fleet::Admission admission = circuit_.admit(now);
  if (const auto* no = std::get_if<fleet::Refusal>(&admission)) {
    refused(std::move(in_hand), *no, patient_until, now);
    return;
  }
  const auto& permit = std::get<fleet::Permit>(admission);
  note_flow(permit.kind, now);
  const bool scouts = scouting(permit, now);
  if (scouts && (last_receive(in_hand) || scouted(in_hand.message.id) > 0)) {
    return_unused(permit, now);
    if (last_receive(in_hand)) {
      park(std::move(in_hand), now);
    } else {
      give_back(
          in_hand,
          queue::hide_while_open(circuit_.next_open_time(), now.mono - in_hand.asked_at, random_),
          GiveBack::scouted, now);
    }
    return;
  }
  start_call(std::move(in_hand), permit, scouts, now);
}

void Consumer::refused(InHand in_hand, const fleet::Refusal& refusal, MonoTime patient_until,
                       const Now& now) {
  note_refusal(refusal, now);
  const bool soon = refusal.reason == fleet::RefusalReason::stale_view ||
                    refusal.reason == fleet::RefusalReason::limit;
  if (soon && now.mono < patient_until && !stopping()) {
    waiting_.push_back(Waiting{.in_hand = std::move(in_hand), .until = patient_until});
    return;
  }
  if (last_receive(in_hand)) {
    park(std::move(in_hand), now);
    return;
  }
  Duration wait = std::max<Duration>(refusal.retry_after, 1s);
  // A message that comes up again between two probes only loses a receive.
  if (!flowing(now)) wait = std::max(wait, circuit_.next_open_time());
  give_back(in_hand, queue::hide_while_open(wait, now.mono - in_hand.asked_at, random_),
            GiveBack::refused, now);
}

void Consumer::retry_waiting(const Now& now) {
  std::deque<Waiting> waiting = std::exchange(waiting_, {});
  bool blocked = false;
  for (Waiting& entry : waiting) {
    if (stopping() && !last_receive(entry.in_hand)) {
      give_back(entry.in_hand, 0s, GiveBack::stopping, now);
    } else if (blocked && now.mono < entry.until) {
      waiting_.push_back(std::move(entry));
    } else {
      const std::size_t before = waiting_.size();
      dispatch(std::move(entry.in_hand), entry.until, now);
      blocked = waiting_.size() > before;
    }
  }
}

void Consumer::call_parked(const Now& now) {
  while (now.mono >= ask_again_ && flowing(now) && lanes_used() < options_.concurrency) {
    const auto next = callable_parked(now);
    if (next == parked_.end()) return;
    const fleet::Admission admission = circuit_.admit(now);
    if (const auto* no = std::get_if<fleet::Refusal>(&admission)) {
      note_refusal(*no, now);
      return;
    }
    const auto& permit = std::get<fleet::Permit>(admission);
    if (scouting(permit, now)) {
      return_unused(permit, now);
      return;
    }
    note_flow(permit.kind, now);
    start_call(take_parked(next), permit, false, now);
  }
}

// What is left of the grace time is for calls without a permit.
MonoTime Consumer::last_chance() const {
  return *stop_at_ - std::min(options_.handler_timeout, options_.shutdown_grace / 2);
}

void Consumer::call_parked_at_last(const Now& now) {
  // Given back they would be dead-lettered untried, because of the circuit. Only a person's hand
  // stands above that. A few at a time: the dependency is likely to be down.
  if (now.mono < last_chance()) return;
  const int most = std::max(1, options_.concurrency / 5);
  while (in_flight() < most) {
    const auto next = callable_parked(now);
    if (next == parked_.end()) return;
    const fleet::Admission admission = circuit_.admit(now);
    std::optional<fleet::Permit> permit;
    bool trial = false;
    if (const auto* no = std::get_if<fleet::Refusal>(&admission)) {
      stops_under_hold_ = no->reason == fleet::RefusalReason::held;
      if (stops_under_hold_) return;
      notice(Notice::Kind::parked, Notice::Level::warn,
             "stopping: a message on its last receive is called though the circuit refuses it, "
             "since its next receive dead-letters it",
             {{"message", next->message.id}, {"reason", std::string(to_string(no->reason))}});
    } else {
      permit = std::get<fleet::Permit>(admission);
      trial = scouting(*permit, now);
    }
    start_call(take_parked(next), permit, trial, now);
  }
}

void Consumer::start_call(InHand in_hand, const std::optional<fleet::Permit>& permit, bool scouting,
                          const Now& now) {
  SG_ASSERT(in_flight() < options_.concurrency);
  counters_.calls++;
  if (scouting) {
    counters_.scouts++;
    remember_scout(in_hand.message.id);
    no_scout_since_ = now.mono;
  }
  const CallId id = next_id_++;
  actions_.emplace_back(
      CallAction{.id = id, .message = in_hand.message, .timeout = options_.handler_timeout});
  calls_.emplace(
      id,
      Call{
          .in_hand = std::move(in_hand), .permit = permit, .started = now.mono, .scout = scouting});
}

void Consumer::return_unused(const fleet::Permit& permit, const Now& now) {
  counters_.permits_unused++;
  circuit_.give_back(permit, now);
  ask_again_ = MonoTime{};
}

// ---- What the circuit says ------------------------------------------------------------------

void Consumer::note_refusal(const fleet::Refusal& refusal, const Now& now) {
  ask_again_ = now.mono + std::clamp(refusal.retry_after, kAskSoonest, kAskLatest);
  if (refusal.reason == fleet::RefusalReason::stale_view) return;
  permits_first_ = true;
  if (refusal.reason == fleet::RefusalReason::limit) return;
  // One line per pause and one per failed round of probes, not one per refusal. A round is told of
  // once the store has taken its end: only then the next probe's time is known.
  if (!paused_) {
    pause(refusal, now);
  } else if (!unsaid_pause_ && refusal.epoch != paused_epoch_ && refusal.state == State::open &&
             !circuit_.cause().empty()) {
    say_pause(refusal, true, now);
  }
}

void Consumer::pause(const fleet::Refusal& refusal, const Now& now) {
  counters_.pauses++;
  no_scout_since_ = now.mono;
  paused_ = true;
  unsaid_pause_ = refusal;
  unsaid_until_ = now.mono + kCausePatience;
}

// While long polls under way leave no place to ask for, the circuit is not asked for permits. It
// need not be, to know that nothing more is received, and that receiving goes on.
void Consumer::note_state(const Now& now) {
  if (stopping() || permits_first_) return;
  const State state = circuit_.state(now);
  if (!paused_ && state == State::open) {
    pause({.reason = circuit_.held_open() ? fleet::RefusalReason::held : fleet::RefusalReason::open,
           .state = state,
           .epoch = circuit_.epoch(),
           .retry_after = circuit_.retry_after(now)},
          now);
  } else if (paused_ && state == State::closed) {
    note_flow(fleet::PermitKind::normal, now);
  }
}

void Consumer::say_pause(const fleet::Refusal& refusal, bool again, const Now& now) {
  unsaid_pause_.reset();
  paused_epoch_ = circuit_.epoch();
  std::string cause = circuit_.cause();
  if (refusal.reason == fleet::RefusalReason::local) {
    cause = "the calls of this process fail, and it has heard of no decision by the fleet";
  } else if (refusal.reason == fleet::RefusalReason::store) {
    cause = "the store cannot be reached, and on_store_failure is refuse";
  } else if (cause.empty()) {
    cause = "the calls of this process failed; the store has not taken the trip yet";
  }
  std::vector<std::pair<std::string, std::string>> fields{
      {"reason", std::string(to_string(refusal.reason))},
      {"state", std::string(to_string(refusal.state))},
      {"epoch", std::to_string(paused_epoch_)},
      {"cause", cause}};
  if (refusal.reason != fleet::RefusalReason::held) {  // a hold ends without a probe
    const Duration wait = circuit_.retry_after(now);
    fields.emplace_back("next_probe_in_ms", std::to_string(ceil_ms(wait).count()));
    fields.emplace_back("next_probe_at", queue::utc_text(now.wall + wait));
  }
  const bool held = refusal.reason == fleet::RefusalReason::held;
  const bool probe_failed = !held && cause.starts_with("probe_failed");
  notice(Notice::Kind::paused, Notice::Level::warn,
         !again         ? "paused: nothing is received"
         : probe_failed ? "still paused: a probe failed"
         : held         ? "still paused: a person holds the circuit open"
                        : "still paused",
         std::move(fields));
}

void Consumer::note_flow(fleet::PermitKind kind, const Now& now) {
  if (kind == fleet::PermitKind::normal && flowing(now)) permits_first_ = false;
  if (!paused_ || kind == fleet::PermitKind::probe || !flowing(now)) return;
  if (unsaid_pause_) say_pause(fleet::Refusal(*unsaid_pause_), false, now);
  paused_ = false;
  const State state = circuit_.state(now);
  notice(Notice::Kind::resumed, Notice::Level::info,
         state == State::recovering ? "resumed: within the recovery limit" : "resumed",
         {{"state", std::string(to_string(state))}});
}

}  // namespace switchgear::worker
