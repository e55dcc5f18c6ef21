#include "aws/sqs_codec.h"

#include <gtest/gtest.h>

#include "aws/base64.h"
#include "aws/digest.h"

namespace switchgear::aws::sqs_codec {
namespace {

const std::string kQueue = "http://h/1/q";

TEST(SqsRequests, AreTheJsonOfTheOperation) {
  using std::chrono::seconds;
  EXPECT_EQ(
      receive_request(kQueue, {.max_messages = 3, .wait = seconds(7), .visibility = seconds(9)}),
      R"({"QueueUrl":"http://h/1/q","MaxNumberOfMessages":3,"WaitTimeSeconds":7,)"
      R"("MessageSystemAttributeNames":["All"],"AttributeNames":["All"],)"
      R"("MessageAttributeNames":["All"],"VisibilityTimeout":9})");
  EXPECT_EQ(delete_batch_request(kQueue, {"a", "b"}),
            R"({"QueueUrl":"http://h/1/q","Entries":[{"Id":"0","ReceiptHandle":"a"},)"
            R"({"Id":"1","ReceiptHandle":"b"}]})");
  EXPECT_EQ(change_visibility_batch_request(kQueue, {{"a", seconds(5)}}),
            R"({"QueueUrl":"http://h/1/q","Entries":[{"Id":"0","ReceiptHandle":"a",)"
            R"("VisibilityTimeout":5}]})");
  EXPECT_EQ(get_queue_attributes_request(kQueue, {}),
            R"({"QueueUrl":"http://h/1/q","AttributeNames":["All"]})");
  EXPECT_EQ(get_queue_attributes_request(kQueue, {"QueueArn", "RedrivePolicy"}),
            R"({"QueueUrl":"http://h/1/q","AttributeNames":["QueueArn","RedrivePolicy"]})");
  EXPECT_EQ(set_queue_attributes_request(kQueue, {{"RedrivePolicy", R"({"a":1})"}, {"X", ""}}),
            R"({"QueueUrl":"http://h/1/q","Attributes":{"RedrivePolicy":"{\"a\":1}","X":""}})");
  EXPECT_EQ(get_queue_url_request("q"), R"({"QueueName":"q"})");
}

TEST(SqsRequests, SendMessagesWithAllTheyCarry) {
  const OutgoingMessage message{
      .body = "say \"hi\"\n",
      .attributes = {{"b", {"Binary", std::string("\0\xff", 2)}}, {"s", {"String", "v"}}},
      .delay = std::chrono::seconds(4),
      .group_id = "g",
      .deduplication_id = "d"};
  const std::string fields =
      R"("MessageBody":"say \"hi\"\n","DelaySeconds":4,"MessageGroupId":"g",)"
      R"("MessageDeduplicationId":"d","MessageAttributes":{"b":{"DataType":"Binary",)"
      R"("BinaryValue":"AP8="},"s":{"DataType":"String","StringValue":"v"}})";
  EXPECT_EQ(send_request(kQueue, message), "{" + fields + R"(,"QueueUrl":"http://h/1/q"})");
  EXPECT_EQ(send_batch_request(kQueue, {message}),
            R"({"QueueUrl":"http://h/1/q","Entries":[{)" + fields + R"(,"Id":"0"}]})");
}

TEST(SqsRequests, AssertTheLimitsOfTheService) {
  EXPECT_DEATH(delete_batch_request(kQueue, {}), "broken invariant");
  EXPECT_DEATH(delete_batch_request(kQueue, std::vector<std::string>(11)), "broken invariant");
  EXPECT_DEATH(receive_request(kQueue, {.wait = std::chrono::seconds(21)}), "broken invariant");
}

TEST(SqsMessages, AreReadWithAllTheyCarry) {
  const auto received = read_received(
      R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":")" + *md5_hex("böse") +
      R"(","Body":"böse","Attributes":{"ApproximateReceiveCount":"3","SenderId":"x"},)"
      R"("MessageAttributes":{"s":{"StringValue":"v","DataType":"String"},)"
      R"("b":{"BinaryValue":"AP8=","DataType":"Binary.x"}}}]})");
  ASSERT_TRUE(received);
  ASSERT_EQ(received->messages.size(), 1u);
  const Message& message = received->messages[0];
  EXPECT_EQ(message.id, "m");
  EXPECT_EQ(message.receipt_handle, "r");
  EXPECT_EQ(message.body, "böse");
  EXPECT_EQ(message.number("ApproximateReceiveCount"), 3);
  EXPECT_EQ(message.number("SenderId"), std::nullopt);
  EXPECT_EQ(message.number("SentTimestamp"), std::nullopt);
  EXPECT_EQ(message.message_attributes.at("s"), (MessageAttribute{"String", "v"}));
  EXPECT_EQ(message.message_attributes.at("b"),
            (MessageAttribute{"Binary.x", std::string("\0\xff", 2)}));
}

TEST(SqsMessages, AreNoneWhenTheQueueIsEmpty) {
  for (const char* body : {"{}", R"({"Messages":[]})", R"({"Messages":null})"}) {
    const auto received = read_received(body);
    ASSERT_TRUE(received) << body;
    EXPECT_TRUE(received->messages.empty());
  }
}

TEST(SqsMessages, WithAWrongChecksumAreSetAsideAlone) {
  const auto received = read_received(
      R"({"Messages":[{"MessageId":"bad","ReceiptHandle":"r1","MD5OfBody":")" + *md5_hex("x") +
      R"(","Body":"y"},{"MessageId":"good","ReceiptHandle":"r2","MD5OfBody":")" + *md5_hex("x") +
      R"(","Body":"x"},{"MessageId":"bare","Body":"z"}]})");
  ASSERT_TRUE(received);
  ASSERT_EQ(received->messages.size(), 1u);
  EXPECT_EQ(received->messages[0].id, "good");
  ASSERT_EQ(received->corrupt.size(), 2u);
  EXPECT_EQ(received->corrupt[0].receipt_handle, "r1");
  EXPECT_NE(received->corrupt[0].error.message.find("MD5"), std::string::npos);
  EXPECT_NE(received->corrupt[1].error.message.find("receipt"), std::string::npos);
}

