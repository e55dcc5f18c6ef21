#include "aws/lambda_codec.h"

#include <gtest/gtest.h>

namespace switchgear::aws::lambda_codec {
namespace {

const std::string kUuid = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
const std::string kArn = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:" + kUuid;
const std::string kMappings = "/2015-03-31/event-source-mappings";

// "METHOD path body", the type of a body that there is left out.
std::string shown(const ServiceCall& call) {
  EXPECT_TRUE(call.target.empty());
  EXPECT_EQ(call.content_type, call.body.empty() ? "" : "application/json");
  return call.method + " " + call.path + (call.body.empty() ? "" : " " + call.body);
}

TEST(LambdaRequests, NameWhatTheyAreAboutInThePath) {
  EXPECT_EQ(shown(list_mappings({})), "GET " + kMappings);
  EXPECT_EQ(
      shown(list_mappings(
          {.function_name = "f:live", .event_source_arn = "arn:aws:sqs:r:1:q", .marker = "a+/="})),
      "GET " + kMappings +
          "?EventSourceArn=arn%3Aaws%3Asqs%3Ar%3A1%3Aq&FunctionName=f%3Alive"
          "&Marker=a%2B%2F%3D");
  EXPECT_EQ(shown(get_mapping(kUuid)), "GET " + kMappings + "/" + kUuid);
  EXPECT_EQ(shown(get_mapping("../tags?x")), "GET " + kMappings + "/..%2Ftags%3Fx");
  EXPECT_EQ(shown(get_function_configuration("arn:aws:lambda:r:1:function:f:live")),
            "GET /2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af%3Alive"
            "/configuration");
}

TEST(LambdaRequests, ChangeOnlyWhatIsSetOfAMapping) {
  const auto body = [](MappingUpdate update) {
    update.uuid = kUuid;
    const ServiceCall call = update_mapping(update);
    EXPECT_EQ(call.method + " " + call.path, "PUT " + kMappings + "/" + kUuid);
    return call.body;
  };
  EXPECT_EQ(body({.uuid = "", .enabled = false}), R"({"Enabled":false})");
  EXPECT_EQ(body({.uuid = "", .limit = MappingUpdate::Limit{7}}),
            R"({"ScalingConfig":{"MaximumConcurrency":7}})");
  EXPECT_EQ(body({.uuid = "", .limit = MappingUpdate::Limit{}}), R"({"ScalingConfig":{}})");
  EXPECT_EQ(body({.uuid = "",
                  .enabled = true,
                  .batch_size = 1,
                  .window_s = 0,
                  .parallelization_factor = 1,
                  .limit = MappingUpdate::Limit{2},
                  .provisioned_pollers = std::pair(2, 5)}),
            R"({"Enabled":true,"BatchSize":1,"MaximumBatchingWindowInSeconds":0,)"
            R"("ParallelizationFactor":1,"ScalingConfig":{"MaximumConcurrency":2},)"
            R"("ProvisionedPollerConfig":{"MinimumPollers":2,"MaximumPollers":5}})");
}

TEST(LambdaRequests, EncodeTheArnAndTheKeysOfTags) {
  const std::string path =
      "/2017-03-31/tags/"
      "arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Aevent-source-mapping%3A" +
      kUuid;
  EXPECT_EQ(shown(list_tags(kArn)), "GET " + path);
  EXPECT_EQ(shown(tag(kArn, {{"switchgear:before", "v1:enabled=true:max=50"}})),
            "POST " + path + R"( {"Tags":{"switchgear:before":"v1:enabled=true:max=50"}})");
  EXPECT_EQ(shown(untag(kArn, {"switchgear:owner", "ä b"})),
            "DELETE " + path + "?tagKeys=switchgear%3Aowner&tagKeys=%C3%A4%20b");
}

TEST(LambdaRequests, InvokeOnceAndWaitForTheAnswer) {
  const ServiceCall call =
      invoke({.function = "f", .qualifier = "$LATEST", .payload = R"({"a":1})", .timeout = 33s});
  EXPECT_EQ(shown(call), R"(POST /2015-03-31/functions/f/invocations?Qualifier=%24LATEST {"a":1})");
  EXPECT_EQ(call.headers.get("X-Amz-Invocation-Type"), "RequestResponse");
  EXPECT_EQ(call.attempts_max, 1);
  EXPECT_EQ(call.attempt_timeout, 33s);
}

TEST(LambdaRequests, AssertThatTheyNameSomething) {
  EXPECT_DEATH(get_mapping(""), "broken invariant");
  EXPECT_DEATH(update_mapping({.uuid = kUuid}), "broken invariant");
  EXPECT_DEATH(list_tags(""), "broken invariant");
  EXPECT_DEATH(tag(kArn, {}), "broken invariant");
  EXPECT_DEATH(untag(kArn, {}), "broken invariant");
}

EventSourceMapping mapping(const std::string& members) {
  const auto read = read_mapping(R"({"UUID":")" + kUuid + "\"" + members + "}");
  EXPECT_TRUE(read) << read.error().text();
  return read.value_or(EventSourceMapping{});
}

// The answer of AWS's reference (API_UpdateEventSourceMapping), with what SQS, streams and
// provisioned mode add.
TEST(LambdaMappings, AreReadWithAllTheyCarry) {
  const EventSourceMapping read = mapping(
      R"(,"EventSourceMappingArn":")" + kArn +
      R"(","EventSourceArn":"arn:aws:sqs:eu-central-1:123456789012:q",)"
      R"("FunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:f:live",)"
      R"("State":"Disabling","StateTransitionReason":"USER_INITIATED",)"
      R"("LastProcessingResult":"OK","LastModified":1560209851.963,"BatchSize":5,)"
      R"("MaximumBatchingWindowInSeconds":0,"ScalingConfig":{"MaximumConcurrency":50},)"
      R"("ParallelizationFactor":3,"MaximumRecordAgeInSeconds":-1,"MaximumRetryAttempts":7,)"
      R"("StartingPosition":"LATEST",)"
      R"("ProvisionedPollerConfig":{"MinimumPollers":2,"MaximumPollers":200},)"
      R"("FilterCriteria":{"Filters":[{"Pattern":"{\"body\":{}}"},{"Pattern":"{}"}]},)"
      R"("FunctionResponseTypes":["ReportBatchItemFailures"],)"
      R"("MetricsConfig":{"Metrics":["EventCount"]})");
  EXPECT_EQ(read, (EventSourceMapping{
                      .uuid = kUuid,
                      .arn = kArn,
                      .event_source_arn = "arn:aws:sqs:eu-central-1:123456789012:q",
                      .function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:f:live",
                      .state = MappingState::disabling,
                      .state_text = "Disabling",
                      .state_transition_reason = "USER_INITIATED",
                      .last_processing_result = "OK",
                      .last_modified = WallTime(1560209851963ms),
                      .batch_size = 5,
                      .window_s = 0,
                      .maximum_concurrency = 50,
                      .parallelization_factor = 3,
                      .maximum_record_age_s = -1,
                      .maximum_retry_attempts = 7,
                      .starting_position = "LATEST",
                      .provisioned_pollers = std::pair(2, 200),
                      .filters = {R"({"body":{}})", "{}"},
                      .report_batch_item_failures = true,
                      .metrics = {"EventCount"},
                  }));
}

