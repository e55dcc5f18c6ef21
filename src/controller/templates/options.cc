#include "controller/templates/options.h"

#include <algorithm>
#include <chrono>
#include <regex>

#include "controller/templates/detection.h"

namespace switchgear::controller {
namespace {

constexpr Duration kTimeoutMax = 15min;
constexpr Duration kWindowMax = 24h;  // EvaluationPeriods times Period, with periods below an hour
constexpr std::string_view kStoreScheme = "dynamodb://";

bool matches(const std::string& text, const char* pattern) {
  return std::regex_match(text, std::regex(pattern));
}

std::string seconds(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
}

std::string region_in_arn(std::string_view arn) {
  for (int i = 0; i < 3; ++i) arn.remove_prefix(std::min(arn.find(':') + 1, arn.size()));
  return std::string(arn.substr(0, arn.find(':')));
}

class Checks {
 public:
  explicit Checks(const TemplateOptions& options) : o_(options) {}

  Problems all() {
    guarded();
    names();
    if (is_breaker()) alarms();
    if (o_.kind == TemplateKind::fis) {
      faults();
    } else {
      controller();
    }
    return problems_;
  }

 private:
  bool is_breaker() const {
    return o_.kind == TemplateKind::alarm_breaker || o_.kind == TemplateKind::trial_breaker;
  }
  void refuse(const char* flag, std::string why) { problems_.push_back({flag, std::move(why)}); }

  void guarded() {
    const bool one = o_.kind != TemplateKind::controller;
    const std::string so_many = one ? "give exactly one" : "give at least one";
    if (o_.functions.empty() || (one && o_.functions.size() != 1)) {
      refuse("--function", so_many + ": the name of the function that is guarded");
    }
    if (o_.queues.empty() || (one && o_.queues.size() != 1)) {
      refuse("--queue", so_many + ": the ARN of the SQS queue that the mapping reads");
    }
    if (one && o_.mappings.size() > 1) refuse("--mapping", "give at most one");
    if (o_.kind == TemplateKind::controller && o_.mappings.empty()) {
      refuse("--mapping",
             "give at least one: the UUID of the event source mapping, which `aws lambda "
             "list-event-source-mappings --function-name NAME` tells; the rights of the controller "
             "end there");
    }
    if (!one) return;
    if (o_.function_timeout < 1s || o_.function_timeout > kTimeoutMax) {
      refuse("--function-timeout",
             "give the function's own time-out, 1s to 15m: how soon calls that hang can be seen "
             "depends on it");
    }
  }

