#include "lab/sim_worker.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace switchgear::lab {

SimWorker::SimWorker(Scheduler& scheduler, Process& process, SimQueue& queue,
                     Dependency& dependency, CallTally& tally,
                     const worker::ConsumerOptions& options, bool guarded, std::uint64_t seed)
    : scheduler_(scheduler),
      process_(process),
      queue_(queue),
      dependency_(dependency),
      tally_(tally),
      port_(process.member()),
      consumer_(options, guarded ? static_cast<worker::CircuitPort&>(port_) : none_, seed) {}

// Something happened in this process; then whatever the consumer wants done is done.
template <class Event>
void SimWorker::happen(Event event) {
  process_.run([this, event = std::move(event)]() mutable {
    event();
    carry_out();
  });
}

void SimWorker::start() {
  happen([this] { consumer_.tick(process_.now()); });
}

void SimWorker::circuit_may_have_changed() {
  fleet::Member& member = process_.member();
  const Now now = process_.now();
  const fleet::Record* record = member.record();
  const std::int64_t epoch = record ? record->epoch : 0;
  const std::uint64_t revision = record ? record->revision : 0;
  const int allowed = member.allowed_in_flight(now) + member.slots_held();
  const bool same = std::tuple(epoch, revision, allowed) ==
                    std::tuple(seen_epoch_, seen_revision_, seen_allowed_);
  seen_epoch_ = epoch;
  seen_revision_ = revision;
  seen_allowed_ = allowed;
  if (!same) happen([this] { consumer_.circuit_changed(process_.now()); });
}

void SimWorker::carry_out() {
  for (const worker::Action& action : consumer_.take_actions()) carry_out(action);
  consumer_.take_notices();
  const std::uint64_t tick = ++tick_;
  scheduler_.after(std::max<Duration>(consumer_.until_tick(process_.now()), 1ms), [this, tick] {
    if (tick == tick_) happen([this] { consumer_.tick(process_.now()); });
  });
}

void SimWorker::carry_out(const worker::Action& action) {
  if (const auto* receive = std::get_if<worker::ReceiveAction>(&action)) {
    queue_.receive(receive->max, receive->wait, receive->visibility,
                   [this, id = receive->id](std::vector<queue::Message> messages) {
                     happen([this, id, messages = std::move(messages)]() mutable {
                       consumer_.received(id, std::move(messages), process_.now());
                     });
                   });
  } else if (const auto* one = std::get_if<worker::CallAction>(&action)) {
    call(*one);
  } else if (const auto* deletion = std::get_if<worker::DeleteAction>(&action)) {
    scheduler_.after(4ms, [this, d = *deletion] {
      for (const auto& entry : d.entries) queue_.remove(entry.receipt_handle);
      happen([this, id = d.id] {
        consumer_.deleted(id, std::vector<worker::EntryFailure>{}, process_.now());
      });
    });
  } else if (const auto* change = std::get_if<worker::VisibilityAction>(&action)) {
    scheduler_.after(4ms, [this, c = *change] {
      for (const auto& entry : c.entries) {
        queue_.change_visibility(entry.receipt_handle, entry.visibility);
      }
      happen([this, id = c.id] {
        consumer_.visibility_changed(id, std::vector<worker::EntryFailure>{}, process_.now());
      });
    });
  } else if (std::holds_alternative<worker::ReadAttributesAction>(action)) {
    scheduler_.after(4ms, [this] {
      happen([this] { consumer_.queue_attributes(queue_.attributes(), process_.now()); });
    });
  }
  // Nothing is ever cancelled here: workers of the demo are not stopped.
}

void SimWorker::call(const worker::CallAction& action) {
  auto open = std::make_shared<bool>(true);
  ++tally_.started;
  ++tally_.in_flight;
  const auto end = [this, open, id = action.id](worker::HandlerAnswer answer) {
    if (!*open) return;
    *open = false;
    --tally_.in_flight;
    happen(
        [this, id, answer = std::move(answer)] { consumer_.handled(id, answer, process_.now()); });
  };
  dependency_.call([this, open, end](Outcome outcome) {
    if (!*open) return;
    const bool ok = outcome == Outcome::success;
    ++(ok ? tally_.ok : tally_.failed);
    end({.kind = worker::HandlerAnswer::Kind::answered,
         .status = ok                             ? 200
                   : outcome == Outcome::overload ? 503
                                                  : 500,
         .retry_after = "",
         .detail = ""});
  });
  scheduler_.after(action.timeout, [this, open, end] {
    if (!*open) return;
    ++tally_.timed_out;
    end({.kind = worker::HandlerAnswer::Kind::timeout,
         .status = 0,
         .retry_after = "",
         .detail = ""});
  });
}

}  // namespace switchgear::lab
