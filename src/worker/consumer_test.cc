#include "worker/consumer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace switchgear::worker {
namespace {

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
  Duration retry_after(const Now&) override { return wait; }
  Duration next_open_time() override { return 10s; }
  std::string known_cause = "failure_rate: 10 of 10 calls failed";
  std::string cause() override { return known_cause; }
  std::int64_t epoch() override { return epoch_; }
};

queue::Message message(const std::string& id, int receive_count = 1) {
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

// ---- Closed ---------------------------------------------------------------------------------

TEST_F(ConsumerTest, ReceivesNothingBeforeTheQueuesAttributesAreAnswered) {
  consumer.emplace(options, circuit, 7);
  consumer->tick(now);
  const auto actions = consumer->take_actions();
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<ReadAttributesAction>(actions[0]));
}

TEST_F(ConsumerTest, LongPollsForUpToTenMessagesWhileClosed) {
  start_closed(50);
  EXPECT_EQ(open_receives.front().max, 10);
  EXPECT_EQ(open_receives.front().wait, seconds(20));
}

TEST_F(ConsumerTest, ReceivesOnlyForFreePlaces) {
  start_closed(3);
  EXPECT_EQ(open_receives.front().max, 3);
  receive({message("a"), message("b"), message("c")});
  EXPECT_EQ(open_calls.size(), 3u);
  EXPECT_TRUE(open_receives.empty());
  answer(200);
  ASSERT_EQ(open_receives.size(), 1u);
  EXPECT_EQ(open_receives.front().max, 1);
}

TEST_F(ConsumerTest, KeepsMoreReceivesUnderWayWhileTheyComeBackFull) {
  options.receives_max = 4;
  start_closed(100);
  EXPECT_EQ(open_receives.size(), 1u);
  std::vector<queue::Message> ten;
  for (int i = 0; i < 10; i++) ten.push_back(message(std::to_string(i)));
  receive(ten);
  EXPECT_EQ(open_receives.size(), 2u);
  receive(ten);
  receive(ten);
  EXPECT_EQ(open_receives.size(), 4u);
  receive({});
  EXPECT_EQ(open_receives.size(), 3u) << "an empty receive is not replaced while others wait";
}

TEST_F(ConsumerTest, AsksForAVisibilityThatOutlastsTheHandler) {
  options.handler_timeout = 90s;
  options.visibility_margin = 30s;
  start_closed();
  EXPECT_EQ(open_receives.front().visibility, seconds(120));
}

TEST_F(ConsumerTest, KeepsTheQueuesOwnVisibilityIfThatIsLonger) {
  options.handler_timeout = 1s;
  start();
  queue::QueueAttributes attributes;
  attributes.visibility_timeout = seconds(300);
  consumer->queue_attributes(attributes, now);
  EXPECT_EQ(consumer->receive_visibility(), seconds(300));
}

TEST_F(ConsumerTest, DeletesWhatTheHandlerHasDone) {
  start_closed();
  receive({message("a")});
  answer(204);
  EXPECT_TRUE(deletes.empty()) << "waits a moment for others";
  pass(options.batch_linger);
  EXPECT_TRUE(was_deleted("a"));
  EXPECT_EQ(circuit.outcomes.back(), Outcome::success);
}

TEST_F(ConsumerTest, DeletesTenAtATimeWithoutWaiting) {
  start_closed();
  std::vector<queue::Message> ten;
  for (int i = 0; i < 10; i++) ten.push_back(message(std::to_string(i)));
  receive(ten);
  for (int i = 0; i < 10; i++) answer(200);
  ASSERT_EQ(deletes.size(), 1u);
  EXPECT_EQ(deletes[0].entries.size(), 10u);
}

// ---- Outcomes -------------------------------------------------------------------------------

TEST_F(ConsumerTest, BacksOffByReceiveCountAfterAFailure) {
  start_closed();
  receive({message("a", 3)});
  answer(500);
  pass(100ms);
  EXPECT_EQ(hidden("a"), seconds(20));
  EXPECT_FALSE(was_deleted("a"));
  EXPECT_EQ(circuit.outcomes.back(), Outcome::failure);
}

