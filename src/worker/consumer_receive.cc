// How many messages the consumer asks for, when, and what it does with those that come.
#include <algorithm>

#include "core/assert.h"
#include "queue/time_text.h"
#include "queue/visibility.h"
#include "worker/consumer.h"

namespace switchgear::worker {

namespace {

using std::chrono::seconds;

constexpr int kBatchMax = 10;  // of SQS, for every kind of batch
// A view that is being refreshed, or a limit that is used up, is worth this much waiting before a
// message goes back: going back costs it one of its receives.
constexpr Duration kPatience = 1s;
// Receives that one probe may spend on finding a message that has not been a scout.
constexpr int kScoutTries = 3;

}  // namespace

void Consumer::plan_receives(const Now& now) {
  if (stopping() || !attributes_answered_ || now.mono < receive_after_) return;
  // The queue does not take deletes: more messages would only be done twice.
  const std::size_t unsettled = to_delete_.size() + to_change_.size();
  if (unsettled > static_cast<std::size_t>(4 * options_.concurrency + 100)) return;
  if (permits_first_ || circuit_.state(now) != State::closed) receive_with_permits(now);
  if (!permits_first_ && circuit_.state(now) == State::closed) receive_freely(now);
}

void Consumer::receive_freely(const Now& now) {
  const std::size_t most =
      static_cast<std::size_t>(std::min(options_.receives_max, receives_wanted_));
  while (receiving_.size() < most) {
    const int free = options_.concurrency - lanes_used();
    // With a receive under way, places that get free one by one wait for it and go together.
    if (free < (receiving_.empty() ? 1 : kBatchMax)) return;
    start_receive(options_.receive_wait, Receiving{.asked = std::min(free, kBatchMax)}, now);
  }
}

void Consumer::receive_with_permits(const Now& now) {
  if (now.mono < ask_again_) return;
  while (static_cast<int>(receiving_.size()) < options_.receives_max) {
    int want = std::min(options_.concurrency - lanes_used(), kBatchMax);
    if (last_receive_empty_) want = receiving_.empty() ? std::min(want, 1) : 0;
    Receiving receiving;
    bool refusal = false;
    while (static_cast<int>(receiving.permits.size()) < want) {
      const fleet::Admission admission = circuit_.admit(now);
      if (const auto* no = std::get_if<fleet::Refusal>(&admission)) {
        note_refusal(*no, now);
        refusal = true;
        break;
      }
      const auto& permit = std::get<fleet::Permit>(admission);
      note_flow(permit.kind, now);
      if (scouting(permit, now)) {
        Receiving scouts{.asked = 1, .permits = {permit}, .scouting = true};
        start_receive(short_wait(), std::move(scouts), now);
        want--;
        if (static_cast<int>(receiving_.size()) >= options_.receives_max) break;
      } else {
        receiving.permits.push_back(permit);
      }
    }
    if (receiving.permits.empty()) return;
    receiving.asked = static_cast<int>(receiving.permits.size());
    start_receive(short_wait(), std::move(receiving), now);
    if (refusal || !permits_first_) return;
  }
}

void Consumer::start_receive(seconds wait, Receiving receiving, const Now& now) {
  const ReceiveId id = next_id_++;
  receiving.sent = now.mono;
  receiving.visibility = receive_visibility();
  counters_.receives++;
  actions_.emplace_back(ReceiveAction{
      .id = id, .max = receiving.asked, .wait = wait, .visibility = receiving.visibility});
  receiving_.emplace(id, std::move(receiving));
}

void Consumer::take_messages(Receiving receiving, std::vector<InHand> messages, const Now& now) {
  if (receiving.scouting && !stopping()) {
    take_for_scouting(std::move(receiving), std::move(messages), now);
    return;
  }
  std::size_t used = 0;
  for (InHand& in_hand : messages) {
    if (stopping() && !last_receive(in_hand)) {
      give_back(in_hand, 0s, GiveBack::stopping, now);
      continue;
    }
    if (used < receiving.permits.size() && !receiving.scouting) {
      const fleet::Permit& permit = receiving.permits[used++];
      // The circuit may have changed while the queue was asked.
      if ((permit.kind == fleet::PermitKind::local || flowing(now)) &&
          circuit_.may_start(permit, now)) {
        start_call(std::move(in_hand), permit, false, now);
        continue;
      }
      return_unused(permit, now);
    }
    dispatch(std::move(in_hand), now.mono + kPatience, now);
  }
  for (; used < receiving.permits.size(); used++) return_unused(receiving.permits[used], now);
  if (receiving.aside) {
    give_back(*receiving.aside, queue::hide_while_open(circuit_.retry_after(now), 0s, random_),
              GiveBack::scouted, now);
  }
}

void Consumer::take_for_scouting(Receiving receiving, std::vector<InHand> messages,
                                 const Now& now) {
  const fleet::Permit permit = receiving.permits.front();
  std::optional<InHand> aside = std::move(receiving.aside);
  const auto put_back = [&](const InHand& in_hand) {
    const Duration wait = std::max(circuit_.retry_after(now), circuit_.next_open_time());
    give_back(in_hand, queue::hide_while_open(wait, now.mono - in_hand.asked_at, random_),
              GiveBack::scouted, now);
  };

  // Failed scouts are hidden longer each time, so others come up in between. Giving back one that
  // is here would only waste the receive; it is done for the very one that was tried last.
  std::optional<InHand> fresh;
  for (InHand& in_hand : messages) {
    if (last_receive(in_hand)) {
      park(std::move(in_hand), now);
    } else if (!fresh && in_hand.message.id != last_scout_) {
      fresh = std::move(in_hand);
    } else if (!aside) {
      aside = std::move(in_hand);
    } else {
      put_back(in_hand);
    }
  }
  const bool more = !messages.empty() && receiving.tries < kScoutTries;
  if (!fresh && more && circuit_.may_start(permit, now)) {
    start_receive(0s,
                  Receiving{.asked = 1,
                            .permits = {permit},
                            .aside = std::move(aside),
                            .scouting = true,
                            .tries = receiving.tries + 1},
                  now);
    return;
  }
  // With no other message to be had, the last scout is better than no probe.
  if (!fresh) fresh = std::exchange(aside, std::nullopt);
  if (!fresh) fresh = scout_from_parked(now);
  if (aside) put_back(*aside);
  if (!fresh) {
    return_unused(permit, now);
  } else if (circuit_.may_start(permit, now)) {
    start_call(std::move(*fresh), permit, true, now);
  } else {
    return_unused(permit, now);
    if (last_receive(*fresh)) {
      park(std::move(*fresh), now);
    } else {
      put_back(*fresh);
    }
  }
}

}  // namespace switchgear::worker
