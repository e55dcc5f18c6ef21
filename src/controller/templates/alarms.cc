// The mapping and the alarms of a breaker.
#include <string>

#include "controller/templates/template.h"

namespace switchgear::controller {
namespace {

constexpr std::string_view kMapping = R"(
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: {queue}
      FunctionName: {function}
      # The metrics of this mapping, without which the first alarm has no data.
      MetricsConfig:
        Metrics: [EventCount]{more}
)";

// Two alarms and not one: a metric that is missing would decide over the other.
constexpr std::string_view kAlarms = R"(
  # {share} % of what this mapping gave to the function failed, messages of partly failed batches
  # included, in {datapoints} of {periods} periods of {period} s with {minimum} events or more each.
  EventsFail:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: Opens the circuit {circuit}
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: {share}
      EvaluationPeriods: {periods}
      DatapointsToAlarm: {datapoints}
      # {why_missing}
      TreatMissingData: {missing}
      Metrics:
        - Id: share
          Label: Failed events in percent
          Expression: IF(invoked >= {minimum}, 100 * FILL(failed, 0) / invoked, 0)
        - Id: failed
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: FailedInvokeEventCount
              Dimensions: [{ Name: EventSourceMappingUUID, Value: {mapping} }]
            Period: {period}
            Stat: Sum
        - Id: invoked
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: InvokedEventCount
              Dimensions: [{ Name: EventSourceMappingUUID, Value: {mapping} }]
            Period: {period}
            Stat: Sum

  # The same of the function's invocations, whoever makes them: exceptions and time-outs.
  FunctionFails:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: Opens the circuit {circuit}
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: {share}
      EvaluationPeriods: {periods}
      DatapointsToAlarm: {datapoints}
      TreatMissingData: {missing}
      Metrics:
        - Id: share
          Label: Failed invocations in percent
          Expression: IF(invocations >= {minimum}, 100 * FILL(errors, 0) / invocations, 0)
        - Id: errors
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: Errors
              Dimensions:
                {dimensions}
            Period: {period}
            Stat: Sum
        - Id: invocations
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: Invocations
              Dimensions:
                {dimensions}
            Period: {period}
            Stat: Sum
)";

std::string function_dimensions(const FunctionName& function) {
  std::string text = "- { Name: FunctionName, Value: " + function.name + " }";
  if (!function.qualifier.empty()) {
    text += "\n- { Name: Resource, Value: \"" + function.name + ":" + function.qualifier + "\" }";
  }
  return text;
}

}  // namespace

std::string mapping_value(const TemplateOptions& options) {
  return options.mappings.empty() ? "!Ref Mapping" : options.mappings.front();
}

std::string mapping_resource(const TemplateOptions& options) {
  if (!options.mappings.empty()) return {};
  const FunctionName function = parse_function(options.functions.front());
  std::string more;
  if (options.maximum_concurrency != 0) {
    more +=
        "\nScalingConfig:\n  MaximumConcurrency: " + std::to_string(options.maximum_concurrency);
  }
  if (options.partial_batches) more += "\nFunctionResponseTypes: [ReportBatchItemFailures]";
  std::string at_column;
  for (const char c : more) at_column += c == '\n' ? "\n      " : std::string(1, c);
  const std::string name =
      function.qualifier.empty() ? function.name : function.name + ":" + function.qualifier;
  return fill(
      kMapping,
      {{"queue", options.queues.front()}, {"function", "\"" + name + "\""}, {"more", at_column}});
}

std::string alarm_resources(const TemplateOptions& options) {
  const bool trial = options.kind == TemplateKind::trial_breaker;
  return fill(
      kAlarms,
      {{"share", std::to_string(options.error_percent)},
       {"datapoints", std::to_string(options.datapoints)},
       {"periods", std::to_string(options.evaluation_periods())},
       {"minimum", std::to_string(options.minimum)},
       {"period",
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(options.period).count())},
       {"missing", trial ? "notBreaching" : "missing"},
       {"why_missing",
        trial ? "Only trial messages close the circuit, so silence may count as well."
              : "With the mapping off there is no data, and silence is no proof of health."},
       {"circuit", options.circuit_name()},
       {"dimensions", function_dimensions(parse_function(options.functions.front()))},
       {"mapping", mapping_value(options)}});
}

}  // namespace switchgear::controller
