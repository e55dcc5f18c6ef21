// What a consumer keeps in hand, and how it ends.
#include "worker/consumer_for_tests.h"

namespace switchgear::worker {
namespace {

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

TEST_F(ConsumerTest, TellsOfAllAbandonedCallsInOneLine) {
  start_closed(12);
  std::vector<queue::Message> messages;
  for (int i = 0; i < 10; ++i) messages.push_back(message("m" + std::to_string(i)));
  receive(std::move(messages));
  receive({message("m10"), message("m11")});
  ASSERT_EQ(open_calls.size(), 12u);
  consumer->stop(now);
  consumer->stop(now);
  collect();
  EXPECT_EQ(std::count_if(notices.begin(), notices.end(),
                          [](const Notice& n) { return n.kind == Notice::Kind::abandoned; }),
            1);
  const auto told = std::find_if(notices.begin(), notices.end(),
                                 [](const Notice& n) { return n.kind == Notice::Kind::abandoned; });
  const std::map<std::string, std::string> fields(told->fields.begin(), told->fields.end());
  EXPECT_EQ(fields.at("calls"), "12");
  EXPECT_TRUE(fields.at("messages").ends_with(" and more")) << fields.at("messages");
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
