// The calls of Lambda and CloudWatch against a server on loopback that answers as told: what no
// stand-in for AWS does, such as throttling and losing an answer. tests/lambda has real servers.
#include "aws/lambda.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>

#include "aws/cloudwatch.h"
#include "net/scripted_server_for_tests.h"

namespace switchgear::aws {
namespace {

using net::HttpRequest;
using net::HttpResponse;

const std::string kMapping = R"({"UUID":"u","State":"Updating","BatchSize":1})";

// As Lambda refuses: the code in a header, the message in a body that knows no code.
HttpResponse refusal(int status, const std::string& code, const std::string& reason = "") {
  return {.status = status,
          .headers = {{"x-amzn-RequestId", "id"}, {"x-amzn-ErrorType", code + ":http://internal/"}},
          .body = R"({"Type":"User","Message":"m")" +
                  (reason.empty() ? "" : R"(,"Reason":")" + reason + "\"") + "}"};
}

struct Service {
  net::Loop loop;
  net::ScriptedServer server{
      loop, [](const HttpRequest&) { return HttpResponse{.status = 202, .body = kMapping}; }};
  std::vector<HttpRequest>& requests = server.requests;
  net::HttpClient http{loop};
  std::unique_ptr<AwsClient> client;
  std::unique_ptr<Lambda> lambda;
  std::unique_ptr<CloudWatch> cloudwatch;

  // Answers with what was told, then with a mapping. An answer of status 0 is never given.
  explicit Service(std::deque<HttpResponse> told = {}, int attempts_max = 3) {
    server.answers = std::move(told);
    client = std::make_unique<AwsClient>(
        loop, http,
        Endpoint{.url = net::parse_url(server.url()).value(),
                 .region = "eu-central-1",
                 .service = "lambda"},
        fixed_credentials({"AKIDEXAMPLE", "secret", "token"}), core::Random(1),
        AwsClientOptions{
            .attempts_max = attempts_max, .backoff_base = 1ms, .throttling_base = 2ms});
    lambda = std::make_unique<Lambda>(*client);
    cloudwatch = std::make_unique<CloudWatch>(*client);
  }

  template <class T, class Start>
  Result<T> wait(Start start) {
    std::optional<Result<T>> answer;
    start([&](Result<T> result) { answer = std::move(result); });
    EXPECT_FALSE(answer) << "called from inside the call";
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 30s));
    return *answer;
  }
  Result<EventSourceMapping> update(const MappingUpdate& update) {
    return wait<EventSourceMapping>(
        [&](auto done) { lambda->update_event_source_mapping(update, done); });
  }
  Result<EventSourceMapping> disable() { return update({.uuid = "u", .enabled = false}); }
  Result<Invocation> invoke(Duration timeout = 10s) {
    const InvokeOptions options{.function = "f", .payload = "{}", .timeout = timeout};
    return wait<Invocation>([&](auto done) { lambda->invoke(options, done); });
  }
  Result<std::vector<Alarm>> alarms() {
    return wait<std::vector<Alarm>>(
        [&](auto done) { cloudwatch->describe_alarms({"a", "b"}, done); });
  }
  std::string header(std::size_t request, const char* name) const {
    return server.header(request, name);
  }
};

template <class T>
std::string code(const Result<T>& result) {
  return result ? "ok" : result.error().code;
}

TEST(Lambda, SendsWhatThePathAndTheBodySay) {
  Service service;
  const auto updated = service.disable();
  ASSERT_TRUE(updated) << updated.error().text();
  EXPECT_EQ(updated->state, MappingState::updating);
  EXPECT_EQ(service.requests.at(0).method, "PUT");
  EXPECT_EQ(service.requests.at(0).target, "/2015-03-31/event-source-mappings/u");
  EXPECT_EQ(service.requests.at(0).body, R"({"Enabled":false})");
  EXPECT_EQ(service.header(0, "Content-Type"), "application/json");
  EXPECT_EQ(service.header(0, "X-Amz-Target"), "");
  EXPECT_NE(service.header(0, "Authorization").find("/eu-central-1/lambda/aws4_request"),
            std::string::npos);
}

TEST(Lambda, AsksWithoutABodyOrItsType) {
  Service service({{.status = 200, .body = R"({"EventSourceMappings":[]})"}});
  const auto page = service.wait<MappingsPage>(
      [&](auto done) { service.lambda->list_event_source_mappings({.function_name = "f"}, done); });
  EXPECT_EQ(code(page), "ok");
  EXPECT_EQ(service.requests.at(0).method, "GET");
  EXPECT_EQ(service.requests.at(0).body, "");
  EXPECT_FALSE(service.requests.at(0).headers.has("Content-Type"));
}