TEST_F(ConsumerTest, TakesAHandlersTimeoutAsOverload) {
  start_closed();
  receive({message("a")});
  answer(HandlerAnswer::Kind::timeout);
  pass(100ms);
  EXPECT_EQ(circuit.outcomes.back(), Outcome::overload);
  EXPECT_EQ(hidden("a"), seconds(5));
}

TEST_F(ConsumerTest, TakesConnectionTroubleAsFailureAndSaysSoOnce) {
  start_closed();
  receive({message("a"), message("b")});
  answer(HandlerAnswer::Kind::connection);
  answer(HandlerAnswer::Kind::connection);
  EXPECT_EQ(circuit.outcomes.back(), Outcome::failure);
  EXPECT_EQ(std::count_if(notices.begin(), notices.end(),
                          [](const Notice& n) { return n.kind == Notice::Kind::handler_trouble; }),
            1);
}

TEST_F(ConsumerTest, Scenario26PoisonMessageBacksOffAloneAndIsNoEvidence) {
  start_closed();
  receive({message("poison", 2), message("good")});
  answer(422);
  answer(200);
  pass(100ms);
  EXPECT_EQ(circuit.outcomes[circuit.outcomes.size() - 2], Outcome::ignored);
  EXPECT_EQ(hidden("poison"), seconds(10));
  EXPECT_TRUE(was_deleted("good"));
}

TEST_F(ConsumerTest, HonoursRetryAfterInSeconds) {
  start_closed();
  receive({message("a", 7)});
  answer(503, "120");
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(120));
  EXPECT_LE(hidden("a"), seconds(132));
}

TEST_F(ConsumerTest, BoundsRetryAfter) {
  options.retry_after_max = 10min;
  start_closed();
  receive({message("a")});
  answer(503, "999999");
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(600));
  EXPECT_LE(hidden("a"), seconds(661));
}

TEST_F(ConsumerTest, SaysWhenAMessageWasDoneAfterItsVisibilityHadEnded) {
  start_closed();
  receive({message("a")});
  pass(options.handler_timeout + options.visibility_margin + 1s);
  answer(200);
  EXPECT_TRUE(noticed(Notice::Kind::visibility_overrun));
  pass(100ms);
  EXPECT_TRUE(was_deleted("a")) << "it may still work";
}

// ---- Open -----------------------------------------------------------------------------------

TEST_F(ConsumerTest, ReceivesNothingWhileOpen) {
  circuit.now_state = State::open;
  start();
  pass(60s);
  EXPECT_TRUE(open_receives.empty());
  EXPECT_TRUE(consumer->paused());
}

TEST_F(ConsumerTest, HidesWhatItHoldsForAtLeastTheOpenTime) {
  start_closed();
  circuit.now_state = State::open;
  circuit.wait = 17s;
  receive({message("a"), message("b")});
  pass(100ms);
  EXPECT_TRUE(open_calls.empty());
  EXPECT_GE(hidden("a"), seconds(17));
  EXPECT_GE(hidden("b"), seconds(17));
  EXPECT_LE(hidden("b"), seconds(23));
}

TEST_F(ConsumerTest, LogsAPauseWithItsCauseAndTheTimeOfTheNextProbe) {
  circuit.now_state = State::open;
  circuit.wait = 5s;
  start();
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  std::map<std::string, std::string> fields(notices.back().fields.begin(),
                                            notices.back().fields.end());
  EXPECT_EQ(fields["cause"], "failure_rate: 10 of 10 calls failed");
  EXPECT_EQ(fields["next_probe_in_ms"], "5000");
  EXPECT_EQ(fields["next_probe_at"], "2023-11-14T22:13:25Z");
}

TEST_F(ConsumerTest, TellsAPauseOnceItsCauseIsSettledAndOnlyOnce) {
  start_closed();
  circuit.now_state = State::open;  // seen here, not yet written
  circuit.known_cause = "";
  receive({message("a")});
  EXPECT_TRUE(consumer->paused());
  EXPECT_FALSE(noticed(Notice::Kind::paused));
  circuit.known_cause = "failure_rate: 10 of 10 calls failed";
  change_circuit(State::open);  // now with the epoch of the trip
  pass(10s);
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  EXPECT_EQ(std::count_if(notices.begin(), notices.end(),
                          [](const Notice& n) { return n.kind == Notice::Kind::paused; }),
            1);
}

