#include "controller/templates/template.h"

namespace switchgear::controller {
namespace {

constexpr std::string_view kHead = R"(AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: {description}
Resources:)";

std::string description(const TemplateOptions& options) {
  const std::string circuit = options.circuit_name();
  switch (options.kind) {
    case TemplateKind::alarm_breaker:
      return "Circuit " + circuit + ", opened by alarms, for " + options.functions.front();
    case TemplateKind::trial_breaker:
      return "Circuit " + circuit + ", opened by alarms and closed by trial messages, for " +
             options.functions.front();
    case TemplateKind::controller:
      return "A controller of circuits";
    case TemplateKind::fis:
      break;
  }
  return "Faults of " + options.functions.front();
}

std::vector<std::string> notes(const TemplateOptions& options) {
  std::vector<std::string> all;
  if (options.kind != TemplateKind::controller && !options.mappings.empty()) {
    all.push_back(
        "The mapping is not part of the stack: switch its metrics on, or the alarm EventsFail "
        "never "
        "has data: aws lambda update-event-source-mapping --uuid " +
        options.mappings.front() + " --metrics-config Metrics=EventCount");
  } else if (options.kind != TemplateKind::controller) {
    all.push_back(
        "The stack makes the mapping; a mapping of the same queue and function must not be there "
        "already (else name it: --mapping UUID), and the function's own role must be allowed "
        "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes, which cannot be known "
        "here.");
  }
  if (options.kind == TemplateKind::controller && options.alarms.empty()) {
    all.push_back(
        "Put your switchgear.yaml beside bootstrap in " + options.code_uri +
        "; its functions, mappings and queues must be those that the flags name, since the rights "
        "end there. A circuit with evidence: circuit keeps the function at work all the time, for "
        "about USD 5 a month more.");
  }
  all.push_back(
      "Queues that are encrypted with a key of your own ask for kms:Decrypt on that key besides.");
  if (!options.store.empty()) {
    all.push_back("The table must be there: switchgear init dynamodb --create --table " +
                  options.table_name());
  }
  all.push_back(
      "To deploy: mkdir -p package && cp \"$(command -v switchgear)\" package/bootstrap "
      "&& sam deploy --template-file FILE --stack-name NAME --resolve-s3 "
      "--capabilities CAPABILITY_IAM");
  return all;
}

}  // namespace

Template make_template(const TemplateOptions& options) {
  if (options.kind == TemplateKind::fis) return make_fis_template(options);
  const bool breaker = options.kind != TemplateKind::controller;
  Template made;
  made.statements = controller_statements(options);
  made.text = fill(kHead, {{"description", description(options)}});
  if (breaker) made.text += mapping_resource(options) + alarm_resources(options);
  made.text += controller_resources(options, made.statements);
  made.costs = breaker ? costs_of_breaker(options) : costs_of_controller(options);
  made.notes = notes(options);
  return made;
}

}  // namespace switchgear::controller