TEST(Lambda, NamesRefusalsAsTheServiceDoes) {
  Service service(
      {refusal(400, "ResourceInUseException"), refusal(404, "ResourceNotFoundException"),
       refusal(409, "ResourceConflictException"), refusal(400, "InvalidParameterValueException")});
  const auto in_use = service.disable();
  EXPECT_EQ(code(in_use), "ResourceInUseException");
  EXPECT_FALSE(in_use.error().retryable);
  EXPECT_NE(in_use.error().message.find("m (HTTP 400, request id id)"), std::string::npos);
  EXPECT_EQ(code(service.disable()), "ResourceNotFoundException");
  EXPECT_EQ(code(service.disable()), "ResourceConflictException");
  EXPECT_EQ(code(service.disable()), "InvalidParameterValueException");
  EXPECT_EQ(service.requests.size(), 4u);
}

TEST(Lambda, TriesAgainWhenItIsThrottledOrInTroubleAsTheSdksDo) {
  Service service({refusal(429, "TooManyRequestsException"), refusal(500, "ServiceException")});
  EXPECT_EQ(code(service.disable()), "ok");
  EXPECT_EQ(service.requests.size(), 3u);
}

TEST(Lambda, LeavesTryingAgainToAClientOfOneAttempt) {
  Service service({refusal(429, "TooManyRequestsException", "CallerRateLimitExceeded")}, 1);
  const auto throttled = service.disable();
  EXPECT_EQ(code(throttled), "TooManyRequestsException");
  EXPECT_TRUE(throttled.error().retryable);
  EXPECT_NE(throttled.error().message.find("CallerRateLimitExceeded"), std::string::npos);
  EXPECT_EQ(service.requests.size(), 1u);
}

TEST(Lambda, TakesAnAnswerWithoutBodyForDone) {
  Service service({{.status = 204}, {.status = 204}, {.status = 200, .body = "{}"}});
  const auto tag = [&](auto done) { service.lambda->tag_resource("arn", {{"a", "b"}}, done); };
  EXPECT_EQ(code(service.wait<void>(tag)), "ok");
  EXPECT_EQ(code(service.wait<void>(
                [&](auto done) { service.lambda->untag_resource("arn", {"a"}, done); })),
            "ok");
  EXPECT_EQ(code(service.wait<void>(tag)), "ok");
}

TEST(LambdaInvoke, GivesWhatTheFunctionReturned) {
  Service service({{.status = 200,
                    .headers = {{"X-Amz-Executed-Version", "7"}},
                    .body = R"({"batchItemFailures":[]})"},
                   {.status = 200,
                    .headers = {{"X-Amz-Function-Error", "Unhandled"}},
                    .body = R"({"errorMessage":"Task timed out after 3.00 seconds"})"}});
  const auto good = service.invoke();
  ASSERT_TRUE(good) << good.error().text();
  EXPECT_EQ(good->function_error, "");
  EXPECT_EQ(good->payload, R"({"batchItemFailures":[]})");
  EXPECT_EQ(good->executed_version, "7");
  EXPECT_EQ(service.header(0, "X-Amz-Invocation-Type"), "RequestResponse");
  EXPECT_EQ(service.header(0, "amz-sdk-request"), "attempt=1; max=1");
  EXPECT_NE(service.header(0, "Authorization").find("x-amz-invocation-type"), std::string::npos);
  const auto bad = service.invoke();
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->function_error, "Unhandled");
}

TEST(LambdaInvoke, IsNotTriedAgain) {
  for (const HttpResponse& answer :
       {refusal(429, "TooManyRequestsException",
                "ReservedFunctionConcurrentInvocationLimitExceeded"),
        refusal(500, "ServiceException"), HttpResponse{.status = 504, .body = "late"}}) {
    Service service({answer});
    const auto result = service.invoke();
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().retryable);
    EXPECT_EQ(may_have_run(result.error()), answer.status != 429);
    if (answer.status == 429) {
      EXPECT_EQ(result.error().code, "TooManyRequestsException");
      EXPECT_NE(result.error().message.find("ReservedFunctionConcurrentInvocationLimitExceeded"),
                std::string::npos);
    }
    EXPECT_EQ(service.requests.size(), 1u);
  }
}

