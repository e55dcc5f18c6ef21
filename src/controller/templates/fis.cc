// Faults of a function, as experiments of AWS FIS.
#include <algorithm>
#include <chrono>
#include <string>

#include "controller/templates/template.h"

namespace switchgear::controller {
namespace {

constexpr std::string_view kText = R"(AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: Faults of {name}, to see its circuit open, try and close
Parameters:
  # AWS's own layer, by its public parameter.
  FaultLayer:
    Type: AWS::SSM::Parameter::Value<String>
    Default: /aws/service/fis/lambda-extension/AWS-FIS-extension-{architecture}/1.x.x
Resources:
  # Through which FIS tells the function's layer what to do.
  FaultBucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      PublicAccessBlockConfiguration:
        BlockPublicAcls: true
        BlockPublicPolicy: true
        IgnorePublicAcls: true
        RestrictPublicBuckets: true
      LifecycleConfiguration:
        Rules:
          - Id: FaultsAreShort
            Status: Enabled
            ExpirationInDays: 1

  # For the function's own role.
  ReadFaults:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: s3:ListBucket
            Resource: !GetAtt FaultBucket.Arn
            Condition: {"StringLike": {"s3:prefix": ["FisConfigs/*"]}}
          - Effect: Allow
            Action: s3:GetObject
            Resource: !Sub "${FaultBucket.Arn}/FisConfigs/*"

  ExperimentRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal:
              Service: fis.amazonaws.com
            Action: sts:AssumeRole
            Condition: {"StringEquals": {"aws:SourceAccount": !Ref "AWS::AccountId"}}
      Policies:
        - PolicyName: faults
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              {statements}

  # Messages have waited for {stop_minutes} minutes: enough was shown. The metric leaves out
  # messages that were received three times or more.
  WaitsTooLong:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: Stops the fault experiments of {name}
      Namespace: AWS/SQS
      MetricName: ApproximateAgeOfOldestMessage
      Dimensions: [{ Name: QueueName, Value: {queue} }]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: {stop_seconds}
      TreatMissingData: notBreaching
)";

constexpr std::string_view kDeadLetters = R"(
  MessagesDie:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: Stops the fault experiments of {name}
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{ Name: QueueName, Value: {dead} }]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
)";

constexpr std::string_view kExperiment = R"(
  # {what}
  {id}:
    Type: AWS::FIS::ExperimentTemplate
    Properties:
      Description: "{what}"
      RoleArn: !GetAtt ExperimentRole.Arn
      StopConditions:
        {stops}
      Targets:
        Function:
          ResourceType: aws:lambda:function
          ResourceArns:
            - {function}
          SelectionMode: ALL
      Actions:
        {actions}
      Tags: { Name: {id} }
)";

// Without preventExecution the function still does its work and only then fails.
constexpr std::string_view kError = R"({id}:
  ActionId: aws:lambda:invocation-error
  Parameters:
    duration: PT{minutes}M
    invocationPercentage: "{percent}"
    preventExecution: "true"
  Targets: { Functions: Function }{after})";

constexpr std::string_view kDelay = R"({id}:
  ActionId: aws:lambda:invocation-add-delay
  Parameters:
    duration: PT{minutes}M
    invocationPercentage: "100"
    startupDelayMilliseconds: "{milliseconds}"
  Targets: { Functions: Function })";

constexpr std::string_view kWait = R"({id}:
  ActionId: aws:fis:wait
  Parameters:
    duration: PT{minutes}M{after})";

constexpr std::string_view kAssert = R"({id}:
  ActionId: aws:cloudwatch:assert-alarm-state
  Parameters:
    alarmArns: !Sub "{alarms}"
    alarmStates: OK,INSUFFICIENT_DATA{after})";

constexpr std::string_view kOutputs = R"(
Outputs:
  Layer:
    Description: The function needs this layer,
    Value: !Ref FaultLayer
  ConfigurationLocation:
    Description: this AWS_FIS_CONFIGURATION_LOCATION, AWS_LAMBDA_EXEC_WRAPPER=/opt/aws-fis/bootstrap,
    Value: !Sub "${FaultBucket.Arn}/FisConfigs/"
  Policy:
    Description: and this policy at its role.
    Value: !Ref ReadFaults
)";

std::string minutes(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::minutes>(d).count());
}

std::string after(const std::string& id) {
  return id.empty() ? "" : "\n  StartAfter: [" + id + "]";
}

std::string alarm_arn(const std::string& name) {
  return "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:" + name;
}

class Experiments {
 public:
  explicit Experiments(const TemplateOptions& options) : o_(options) {}

  std::string text() const {
    const FunctionName function = parse_function(o_.functions.front());
    return experiment("EveryCallFails", "Every invocation fails, then recovery",
                      error("Fail", 100, o_.fault_duration, "") + recovery("Fail")) +
           experiment("HalfOfCallsFail", "Half of the invocations fail, then recovery",
                      error("Fail", 50, o_.fault_duration, "") + recovery("Fail")) +
           experiment("CallsHang", "Every invocation hangs until its time-out, then recovery",
                      delay("Hang") + recovery("Hang")) +
           experiment("Flapping", "Every invocation fails, then none, three times over",
                      flapping());
  }

