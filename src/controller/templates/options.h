// What a template is told. Aggregates with defaults; validate() refuses what could not work.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/problem.h"
#include "core/time.h"

namespace switchgear::controller {

enum class TemplateKind : unsigned char {
  alarm_breaker,  // alarms open, and tell when to try again
  trial_breaker,  // alarms open, trial messages alone close
  controller,     // the controller alone, for alarms that are there already
  fis,            // faults to test them with
};
// "alarm-breaker".
std::string_view to_string(TemplateKind);

// The fields are named in problems as the flags are: error_percent is "--error-percent".
struct TemplateOptions {
  TemplateKind kind = TemplateKind::alarm_breaker;
  std::string circuit;  // empty: the first function's name

  // ---- What is guarded. Breakers and faults: one function, one queue, at most one mapping.
  std::vector<std::string> functions;  // name or ARN, with a qualifier or without
  std::vector<std::string> queues;     // ARNs of SQS queues
  std::vector<std::string> mappings;   // UUIDs. A breaker without one makes the mapping itself
  Duration function_timeout{0};        // as the function has it: 1 s to 15 min
  int maximum_concurrency = 0;         // of a mapping that is made: 2 to 1,000; 0: no cap
  bool partial_batches = false;        // a mapping that is made has ReportBatchItemFailures

  // ---- The alarms of breakers.
  int error_percent = 50;  // of events or invocations in one period, from which it breaches
  int minimum = 5;         // events or invocations in one period; with fewer it does not
  Duration period = 1min;  // a multiple of a minute, at most an hour
  int datapoints = 2;      // breaching periods that open
  int periods = 0;         // among so many; 0: what the function's time-out asks for
  Duration open_duration = 30s;
  Duration max_open_duration = 5min;

  // ---- The controller as a function.
  std::vector<std::string> alarms;    // TemplateKind::controller: names; none: switchgear.yaml is
                                      // packaged. TemplateKind::fis: must be well at the end
  std::string store;                  // dynamodb://TABLE that is there; empty: the stack makes one
  std::string code_uri = "package/";  // a folder or S3 address with the program as `bootstrap`
  bool arm64 = false;
  std::string notify;  // ARN of an SNS topic, told of circuits and of the controller's own health

  // ---- Faults.
  Duration fault_duration = 15min;
  Duration stop_age = 1h;         // of the queue's oldest message, at which experiments stop
  std::string dead_letter_queue;  // ARN; a message in it stops experiments. Empty: none watched

  // Every problem, each with the flag as place. Empty: it can work, as far as can be told from
  // here.
  Problems validate() const;

  // ---- What follows from them, once they are valid.
  std::string circuit_name() const;
  std::string table_name() const;  // empty: the stack's own
  // `periods`, or the least with which calls that hang until the time-out still show in time.
  int evaluation_periods() const;
};

// A function as a person names it, in parts.
struct FunctionName {
  std::string name;
  std::string qualifier;  // empty: none
  std::string region;     // empty unless it was an ARN
};
FunctionName parse_function(std::string_view text);
// The name in "arn:aws:sqs:eu-central-1:123456789012:orders".
std::string name_in_arn(std::string_view arn);

}  // namespace switchgear::controller
