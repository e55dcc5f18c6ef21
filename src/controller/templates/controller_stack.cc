// The controller as a function of its own: code, rights, store, starts, log and its own health.
#include <chrono>
#include <string>

#include "controller/templates/detection.h"
#include "controller/templates/template.h"
#include "stores/dynamodb_item.h"
#include "stores/open.h"

namespace switchgear::controller {
namespace {

constexpr std::string_view kTable = R"(
  Circuits:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - AttributeName: {key}
          AttributeType: S
      KeySchema:
        - AttributeName: {key}
          KeyType: HASH
      TimeToLiveSpecification:
        AttributeName: {ttl}
        Enabled: true
)";

constexpr std::string_view kController = R"(
  Controller:
    Type: AWS::Serverless::Function
    Properties:
      Description: Guards event source mappings with circuits
      # The program `switchgear` under the name `bootstrap`.{packaged}
      CodeUri: {code_uri}
      Handler: controller
      Runtime: provided.al2023
      Architectures: [{architecture}]
      MemorySize: 128
      # A start ends at once where nothing is to be done, and else after 55 s.
      Timeout: 65
      Role: !GetAtt ControllerRole.Arn
      Environment:
        Variables:
          {environment}
      LoggingConfig:
        LogGroup: !Ref ControllerLog
      # The next start comes by itself; old ones are of no use.
      EventInvokeConfig:
        MaximumEventAgeInSeconds: 60
        MaximumRetryAttempts: 0
      Events:
        EveryMinute:
          Type: Schedule
          Properties:
            Schedule: rate(1 minute)
{rule}
  ControllerRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal:
              Service: lambda.amazonaws.com
            Action: sts:AssumeRole
      Policies:
        - PolicyName: controller
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              {statements}

  ControllerLog:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      RetentionInDays: 30

  ControllerFails:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: The controller of circuits ends with errors; its log says why
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{ Name: FunctionName, Value: !Ref Controller }]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 5
      DatapointsToAlarm: 3
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching{notify}

  ControllerSilent:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: The controller of circuits is not started any more
      Namespace: AWS/Lambda
      MetricName: Invocations
      Dimensions: [{ Name: FunctionName, Value: !Ref Controller }]
      Statistic: Sum
      Period: 60
      EvaluationPeriods: 5
      ComparisonOperator: LessThanThreshold
      Threshold: 1
      TreatMissingData: breaching{notify}
)";

// The alarm is read again by the controller: the event only wakes it.
constexpr std::string_view kRule = R"(        AlarmChanges:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.cloudwatch]
              detail-type: [CloudWatch Alarm State Change]
              {alarms}
              detail:
                state:
                  value: [ALARM]
)";

constexpr std::string_view kConfiguration = R"(store: {store}
circuits:
  {circuit}:
    open_duration: {open}
    max_open_duration: {max_open}
controller:
  event_bus: default{topic}
  circuits:
    {circuit}:
      evidence: {evidence}
      alarms: [{alarms}]
      mappings: [{mappings}]
      ramp_step: {step}
)";

constexpr const char* kArn = "arn:${AWS::Partition}:{service}:${AWS::Region}:${AWS::AccountId}:";

std::string arn(const std::string& service, const std::string& rest) {
  return "!Sub \"" + fill(kArn, {{"service", service}}) + rest + "\"";
}

std::string whole_seconds(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

// "5m", "90s".
std::string duration_text(Duration d) {
  if (d % Duration(1min) != Duration{0}) return whole_seconds(d) + "s";
  return std::to_string(d / Duration(1min)) + "m";
}

bool is_breaker(const TemplateOptions& options) { return options.kind != TemplateKind::controller; }

// As YAML flow within !Sub.
std::string alarm_names(const TemplateOptions& options) {
  if (is_breaker(options)) return "\"${EventsFail}\", \"${FunctionFails}\"";
  std::string names;
  for (const std::string& name : options.alarms) {
    names += (names.empty() ? "\"" : ", \"") + name + "\"";
  }
  return names;
}

// Which alarms start the function.
std::string alarm_arns(const TemplateOptions& options) {
  if (is_breaker(options)) {
    return "resources:\n  - !GetAtt EventsFail.Arn\n  - !GetAtt FunctionFails.Arn";
  }
  if (options.alarms.empty()) return "# Any alarm: switchgear.yaml says which count.";
  std::string arns = "resources:";
  for (const std::string& name : options.alarms) {
    arns += "\n  - " + arn("cloudwatch", "alarm:" + name);
  }
  return arns;
}

std::vector<std::string> mapping_ids(const TemplateOptions& options) {
  if (options.mappings.empty()) return {"${Mapping}"};
  return options.mappings;
}

std::string store_in_sub(const TemplateOptions& options) {
  return options.store.empty() ? "dynamodb://${Circuits}" : options.store;
}

std::string environment(const TemplateOptions& options) {
  const std::string configuration = controller_configuration(options);
  if (configuration.empty()) {
    return "SWITCHGEAR_CONFIG: switchgear.yaml\nSWITCHGEAR_STORE: !Sub \"" + store_in_sub(options) +
           "\"\nSWITCHGEAR_CONTROLLER_EVENT_BUS: default" +
           (options.notify.empty() ? "" : "\nSWITCHGEAR_CONTROLLER_SNS_TOPIC: " + options.notify);
  }
  std::string text = "SWITCHGEAR_CONFIG_TEXT: !Sub |\n  ";
  for (std::size_t i = 0; i + 1 < configuration.size(); ++i) {
    text += configuration[i];
    if (configuration[i] == '\n') text += "  ";
  }
  return text;
}

}  // namespace

