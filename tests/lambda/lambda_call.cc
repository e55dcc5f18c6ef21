// Calls of Lambda, CloudWatch and SQS against a server, for the tests beside it: lambda_call
// ENDPOINT, with credentials and region from the environment. Each line on stdin is a JSON object
// {call: "update", …}; each line on stdout what came back: {ok: …} or {error: {code, message,
// retryable, may_have_run}}.
#include <boost/json.hpp>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "aws/cloudwatch.h"
#include "aws/lambda.h"
#include "aws/sqs.h"
#include "core/random.h"

namespace {

namespace json = boost::json;
namespace aws = switchgear::aws;
using switchgear::Result;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << result.error().text() << "\n";
  std::exit(1);
}

template <class T>
json::value shown(const std::optional<T>& value) {
  return value ? json::value_from(*value) : json::value(nullptr);
}

json::value shown(const std::optional<switchgear::WallTime>& time) {
  if (!time) return nullptr;
  return switchgear::to_seconds(time->time_since_epoch());
}

json::value shown(const aws::EventSourceMapping& mapping) {
  return json::object{{"uuid", mapping.uuid},
                      {"arn", mapping.arn},
                      {"event_source_arn", mapping.event_source_arn},
                      {"function_arn", mapping.function_arn},
                      {"enabled", mapping.state == aws::MappingState::enabled},
                      {"disabled", mapping.state == aws::MappingState::disabled},
                      {"state_text", mapping.state_text},
                      {"last_modified", shown(mapping.last_modified)},
                      {"batch_size", shown(mapping.batch_size)},
                      {"window_s", shown(mapping.window_s)},
                      {"maximum_concurrency", shown(mapping.maximum_concurrency)},
                      {"filters", json::value_from(mapping.filters)},
                      {"filters_hidden", mapping.filters_hidden},
                      {"report_batch_item_failures", mapping.report_batch_item_failures}};
}

json::value shown(const aws::MappingsPage& page) {
  json::array mappings;
  for (const auto& mapping : page.mappings) mappings.push_back(shown(mapping));
  return json::object{{"mappings", std::move(mappings)}, {"next_marker", page.next_marker}};
}

json::value shown(const std::map<std::string, std::string>& texts) {
  return json::value_from(texts);
}

json::value shown(const aws::FunctionSettings& function) {
  return json::object{{"arn", function.arn},
                      {"name", function.name},
                      {"timeout_s", function.timeout.count()},
                      {"version", function.version}};
}

json::value shown(const aws::Invocation& invocation) {
  return json::object{{"status", invocation.status},
                      {"function_error", invocation.function_error},
                      {"payload", invocation.payload},
                      {"executed_version", invocation.executed_version}};
}

json::value shown(const std::vector<aws::Alarm>& alarms) {
  json::object out;
  for (const aws::Alarm& alarm : alarms) {
    const char* state = alarm.state == aws::Alarm::State::ok      ? "ok"
                        : alarm.state == aws::Alarm::State::alarm ? "alarm"
                                                                  : "insufficient_data";
    out[alarm.name] = json::object{{"arn", alarm.arn},
                                   {"state", state},
                                   {"state_reason", alarm.state_reason},
                                   {"state_updated", shown(alarm.state_updated)},
                                   {"treat_missing_data", alarm.treat_missing_data},
                                   {"period_s", shown(alarm.period_s)},
                                   {"evaluation_periods", shown(alarm.evaluation_periods)},
                                   {"datapoints_to_alarm", shown(alarm.datapoints_to_alarm)},
                                   {"composite", alarm.composite}};
  }
  return out;
}

// The services of one endpoint.
class Caller {
 public:
  explicit Caller(const std::string& endpoint)
      : lambda_client_(client("lambda", endpoint)),
        monitoring_client_(client("monitoring", endpoint)),
        sqs_client_(client("sqs", endpoint)) {}

