#include "aws/cloudwatch_codec.h"

#include <gtest/gtest.h>

namespace switchgear::aws::cloudwatch_codec {
namespace {

TEST(CloudWatchRequests, AskForMetricAndCompositeAlarms) {
  EXPECT_EQ(describe_alarms_request({"a", "b"}, ""),
            R"({"AlarmNames":["a","b"],"AlarmTypes":["MetricAlarm","CompositeAlarm"],)"
            R"("MaxRecords":100})");
  EXPECT_EQ(describe_alarms_request({"a"}, "t"),
            R"({"AlarmNames":["a"],"AlarmTypes":["MetricAlarm","CompositeAlarm"],)"
            R"("MaxRecords":100,"NextToken":"t"})");
}

TEST(CloudWatchRequests, AssertTheLimitsOfTheService) {
  EXPECT_DEATH(describe_alarms_request({}, ""), "broken invariant");
  EXPECT_DEATH(describe_alarms_request(std::vector<std::string>(101, "a"), ""), "broken invariant");
}

Alarm alarm(const std::string& members, const std::string& list = "MetricAlarms") {
  const auto page =
      read_alarms("{\"" + list + R"(":[{"AlarmName":"a","StateValue":"OK")" + members + "}]}");
  EXPECT_TRUE(page) << page.error().text();
  return page && page->alarms.size() == 1 ? page->alarms[0] : Alarm{};
}

TEST(Alarms, AreReadWithAllTheyCarry) {
  const auto page = read_alarms(
      R"({"MetricAlarms":[{"AlarmName":"a","AlarmArn":"arn:a","StateValue":"ALARM",)"
      R"("StateReason":"crossed","StateUpdatedTimestamp":1795423964.766,)"
      R"("StateTransitionedTimestamp":1795423900,"TreatMissingData":"missing","Period":60,)"
      R"("EvaluationPeriods":3,"DatapointsToAlarm":2,"Metrics":[]}],)"
      R"("CompositeAlarms":[{"AlarmName":"c","StateValue":"INSUFFICIENT_DATA",)"
      R"("AlarmRule":"NOT ALARM"}],"NextToken":"t"})");
  ASSERT_TRUE(page) << page.error().text();
  EXPECT_EQ(page->next_token, "t");
  ASSERT_EQ(page->alarms.size(), 2u);
  EXPECT_EQ(page->alarms[0], (Alarm{.name = "a",
                                    .arn = "arn:a",
                                    .state = Alarm::State::alarm,
                                    .state_reason = "crossed",
                                    .state_updated = WallTime(1795423964766ms),
                                    .state_transitioned = WallTime(1795423900s),
                                    .treat_missing_data = "missing",
                                    .period_s = 60,
                                    .evaluation_periods = 3,
                                    .datapoints_to_alarm = 2}));
  EXPECT_EQ(page->alarms[1], (Alarm{.name = "c", .composite = true}));
}

TEST(Alarms, OfMetricMathHaveThePeriodOfTheirSlowestMetric) {
  EXPECT_EQ(alarm(R"(,"Metrics":[{"Id":"e","Expression":"m1+m2"},)"
                  R"({"Id":"m1","MetricStat":{"Period":60}},)"
                  R"({"Id":"m2","MetricStat":{"Period":300}},{"Id":"q","Period":10}])")
                .period_s,
            300);
  EXPECT_EQ(alarm(R"(,"Metrics":[{"Id":"e","Expression":"1"}])").period_s, std::nullopt);
  EXPECT_EQ(alarm("", "CompositeAlarms").period_s, std::nullopt);
}

TEST(Alarms, MayLackNearlyEverything) {
  EXPECT_EQ(alarm(""), (Alarm{.name = "a", .state = Alarm::State::ok}));
  EXPECT_EQ(alarm(R"(,"Period":null,"StateUpdatedTimestamp":null,"Newer":{"a":[1]})"),
            (Alarm{.name = "a", .state = Alarm::State::ok}));
}

TEST(Alarms, ThatAreGoneAreMissingFromTheAnswer) {
  for (const char* body : {"{}", R"({"MetricAlarms":[],"CompositeAlarms":null})"}) {
    const auto page = read_alarms(body);
    ASSERT_TRUE(page) << body;
    EXPECT_TRUE(page->alarms.empty());
  }
}

TEST(Alarms, OfNoKnownStateAreNoAnswer) {
  for (const char* body :
       {"", "null", "[]", "<html>", "{", R"({"MetricAlarms":{}})", R"({"MetricAlarms":[{}]})",
        R"({"MetricAlarms":[{"AlarmName":"a"}]})",
        R"({"MetricAlarms":[{"AlarmName":"a","StateValue":"RED"}]})",
        R"({"MetricAlarms":[{"AlarmName":"a","StateValue":"OK","Period":"60"}]})"}) {
    const auto page = read_alarms(body);
    ASSERT_FALSE(page) << body;
    EXPECT_EQ(page.error().code, "protocol");
    EXPECT_EQ(page.error().source, "monitoring");
  }
}

}  // namespace
}  // namespace switchgear::aws::cloudwatch_codec
