// EventBridge and SNS against a server on loopback that answers as told; tests/controller has a
// real bus and topic.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <deque>
#include <memory>
#include <optional>

#include "aws/eventbridge.h"
#include "aws/sns.h"
#include "net/scripted_server_for_tests.h"

namespace switchgear::aws {
namespace {

namespace json = boost::json;
using net::HttpRequest;
using net::HttpResponse;

class EventsTest : public ::testing::Test {
 protected:
  void answer(int status, const std::string& body) {
    server.answers.push_back({.status = status, .body = body});
  }
  Result<void> put(const BusEvent& what) {
    return wait([&](auto done) { bus.put_event(what, done); });
  }
  Result<void> publish(const std::string& subject, const std::string& message) {
    return wait(
        [&](auto done) { topic.publish("arn:aws:sns:eu-central-1:1:t", subject, message, done); });
  }
  template <class Start>
  Result<void> wait(Start start) {
    std::optional<Result<void>> result;
    start([&](Result<void> r) { result = std::move(r); });
    EXPECT_TRUE(loop.run_until([&] { return result.has_value(); }, 30s));
    return *result;
  }
  const BusEvent event{
      .bus = "b", .source = "switchgear", .detail_type = "T", .detail = R"({"a":"\"ä"})"};

  net::Loop loop;
  net::ScriptedServer server{loop, [](const HttpRequest&) { return HttpResponse{.body = "{}"}; }};
  net::HttpClient http{loop};
  AwsClient client{loop,
                   http,
                   Endpoint{.url = net::parse_url(server.url()).value(),
                            .region = "eu-central-1",
                            .service = "events"},
                   fixed_credentials({"AKIDEXAMPLE", "secret", "token"}),
                   core::Random(1),
                   AwsClientOptions{.backoff_base = 1ms, .throttling_base = 2ms}};
  EventBridge bus{client};
  Sns topic{client};
};

TEST_F(EventsTest, AnEventGoesOutAsTextInItsEntry) {
  answer(200, R"({"FailedEntryCount":0,"Entries":[{"EventId":"1"}]})");
  EXPECT_TRUE(put(event));
  const HttpRequest& request = server.requests.back();
  EXPECT_EQ(request.headers.get("X-Amz-Target"), "AWSEvents.PutEvents");
  EXPECT_EQ(json::parse(request.body), json::parse(R"({"Entries":[{"Source":"switchgear",
    "DetailType":"T","Detail":"{\"a\":\"\\\"ä\"}","EventBusName":"b"}]})"));
}

TEST_F(EventsTest, AnEntryThatFailsIsAnErrorAlthoughTheCallSucceeds) {
  answer(200, R"({"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure",
                  "ErrorMessage":"try later"}]})");
  const auto theirs = put(event);
  ASSERT_FALSE(theirs);
  EXPECT_EQ(theirs.error().code, "InternalFailure");
  EXPECT_TRUE(theirs.error().retryable);
  answer(200, R"({"FailedEntryCount":1,"Entries":[{"ErrorCode":"InvalidArgument"}]})");
  const auto ours = put(event);
  ASSERT_FALSE(ours);
  EXPECT_FALSE(ours.error().retryable);
}

TEST_F(EventsTest, AnAnswerOfSomethingElseIsAnError) {
  for (const char* body : {"", "[]", "{}", "<html>", R"({"FailedEntryCount":"1"})"}) {
    answer(200, body);
    const auto result = put(event);
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code, "protocol");
  }
}

TEST_F(EventsTest, AMessageIsAFormWithASubjectThatSnsTakes) {
  answer(200, "<PublishResponse/>");
  EXPECT_TRUE(publish("  a\nb é " + std::string(200, 'x'), "{\"a\": \"b&c=d\"}"));
  const HttpRequest& request = server.requests.back();
  EXPECT_NE(request.body.find("Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns"),
            std::string::npos)
      << request.body;
  EXPECT_NE(request.body.find("&Subject=a%3Fb%20%3F"), std::string::npos) << request.body;
  EXPECT_NE(request.body.find("&Message=%7B%22a%22%3A%20%22b%26c%3Dd%22%7D"), std::string::npos)
      << request.body;
}

TEST_F(EventsTest, ATopicThatIsNotThereIsAnErrorOfItsName) {
  answer(404,
         "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not "
         "exist</Message></Error></ErrorResponse>");
  const auto result = publish("s", "m");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "NotFound");
  EXPECT_FALSE(result.error().retryable);
}

}  // namespace
}  // namespace switchgear::aws