TEST_F(ConsumerTest, TellsEachFailedRoundOfProbes) {
  circuit.now_state = State::open;
  circuit.permits = 1;
  start();
  change_circuit(State::half_open);
  change_circuit(State::open);
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  EXPECT_EQ(notices.back().text, "still paused: a probe failed");
}

TEST_F(ConsumerTest, LogsOnePauseHoweverOftenItIsRefusedAndTheResumption) {
  circuit.now_state = State::open;
  start();
  pass(120s);
  change_circuit(State::closed);
  EXPECT_TRUE(noticed(Notice::Kind::resumed));
  EXPECT_EQ(std::count_if(notices.begin(), notices.end(),
                          [](const Notice& n) { return n.kind == Notice::Kind::paused; }),
            1);
  EXPECT_EQ(open_receives.size(), 1u);
}

TEST_F(ConsumerTest, FailedCallsStayHiddenForAtLeastTheOpenTime) {
  start_closed();
  receive({message("a")});
  circuit.now_state = State::open;
  circuit.wait = 25s;
  answer(500);
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(25));
}

// ---- Half open ------------------------------------------------------------------------------

TEST_F(ConsumerTest, ClaimsTheSlotFirstAndReceivesOneMessageForIt) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start(50);
  EXPECT_EQ(circuit.out, 1);
  ASSERT_EQ(open_receives.size(), 1u);
  EXPECT_EQ(open_receives.front().max, 1);
  EXPECT_LE(open_receives.front().wait, seconds(1));
  receive({message("a")});
  EXPECT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(consumer->counters().scouts, 1u);
}

TEST_F(ConsumerTest, ReceivesNothingWithoutASlot) {
  circuit.now_state = State::half_open;
  circuit.permits = 0;
  start();
  pass(10s);
  EXPECT_TRUE(open_receives.empty());
}

TEST_F(ConsumerTest, NeverHasMoreProbesThanSlots) {
  circuit.now_state = State::half_open;
  circuit.permits = 3;
  start(50);
  EXPECT_EQ(open_receives.size(), 3u);
  receive({message("a")});
  receive({message("b")});
  receive({message("c")});
  pass(5s);
  EXPECT_EQ(open_calls.size(), 3u);
  EXPECT_TRUE(open_receives.empty());
}

TEST_F(ConsumerTest, AnEmptyReceiveReturnsTheSlot) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  receive({});
  EXPECT_EQ(circuit.out, 0);
  EXPECT_EQ(circuit.outcomes.back(), Outcome::ignored);
}

TEST_F(ConsumerTest, AFailedReceiveReturnsTheSlot) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  fail_receive(Error{"connect", "refused", true, "sqs"});
  EXPECT_EQ(circuit.out, 0);
  EXPECT_EQ(circuit.outcomes.back(), Outcome::ignored);
}

TEST_F(ConsumerTest, AMessageOnItsLastReceiveIsNeverAScout) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start(10, 5);
  receive({message("last", 5)});
  EXPECT_TRUE(open_calls.empty());
  ASSERT_EQ(open_receives.size(), 1u) << "another is taken with the same slot";
  EXPECT_EQ(circuit.out, 1);
  receive({message("fresh", 1)});
  ASSERT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(open_calls.front().message.id, "fresh");
  EXPECT_EQ(hidden("last"), seconds(-1)) << "giving it back would dead-letter it";
  EXPECT_EQ(consumer->parked(), 1);
}

TEST_F(ConsumerTest, ScoutsRotate) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  receive({message("a")});
  answer(503);
  pass(2s);
  ASSERT_EQ(open_receives.size(), 1u);
  receive({message("a", 2)});
  ASSERT_EQ(open_receives.size(), 1u) << "another is looked for first";
  receive({message("b")});
  ASSERT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(open_calls.front().message.id, "b");
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(10));
}

