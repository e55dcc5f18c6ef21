#include "worker/consumer_for_tests.h"

namespace switchgear::worker {
namespace {

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

TEST_F(ConsumerTest, PromisesNoProbeUnderAHold) {
  circuit.held = true;
  circuit.wait = 5s;
  start();
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  for (const auto& [name, value] : notices.back().fields) {
    EXPECT_FALSE(name.starts_with("next_probe")) << name << "=" << value;
  }
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

TEST_F(ConsumerTest, PausesWhileALongPollIsUnderWay) {
  start_closed();
  change_circuit(State::open);
  EXPECT_TRUE(consumer->paused());
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  EXPECT_EQ(open_receives.size(), 1u);
  change_circuit(State::closed);
  EXPECT_FALSE(consumer->paused());
  EXPECT_TRUE(noticed(Notice::Kind::resumed));
}

TEST_F(ConsumerTest, SaysThatAPersonHoldsTheCircuitWhileALongPollIsUnderWay) {
  start_closed();
  circuit.held = true;
  change_circuit(State::open);
  ASSERT_TRUE(noticed(Notice::Kind::paused));
  const std::map<std::string, std::string> fields(notices.back().fields.begin(),
                                                  notices.back().fields.end());
  EXPECT_EQ(fields.at("reason"), "held");
}

TEST_F(ConsumerTest, TellsAFailedRoundOfProbesOnceAndWithWhatTheStoreHasTaken) {
  circuit.now_state = State::open;
  circuit.permits = 1;
  start();
  change_circuit(State::half_open);
  circuit.known_cause = "";  // seen here, not yet written
  notices.clear();
  change_circuit(State::open);
  EXPECT_FALSE(noticed(Notice::Kind::paused));
  circuit.known_cause = "probe_failed: a probe failed";
  change_circuit(State::open);
  pass(10s);
  ASSERT_EQ(notices.size(), 1u);
  const std::map<std::string, std::string> fields(notices[0].fields.begin(),
                                                  notices[0].fields.end());
  EXPECT_EQ(notices[0].text, "still paused: a probe failed");
  EXPECT_EQ(fields.at("cause"), "probe_failed: a probe failed");
}

TEST_F(ConsumerTest, BlamesNoProbeForAHoldDuringAPause) {
  circuit.now_state = State::open;
  start();
  circuit.held = true;
  change_circuit(State::open);
  EXPECT_EQ(notices.back().text, "still paused: a person holds the circuit open");
  circuit.held = false;
  circuit.known_cause = "hold_ended: the hold by ann ran out";
  change_circuit(State::open);
  EXPECT_EQ(notices.back().text, "still paused");
}

TEST_F(ConsumerTest, TellsEachFailedRoundOfProbes) {
  circuit.now_state = State::open;
  circuit.known_cause = "probe_failed: a probe failed";
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

}  // namespace
}  // namespace switchgear::worker