TEST(SqsBatches, TellWhichEntriesFailed) {
  const auto result =
      read_batch(R"({"Successful":[{"Id":"2"}],"Failed":[{"Id":"0","SenderFault":true,)"
                 R"("Code":"ReceiptHandleIsInvalid","Message":"no"},)"
                 R"({"Id":"1","SenderFault":false,"Code":"InternalError"}]})",
                 4);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->all_done());
  ASSERT_EQ(result->errors.size(), 4u);
  EXPECT_EQ(result->errors[0]->code, "ReceiptHandleIsInvalid");
  EXPECT_FALSE(result->errors[0]->retryable);
  EXPECT_TRUE(result->errors[1]->retryable);
  EXPECT_FALSE(result->errors[2]);
  EXPECT_EQ(result->errors[3]->code, "not_answered");
}

TEST(SqsBatches, IgnoreAnswersToWhatWasNotAsked) {
  const auto result = read_batch(
      R"({"Successful":[{"Id":"1"},{"Id":"-1"},{"Id":"x"},{"Id":"99999999999999999999"},{}, 7]})",
      1);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->errors[0]->code, "not_answered");
}

// Of the two attributes below, made by another implementation.
constexpr const char* kAttributesMd5 = "787bad40b1ca0d170ad161cb05ffeb04";

TEST(SqsMessages, WhoseAttributesAreNotWhatWasSentAreSetAside) {
  const auto with = [](const std::string& binary, const std::string& md5) {
    return read_received(
        R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b","MD5OfMessageAttributes":")" +
        md5 + R"(","MessageAttributes":{"s":{"StringValue":"v","DataType":"String"},)" +
        R"("b":{"BinaryValue":")" + binary + R"(","DataType":"Binary.x"}}}]})");
  };
  EXPECT_EQ(with("AP8=", kAttributesMd5)->messages.size(), 1u);
  EXPECT_EQ(with("AP8=", *md5_hex("x"))->corrupt.at(0).error.message,
            "message m: its attributes do not match their MD5 checksum");
  EXPECT_EQ(with("!", "")->corrupt.at(0).error.message,
            "message m: an attribute of it cannot be read");
}

TEST(SqsBatches, GiveTheIdsOfMessagesThatTheQueueConfirms) {
  const std::vector<OutgoingMessage> messages{
      {.body = "zero"},
      {.body = "one"},
      {.body = "one", .attributes = {{"s", {"String", "v"}}, {"b", {"Binary.x", {"\0\xff", 2}}}}},
      {.body = "one"},
      {.body = "one", .attributes = {{"s", {"String", "v"}}}},
      {.body = "one"}};
  const std::string one = R"("MD5OfMessageBody":"f97c5d29941bfb1b2fdab0874906ab82")";
  const std::string with = R"(,"MD5OfMessageAttributes":")" + std::string(kAttributesMd5) + R"(")";
  const auto result = read_send_batch(
      R"({"Failed":[{"Id":"0","SenderFault":true,"Code":"X"}],"Successful":[)"
      R"({"Id":"1","MessageId":"m1",)" +
          one + R"(},{"Id":"2","MessageId":"m2",)" + one + with +
          R"(},{"Id":"3","MessageId":"m3","MD5OfMessageBody":"00"},{"Id":"4","MessageId":"m4",)" +
          one + with + R"(},{"Id":"5","MessageId":"m5"}]})",
      messages);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->message_ids[0].error().code, "X");
  EXPECT_EQ(result->message_ids[1].value(), "m1");
  EXPECT_EQ(result->message_ids[2].value(), "m2");
  for (const std::size_t other : {3u, 4u, 5u}) {
    ASSERT_FALSE(result->message_ids[other]) << other;
    EXPECT_EQ(result->message_ids[other].error().code, "checksum");
  }
}

TEST(SqsAnswers, ThatAreNotOfSqsAreErrors) {
  for (const char* body : {"", "null", "[]", "<html>", "{", "\xff", R"({"Messages":[1]})"}) {
    const auto received = read_received(body);
    ASSERT_FALSE(received) << body;
    EXPECT_EQ(received.error().code, "protocol");
  }
  EXPECT_FALSE(read_text("{}", "QueueUrl"));
  EXPECT_FALSE(read_batch("", 1));
  EXPECT_FALSE(read_attributes("[]"));
}

TEST(Base64, ComesBackFromEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 37 + size);
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* text : {"A", "AA", "AAA", "A===", "AB==", "AA==AA==", " AAA", "AAA\n", "AA?="}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

}  // namespace
}  // namespace switchgear::aws::sqs_codec
