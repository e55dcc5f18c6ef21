// A consumer between a circuit, a queue and a handler that a test plays by hand. For tests only.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "worker/consumer.h"

namespace switchgear::worker {

using std::chrono::seconds;

// A circuit that answers as it is told and remembers what it was told.
class ScriptedCircuit : public CircuitPort {
 public:
  State now_state = State::closed;
  int permits = 1'000'000;  // that may be out at a time in any state but closed
  Duration wait = 5s;
  bool startable = true;
  std::int64_t epoch_ = 1;
  fleet::RefusalReason closed_refusal = fleet::RefusalReason::stale_view;
  bool refuse_closed = false;
  bool held = false;
  bool trial = false;  // permits are those of a process that stopped itself

  int out = 0;
  int asked = 0;
  std::vector<Outcome> outcomes;

  fleet::Admission admit(const Now&) override {
    asked++;
    const auto refuse = [&](fleet::RefusalReason reason) {
      return fleet::Refusal{.reason = reason,
                            .state = now_state,
                            .epoch = epoch_,
                            .retry_after = wait,
                            .view_age = 0s};
    };
    if (held) return refuse(fleet::RefusalReason::held);
    if (now_state == State::open) return refuse(fleet::RefusalReason::open);
    if (now_state == State::closed && refuse_closed) return refuse(closed_refusal);
    if (now_state != State::closed && out >= permits) {
      return refuse(now_state == State::half_open ? fleet::RefusalReason::probing
                                                  : fleet::RefusalReason::limit);
    }
    out++;
    if (trial) return fleet::Permit{.kind = fleet::PermitKind::normal, .trial = true};
    return fleet::Permit{.kind = now_state == State::closed      ? fleet::PermitKind::normal
                                 : now_state == State::half_open ? fleet::PermitKind::probe
                                                                 : fleet::PermitKind::recovering,
                         .epoch = epoch_};
  }
  bool may_start(const fleet::Permit&, const Now&) override { return startable; }
  void finish(const fleet::Permit&, Outcome outcome, Duration, const Now&) override {
    out--;
    outcomes.push_back(outcome);
  }
  std::vector<Duration> pauses;
  void asked_to_wait(Duration pause, const Now&) override { pauses.push_back(pause); }
  void give_back(const fleet::Permit&, const Now&) override {
    out--;
    outcomes.push_back(Outcome::ignored);
  }
  State state(const Now&) override { return now_state; }
  bool held_open() override { return held && now_state == State::open; }
  Duration retry_after(const Now&) override { return wait; }
  Duration next_open_time() override { return 10s; }
  std::string known_cause = "failure_rate: 10 of 10 calls failed";
  std::string cause() override { return known_cause; }
  std::int64_t epoch() override { return epoch_; }
};

inline queue::Message message(const std::string& id, int receive_count = 1) {
  queue::Message m;
  m.id = id;
  m.receipt_handle = "receipt-" + id;
  m.body = "body of " + id;
  m.receive_count = receive_count;
  return m;
}

class ConsumerTest : public ::testing::Test {
 protected:
  void start(int concurrency = 10, int max_receive_count = 5) {
    options.concurrency = concurrency;
    options.backoff = {.base = 5s, .cap = 15min, .jitter = core::Jitter::none};
    consumer.emplace(options, circuit, 7);
    queue::QueueAttributes attributes;
    attributes.redrive = queue::RedrivePolicy{max_receive_count, "arn"};
    consumer->tick(now);
    consumer->queue_attributes(attributes, now);
    collect();
  }
  // A consumer that has found the circuit closed and receives freely.
  void start_closed(int concurrency = 10, int max_receive_count = 5) {
    start(concurrency, max_receive_count);
    receive({});
    pass(1s);
    ASSERT_EQ(open_receives.size(), 1u);
    ASSERT_EQ(open_receives.front().wait, options.receive_wait);
  }
  void collect() {
    for (Action& action : consumer->take_actions()) {
      if (auto* r = std::get_if<ReceiveAction>(&action)) {
        open_receives.push_back(*r);
      } else if (auto* c = std::get_if<CallAction>(&action)) {
        open_calls.push_back(*c);
      } else if (auto* d = std::get_if<DeleteAction>(&action)) {
        deletes.push_back(*d);
      } else if (auto* v = std::get_if<VisibilityAction>(&action)) {
        changes.push_back(*v);
      } else if (auto* x = std::get_if<CancelCallAction>(&action)) {
        cancelled_calls.push_back(x->id);
      } else if (auto* y = std::get_if<CancelReceiveAction>(&action)) {
        cancelled_receives.push_back(y->id);
      }
    }
    for (Notice& n : consumer->take_notices()) notices.push_back(std::move(n));
  }
  void pass(Duration time) {
    // In steps, as timers would.
    const MonoTime end = now.mono + time;
    while (now.mono < end) {
      const Duration step = std::min(consumer->until_tick(now), end - now.mono);
      now.mono += step;
      now.boot += step;
      now.wall += step;
      consumer->tick(now);
      collect();
    }
  }
  void receive(std::vector<queue::Message> messages) {
    ASSERT_FALSE(open_receives.empty()) << "no receive is under way";
    const ReceiveAction action = open_receives.front();
    open_receives.pop_front();
    consumer->received(action.id, std::move(messages), now);
    collect();
  }
  void fail_receive(Error error) {
    ASSERT_FALSE(open_receives.empty());
    const ReceiveAction action = open_receives.front();
    open_receives.pop_front();
    consumer->received(action.id, std::move(error), now);
    collect();
  }
  void answer(int status, const std::string& retry_after = "") {
    ASSERT_FALSE(open_calls.empty()) << "no call is under way";
    const CallAction action = open_calls.front();
    open_calls.pop_front();
    consumer->handled(action.id, {.status = status, .retry_after = retry_after}, now);
    collect();
  }
  void answer(HandlerAnswer::Kind kind) {
    ASSERT_FALSE(open_calls.empty()) << "no call is under way";
    const CallAction action = open_calls.front();
    open_calls.pop_front();
    consumer->handled(action.id, {.kind = kind}, now);
    collect();
  }
  void change_circuit(State state) {
    circuit.now_state = state;
    circuit.epoch_++;
    consumer->circuit_changed(now);
    collect();
  }
  bool noticed(Notice::Kind kind) const {
    return std::any_of(notices.begin(), notices.end(),
                       [&](const Notice& n) { return n.kind == kind; });
  }
  // For how long the message was last asked to be hidden; -1: it was not given back.
  seconds hidden(const std::string& id) const {
    seconds result{-1};
    for (const VisibilityAction& action : changes) {
      for (const VisibilityEntry& entry : action.entries) {
        if (entry.message_id == id) result = entry.visibility;
      }
    }
    return result;
  }
  bool was_deleted(const std::string& id) const {
    for (const DeleteAction& action : deletes) {
      for (const DeleteEntry& entry : action.entries) {
        if (entry.message_id == id) return true;
      }
    }
    return false;
  }
  void acknowledge_all() {
    for (const DeleteAction& d : std::exchange(deletes, {})) {
      consumer->deleted(d.id, std::vector<EntryFailure>{}, now);
    }
    for (const VisibilityAction& v : std::exchange(changes, {})) {
      consumer->visibility_changed(v.id, std::vector<EntryFailure>{}, now);
    }
    collect();
  }

  ScriptedCircuit circuit;
  ConsumerOptions options;
  Now now{MonoTime(1000s), BootTime(1000s), WallTime(1'700'000'000s)};
  std::optional<Consumer> consumer;
  std::deque<ReceiveAction> open_receives;
  std::deque<CallAction> open_calls;
  std::vector<DeleteAction> deletes;
  std::vector<VisibilityAction> changes;
  std::vector<CallId> cancelled_calls;
  std::vector<ReceiveId> cancelled_receives;
  std::vector<Notice> notices;
};

}  // namespace switchgear::worker