std::string controller_configuration(const TemplateOptions& options) {
  if (!is_breaker(options) && options.alarms.empty()) return {};
  std::string mappings;
  for (const std::string& id : mapping_ids(options)) {
    mappings += (mappings.empty() ? "\"" : ", \"") + id + "\"";
  }
  return fill(kConfiguration,
              {{"store", store_in_sub(options)},
               {"circuit", "\"" + options.circuit_name() + "\""},
               {"open", duration_text(options.open_duration)},
               {"max_open", duration_text(options.max_open_duration)},
               {"evidence", options.kind == TemplateKind::trial_breaker ? "trial" : "alarm"},
               {"alarms", alarm_names(options)},
               {"mappings", mappings},
               {"topic", options.notify.empty() ? "" : "\n  sns_topic: " + options.notify},
               {"step", duration_text(ramp_step_of(options))}});
}

std::vector<Statement> controller_statements(const TemplateOptions& options) {
  std::vector<std::string> mappings, functions;
  for (const std::string& id : mapping_ids(options)) {
    mappings.push_back(arn("lambda", "event-source-mapping:" + id));
  }
  for (const std::string& text : options.functions) {
    const FunctionName function = parse_function(text);
    functions.push_back(arn("lambda", "function:" + function.name));
    if (!function.qualifier.empty()) {
      functions.push_back(arn("lambda", "function:" + function.name + ":" + function.qualifier));
    }
  }
  const std::string table = options.store.empty()
                                ? "!GetAtt Circuits.Arn"
                                : arn("dynamodb", "table/" + options.table_name());
  std::vector<Statement> statements{
      {"Both know no resources.",
       {"cloudwatch:DescribeAlarms", "lambda:ListEventSourceMappings"},
       {"\"*\""},
       ""},
      {"Off, on and limited, and what was before in the mapping's tags.",
       {"lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping", "lambda:ListTags",
        "lambda:TagResource", "lambda:UntagResource"},
       mappings,
       ""},
      {"Trial messages.",
       {"lambda:GetFunctionConfiguration", "lambda:InvokeFunction"},
       functions,
       ""},
      {"Trial messages, and the retention of what waits.",
       {"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:ReceiveMessage",
        "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"},
       options.queues,
       ""},
      {"The circuits.",
       {"dynamodb:GetItem", "dynamodb:UpdateItem"},
       {table},
       R"({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [")" +
           stores::StoreOptions{}.name_space + R"(/*"]}})"},
      {"Its own log.",
       {"logs:CreateLogStream", "logs:PutLogEvents"},
       {"!GetAtt ControllerLog.Arn"},
       ""},
      {"Tells of every change of a circuit.",
       {"events:PutEvents"},
       {arn("events", "event-bus/default")},
       ""},
  };
  if (!options.notify.empty()) {
    statements.push_back({"Tells people of it.", {"sns:Publish"}, {options.notify}, ""});
  }
  return statements;
}

std::string controller_resources(const TemplateOptions& options,
                                 const std::vector<Statement>& statements) {
  std::string text;
  if (options.store.empty()) {
    text += fill(kTable, {{"key", stores::kItemKey}, {"ttl", stores::kItemTtl}});
  }
  const std::string notify =
      options.notify.empty() ? "" : "\n      AlarmActions: [" + options.notify + "]";
  return text + fill(kController, {{"code_uri", options.code_uri},
                                   {"packaged", controller_configuration(options).empty()
                                                    ? " Beside it lies switchgear.yaml."
                                                    : ""},
                                   {"architecture", options.arm64 ? "arm64" : "x86_64"},
                                   {"environment", environment(options)},
                                   {"rule", fill(kRule, {{"alarms", alarm_arns(options)}})},
                                   {"statements", policy_text(statements)},
                                   {"notify", notify}});
}

}  // namespace switchgear::controller