TEST_F(ConsumerTest, AnOldScoutGoesAgainIfThereIsNoOtherMessage) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  receive({message("a")});
  answer(503);
  pass(2s);
  receive({message("a", 2)});
  receive({});
  ASSERT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(open_calls.front().message.id, "a");
}

TEST_F(ConsumerTest, AFailedScoutIsHiddenBeyondTheNextOpenTimeAndLongerEachTime) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  receive({message("a")});
  answer(503);
  pass(2s);
  EXPECT_GE(hidden("a"), seconds(10));
  receive({message("a", 2)});
  receive({});
  answer(503);
  pass(2s);
  EXPECT_GE(hidden("a"), seconds(20));
}

TEST_F(ConsumerTest, AsksAgainRightBeforeTheProbeIsSent) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  circuit.startable = false;
  receive({message("a")});
  EXPECT_TRUE(open_calls.empty());
  EXPECT_EQ(circuit.outcomes.back(), Outcome::ignored);
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(10));
}

TEST_F(ConsumerTest, TheTrialOfAProcessThatStoppedItselfIsAScout) {
  start_closed(10, 5);
  circuit.now_state = State::half_open;  // as a port shows it
  circuit.trial = true;
  circuit.permits = 1;
  receive({});
  pass(3s);
  ASSERT_EQ(open_receives.size(), 1u);
  EXPECT_EQ(open_receives.front().max, 1);
  receive({message("last", 5)});
  EXPECT_TRUE(open_calls.empty()) << "a trial is no call for a message on its last receive";
  EXPECT_EQ(consumer->parked(), 1);
  pass(3s);
  receive({message("a", 1)});
  ASSERT_EQ(open_calls.size(), 1u);
  answer(500);
  pass(1s);
  EXPECT_GE(hidden("a"), seconds(10)) << "the next trial takes another message";
  EXPECT_EQ(consumer->counters().scouts, 1u);
  EXPECT_FALSE(noticed(Notice::Kind::resumed));
}

// ---- Parked ---------------------------------------------------------------------------------

TEST_F(ConsumerTest, KeepsAMessageOnItsLastReceiveHiddenWhileTheCircuitIsOpen) {
  start_closed();
  circuit.now_state = State::open;
  receive({message("last", 5)});
  EXPECT_EQ(consumer->parked(), 1);
  EXPECT_TRUE(noticed(Notice::Kind::parked));
  for (int i = 0; i < 120; i++) {
    pass(5s);
    acknowledge_all();
  }
  EXPECT_EQ(consumer->parked(), 1);
  change_circuit(State::closed);
  ASSERT_EQ(open_calls.size(), 1u) << "called as soon as the circuit lets it";
  EXPECT_EQ(open_calls.front().message.id, "last");
}

TEST_F(ConsumerTest, RenewsTheVisibilityOfAParkedMessageBeforeItEnds) {
  start_closed();
  circuit.now_state = State::open;
  receive({message("last", 5)});
  pass(options.visibility_margin);
  EXPECT_GT(hidden("last"), options.handler_timeout);
}

TEST_F(ConsumerTest, SaysWhenAParkedMessageIsLost) {
  start_closed();
  circuit.now_state = State::open;
  receive({message("last", 5)});
  pass(options.handler_timeout + options.visibility_margin + 1s);  // no renewal is answered
  EXPECT_TRUE(noticed(Notice::Kind::parked_lost));
  EXPECT_EQ(consumer->parked(), 0);
}

TEST_F(ConsumerTest, AScoutWhoseNextReceiveWouldBeItsLastIsKeptAndGoesAgain) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start(10, 5);
  receive({message("a", 4)});
  answer(503);
  pass(100ms);
  EXPECT_EQ(consumer->parked(), 1);
  EXPECT_EQ(hidden("a"), seconds(-1));
  pass(2s);
  receive({});
  ASSERT_EQ(open_calls.size(), 1u) << "no other message is there";
  EXPECT_EQ(open_calls.front().message.id, "a");
}

