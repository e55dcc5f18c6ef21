#include "controller/trial.h"

#include <gtest/gtest.h>

namespace switchgear::controller {
namespace {

using std::chrono::seconds;
using Kind = TrialResult::Kind;

queue::Message message(const std::string& id, int receive_count = 1) {
  queue::Message m;
  m.id = id;
  m.receipt_handle = "receipt-" + id;
  m.receive_count = receive_count;
  return m;
}

class TrialTest : public ::testing::Test {
 protected:
  Trial& begin(bool partial = false) {
    Mapping mapping{.uuid = "u",
                    .function_arn = "f",
                    .source_arn = "arn:aws:sqs:eu-central-1:1:orders",
                    .report_batch_item_failures = partial};
    queue::QueueAttributes attributes;
    attributes.redrive = queue::RedrivePolicy{5, "dlq"};
    trial.emplace(mapping, attributes, seconds(60), 2min, kept, core::Random(3));
    step = trial->start();
    return *trial;
  }
  void receive(std::vector<queue::Message> messages) {
    step = trial->received(std::move(messages), MonoTime(100s));
  }
  void answer(aws::Invocation invocation) { step = trial->invoked(invocation, MonoTime(101s)); }
  void refuse(const std::string& code) {
    step = trial->invoked(Error{code, "refused", true, "lambda"}, MonoTime(101s));
  }
  TrialResult settle() {
    step = trial->settled({});
    EXPECT_TRUE(std::holds_alternative<TrialResult>(step));
    return std::get<TrialResult>(step);
  }
  template <class T>
  const T* is() const {
    return std::get_if<T>(&step);
  }
  KeptMessages kept;
  std::optional<Trial> trial;
  TrialStep step;
};

TEST_F(TrialTest, HidesTheMessageForLongerThanTheFunctionMayTake) {
  begin();
  ASSERT_TRUE(is<ReceiveScout>());
  EXPECT_EQ(is<ReceiveScout>()->visibility, 120s);
}

TEST_F(TrialTest, DeletesWhatSucceeded) {
  begin();
  receive({message("m")});
  ASSERT_TRUE(is<InvokeWithScout>());
  answer({});
  ASSERT_TRUE(is<DeleteScout>());
  EXPECT_EQ(settle().kind, Kind::succeeded);
}

TEST_F(TrialTest, HidesWhatFailedSoThatTheNextIsAnother) {
  begin();
  receive({message("m", 2)});
  answer({.function_error = "Unhandled", .payload = R"({"errorMessage":"no"})"});
  ASSERT_TRUE(is<HideScout>());
  EXPECT_GE(is<HideScout>()->visibility, 60s);
  const TrialResult result = settle();
  EXPECT_EQ(result.kind, Kind::failed);
  EXPECT_NE(result.detail.find("errorMessage"), std::string::npos);
}

TEST_F(TrialTest, HonoursBatchItemFailuresWhereTheMappingDoes) {
  const aws::Invocation partial{.payload = R"({"batchItemFailures":[{"itemIdentifier":"m"}]})"};
  begin(true);
  receive({message("m")});
  answer(partial);
  ASSERT_TRUE(is<HideScout>());
  EXPECT_EQ(settle().kind, Kind::failed);
  begin(false);
  receive({message("m")});
  answer(partial);
  ASSERT_TRUE(is<DeleteScout>()) << "a mapping without ReportBatchItemFailures deletes it too";
}

TEST_F(TrialTest, KeepsTheReceiptAndAsksAgainWhenThrottled) {
  begin();
  receive({message("m")});
  refuse("TooManyRequestsException");
  ASSERT_TRUE(is<WaitForThrottle>());
  step = trial->waited();
  ASSERT_TRUE(is<InvokeWithScout>());
  EXPECT_EQ(is<InvokeWithScout>()->message.id, "m");
  for (int i = 0; i < 4; ++i) {
    refuse("TooManyRequestsException");
    ASSERT_TRUE(is<WaitForThrottle>());
    step = trial->waited();
  }
  refuse("TooManyRequestsException");
  ASSERT_TRUE(is<HideScout>());
  EXPECT_EQ(settle().kind, Kind::no_verdict);
}

TEST_F(TrialTest, LeavesTheMessageHiddenWhenTheAnswerIsLost) {
  begin();
  receive({message("m")});
  refuse("closed");
  ASSERT_TRUE(is<TrialResult>()) << "neither deleted nor given back";
  EXPECT_EQ(is<TrialResult>()->kind, Kind::no_verdict);
}

TEST_F(TrialTest, SaysThatNothingWaits) {
  begin();
  receive({});
  ASSERT_TRUE(is<TrialResult>());
  EXPECT_EQ(is<TrialResult>()->kind, Kind::nothing);
}

TEST_F(TrialTest, SpendsNoMessageOnItsLastReceiveWhileThereAreOthers) {
  begin();
  receive({message("old", 5)});
  ASSERT_TRUE(is<HideScout>());
  EXPECT_EQ(kept.size(), 1u);
  step = trial->settled({});
  ASSERT_TRUE(is<ReceiveScout>());
  receive({message("young")});
  EXPECT_EQ(is<InvokeWithScout>()->message.id, "young");
}

TEST_F(TrialTest, TriesTheKeptMessageWhenThereIsNoOther) {
  begin();
  receive({message("old", 5)});
  step = trial->settled({});
  receive({});
  ASSERT_TRUE(is<HideScout>()) << "for as long as the function may run";
  EXPECT_EQ(is<HideScout>()->visibility, 120s);
  step = trial->settled({});
  ASSERT_TRUE(is<InvokeWithScout>());
  EXPECT_EQ(is<InvokeWithScout>()->message.id, "old");
  EXPECT_TRUE(kept.empty());
}

// SQS would dead-letter it with the next receive, whatever it is that fails.
TEST_F(TrialTest, KeepsAMessageOnItsLastReceiveThatFailedAndTriesItAgain) {
  begin();
  receive({message("old", 5)});
  step = trial->settled({});
  receive({});
  step = trial->settled({});
  step = trial->invoked(aws::Invocation{.function_error = "Unhandled"}, MonoTime(100s));
  ASSERT_TRUE(is<HideScout>());
  EXPECT_EQ(is<HideScout>()->visibility, KeptMessages::kHidden);
  EXPECT_EQ(settle().kind, Kind::failed);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept.kept_for("arn:aws:sqs:eu-central-1:1:orders", MonoTime(100s + 7h)), 7h)
      << "since it was received";
  EXPECT_EQ(kept.kept_for("other", MonoTime(100s + 7h)), 0s);