TEST(LambdaInvoke, MayHaveRunWhenItsAnswerIsLate) {
  Service service({{.status = 0}});
  const auto result = service.invoke(50ms);
  EXPECT_EQ(code(result), "timeout");
  EXPECT_TRUE(may_have_run(result.error()));
  EXPECT_EQ(service.requests.size(), 1u);
}

// A client that may try again sends a request once more when a kept connection breaks before the
// answer; that must not happen here.
TEST(LambdaInvoke, IsNotSentAgainWhenAKeptConnectionBreaks) {
  Service service({{.status = 200, .body = "{}"}, {.status = 0}});
  EXPECT_EQ(code(service.invoke()), "ok");
  std::optional<Result<Invocation>> answer;
  service.lambda->invoke({.function = "f", .payload = "{}", .timeout = 20s},
                         [&](Result<Invocation> result) { answer = std::move(result); });
  ASSERT_TRUE(service.loop.run_until([&] { return service.requests.size() == 2; }, 30s));
  service.server.server.reset();
  ASSERT_TRUE(service.loop.run_until([&] { return answer.has_value(); }, 30s));
  EXPECT_EQ(code(*answer), "closed");
  EXPECT_TRUE(may_have_run(answer->error()));
}

TEST(LambdaInvoke, HasNotRunWithoutAConnection) {
  Service service;
  service.server.server.reset();
  const auto result = service.invoke();
  EXPECT_EQ(code(result), "connect");
  EXPECT_FALSE(may_have_run(result.error()));
}

TEST(LambdaInvoke, HasNotRunWhenLambdaRefused) {
  for (const char* refused : {"ResourceNotFoundException", "AccessDeniedException",
                              "KMSDisabledException", "InvalidRequestContentException"}) {
    Service service({refusal(502, refused)});
    EXPECT_FALSE(may_have_run(service.invoke().error())) << refused;
  }
  Service service({refusal(500, "SomethingNew")});
  EXPECT_TRUE(may_have_run(service.invoke().error()));
}

HttpResponse alarms(const std::string& name, const std::string& token) {
  return {.status = 200,
          .body = R"({"MetricAlarms":[{"AlarmName":")" + name + R"(","StateValue":"OK"}])" +
                  (token.empty() ? "" : R"(,"NextToken":")" + token + "\"") + "}"};
}

TEST(CloudWatch, FollowsThePagesOfAlarms) {
  Service service({alarms("a", "t1"), alarms("b", "")});
  const auto found = service.alarms();
  ASSERT_TRUE(found) << found.error().text();
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ(found->at(0).name, "a");
  EXPECT_EQ(found->at(1).name, "b");
  ASSERT_EQ(service.requests.size(), 2u);
  EXPECT_EQ(service.header(0, "X-Amz-Target"), "GraniteServiceVersion20100801.DescribeAlarms");
  EXPECT_EQ(service.header(0, "Content-Type"), "application/x-amz-json-1.0");
  EXPECT_EQ(service.requests[0].body.find("NextToken"), std::string::npos);
  EXPECT_NE(service.requests[1].body.find(R"("NextToken":"t1")"), std::string::npos);
}

TEST(CloudWatch, GivesNoAlarmsWhenAPageFails) {
  Service service({alarms("a", "t1"),
                   {.status = 400, .body = R"({"__type":"InvalidNextToken","message":"m"})"}});
  EXPECT_EQ(code(service.alarms()), "InvalidNextToken");
  Service garbled({alarms("a", "t1"), {.status = 200, .body = "<html>"}});
  EXPECT_EQ(code(garbled.alarms()), "protocol");
}

TEST(CloudWatch, EndsWhenAServerGivesTheSamePageForEver) {
  Service service({alarms("a", "t"), alarms("a", "t"), alarms("a", "t")});
  EXPECT_EQ(code(service.alarms()), "ok");
  EXPECT_EQ(service.requests.size(), 2u);
}

TEST(CloudWatch, MayBeGivenUpOnAnyPage) {
  Service service({alarms("a", "t1"), {.status = 0}});
  std::optional<Result<std::vector<Alarm>>> answer;
  auto call = service.cloudwatch->describe_alarms(
      {"a"}, [&](Result<std::vector<Alarm>> result) { answer = std::move(result); });
  ASSERT_TRUE(service.loop.run_until([&] { return service.requests.size() == 2; }, 30s));
  call.cancel();
  ASSERT_TRUE(service.loop.run_until([&] { return answer.has_value(); }, 30s));
  EXPECT_EQ(code(*answer), "cancelled");
}

}  // namespace
}  // namespace switchgear::aws