 private:
  std::string experiment(const std::string& id, const std::string& what,
                         const std::string& actions) const {
    std::string stops = "- Source: aws:cloudwatch:alarm\n  Value: !GetAtt WaitsTooLong.Arn";
    if (!o_.dead_letter_queue.empty()) {
      stops += "\n- Source: aws:cloudwatch:alarm\n  Value: !GetAtt MessagesDie.Arn";
    }
    return fill(kExperiment, {{"what", what},
                              {"id", id},
                              {"stops", stops},
                              {"function",
                               "!Sub \"arn:${AWS::Partition}:lambda:${AWS::Region}:"
                               "${AWS::AccountId}:function:" +
                                   parse_function(o_.functions.front()).name + "\""},
                              {"actions", actions}});
  }

  static std::string error(const std::string& id, int percent, Duration duration,
                           const std::string& before) {
    return fill(kError, {{"id", id},
                         {"minutes", minutes(duration)},
                         {"percent", std::to_string(percent)},
                         {"after", after(before)}});
  }

  std::string delay(const std::string& id) const {
    // Longer than the function may run; FIS takes 15 minutes at most, which are Lambda's own most.
    const Duration longer = std::min<Duration>(o_.function_timeout + 1s, 15min);
    return fill(
        kDelay,
        {{"id", id},
         {"minutes", minutes(o_.fault_duration)},
         {"milliseconds",
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(longer).count())}});
  }

  static std::string wait(const std::string& id, Duration duration, const std::string& before) {
    return fill(kWait, {{"id", id}, {"minutes", minutes(duration)}, {"after", after(before)}});
  }

  // As long again without a fault, after which no alarm may be in ALARM.
  std::string recovery(const std::string& before) const {
    std::string text = "\n" + wait("Recover", o_.fault_duration, before);
    return text + well("Recover");
  }

  std::string well(const std::string& before) const {
    if (o_.alarms.empty()) return {};
    std::string arns;
    for (const std::string& name : o_.alarms) arns += (arns.empty() ? "" : ",") + alarm_arn(name);
    return "\n" + fill(kAssert, {{"id", "Well"}, {"alarms", arns}, {"after", after(before)}});
  }

  std::string flapping() const {
    const Duration part = std::max<Duration>(o_.fault_duration / 5, 1min);
    std::string text, before;
    for (const char* number : {"1", "2", "3"}) {
      const std::string fail = std::string("Fail") + number, rest = std::string("Rest") + number;
      text += (text.empty() ? "" : "\n") + error(fail, 100, part, before) + "\n" +
              wait(rest, part, fail);
      before = rest;
    }
    return text + well(before);
  }

  const TemplateOptions& o_;
};

std::vector<Statement> statements_of(const TemplateOptions& options) {
  const std::string name = parse_function(options.functions.front()).name;
  std::vector<Statement> all{
      {"What the function's layer is to do.",
       {"s3:PutObject", "s3:DeleteObject"},
       {"!Sub \"${FaultBucket.Arn}/FisConfigs/*\""},
       ""},
      {"Where that layer looks.",
       {"lambda:GetFunction"},
       {"!Sub \"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:" + name +
        "\""},
       ""},
      {"Knows no resources.", {"tag:GetResources"}, {"\"*\""}, ""}};
  if (!options.alarms.empty()) {
    all.push_back(
        {"Whether the alarms are well at the end.", {"cloudwatch:DescribeAlarms"}, {"\"*\""}, ""});
  }
  return all;
}

}  // namespace

Template make_fis_template(const TemplateOptions& options) {
  Template made;
  made.statements = statements_of(options);
  const FunctionName function = parse_function(options.functions.front());
  const auto stop_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(options.stop_age).count();
  made.text = fill(kText, {{"name", function.name},
                           {"architecture", options.arm64 ? "arm64" : "x86_64"},
                           {"statements", policy_text(made.statements)},
                           {"stop_minutes", std::to_string(stop_seconds / 60)},
                           {"stop_seconds", std::to_string(stop_seconds)},
                           {"queue", name_in_arn(options.queues.front())}});
  if (!options.dead_letter_queue.empty()) {
    made.text += fill(kDeadLetters,
                      {{"name", function.name}, {"dead", name_in_arn(options.dead_letter_queue)}});
  }
  made.text += Experiments(options).text() + std::string(kOutputs);
  made.costs = costs_of_faults(options);
  made.notes = {
      "The function needs the layer, the two variables and the policy that the stack's outputs "
      "name, for the time of the experiments; faults act within a minute of their begin and for up "
      "to 20 s after their end.",
      "Each failed receive brings messages nearer to maxReceiveCount; " +
          std::string(
              options.dead_letter_queue.empty()
                  ? "name the dead-letter queue (--dead-letter-queue ARN), so that its "
                    "first message stops the experiment."
                  : "the first message in the dead-letter queue stops the experiment, so it "
                    "must be empty at the start."),
      "aws:lambda:invocation-http-integration-response is left out on purpose: to an event source "
      "mapping any answer without batchItemFailures is a success, and it would delete the "
      "messages.",
      "To start one: aws fis start-experiment --experiment-template-id ID"};
  return made;
}

}  // namespace switchgear::controller