  json::value answer(const json::object& asked) {
    const auto text = [&](const char* name) {
      const json::value* value = asked.if_contains(name);
      return value == nullptr ? std::string() : std::string(value->as_string());
    };
    const std::string call = text("call");
    if (call == "list") {
      return wait<aws::MappingsPage>([&](auto done) {
        lambda_.list_event_source_mappings({.function_name = text("function"),
                                            .event_source_arn = text("source"),
                                            .marker = text("marker")},
                                           done);
      });
    }
    if (call == "get") {
      return wait<aws::EventSourceMapping>(
          [&](auto done) { lambda_.get_event_source_mapping(text("uuid"), done); });
    }
    if (call == "update") {
      return wait<aws::EventSourceMapping>(
          [&](auto done) { lambda_.update_event_source_mapping(update(asked), done); });
    }
    if (call == "list_tags") {
      return wait<std::map<std::string, std::string>>(
          [&](auto done) { lambda_.list_tags(text("arn"), done); });
    }
    if (call == "tag") {
      const auto tags = json::value_to<std::map<std::string, std::string>>(asked.at("tags"));
      return wait<void>([&](auto done) { lambda_.tag_resource(text("arn"), tags, done); });
    }
    if (call == "untag") {
      const auto keys = json::value_to<std::vector<std::string>>(asked.at("keys"));
      return wait<void>([&](auto done) { lambda_.untag_resource(text("arn"), keys, done); });
    }
    if (call == "function") {
      return wait<aws::FunctionSettings>(
          [&](auto done) { lambda_.get_function_configuration(text("function"), done); });
    }
    if (call == "invoke") {
      return wait<aws::Invocation>([&](auto done) {
        lambda_.invoke({.function = text("function"),
                        .qualifier = text("qualifier"),
                        .payload = text("payload")},
                       done);
      });
    }
    if (call == "alarms") {
      const auto names = json::value_to<std::vector<std::string>>(asked.at("names"));
      return wait<std::vector<aws::Alarm>>(
          [&](auto done) { cloudwatch_.describe_alarms(names, done); });
    }
    if (call == "set_queue_attributes") {
      const auto attributes =
          json::value_to<std::map<std::string, std::string>>(asked.at("attributes"));
      return wait<void>(
          [&](auto done) { sqs_.set_queue_attributes(text("queue"), attributes, done); });
    }
    std::cerr << "no such call: " << call << "\n";
    std::exit(2);
  }

 private:
  static aws::MappingUpdate update(const json::object& asked) {
    aws::MappingUpdate out{.uuid = std::string(asked.at("uuid").as_string())};
    const auto number = [&](const char* name) -> std::optional<int> {
      if (!asked.contains(name) || asked.at(name).is_null()) return std::nullopt;
      return asked.at(name).to_number<int>();
    };
    if (asked.contains("enabled")) out.enabled = asked.at("enabled").as_bool();
    out.batch_size = number("batch_size");
    out.window_s = number("window_s");
    if (asked.contains("limit")) out.limit = aws::MappingUpdate::Limit{number("limit")};
    return out;
  }

  aws::AwsClient client(const std::string& service, const std::string& endpoint) {
    const auto environment = aws::process_environment();
    return {
        loop_, http_,
        must(aws::resolve_endpoint({.service = service, .endpoint_url = endpoint}, environment)),
        aws::fixed_credentials(must(aws::credentials_from_environment(environment))),
        switchgear::core::Random(1)};
  }

  // Starts a call and runs the loop until its answer is there.
  template <class T, class Start>
  json::value wait(Start start) {
    std::optional<Result<T>> answer;
    start([&](Result<T> result) { answer = std::move(result); });
    if (!loop_.run_until([&] { return answer.has_value(); }, std::chrono::seconds(60))) {
      std::cerr << "no answer\n";
      std::exit(1);
    }
    if (!*answer) {
      const switchgear::Error& error = answer->error();
      return json::object{{"error",
                           {{"code", error.code},
                            {"message", error.message},
                            {"retryable", error.retryable},
                            {"may_have_run", aws::may_have_run(error)}}}};
    }
    if constexpr (std::is_void_v<T>) {
      return json::object{{"ok", nullptr}};
    } else {
      return json::object{{"ok", shown(**answer)}};
    }
  }

  switchgear::net::Loop loop_;
  switchgear::net::HttpClient http_{loop_};
  aws::AwsClient lambda_client_;
  aws::AwsClient monitoring_client_;
  aws::AwsClient sqs_client_;
  aws::Lambda lambda_{lambda_client_};
  aws::CloudWatch cloudwatch_{monitoring_client_};
  aws::Sqs sqs_{sqs_client_};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Caller caller(argv[1]);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << json::serialize(caller.answer(json::parse(line).as_object())) << std::endl;
  }
}