TEST_F(ConsumerTest, WithNothingElseForMinutesAKeptMessageIsScoutAndStaysKept) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start(10, 1);
  receive({message("only", 1)});
  for (int i = 0; i < 100 && open_calls.empty(); i++) {
    EXPECT_LT(i, 90);
    if (!open_receives.empty()) receive({});
    pass(2s);
    acknowledge_all();
  }
  ASSERT_EQ(open_calls.size(), 1u);
  answer(503);
  pass(100ms);
  EXPECT_EQ(consumer->parked(), 1) << "going back would dead-letter it";
}

TEST_F(ConsumerTest, ALastReceiveThatFailsWhileTheCircuitIsNotClosedIsKept) {
  circuit.now_state = State::recovering;
  start(10, 5);
  receive({message("last", 5)});
  answer(503);
  EXPECT_EQ(consumer->counters().given_back_failed, 0u);
}

TEST_F(ConsumerTest, ALastReceiveThatFailsWhileTheCircuitIsClosedGoesItsWay) {
  start_closed(10, 5);
  receive({message("last", 5)});
  answer(503);
  EXPECT_EQ(consumer->counters().given_back_failed, 1u);
}

// ---- Recovering -----------------------------------------------------------------------------

TEST_F(ConsumerTest, TakesItsShareBeforeItReceives) {
  circuit.now_state = State::recovering;
  circuit.permits = 4;
  start(50);
  EXPECT_EQ(circuit.out, 4);
  ASSERT_EQ(open_receives.size(), 1u);
  EXPECT_EQ(open_receives.front().max, 4);
  EXPECT_LE(open_receives.front().wait, seconds(1));
}

TEST_F(ConsumerTest, ReturnsTheShareThatFoundNoMessage) {
  circuit.now_state = State::recovering;
  circuit.permits = 4;
  start(50);
  receive({message("a")});
  EXPECT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(std::count(circuit.outcomes.begin(), circuit.outcomes.end(), Outcome::ignored), 3);
}

TEST_F(ConsumerTest, PollsWithOnePermitAfterAnEmptyReceive) {
  circuit.now_state = State::recovering;
  circuit.permits = 4;
  start(50);
  receive({});
  pass(1s);
  ASSERT_EQ(open_receives.size(), 1u);
  EXPECT_EQ(open_receives.front().max, 1);
  EXPECT_EQ(circuit.out, 1);
}

TEST_F(ConsumerTest, TakesThePermitOfAnEndedCallForTheNextMessageAtOnce) {
  circuit.now_state = State::recovering;
  circuit.permits = 1;
  start(50);
  receive({message("a")});
  EXPECT_TRUE(open_receives.empty());
  pass(100ms);
  answer(200);
  EXPECT_EQ(open_receives.size(), 1u);
}

TEST_F(ConsumerTest, PermitsTakenBeforeTheCircuitReopenedStartNothing) {
  circuit.now_state = State::recovering;
  circuit.permits = 2;
  start(50);
  circuit.now_state = State::open;
  receive({message("a"), message("b")});
  EXPECT_TRUE(open_calls.empty());
  EXPECT_EQ(circuit.out, 0);
  pass(100ms);
  EXPECT_GE(hidden("a"), seconds(5));
}

TEST_F(ConsumerTest, WaitsAMomentForAViewThatIsBeingRefreshed) {
  start_closed();
  circuit.refuse_closed = true;
  circuit.wait = 10ms;
  receive({message("a"), message("b")});
  EXPECT_TRUE(open_calls.empty());
  circuit.refuse_closed = false;
  pass(20ms);
  EXPECT_EQ(open_calls.size(), 2u);
  EXPECT_TRUE(changes.empty()) << "going back would have cost a receive";
}

TEST_F(ConsumerTest, GivesBackWhatWaitedTooLongForAView) {
  start_closed();
  circuit.refuse_closed = true;
  circuit.wait = 10ms;
  receive({message("a")});
  pass(2s);
  EXPECT_GE(hidden("a"), seconds(1));
  EXPECT_EQ(consumer->messages_held(), 0);
}

// ---- Trouble with the queue -----------------------------------------------------------------

