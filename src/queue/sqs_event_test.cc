#include "queue/sqs_event.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace switchgear::queue {
namespace {

namespace json = boost::json;

Message message(const std::string& id = "m-1") {
  Message m;
  m.id = id;
  m.receipt_handle = "receipt";
  m.body = "hello";
  m.system_attributes = {{"ApproximateReceiveCount", "2"},
                         {"SentTimestamp", "1545082649183"},
                         {"AWSTraceHeader", "Root=1-5759e988"}};
  m.attributes = {{"n", {"Number.int", "7"}}, {"b", {"Binary", std::string("\0\xff", 2)}}};
  return m;
}

TEST(SqsEvent, HasEveryFieldOfAMappingsEvent) {
  const json::value event =
      json::parse(sqs_event({message()}, "arn:aws:sqs:eu-central-1:123456789012:orders"));
  EXPECT_EQ(event, json::parse(R"({"Records":[{
    "messageId":"m-1","receiptHandle":"receipt","body":"hello",
    "attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1545082649183",
                  "AWSTraceHeader":"Root=1-5759e988"},
    "messageAttributes":{
      "n":{"stringValue":"7","stringListValues":[],"binaryListValues":[],"dataType":"Number.int"},
      "b":{"binaryValue":"AP8=","stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},
    "md5OfBody":"5d41402abc4b2a76b9719d911017c592",
    "eventSource":"aws:sqs",
    "eventSourceARN":"arn:aws:sqs:eu-central-1:123456789012:orders",
    "awsRegion":"eu-central-1"}]})"));
}

TEST(BatchAnswer, OfNothingIsSuccess) {
  for (const char* answer : {"", "null", "{}", R"({"batchItemFailures":null})",
                             R"({"batchItemFailures":[]})", R"({"statusCode":200})"}) {
    EXPECT_FALSE(read_batch_answer(answer, {message()}).failed_is("m-1")) << answer;
  }
}

TEST(BatchAnswer, NamesTheMessagesThatFailed) {
  const auto answer = read_batch_answer(R"({"batchItemFailures":[{"itemIdentifier":"m-2"}]})",
                                        {message("m-1"), message("m-2")});
  EXPECT_FALSE(answer.failed_is("m-1"));
  EXPECT_TRUE(answer.failed_is("m-2"));
}

TEST(BatchAnswer, ThatCannotBeUnderstoodFailsAll) {
  for (const char* answer :
       {"{", "ok", "[]", "7", R"({"batchItemFailures":{}})",
        R"({"batchItemFailures":[{"itemIdentifier":""}]})",
        R"({"batchItemFailures":[{"itemIdentifier":null}]})",
        R"({"batchItemFailures":[{"id":"m-1"}]})", R"({"batchItemFailures":["m-1"]})",
        R"({"batchItemFailures":[{"itemIdentifier":"m-9"}]})"}) {
    const auto read = read_batch_answer(answer, {message()});
    EXPECT_TRUE(read.failed_is("m-1")) << answer;
    EXPECT_FALSE(read.why.empty()) << answer;
  }
}

}  // namespace
}  // namespace switchgear::queue
