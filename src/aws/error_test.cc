#include "aws/error.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace switchgear::aws {
namespace {

ServiceError read(int status, std::string body, net::Headers headers = {}) {
  return read_error({.status = status, .headers = std::move(headers), .body = std::move(body)},
                    "sqs");
}

TEST(ServiceError, HasCodeMessageStatusAndRequestId) {
  const auto e = read(400, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"Gone."})",
                      {{"x-amzn-RequestId", "id-1"}});
  EXPECT_EQ(e.error.code, "QueueDoesNotExist");
  EXPECT_TRUE(e.error.message.starts_with("Gone. (HTTP 400, request id id-1)"));
  EXPECT_EQ(e.error.source, "sqs");
  EXPECT_FALSE(e.error.retryable);
}

TEST(ServiceError, NormalisesTheCode) {
  EXPECT_EQ(normalise_code("a.b#Name:http://x"), "Name");
  EXPECT_EQ(normalise_code("Name:x#y"), "y");
  EXPECT_EQ(normalise_code("Name"), "Name");
  EXPECT_EQ(normalise_code("AWS.SimpleQueueService.NonExistentQueue"), "QueueDoesNotExist");
  EXPECT_EQ(normalise_code("AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
            "TooManyEntriesInBatchRequest");
  EXPECT_EQ(normalise_code(""), "");
}

TEST(ServiceError, KeepsTheLegacyCodeBesideTheModern) {
  const auto e = read(400, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"Gone."})",
                      {{"x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"}});
  EXPECT_EQ(e.error.code, "QueueDoesNotExist");
  EXPECT_NE(e.error.message.find("AWS.SimpleQueueService.NonExistentQueue"), std::string::npos);
}

TEST(ServiceError, TakesTheLegacyCodeIfThereIsNoOther) {
  const auto e = read(400, "{}", {{"x-amzn-query-error", "AWS.SimpleQueueService.X;Sender"}});
  EXPECT_EQ(e.error.code, "X");
}

TEST(ServiceError, TakesTheCodeFromAHeader) {
  EXPECT_EQ(read(400, R"({"Message":"m"})", {{"x-amzn-ErrorType", "Name:http://x"}}).error.code,
            "Name");
}

TEST(ServiceError, TellsThrottlingByTheCodeWhateverTheStatus) {
  const auto e = read(403, R"({"__type":"RequestThrottled"})");
  EXPECT_TRUE(e.throttled);
  EXPECT_TRUE(e.error.retryable);
}

TEST(ServiceError, RetriesServerTroubleOnly) {
  for (const int status : {500, 502, 503, 504}) EXPECT_TRUE(read(status, "").error.retryable);
  for (const int status : {301, 400, 403, 404, 413, 501}) {
    EXPECT_FALSE(read(status, "").error.retryable) << status;
  }
}

TEST(ServiceError, SaysThatAnAnswerIsNotOfAws) {
  const auto e = read(502, "<html>Bad gateway</html>");
  EXPECT_EQ(e.error.code, "http_502");
  EXPECT_NE(e.error.message.find("HTTP 502"), std::string::npos);
  EXPECT_NE(e.error.message.find("endpoint"), std::string::npos);
}

TEST(ServiceError, ReadsTheXmlOfTheQueryEra) {
  const auto e = read(403,
                      "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
                      "<Message>Bad.</Message></Error></ErrorResponse>");
  EXPECT_EQ(e.error.code, "InvalidClientTokenId");
  EXPECT_TRUE(e.error.message.starts_with("Bad. (HTTP 403)"));
  EXPECT_EQ(read(400, "<Code>half").error.code, "http_400");
}

TEST(ServiceError, DoesNotRepeatTheSessionToken) {
  const auto e =
      read(403, R"({"__type":"SignatureDoesNotMatch","message":"Wrong.\n\nThe Canonical )"
                R"(String for this request should have been\n'x-amz-security-token:TOKEN'"})");
  EXPECT_EQ(e.error.message.find("TOKEN"), std::string::npos);
  EXPECT_TRUE(e.error.message.starts_with("Wrong."));
  EXPECT_NE(e.error.message.find("AWS_SECRET_ACCESS_KEY"), std::string::npos);
  EXPECT_TRUE(e.maybe_clock_skew);
}

TEST(ServiceError, BoundsAndTamesTheTexts) {
  const auto e =
      read(400, R"({"__type":"X","message":"a\u001b[31m)" + std::string(9999, 'b') + "\"}");
  EXPECT_LT(e.error.message.size(), 600u);
  EXPECT_EQ(e.error.message.find('\x1b'), std::string::npos);
  EXPECT_LT(read(400, R"({"__type":")" + std::string(9999, 'b') + "\"}").error.code.size(), 200u);
}

ServiceError read_dynamodb(int status, const std::string& code, const std::string& more = "") {
  return read_error({.status = status,
                     .body = R"({"__type":"com.amazonaws.dynamodb.v20120810#)" + code +
                             R"(","message":"m")" + more + "}"},
                    "dynamodb");
}

TEST(DynamoDbErrors, OfThroughputAreThrottling) {
  for (const char* code : {"ProvisionedThroughputExceededException", "RequestLimitExceeded",
                           "ThrottlingException", "LimitExceededException"}) {
    const auto e = read_dynamodb(400, code);
    EXPECT_TRUE(e.throttled && e.error.retryable) << code;
  }
}

TEST(DynamoDbErrors, OfTheServiceAndOfAClashOfWritesMayPass) {
  const std::vector<std::pair<int, const char*>> errors{{500, "InternalServerError"},
                                                        {400, "TransactionConflictException"},
                                                        {409, "ReplicatedWriteConflictException"}};
  for (const auto& [status, code] : errors) {
    const auto e = read_dynamodb(status, code);
    EXPECT_TRUE(e.error.retryable && !e.throttled) << code;
  }
}

TEST(DynamoDbErrors, OfTheRequestStay) {
  for (const char* code : {"ConditionalCheckFailedException", "ResourceNotFoundException",
                           "ResourceInUseException", "ItemCollectionSizeLimitExceededException",
                           "ValidationException", "SerializationException"}) {
    EXPECT_FALSE(read_dynamodb(400, code).error.retryable) << code;
  }
}

TEST(DynamoDbErrors, SayWhatToDoAboutAMissingTable) {
  EXPECT_NE(read_dynamodb(400, "ResourceNotFoundException").error.message.find("init dynamodb"),
            std::string::npos);
  EXPECT_EQ(read(404, R"({"__type":"ResourceNotFoundException"})").error.message.find("table"),
            std::string::npos);
}

TEST(DynamoDbErrors, SayWhyItThrottles) {
  const auto e =
      read_dynamodb(400, "ThrottlingException",
                    R"(,"throttlingReasons":[{"reason":"TableWriteKeyRangeThroughputExceeded",)"
                    R"("resource":"arn:x"}])");
  EXPECT_NE(e.error.message.find("TableWriteKeyRangeThroughputExceeded"), std::string::npos);
  for (const char* odd : {"null", "[]", "[7]", "{}", R"([{"reason":7}])"}) {
    EXPECT_TRUE(read_dynamodb(400, "ProvisionedThroughputExceededException",
                              R"(,"ThrottlingReasons":)" + std::string(odd))
                    .throttled);
  }
}

TEST(HttpDate, IsRead) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            WallTime(std::chrono::seconds(784111777)));
}

TEST(HttpDate, OfAnotherFormIsNone) {
  for (const char* text : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 9999 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GMT "}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

}  // namespace
}  // namespace switchgear::aws
