#include "controller/templates/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "controller/templates/detection.h"

namespace switchgear {

void PrintTo(const Problem& problem, std::ostream* os) {
  *os << problem.place << ": " << problem.message;
}

namespace controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kQueue = "arn:aws:sqs:eu-central-1:123456789012:orders";
constexpr const char* kUuid = "1f0a6a04-2c5e-4f8e-9d5b-0a1b2c3d4e5f";

TemplateOptions breaker(TemplateKind kind = TemplateKind::alarm_breaker) {
  TemplateOptions options{.kind = kind};
  options.functions = {"charge"};
  options.queues = {kQueue};
  options.function_timeout = 30s;
  return options;
}

TemplateOptions controller_alone() {
  TemplateOptions options = breaker(TemplateKind::controller);
  options.mappings = {kUuid};
  return options;
}

auto problem(const std::string& flag, const std::string& why) {
  return ElementsAre(AllOf(Field(&Problem::place, flag), Field(&Problem::message, HasSubstr(why))));
}

// ---- What is refused
// -----------------------------------------------------------------------------

TEST(TemplateOptions, AreFineWithAFunctionAQueueAndATimeOut) {
  EXPECT_THAT(breaker().validate(), IsEmpty());
  EXPECT_THAT(breaker(TemplateKind::trial_breaker).validate(), IsEmpty());
  EXPECT_THAT(breaker(TemplateKind::fis).validate(), IsEmpty());
  EXPECT_THAT(controller_alone().validate(), IsEmpty());
}

TEST(TemplateOptions, TellAllThatIsMissingAtOnce) {
  EXPECT_THAT(TemplateOptions{}.validate(),
              ElementsAre(Field(&Problem::place, "--function"), Field(&Problem::place, "--queue"),
                          Field(&Problem::place, "--function-timeout")));
}

TEST(TemplateOptions, RefusePeriodsBelowTheMinuteOfTheMetrics) {
  TemplateOptions options = breaker();
  options.period = 10s;
  EXPECT_THAT(options.validate(), problem("--period", "Lambda sends its metrics once a minute"));
  options.period = 90s;
  EXPECT_THAT(options.validate(), problem("--period", "whole minutes"));
}

TEST(TemplateOptions, RefuseATimeOutBeyondTheEvaluationWindow) {
  TemplateOptions options = breaker();
  options.function_timeout = 5min;
  options.datapoints = 3;
  options.periods = 5;  // calls that hang show in 1 of 5
  EXPECT_THAT(options.validate(),
              problem("--function-timeout", "300 s is beyond the evaluation window"));
  EXPECT_THAT(options.validate(), problem("--function-timeout", "write at least 8"));
  options.periods = 8;
  EXPECT_THAT(options.validate(), IsEmpty());
}

TEST(TemplateOptions, ChooseAWindowInWhichCallsThatHangShow) {
  TemplateOptions options = breaker();
  EXPECT_EQ(options.evaluation_periods(), 3);
  options.function_timeout = 61s;
  EXPECT_EQ(options.evaluation_periods(), 4);
  options.function_timeout = 15min;
  EXPECT_EQ(options.evaluation_periods(), 17);
  EXPECT_THAT(options.validate(), IsEmpty());
}

TEST(TemplateOptions, RefuseAMinimumThatTrialsAloneReach) {
  TemplateOptions options = breaker(TemplateKind::trial_breaker);
  options.open_duration = 10s;
  EXPECT_THAT(options.validate(), problem("--minimum", "write at least 7"));
  options.minimum = 7;
  EXPECT_THAT(options.validate(), IsEmpty());
}

TEST(TemplateOptions, RefuseOtherSourcesThanQueues) {
  TemplateOptions options = breaker();
  options.queues = {"arn:aws:kinesis:eu-central-1:123456789012:stream/orders"};
  EXPECT_THAT(options.validate(), problem("--queue", "no messages to try"));
  options.queues = {"https://sqs.eu-central-1.amazonaws.com/123456789012/orders"};
  EXPECT_THAT(options.validate(), problem("--queue", "is no queue's ARN"));
}

TEST(TemplateOptions, RefuseTwoRegions) {
  TemplateOptions options = breaker();
  options.functions = {"arn:aws:lambda:eu-west-1:123456789012:function:charge"};
  EXPECT_THAT(options.validate(), problem("--queue", "in one region"));
}

TEST(TemplateOptions, RefuseWhatWouldChangeTheTextAroundIt) {
  const std::string bad = "a\"\n  Evil: !Ref B";
  TemplateOptions options = breaker();
  options.functions = {bad};
  options.queues = {bad};
  options.mappings = {bad};
  options.circuit = bad;
  options.code_uri = bad;
  options.store = bad;
  options.notify = bad;
  EXPECT_EQ(options.validate().size(), 7U);
  TemplateOptions faults = breaker(TemplateKind::fis);
  faults.alarms = {bad};
  faults.dead_letter_queue = bad;
  EXPECT_EQ(faults.validate().size(), 2U);
}

TEST(TemplateOptions, RefuseAStoreThatAFunctionCannotUse) {
  TemplateOptions options = breaker();
  options.store = "redis://cache:6379";
  EXPECT_THAT(options.validate(), problem("--store", "must be dynamodb://TABLE"));
  options.store = "memory:";
  EXPECT_THAT(options.validate(), problem("--store", "keeps nothing in its memory"));
}

TEST(TemplateOptions, RefuseToShapeAMappingThatIsThere) {
  TemplateOptions options = breaker();
  options.mappings = {kUuid};
  options.partial_batches = true;
  EXPECT_THAT(options.validate(), problem("--mapping", "the stack would not change it"));
}

TEST(TemplateOptions, RefuseFaultsThatNoAlarmCouldSee) {
  TemplateOptions options = breaker(TemplateKind::fis);
  options.fault_duration = 5min;
  EXPECT_THAT(options.validate(), problem("--duration", "such a fault shows nothing"));
  options.fault_duration = 6min;
  EXPECT_THAT(options.validate(), IsEmpty());
}

// ---- Figures
// -------------------------------------------------------------------------------------

TEST(Detection, CountsThePeriodsThatMustBreachAndTheLagOfTheirMetrics) {
  const Detection detection = detection_of(breaker());
  EXPECT_EQ(detection.least, Duration(90s));  // half a minute, and one whole
  EXPECT_EQ(detection.average, Duration(180s));
  EXPECT_EQ(detection.most, Duration(270s));
  EXPECT_EQ(detection.hanging, Duration(30s));
}

// The formula against a count, minute by minute, of what an alarm sees without any lag.
TEST(Detection, AgreesWithCountingMinutes) {
  for (const int percent : {1, 50, 80, 100}) {
    for (const int datapoints : {1, 2, 3}) {
      TemplateOptions options = breaker();
      options.error_percent = percent;
      options.datapoints = datapoints;
      Duration least = 24h, most{0}, sum{0};
      for (int begin = 0; begin < 60'000; begin += 10) {  // ms within the first minute
        int breaching = 0, minute = 0;
        for (; breaching < datapoints; ++minute) {
          const int failing = minute == 0 ? 60'000 - begin : 60'000;
          if (failing * 100 >= percent * 60'000) ++breaching;
        }
        const Duration took = std::chrono::milliseconds(minute * 60'000 - begin);
        least = std::min(least, took);
        most = std::max(most, took);
        sum += took;
      }
      const Detection detection = detection_of(options);
      const auto near = [](Duration a, Duration b) { return a - b < 50ms && b - a < 50ms; };
      EXPECT_TRUE(near(detection.least, least)) << percent << " " << datapoints;
      EXPECT_TRUE(near(detection.most - 2min, most)) << percent << " " << datapoints;
      EXPECT_TRUE(near(detection.average - 1min, sum / 6000)) << percent << " " << datapoints;
    }
  }
}

TEST(Detection, IsNoLongerThanAStepOfTheRamp) {
  EXPECT_EQ(ramp_step_of(breaker()), Duration(5min));
  TemplateOptions slow = breaker();
  slow.function_timeout = 15min;
  EXPECT_GE(ramp_step_of(slow), detection_of(slow).most_hanging());
}

TEST(Costs, AreThoseOfAlarmsAndOfAStartEachMinute) {
  TemplateOptions options = breaker();
  const double x86 = total(costs_of_breaker(options));
  // Six alarm metrics at 0.10, 43,800 starts of 3 s with 128 MB (0.27), as many reads of alarms
  // (0.44), and some cents for the rest.
  EXPECT_GT(x86, 1.31);
  EXPECT_LT(x86, 1.60);
  options.arm64 = true;
  EXPECT_NEAR(x86 - total(costs_of_breaker(options)), 0.27 / 5, 0.01);
}

// ---- Texts
// ---------------------------------------------------------------------------------------

TEST(AlarmBreaker, LeavesMissingDataMissing) {
  const std::string text = make_template(breaker()).text;
  EXPECT_THAT(text, HasSubstr("TreatMissingData: missing\n      Metrics"));
  EXPECT_THAT(text, HasSubstr("evidence: alarm"));
}

TEST(TrialBreaker, TakesMissingDataForWell) {
  const std::string text = make_template(breaker(TemplateKind::trial_breaker)).text;
  EXPECT_THAT(text, Not(HasSubstr("TreatMissingData: missing")));
  EXPECT_THAT(text, HasSubstr("evidence: trial"));
}

TEST(Breakers, UseAMappingThatIsThereOrMakeIt) {
  TemplateOptions options = breaker();
  EXPECT_THAT(make_template(options).text,
              AllOf(HasSubstr("AWS::Lambda::EventSourceMapping"), HasSubstr("[EventCount]")));
  options.mappings = {kUuid};
  const Template made = make_template(options);
  EXPECT_THAT(made.text, Not(HasSubstr("AWS::Lambda::EventSourceMapping")));
  EXPECT_THAT(made.text, HasSubstr(std::string("event-source-mapping:") + kUuid));
  EXPECT_THAT(made.notes.front(), HasSubstr("--metrics-config Metrics=EventCount"));
}

TEST(Breakers, LookAtTheQualifierThatTheMappingInvokes) {
  TemplateOptions options = breaker();
  options.functions = {"arn:aws:lambda:eu-central-1:123456789012:function:charge:live"};
  const std::string text = make_template(options).text;
  EXPECT_THAT(text, HasSubstr("{ Name: Resource, Value: \"charge:live\" }"));
  EXPECT_THAT(text, HasSubstr("function:charge:live\""));
  EXPECT_THAT(text, HasSubstr("FunctionName: \"charge:live\""));
}

TEST(ControllerTemplate, IsConfiguredByAlarmsOrByAPackagedFile) {
  TemplateOptions options = controller_alone();
  EXPECT_THAT(make_template(options).text,
              AllOf(HasSubstr("SWITCHGEAR_CONFIG: switchgear.yaml"), HasSubstr("# Any alarm")));
  options.alarms = {"charge-errors", "charge-latency"};
  const std::string text = make_template(options).text;
  EXPECT_THAT(text, HasSubstr("alarms: [\"charge-errors\", \"charge-latency\"]"));
  EXPECT_THAT(text, HasSubstr(":alarm:charge-latency\""));
}

TEST(FaultTemplate, HangsCallsForLongerThanTheyMayTake) {
  TemplateOptions options = breaker(TemplateKind::fis);
  EXPECT_THAT(make_template(options).text, HasSubstr("startupDelayMilliseconds: \"31000\""));
  options.function_timeout = 15min;  // FIS has no longer delay
  options.fault_duration = 1h;
  EXPECT_THAT(make_template(options).text, HasSubstr("startupDelayMilliseconds: \"900000\""));
}

TEST(Templates, LeaveNoPlaceUnfilled) {
  TemplateOptions faults = breaker(TemplateKind::fis);
  faults.alarms = {"a"};
  faults.dead_letter_queue = kQueue;
  TemplateOptions all = breaker(TemplateKind::trial_breaker);
  all.maximum_concurrency = 50;
  all.partial_batches = true;
  all.notify = "arn:aws:sns:eu-central-1:123456789012:alerts";
  for (const TemplateOptions& options : {breaker(), all, controller_alone(), faults}) {
    EXPECT_THAT(options.validate(), IsEmpty());
    EXPECT_THAT(make_template(options).text, Not(testing::ContainsRegex("(^|[^$])[{][a-z_]+[}]")));
  }
}

}  // namespace
}  // namespace controller
}  // namespace switchgear