  // Once the dependency is well, what fails does so for its own sake.
  begin();
  step = trial->start_with_kept(MonoTime(100s), true);
  step = trial->settled({});
  step = trial->invoked(aws::Invocation{.function_error = "Unhandled"}, MonoTime(100s));
  EXPECT_EQ(settle().kind, Kind::failed);
  EXPECT_TRUE(kept.empty());
}

TEST_F(TrialTest, InvokesNothingWithAKeptMessageThatIsNotHiddenAnyMore) {
  begin();
  receive({message("old", 5)});
  step = trial->settled({});
  receive({});
  step = trial->settled(Error{"MessageNotInflight", "visible", false, "sqs"});
  ASSERT_TRUE(is<TrialResult>());
  EXPECT_EQ(is<TrialResult>()->kind, Kind::no_verdict);
}

TEST_F(TrialTest, KeepsAMessageOnItsLastReceiveThatTheFunctionWasTooBusyFor) {
  begin();
  receive({message("old", 5)});
  step = trial->settled({});
  receive({});
  step = trial->settled({});
  for (int i = 0; i < 5; ++i) {
    refuse("TooManyRequestsException");
    ASSERT_TRUE(is<WaitForThrottle>());
    step = trial->waited();
  }
  refuse("TooManyRequestsException");
  ASSERT_TRUE(is<HideScout>());
  EXPECT_EQ(is<HideScout>()->visibility, KeptMessages::kHidden) << "not given back to die";
  EXPECT_EQ(settle().kind, Kind::no_verdict);
  EXPECT_EQ(kept.size(), 1u);
}

TEST_F(TrialTest, AsksNoThrottledFunctionForLongerThanTheMessageIsHidden) {
  begin();
  receive({message("m")});
  step = trial->invoked(Error{"TooManyRequestsException", "refused", true, "lambda"},
                        MonoTime(100s + 29900ms));
  EXPECT_TRUE(is<HideScout>());
}

TEST_F(TrialTest, KeepsNothingForAControllerThatEndsBeforeLong) {
  KeptMessages none(0);
  trial.emplace(
      Mapping{.source_arn = "q"},
      [] {
        queue::QueueAttributes attributes;
        attributes.redrive = queue::RedrivePolicy{5, "dlq"};
        return attributes;
      }(),
      seconds(60), 2min, none, core::Random(3));
  trial->start();
  receive({message("old", 5)});
  ASSERT_TRUE(is<InvokeWithScout>()) << "its last receive is spent: better tried than given back";
}

TEST_F(TrialTest, KeptMessagesAreHiddenAnewInTime) {
  kept.keep(message("old", 5), "q", MonoTime(0s));
  EXPECT_TRUE(kept.due(MonoTime(5min)).empty());
  EXPECT_EQ(kept.due(MonoTime(11min)).size(), 1u);
  EXPECT_TRUE(kept.due(MonoTime(12min)).empty());
}

}  // namespace
}  // namespace switchgear::controller
