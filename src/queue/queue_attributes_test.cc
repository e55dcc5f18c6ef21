#include "queue/queue_attributes.h"

#include <gtest/gtest.h>

#include "queue/time_text.h"

namespace switchgear::queue {
namespace {

TEST(RedrivePolicy, ReadsTheCountAsStringOrNumber) {
  const auto text = parse_redrive_policy(
      R"({"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:1:dead","maxReceiveCount":"5"})");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->max_receive_count, 5);
  EXPECT_EQ(text->dead_letter_arn, "arn:aws:sqs:eu-central-1:1:dead");
  const auto number = parse_redrive_policy(R"({"maxReceiveCount":3})");
  ASSERT_TRUE(number);
  EXPECT_EQ(number->max_receive_count, 3);
}

TEST(RedrivePolicy, RefusesWhatItCannotRead) {
  for (const char* bad : {"", "{", "[]", "5", "{}", R"({"maxReceiveCount":0})",
                          R"({"maxReceiveCount":"many"})", R"({"maxReceiveCount":1.5})"}) {
    const auto policy = parse_redrive_policy(bad);
    ASSERT_FALSE(policy) << bad;
    EXPECT_EQ(policy.error().code, "InvalidRedrivePolicy");
  }
}

TEST(QueueAttributes, KeepDefaultsForWhatIsMissing) {
  const auto attributes = read_queue_attributes({});
  ASSERT_TRUE(attributes);
  EXPECT_EQ(*attributes, QueueAttributes{});
}

TEST(QueueAttributes, ReadWhatTheQueueSays) {
  const auto attributes = read_queue_attributes({{"VisibilityTimeout", "60"},
                                                 {"MessageRetentionPeriod", "86400"},
                                                 {"FifoQueue", "true"},
                                                 {"QueueArn", "arn:aws:sqs:eu-central-1:1:q"},
                                                 {"RedrivePolicy", R"({"maxReceiveCount":"5"})"}});
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->visibility_timeout, std::chrono::seconds(60));
  EXPECT_EQ(attributes->retention, std::chrono::seconds(86'400));
  EXPECT_TRUE(attributes->fifo);
  EXPECT_EQ(attributes->arn, "arn:aws:sqs:eu-central-1:1:q");
  EXPECT_EQ(attributes->redrive->max_receive_count, 5);
}

Message received(int times) {
  Message message;
  message.receive_count = times;
  return message;
}

TEST(LastReceive, IsTheOneThatReachesTheCount) {
  QueueAttributes attributes;
  attributes.redrive = RedrivePolicy{.max_receive_count = 5, .dead_letter_arn = ""};
  EXPECT_FALSE(on_last_receive(received(4), attributes));
  EXPECT_TRUE(on_last_receive(received(5), attributes));
  EXPECT_TRUE(on_last_receive(received(6), attributes));
}

TEST(LastReceive, NeverComesWithoutARedrivePolicy) {
  EXPECT_FALSE(on_last_receive(received(1'000), {}));
}

TEST(Message, TakesCountAndTimesFromItsSystemAttributes) {
  Message message;
  message.system_attributes = {{"ApproximateReceiveCount", "3"},
                               {"SentTimestamp", "1700000000123"},
                               {"ApproximateFirstReceiveTimestamp", "1700000001000"}};
  read_system_attributes(message);
  EXPECT_EQ(message.receive_count, 3);
  EXPECT_EQ(message.sent, WallTime(std::chrono::milliseconds(1'700'000'000'123)));
  EXPECT_EQ(message.first_received, WallTime(std::chrono::milliseconds(1'700'000'001'000)));
}

TEST(Message, KeepsDefaultsWhereSystemAttributesAreMalformed) {
  Message message;
  message.system_attributes = {{"ApproximateReceiveCount", "x"},
                               {"SentTimestamp", "99999999999999999"}};
  read_system_attributes(message);
  EXPECT_EQ(message.receive_count, 1);
  EXPECT_EQ(message.sent, std::nullopt);
}

TEST(TimeText, IsIso8601InUtc) {
  EXPECT_EQ(utc_text(WallTime(std::chrono::milliseconds(784'111'777'999))), "1994-11-06T08:49:37Z");
  EXPECT_EQ(utc_text(WallTime{}), "1970-01-01T00:00:00Z");
}

}  // namespace
}  // namespace switchgear::queue
