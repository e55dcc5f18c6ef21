// The client and the SQS calls against a server on loopback that answers as AWS does, or fails.
#include "aws/client.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>

#include "aws/retry_quota.h"
#include "aws/sqs.h"
#include "net/scripted_server_for_tests.h"

namespace switchgear::aws {
namespace {

using net::HttpRequest;
using net::HttpResponse;

const WallTime kTime{std::chrono::seconds(784111777)};  // Sun, 06 Nov 1994 08:49:37 GMT

HttpResponse refusal(int status, const std::string& code) {
  return {.status = status,
          .headers = {{"x-amzn-RequestId", "id"}},
          .body = R"({"__type":"com.amazonaws.sqs#)" + code + R"(","message":"m"})"};
}

// A client of a server that answers with what it was told, then with "{}".
struct Service {
  net::Loop loop;
  net::ScriptedServer server{loop};
  net::HttpClient http{loop};
  std::unique_ptr<AwsClient> client;

  explicit Service(AwsClientOptions options = {},
                   std::shared_ptr<CredentialsProvider> credentials =
                       fixed_credentials({"AKIDEXAMPLE", "secret", "token"})) {
    if (options.backoff_base == AwsClientOptions{}.backoff_base) options.backoff_base = 1ms;
    if (options.throttling_base == AwsClientOptions{}.throttling_base)
      options.throttling_base = 2ms;
    if (!options.wall_clock) options.wall_clock = [] { return kTime; };
    client = std::make_unique<AwsClient>(
        loop, http,
        Endpoint{
            .url = net::parse_url(server.url()).value(), .region = "us-east-1", .service = "sqs"},
        std::move(credentials), core::Random(1), options);
  }

  Result<Answer> call(ServiceCall what = {.target = "AmazonSQS.Test"}) {
    std::optional<Result<Answer>> answer;
    client->call(std::move(what), [&](Result<Answer> result) { answer = std::move(result); });
    EXPECT_FALSE(answer) << "called from inside call()";
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 30s));
    return *answer;
  }
};

std::string code(const Result<Answer>& result) { return result ? "ok" : result.error().code; }

TEST(AwsClient, SendsASignedServiceCall) {
  Service service;
  service.server.answers = {{.status = 200, .body = R"({"a":1})"}};
  const auto answer = service.call({.target = "AmazonSQS.Test", .body = R"({"b":2})"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, R"({"a":1})");
  EXPECT_FALSE(answer->refused);
  ASSERT_EQ(service.server.requests.size(), 1u);
  EXPECT_EQ(service.server.requests[0].method, "POST");
  EXPECT_EQ(service.server.requests[0].target, "/");
  EXPECT_EQ(service.server.requests[0].body, R"({"b":2})");
  EXPECT_EQ(service.server.header(0, "Content-Type"), "application/x-amz-json-1.0");
  EXPECT_EQ(service.server.header(0, "X-Amz-Target"), "AmazonSQS.Test");
  EXPECT_EQ(service.server.header(0, "X-Amz-Date"), "19941106T084937Z");
  EXPECT_EQ(service.server.header(0, "X-Amz-Security-Token"), "token");
  EXPECT_EQ(service.server.header(0, "amz-sdk-request"), "attempt=1; max=3");
  EXPECT_TRUE(service.server.header(0, "Authorization")
                  .starts_with("AWS4-HMAC-SHA256 "
                               "Credential=AKIDEXAMPLE/19941106/us-east-1/sqs/aws4_request, "
                               "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-type;"
                               "host;x-amz-date;x-amz-security-token;x-amz-target, Signature="));
}

TEST(AwsClient, PassesARefusalOnAtOnce) {
  Service service;
  service.server.answers = {refusal(400, "QueueDoesNotExist")};
  const auto result = service.call();
  EXPECT_EQ(code(result), "QueueDoesNotExist");
  EXPECT_NE(result.error().message.find("request id id"), std::string::npos);
  EXPECT_EQ(service.server.requests.size(), 1u);
}

TEST(AwsClient, RetriesThrottlingAndServerTrouble) {
  Service service;
  service.server.answers = {refusal(403, "RequestThrottled"), {.status = 503, .body = "busy"}};
  EXPECT_EQ(code(service.call()), "ok");
  ASSERT_EQ(service.server.requests.size(), 3u);
  EXPECT_EQ(service.server.header(2, "amz-sdk-request"), "attempt=3; max=3");
  EXPECT_EQ(service.server.header(0, "amz-sdk-invocation-id"),
            service.server.header(2, "amz-sdk-invocation-id"));
}

TEST(AwsClient, GivesUpAfterItsAttempts) {
  Service service;
  for (int i = 0; i < 5; ++i) service.server.answers.push_back({.status = 500});
  EXPECT_EQ(code(service.call()), "http_500");
  EXPECT_EQ(service.server.requests.size(), 3u);
}

TEST(AwsClient, RetriesAnAttemptThatTimedOut) {
  Service service;
  service.server.answers = {{.status = 0}};
  EXPECT_EQ(code(service.call({.target = "T", .attempt_timeout = 500ms})), "ok");
  EXPECT_EQ(service.server.requests.size(), 2u);
}

TEST(AwsClient, RetriesWhileNobodyListens) {
  Service service;
  service.server.server.reset();
  EXPECT_EQ(code(service.call()), "connect");
}

TEST(AwsClient, StopsRetryingWhenTheQuotaIsUsedUp) {
  Service service;
  // 35 retries of 14 tokens each: two in 17 calls, one in the next; then there are none.
  for (int i = 0; i < 200; ++i) service.server.answers.push_back({.status = 500});
  for (int i = 0; i < 18; ++i) EXPECT_EQ(code(service.call()), "http_500");
  EXPECT_EQ(service.server.requests.size(), 18u + 35u);
  EXPECT_EQ(code(service.call()), "http_500");
  EXPECT_EQ(service.server.requests.size(), 18u + 35u + 1u);
}

TEST(AwsClient, TellsWhenTheAnswerWasGiven) {
  Service service;
  HttpResponse dated{.status = 200, .body = "{}"};
  dated.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  // The attempt that counts is the second, which begins when the first has timed out.
  service.server.answers = {{.status = 0}, dated};
  const auto answer = service.call({.target = "T", .attempt_timeout = 100ms});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->date, kTime);
}

TEST(AwsClient, GivesTheBodyOfARefusalThatTheCallAccepts) {
  Service service;
  HttpResponse expected = refusal(400, "ConditionalCheckFailedException");
  expected.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  service.server.answers = {expected, refusal(400, "ValidationException"), expected};
  const ServiceCall call{.target = "T", .accepted_code = "ConditionalCheckFailedException"};
  const auto accepted = service.call(call);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(accepted->refused);
  EXPECT_EQ(accepted->body, expected.body);
  EXPECT_EQ(accepted->date, kTime);
  EXPECT_EQ(code(service.call(call)), "ValidationException");
  EXPECT_EQ(code(service.call({.target = "T"})), "ConditionalCheckFailedException");
  EXPECT_EQ(service.server.requests.size(), 3u);
}

TEST(AwsClient, DoesNotTakeAnAnswerThatDoesNotMatchItsChecksum) {
  Service service;
  // zlib.crc32(b"{}")
  const HttpResponse whole{.status = 200, .headers = {{"x-amz-crc32", "2745614147"}}, .body = "{}"};
  HttpResponse torn = whole;
  torn.body = "{ }";
  service.server.answers = {torn, whole, torn, torn, torn};
  EXPECT_EQ(code(service.call()), "ok");
  EXPECT_EQ(service.server.requests.size(), 2u);
  EXPECT_EQ(code(service.call()), "corrupt");
  EXPECT_EQ(service.server.requests.size(), 5u);
}

TEST(AwsClient, SetsItsClockByTheServiceAndTriesAgain) {
  Service service({.wall_clock = [] { return kTime - 20min; }});
  HttpResponse late = refusal(403, "SignatureDoesNotMatch");
  late.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  service.server.answers = {late};
  EXPECT_EQ(code(service.call()), "ok");
  EXPECT_EQ(service.server.header(0, "X-Amz-Date"), "19941106T082937Z");
  EXPECT_EQ(service.server.header(1, "X-Amz-Date"), "19941106T084937Z");
  EXPECT_EQ(code(service.call()), "ok");
  EXPECT_EQ(service.server.header(2, "X-Amz-Date"), "19941106T084937Z");
}

TEST(AwsClient, SetsItsClockForTheNextCallIfItMayNotTryAgain) {
  Service service({.attempts_max = 1, .wall_clock = [] { return kTime - 20min; }});
  HttpResponse late = refusal(403, "SignatureDoesNotMatch");
  late.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  service.server.answers = {late};
  EXPECT_EQ(code(service.call()), "SignatureDoesNotMatch");
  EXPECT_EQ(code(service.call()), "ok");
  EXPECT_EQ(service.server.header(1, "X-Amz-Date"), "19941106T084937Z");
}

TEST(AwsClient, SaysThatTheClockIsWrong) {
  Service service({.wall_clock = [] { return kTime + 20min; }});
  HttpResponse late = refusal(403, "SignatureDoesNotMatch");
  late.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  service.server.answers = {late, late, late};
  const auto result = service.call();
  ASSERT_EQ(code(result), "SignatureDoesNotMatch");
  EXPECT_NE(result.error().message.find("20 minutes ahead"), std::string::npos)
      << result.error().message;
  EXPECT_EQ(service.server.requests.size(), 2u);
}

TEST(AwsClient, DoesNotBlameAClockThatIsRight) {
  Service service;
  HttpResponse wrong = refusal(403, "SignatureDoesNotMatch");
  wrong.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  service.server.answers = {wrong, wrong};
  const auto result = service.call();
  EXPECT_EQ(result.error().message.find("minutes"), std::string::npos);
  EXPECT_EQ(service.server.requests.size(), 1u);
}

TEST(AwsClient, ShowsNoSecretInAnyError) {
  Service service;
  service.server.answers = {refusal(403, "SignatureDoesNotMatch")};
  const std::string text = service.call().error().text();
  EXPECT_EQ(text.find("secret"), std::string::npos) << text;
  EXPECT_EQ(text.find("token"), std::string::npos) << text;
}

TEST(AwsClient, CanBeCancelledInFlight) {
  Service service;
  service.server.answers = {{.status = 0}};
  std::string got;
  net::CallHandle handle = service.client->call(
      {.target = "T"}, [&](const Result<Answer>& result) { got = code(result); });
  ASSERT_TRUE(service.loop.run_until([&] { return !service.server.unanswered.empty(); }, 10s));
  handle.cancel();
  EXPECT_EQ(got, "");
  EXPECT_TRUE(service.loop.run_until([&] { return !got.empty(); }, 10s));
  EXPECT_EQ(got, "cancelled");
}

TEST(AwsClient, CanBeCancelledBetweenAttempts) {
  // With such a base the pause is seconds long, whatever the dice say (seed 1).
  Service service({.backoff_base = 20s, .backoff_cap = 20s});
  service.server.answers = {{.status = 500}};
  std::string got;
  net::CallHandle handle = service.client->call(
      {.target = "T"}, [&](const Result<Answer>& result) { got = code(result); });
  ASSERT_TRUE(service.loop.run_until(
      [&] { return service.server.requests.size() == 1 && service.http.waiting() == 0; }, 10s));
  service.loop.run_until([] { return false; }, 20ms);
  handle.cancel();
  EXPECT_TRUE(service.loop.run_until([&] { return !got.empty(); }, 5s));
  EXPECT_EQ(got, "cancelled");
  EXPECT_EQ(service.server.requests.size(), 1u);
}

TEST(AwsClient, KeepsQuietOnceDestroyed) {
  Service service;
  service.server.answers = {{.status = 0}};
  service.client->call({.target = "T"}, [](const Result<Answer>&) { FAIL(); });
  ASSERT_TRUE(service.loop.run_until([&] { return !service.server.unanswered.empty(); }, 10s));
  service.client.reset();
  service.loop.run_until([] { return false; }, 5ms);
}

// ---- Credentials that change

// Gives what the test puts there, or keeps the callback until it does.
class ScriptedProvider final : public CredentialsProvider {
 public:
  void get(Callback callback) override {
    if (result) {
      callback(*result);
    } else {
      waiting.push_back(std::move(callback));
    }
  }
  std::string name() const override { return "the test"; }
  bool refused(const CredentialsPtr& credentials) override {
    refusals.push_back(credentials->access_key_id);
    if (next.empty()) return false;
    set(next);
    return true;
  }
  void set(const std::string& key) {
    result = std::make_shared<const Credentials>(Credentials{key, "secret"});
  }