TEST_F(ConsumerTest, TriesAFailedDeleteAgainUntilTheVisibilityEnds) {
  start_closed();
  receive({message("a")});
  answer(200);
  pass(100ms);
  int tries = 0;
  for (int i = 0; i < 1000 && !noticed(Notice::Kind::delete_given_up); i++) {
    for (const DeleteAction& d : std::exchange(deletes, {})) {
      tries++;
      consumer->deleted(d.id, Error{"connect", "refused", true, "sqs"}, now);
    }
    pass(100ms);
  }
  EXPECT_GT(tries, 5);
  EXPECT_TRUE(noticed(Notice::Kind::delete_given_up));
  EXPECT_EQ(consumer->counters().deletes_given_up, 1u);
}

TEST_F(ConsumerTest, DeletesAgainOnlyTheEntriesThatFailed) {
  start_closed();
  receive({message("a"), message("b"), message("c")});
  answer(200);
  answer(200);
  answer(200);
  pass(100ms);
  ASSERT_EQ(deletes.size(), 1u);
  const BatchId id = deletes[0].id;
  deletes.clear();
  consumer->deleted(id,
                    std::vector<EntryFailure>{
                        {.index = 1, .code = "InternalError", .message = "", .retryable = true},
                        {.index = 2, .code = "ReceiptHandleIsInvalid", .message = "expired"}},
                    now);
  pass(1s);
  ASSERT_EQ(deletes.size(), 1u);
  ASSERT_EQ(deletes[0].entries.size(), 1u);
  EXPECT_EQ(deletes[0].entries[0].message_id, "b");
  EXPECT_TRUE(noticed(Notice::Kind::delete_given_up));
  EXPECT_EQ(consumer->counters().deleted, 1u);
}

TEST_F(ConsumerTest, BacksOffWhenReceivesFailAndRecovers) {
  start_closed();
  fail_receive(Error{"connect", "refused", true, "sqs"});
  EXPECT_TRUE(open_receives.empty());
  EXPECT_TRUE(noticed(Notice::Kind::receive_failed));
  pass(1s);
  ASSERT_EQ(open_receives.size(), 1u);
  receive({});
  EXPECT_TRUE(noticed(Notice::Kind::receive_recovered));
}

TEST_F(ConsumerTest, DoesNotHammerAQueueThatAnswersEmptyAtOnce) {
  options.receive_wait = seconds(0);
  start();
  receive({});
  EXPECT_TRUE(open_receives.empty());
  pass(400ms);
  EXPECT_TRUE(open_receives.empty());
  pass(200ms);
  EXPECT_EQ(open_receives.size(), 1u);
}

TEST_F(ConsumerTest, GivesBackMoreThanItAskedFor) {
  start_closed(1);
  receive({message("a"), message("b")});
  EXPECT_EQ(open_calls.size(), 1u);
  pass(100ms);
  EXPECT_EQ(hidden("b"), seconds(1));
}

// ---- Stopping -------------------------------------------------------------------------------

TEST_F(ConsumerTest, StopsReceivingAndLetsCallsEnd) {
  start_closed(10);
  receive({message("a")});
  consumer->stop(now);
  collect();
  EXPECT_EQ(cancelled_receives.size(), 1u);
  fail_receive(Error{"cancelled", "", false, "sqs"});
  EXPECT_FALSE(consumer->finished());
  pass(1s);
  EXPECT_TRUE(open_receives.empty());
  answer(200);
  EXPECT_TRUE(was_deleted("a")) << "without waiting for others";
  acknowledge_all();
  EXPECT_TRUE(consumer->finished());
  EXPECT_TRUE(noticed(Notice::Kind::stopped));
}

TEST_F(ConsumerTest, ReleasesMessagesThatArriveWhileStopping) {
  start_closed();
  consumer->stop(now);
  collect();
  receive({message("late")});
  EXPECT_TRUE(open_calls.empty());
  EXPECT_EQ(hidden("late"), seconds(0));
  acknowledge_all();
  EXPECT_TRUE(consumer->finished());
}

TEST_F(ConsumerTest, CallsAMessageOnItsLastReceiveThoughStopping) {
  start_closed();
  consumer->stop(now);
  collect();
  receive({message("last", 5)});
  EXPECT_EQ(open_calls.size(), 1u) << "given back untried it would be dead-lettered";
}