TEST(LambdaMappings, HaveTheStatesOfTheReferenceAndNoOther) {
  const auto state = [](const std::string& text) {
    return mapping(R"(,"State":")" + text + "\"").state;
  };
  EXPECT_EQ(state("Creating"), MappingState::creating);
  EXPECT_EQ(state("Enabling"), MappingState::enabling);
  EXPECT_EQ(state("Enabled"), MappingState::enabled);
  EXPECT_EQ(state("Disabled"), MappingState::disabled);
  EXPECT_EQ(state("Updating"), MappingState::updating);
  EXPECT_EQ(state("Deleting"), MappingState::deleting);
  EXPECT_EQ(state("Problem"), MappingState::unknown);
  EXPECT_EQ(mapping("").state, MappingState::unknown);
  EXPECT_EQ(mapping(R"(,"State":"Problem")").state_text, "Problem");
}

TEST(LambdaMappings, MayLackNearlyEverything) {
  EXPECT_EQ(mapping(""), (EventSourceMapping{.uuid = kUuid}));
  EXPECT_EQ(mapping(R"(,"BatchSize":null,"ScalingConfig":{},"FilterCriteria":null,)"
                    R"("FunctionResponseTypes":[],"ProvisionedPollerConfig":{},"Newer":[{}])"),
            (EventSourceMapping{.uuid = kUuid}));
}

TEST(LambdaMappings, GetTheirArnFromTheFunctionWhereItIsLeftOut) {
  EXPECT_EQ(
      mapping(R"(,"FunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:f:1")").arn,
      kArn);
  EXPECT_EQ(mapping(R"(,"FunctionArn":"f")").arn, "");
}