  std::optional<Result<CredentialsPtr>> result;
  std::string next;
  std::vector<std::string> refusals;
  std::vector<Callback> waiting;
};

std::string signer(Service& service, std::size_t request) {
  const std::string header = service.server.header(request, "Authorization");
  const auto from = header.find("Credential=") + 11;
  return header.substr(from, header.find('/', from) - from);
}

TEST(AwsClient, RenewsCredentialsThatHaveExpiredAndTriesOnceMore) {
  const auto provider = std::make_shared<ScriptedProvider>();
  provider->set("OLD");
  provider->next = "NEW";
  Service service({.attempts_max = 1}, provider);
  service.server.answers = {refusal(400, "ExpiredTokenException")};
  EXPECT_EQ(code(service.call()), "ok");
  EXPECT_EQ(signer(service, 0), "OLD");
  EXPECT_EQ(signer(service, 1), "NEW");
  service.server.answers = {refusal(403, "ExpiredToken"), refusal(403, "ExpiredToken")};
  EXPECT_EQ(code(service.call()), "ExpiredToken");
  EXPECT_EQ(service.server.requests.size(), 4u);
}

TEST(AwsClient, PassesTheRefusalOnIfThereAreNoOtherCredentials) {
  const auto provider = std::make_shared<ScriptedProvider>();
  provider->set("OLD");
  Service service({}, provider);
  service.server.answers = {refusal(400, "UnrecognizedClientException")};
  EXPECT_EQ(code(service.call()), "UnrecognizedClientException");
  EXPECT_EQ(provider->refusals, std::vector<std::string>{"OLD"});
  EXPECT_EQ(service.server.requests.size(), 1u);
}

TEST(AwsClient, DoesNotBlameTheCredentialsForARefusedAction) {
  const auto provider = std::make_shared<ScriptedProvider>();
  provider->set("OLD");
  Service service({}, provider);
  service.server.answers = {refusal(400, "AccessDeniedException")};
  EXPECT_EQ(code(service.call()), "AccessDeniedException");
  EXPECT_TRUE(provider->refusals.empty());
}

TEST(AwsClient, WaitsForCredentials) {
  const auto provider = std::make_shared<ScriptedProvider>();
  Service service({}, provider);
  std::string got;
  service.client->call({.target = "T"}, [&](const Result<Answer>& result) { got = code(result); });
  ASSERT_EQ(provider->waiting.size(), 1u);
  provider->set("KEY");
  provider->waiting[0](*provider->result);
  EXPECT_TRUE(service.loop.run_until([&] { return !got.empty(); }, 10s));
  EXPECT_EQ(got, "ok");
  EXPECT_EQ(signer(service, 0), "KEY");
}

TEST(AwsClient, EndsWithoutCredentials) {
  const auto provider = std::make_shared<ScriptedProvider>();
  provider->result = credentials_error("none there");
  Service service({}, provider);
  EXPECT_EQ(code(service.call()), "credentials");
  EXPECT_TRUE(service.server.requests.empty());
}

TEST(AwsClient, WaitsForCredentialsNoLongerThanItMay) {
  const auto provider = std::make_shared<ScriptedProvider>();
  Service service({.credentials_timeout = 20ms}, provider);
  const auto result = service.call();
  EXPECT_EQ(code(result), "credentials");
  EXPECT_TRUE(result.error().retryable);
  provider->set("KEY");
  provider->waiting.at(0)(*provider->result);
  EXPECT_TRUE(service.server.requests.empty());
}

TEST(AwsClient, CanBeCancelledWhileItWaitsForCredentials) {
  const auto provider = std::make_shared<ScriptedProvider>();
  Service service({}, provider);
  std::string got;
  net::CallHandle handle = service.client->call(
      {.target = "T"}, [&](const Result<Answer>& result) { got = code(result); });
  handle.cancel();
  provider->set("KEY");
  provider->waiting.at(0)(*provider->result);
  EXPECT_TRUE(service.loop.run_until([&] { return !got.empty(); }, 10s));
  EXPECT_EQ(got, "cancelled");
  EXPECT_TRUE(service.server.requests.empty());
}

TEST(RetryQuota, RunsDryAndIsRefilledBySuccess) {
  RetryQuota quota;
  for (int i = 0; i < 35; ++i) EXPECT_EQ(quota.take(false), 14);
  EXPECT_EQ(quota.take(false), 0);
  EXPECT_EQ(quota.take(true), 5);
  EXPECT_EQ(quota.take(true), 5);
  EXPECT_EQ(quota.take(true), 0);
  for (int i = 0; i < 5; ++i) quota.succeeded(0);
  EXPECT_EQ(quota.take(true), 5);
  quota.succeeded(5);
  EXPECT_EQ(quota.tokens(), 5);
  for (int i = 0; i < 999; ++i) quota.succeeded(0);
  EXPECT_EQ(quota.tokens(), 500);
}

// ---- SQS

TEST(Sqs, NamesItsOperations) {
  Service service;
  Sqs sqs(*service.client);
  int answers = 0;
  const auto count = [&](const auto&) { ++answers; };
  sqs.receive("q", {.wait = std::chrono::seconds(0)}, count);
  sqs.delete_batch("q", {"r"}, count);
  sqs.change_visibility_batch("q", {{"r", std::chrono::seconds(1)}}, count);
  sqs.send("q", {.body = "b"}, count);
  sqs.send_batch("q", {{.body = "b"}}, count);
  sqs.get_queue_attributes("q", {}, count);
  sqs.get_queue_url("q", count);
  ASSERT_TRUE(service.loop.run_until([&] { return answers == 7; }, 10s));
  std::set<std::string> targets;
  for (std::size_t i = 0; i < 7; ++i) targets.insert(service.server.header(i, "X-Amz-Target"));
  EXPECT_EQ(targets,
            (std::set<std::string>{"AmazonSQS.ReceiveMessage", "AmazonSQS.DeleteMessageBatch",
                                   "AmazonSQS.ChangeMessageVisibilityBatch",
                                   "AmazonSQS.SendMessage", "AmazonSQS.SendMessageBatch",
                                   "AmazonSQS.GetQueueAttributes", "AmazonSQS.GetQueueUrl"}));
}

TEST(Sqs, GivesWhatTheServiceAnswers) {
  Service service;
  Sqs sqs(*service.client);
  service.server.answers = {
      {.status = 200,
       .body = R"({"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b"}]})"}};
  std::optional<Result<Received>> received;
  sqs.receive("q", {.wait = std::chrono::seconds(0)},
              [&](Result<Received> result) { received = std::move(result); });
  ASSERT_TRUE(service.loop.run_until([&] { return received.has_value(); }, 10s));
  ASSERT_TRUE(*received);
  EXPECT_EQ((*received)->messages.at(0).body, "b");
}

TEST(Sqs, PassesErrorsOn) {
  Service service;
  Sqs sqs(*service.client);
  service.server.answers = {refusal(400, "QueueDoesNotExist")};
  std::string got;
  sqs.delete_batch("q", {"r"}, [&](const Result<BatchResult>& result) {
    got = result ? "ok" : result.error().code;
  });
  ASSERT_TRUE(service.loop.run_until([&] { return !got.empty(); }, 10s));
  EXPECT_EQ(got, "QueueDoesNotExist");
}

}  // namespace
}  // namespace switchgear::aws