TEST_F(ConsumerTest, StoppingWhileOpenCallsWhatWouldBeDeadLetteredUntried) {
  options.shutdown_grace = 20s;
  start_closed();
  circuit.now_state = State::open;
  receive({message("last", 5)});
  ASSERT_EQ(consumer->parked(), 1);
  const int out = circuit.out;
  consumer->stop(now);
  pass(9s);
  EXPECT_TRUE(open_calls.empty()) << "the circuit may still let it";
  EXPECT_FALSE(consumer->finished());
  pass(2s);
  ASSERT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(circuit.out, out) << "it went without a permit";
  answer(200);
  collect();
  EXPECT_EQ(deletes.size(), 1u);
  EXPECT_EQ(consumer->counters().parked_lost, 0u);
}

TEST_F(ConsumerTest, StoppingWhileTheLimitIsUsedUpWaitsForAPermit) {
  options.shutdown_grace = 20s;
  start_closed();
  circuit.now_state = State::recovering;
  circuit.permits = 0;
  circuit.wait = 100ms;
  receive({message("last", 5)});
  consumer->stop(now);
  pass(2s);
  ASSERT_TRUE(open_calls.empty());
  EXPECT_FALSE(consumer->finished());
  circuit.permits = 1;
  pass(1s);
  ASSERT_EQ(open_calls.size(), 1u);
  EXPECT_EQ(circuit.out, 1) << "it went with a permit";
}

TEST_F(ConsumerTest, StoppingUnderAHoldCallsNothing) {
  start_closed();
  circuit.now_state = State::open;
  circuit.held = true;
  receive({message("last", 5)});
  consumer->stop(now);
  pass(options.shutdown_grace + 6s);
  EXPECT_TRUE(open_calls.empty());
  EXPECT_TRUE(consumer->finished());
  EXPECT_TRUE(noticed(Notice::Kind::parked_lost)) << "and says so";
}

TEST_F(ConsumerTest, AParkedMessageIsNotCalledWhileItsRenewalIsUnderWay) {
  start_closed();
  circuit.now_state = State::open;
  receive({message("last", 5)});
  pass(options.visibility_margin);
  ASSERT_GT(hidden("last"), seconds(0));
  change_circuit(State::closed);
  EXPECT_TRUE(open_calls.empty()) << "the call could outlive what is left of its visibility";
  acknowledge_all();
  receive({});  // it waits for a place, as any other message does
  EXPECT_EQ(open_calls.size(), 1u);
}

TEST_F(ConsumerTest, AbandonsCallsAtTheEndOfTheGraceTimeAndDeletesNothing) {
  options.shutdown_grace = 10s;
  start_closed(1);
  receive({message("slow")});
  consumer->stop(now);
  pass(10s);
  EXPECT_EQ(cancelled_calls.size(), 1u);
  EXPECT_EQ(circuit.outcomes.back(), Outcome::ignored);
  EXPECT_GE(hidden("slow"), seconds(1));
  acknowledge_all();
  EXPECT_TRUE(consumer->finished());
  EXPECT_TRUE(deletes.empty());
  consumer->handled(open_calls.front().id, {.status = 200}, now);
  EXPECT_TRUE(consumer->take_actions().empty());
}

TEST_F(ConsumerTest, ASecondStopEndsTheGraceTime) {
  start_closed(1);
  receive({message("slow")});
  consumer->stop(now);
  consumer->stop(now);
  collect();
  EXPECT_EQ(cancelled_calls.size(), 1u);
}

TEST_F(ConsumerTest, StoppingReturnsPermitsOfReceivesUnderWay) {
  circuit.now_state = State::half_open;
  circuit.permits = 1;
  start();
  consumer->stop(now);
  collect();
  receive({message("a")});
  EXPECT_EQ(circuit.out, 0);
  EXPECT_EQ(hidden("a"), seconds(0));
}

TEST_F(ConsumerTest, EndsEvenIfTheQueueAnswersNoMore) {
  options.shutdown_grace = 10s;
  start_closed();
  receive({message("a")});
  consumer->stop(now);
  pass(16s);
  EXPECT_TRUE(consumer->finished());
  EXPECT_EQ(circuit.out, 0);
}

}  // namespace
}  // namespace switchgear::worker