TEST(LambdaMappings, SayWhetherTheyMayHaveFiltersThatNobodySees) {
  EXPECT_FALSE(mapping("").filters_hidden);
  EXPECT_FALSE(mapping(R"(,"KMSKeyArn":"")").filters_hidden);
  EXPECT_TRUE(mapping(R"(,"KMSKeyArn":"arn:aws:kms:k")").filters_hidden);
  EXPECT_TRUE(
      mapping(R"(,"FilterCriteriaError":{"ErrorCode":"KMSAccessDeniedException"})").filters_hidden);
  EXPECT_FALSE(mapping(R"(,"KMSKeyArn":"k","FilterCriteria":{"Filters":[{"Pattern":"{}"}]})")
                   .filters_hidden);
}

TEST(LambdaMappings, AreListedInPages) {
  const auto page = read_mappings(
      R"({"NextMarker":"m","EventSourceMappings":[{"UUID":"a"},{"UUID":"b","State":"Enabled"}]})");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->next_marker, "m");
  ASSERT_EQ(page->mappings.size(), 2u);
  EXPECT_EQ(page->mappings[1].uuid, "b");
  const auto last = read_mappings(R"({"EventSourceMappings":[],"NextMarker":null})");
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->mappings.empty());
  EXPECT_EQ(last->next_marker, "");
}

template <class T>
std::string flaw(const Result<T>& result) {
  if (result) return "none";
  EXPECT_EQ(result.error().code, "protocol");
  EXPECT_EQ(result.error().source, "lambda");
  return result.error().message;
}

TEST(LambdaAnswers, ThatAreNotOfLambdaAreErrors) {
  for (const char* body : {"", "null", "[]", "<html>", "{", "\xff", "{}"}) {
    EXPECT_NE(flaw(read_mappings(body)), "none") << body;
    EXPECT_NE(flaw(read_mapping(body)), "none") << body;
    EXPECT_NE(flaw(read_function(body)), "none") << body;
  }
  EXPECT_NE(flaw(read_tags("[]")), "none");
  // A list without the list is none of nothing.
  EXPECT_NE(flaw(read_mappings(R"({"EventSourceMappings":null})")).find("missing"),
            std::string::npos);
  EXPECT_NE(flaw(read_mappings(R"({"EventSourceMappings":[{"UUID":"a","BatchSize":1.5}]})"))
                .find("EventSourceMappings[0].BatchSize is no whole number"),
            std::string::npos);
  EXPECT_NE(flaw(read_mapping(R"({"UUID":"a","LastModified":1e300})")).find("LastModified"),
            std::string::npos);
  EXPECT_NE(flaw(read_mapping(R"({"UUID":"a","LastModified":-1})")).find("LastModified"),
            std::string::npos);
  EXPECT_NE(flaw(read_tags(R"({"Tags":{"a":1}})")).find("Tags[\"a\"] is no text"),
            std::string::npos);
}

TEST(LambdaAnswers, GiveTagsAndFunctions) {
  EXPECT_EQ(read_tags(R"({"Tags":{"a":"b","c":""}})").value(),
            (std::map<std::string, std::string>{{"a", "b"}, {"c", ""}}));
  EXPECT_TRUE(read_tags("{}")->empty());
  const auto function = read_function(
      R"({"FunctionArn":"arn:f:live","FunctionName":"f","Timeout":7,"Version":"3","Layers":[]})");
  ASSERT_TRUE(function);
  EXPECT_EQ(function->arn, "arn:f:live");
  EXPECT_EQ(function->name, "f");
  EXPECT_EQ(function->timeout, std::chrono::seconds(7));
  EXPECT_EQ(function->version, "3");
}

TEST(LambdaAnswers, OfAFunctionTellWhetherItFailed) {
  const Invocation good = read_invocation(
      {.body = "{}", .status = 200, .headers = {{"X-Amz-Executed-Version", "$LATEST"}}});
  EXPECT_EQ(good.function_error, "");
  EXPECT_EQ(good.payload, "{}");
  EXPECT_EQ(good.executed_version, "$LATEST");
  const Invocation bad = read_invocation(
      {.body = R"({"errorMessage":"no"})", .headers = {{"x-amz-function-error", "Unhandled"}}});
  EXPECT_EQ(bad.function_error, "Unhandled");
}

}  // namespace
}  // namespace switchgear::aws::lambda_codec