  void names() {
    std::string region;
    const auto same_region = [&](const char* flag, const std::string& other) {
      if (other.empty()) return;
      if (region.empty()) region = other;
      if (region != other) {
        refuse(flag, "is in " + other + ", another one in " + region +
                         "; a stack and all that it guards are in one region");
      }
    };
    for (const std::string& text : o_.functions) {
      const FunctionName function = parse_function(text);
      if (!matches(function.name, "[A-Za-z0-9_-]{1,64}") ||
          !matches(function.qualifier, "([A-Za-z0-9_-]{1,128}|\\$LATEST)?")) {
        refuse("--function", "\"" + text + "\" is no function's name or ARN");
      }
      same_region("--function", function.region);
    }
    for (const std::string& arn : o_.queues) {
      queue("--queue", arn);
      same_region("--queue", region_in_arn(arn));
    }
    for (const std::string& uuid : o_.mappings) {
      if (!matches(uuid, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")) {
        refuse("--mapping", "\"" + uuid + "\" is no UUID of an event source mapping");
      }
    }
    for (const std::string& name : o_.alarms) {
      if (!matches(name, "[A-Za-z0-9_./ -]{1,255}")) {
        refuse("--alarm",
               "\"" + name + "\" is not the name of an alarm in letters, digits, spaces and _./-");
      }
    }
    if (!matches(o_.circuit, "([A-Za-z0-9_.:-]{1,256})?")) {
      refuse("--circuit", "\"" + o_.circuit + "\" is no circuit's name: letters, digits, _.:-");
    }
  }

  void queue(const char* flag, const std::string& arn) {
    if (matches(arn, "arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}(\\.fifo)?"))
      return;
    if (arn.starts_with("arn:") && arn.find(":sqs:") == std::string::npos) {
      refuse(flag, "\"" + arn +
                       "\" is no SQS queue: other sources have no messages to try, and no template "
                       "in this version; switchgear controller guards them (docs/controller.md)");
      return;
    }
    refuse(flag, "\"" + arn +
                     "\" is no queue's ARN, such as arn:aws:sqs:eu-central-1:"
                     "123456789012:orders");
  }

  void alarms() {
    if (o_.error_percent < 1 || o_.error_percent > 100) {
      refuse("--error-percent", "must be 1 to 100");
    }
    if (o_.period < 1min) {
      refuse("--period",
             "is below a minute, but Lambda sends its metrics once a minute: an alarm with a "
             "shorter period finds no data in most of its periods; write 1m");
      return;
    }
    if (o_.period % Duration(1min) != Duration{0} || o_.period > 1h) {
      refuse("--period", "must be whole minutes, at most an hour");
      return;
    }
    if (o_.datapoints < 1 || o_.datapoints > 60) {
      refuse("--datapoints", "must be 1 to 60");
      return;
    }
    if (o_.open_duration < 1s || o_.max_open_duration < o_.open_duration ||
        o_.max_open_duration > 1h) {
      refuse("--open-duration", "must be 1s or more, and --max-open-duration from there to 1h");
      return;
    }
    const auto trials = (o_.period + o_.open_duration - Duration(1)) / o_.open_duration;
    if (o_.minimum <= trials) {
      refuse("--minimum", "is " + std::to_string(o_.minimum) + ", but as many as " +
                              std::to_string(trials) +
                              " trial messages may fail in one period: they alone would keep the "
                              "alarm in ALARM; write at least " +
                              std::to_string(trials + 1));
    }
    window();
  }

  void window() {
    if (o_.function_timeout < 1s || o_.function_timeout > kTimeoutMax) return;
    const int periods = o_.evaluation_periods();
    if (periods < o_.datapoints) {
      refuse("--periods", "is below --datapoints");
      return;
    }
    if (periods * o_.period > kWindowMax) {
      refuse("--periods", "makes an evaluation window longer than a day, which CloudWatch refuses");
    }
    const Duration window = (periods - o_.datapoints + 1) * o_.period;
    if (o_.function_timeout > window) {
      refuse("--function-timeout",
             seconds(o_.function_timeout) +
                 " is beyond the evaluation window: a call counts in the "
                 "minute in which it began and shows when it ends, and by then fewer than " +
                 std::to_string(o_.datapoints) + " of the last " + std::to_string(periods) +
                 " periods can show calls that hang; leave --periods out, or write at least " +
                 std::to_string(periods_for(o_.function_timeout, o_.period, o_.datapoints)));
    }
  }

  void controller() {
    if (o_.maximum_concurrency != 0 &&
        (o_.maximum_concurrency < 2 || o_.maximum_concurrency > 1000)) {
      refuse("--maximum-concurrency", "must be 2 to 1000, which is what Lambda takes");
    }
    if (!o_.mappings.empty() && (o_.maximum_concurrency != 0 || o_.partial_batches)) {
      refuse("--mapping",
             "names a mapping that is there, and the stack would not change it; leave "
             "--maximum-concurrency and --partial-batches out");
    }
    if (!o_.store.empty() && !matches(o_.store, "dynamodb://[A-Za-z0-9_.-]{3,255}")) {
      refuse("--store",
             "must be dynamodb://TABLE, or be left out for a table of the stack: a function that "
             "runs once a minute keeps nothing in its memory, and Redis would need a network of "
             "its own and a password in the template");
    }
    if (!matches(o_.code_uri, "[A-Za-z0-9_./:@=+-]{1,1024}")) {
      refuse("--code-uri", "must be a folder, an archive or an s3:// address");
    }
    if (!o_.notify.empty() &&
        !matches(o_.notify, "arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")) {
      refuse("--notify", "must be the ARN of a standard SNS topic");
    }
  }

  void faults() {
    if (!o_.dead_letter_queue.empty()) queue("--dead-letter-queue", o_.dead_letter_queue);
    if (o_.fault_duration < 1min || o_.fault_duration > 12h ||
        o_.fault_duration % Duration(1min) != Duration{0}) {
      refuse("--duration", "must be whole minutes, 1m to 12h");
    } else if (problems_.empty() && o_.fault_duration <= detection_of(o_).most_hanging()) {
      refuse("--duration", "is no longer than an alarm may take to see it (" +
                               seconds(detection_of(o_).most_hanging()) +
                               "): such a fault shows nothing");
    }
    if (o_.stop_age < 1min || o_.stop_age > 24h * 14) {
      refuse("--stop-age", "must be 1m to 14 days");
    }
  }

  const TemplateOptions& o_;
  Problems problems_;
};

}  // namespace

std::string_view to_string(TemplateKind kind) {
  switch (kind) {
    case TemplateKind::alarm_breaker:
      return "alarm-breaker";
    case TemplateKind::trial_breaker:
      return "trial-breaker";
    case TemplateKind::controller:
      return "controller";
    case TemplateKind::fis:
      return "fis";
  }
  return "";
}

FunctionName parse_function(std::string_view text) {
  FunctionName parsed;
  constexpr std::string_view kFunction = ":function:";
  const auto at = text.find(kFunction);
  if (text.starts_with("arn:") && at != std::string_view::npos) {
    parsed.region = region_in_arn(text);
    text.remove_prefix(at + kFunction.size());
  }
  const auto colon = text.find(':');
  parsed.name = text.substr(0, colon);
  if (colon != std::string_view::npos) parsed.qualifier = text.substr(colon + 1);
  return parsed;
}

std::string name_in_arn(std::string_view arn) {
  return std::string(arn.substr(arn.rfind(':') + 1));
}

Problems TemplateOptions::validate() const { return Checks(*this).all(); }

std::string TemplateOptions::circuit_name() const {
  return circuit.empty() ? parse_function(functions.front()).name : circuit;
}

std::string TemplateOptions::table_name() const {
  return store.empty() ? "" : store.substr(kStoreScheme.size());
}

int TemplateOptions::evaluation_periods() const {
  return periods != 0 ? periods : periods_for(function_timeout, period, datapoints);
}

}  // namespace switchgear::controller
