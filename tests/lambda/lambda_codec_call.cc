// For the test beside it: stdin is one JSON object {answers: [{operation, body}], errors:
// [{service, status, headers, body}]}; stdout is one {requests: [{operation, method, path, headers,
// body}], answers: ["" or the error's text], errors: [{code, retryable, throttled, message,
// may_have_run}]}. `requests` holds every kind of request that the clients of Lambda and CloudWatch
// send, and SetQueueAttributes of SQS.
#include <boost/json.hpp>
#include <iostream>
#include <iterator>
#include <string>

#include "aws/cloudwatch_codec.h"
#include "aws/error.h"
#include "aws/lambda_codec.h"
#include "aws/sqs_codec.h"

namespace {

namespace json = boost::json;
namespace aws = switchgear::aws;
namespace lambda = switchgear::aws::lambda_codec;
using switchgear::Result;

json::array requests() {
  const std::string uuid = "14e0db71-5d35-4eb5-b481-8945cf9d10c2";
  const std::string function = "arn:aws:lambda:eu-central-1:123456789012:function:f";
  const std::string arn = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:" + uuid;
  json::array out;
  const auto add = [&](const char* operation, const aws::ServiceCall& call) {
    json::object headers;
    for (const auto& [name, value] : call.headers) headers[name] = value;
    out.push_back(json::object{{"operation", operation},
                               {"method", call.method},
                               {"path", call.path},
                               {"headers", std::move(headers)},
                               {"body", call.body}});
  };
  add("ListEventSourceMappings", lambda::list_mappings({}));
  add("ListEventSourceMappings",
      lambda::list_mappings({.function_name = function + ":live",
                             .event_source_arn = "arn:aws:sqs:eu-central-1:123456789012:q.fifo",
                             .marker = "m+/= ä"}));
  add("GetEventSourceMapping", lambda::get_mapping(uuid));
  add("UpdateEventSourceMapping", lambda::update_mapping({.uuid = uuid, .enabled = false}));
  add("UpdateEventSourceMapping",
      lambda::update_mapping({.uuid = uuid, .limit = aws::MappingUpdate::Limit{}}));
  add("UpdateEventSourceMapping", lambda::update_mapping({.uuid = uuid,
                                                          .enabled = true,
                                                          .batch_size = 1,
                                                          .window_s = 0,
                                                          .parallelization_factor = 1,
                                                          .limit = aws::MappingUpdate::Limit{2},
                                                          .provisioned_pollers = std::pair(2, 5)}));
  add("ListTags", lambda::list_tags(arn));
  add("TagResource", lambda::tag(arn, {{"switchgear:before", "v1:enabled=true:max=50"}}));
  add("UntagResource", lambda::untag(arn, {"switchgear:owner", "switchgear:before"}));
  add("GetFunctionConfiguration", lambda::get_function_configuration(function + ":live"));
  add("Invoke", lambda::invoke({.function = function, .payload = R"({"Records":[]})"}));
  add("Invoke", lambda::invoke({.function = "f", .qualifier = "$LATEST", .payload = "{}"}));
  const auto json_call = [&](const char* operation, const std::string& body) {
    add(operation, {.body = body});
  };
  json_call("DescribeAlarms", aws::cloudwatch_codec::describe_alarms_request({"a", "b"}, ""));
  json_call("DescribeAlarms", aws::cloudwatch_codec::describe_alarms_request({"a"}, "t"));
  json_call("SetQueueAttributes", aws::sqs_codec::set_queue_attributes_request(
                                      "http://h/1/q", {{"MessageRetentionPeriod", "1209600"}}));
  return out;
}

template <class T>
std::string error_text(const Result<T>& result) {
  return result ? std::string() : result.error().text();
}

// What the client would make of that operation's answer.
std::string read(const std::string& operation, const std::string& body) {
  if (operation == "ListEventSourceMappings") return error_text(lambda::read_mappings(body));
  if (operation == "ListTags") return error_text(lambda::read_tags(body));
  if (operation == "GetFunctionConfiguration") return error_text(lambda::read_function(body));
  if (operation == "DescribeAlarms") return error_text(aws::cloudwatch_codec::read_alarms(body));
  return error_text(lambda::read_mapping(body));
}

std::string text(const json::value& value, const char* member) {
  return std::string(value.at(member).as_string());
}

}  // namespace

int main() {
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const json::value in = json::parse(input);
  json::array answers;
  for (const json::value& answer : in.at("answers").as_array()) {
    answers.emplace_back(read(text(answer, "operation"), text(answer, "body")));
  }
  json::array errors;
  for (const json::value& error : in.at("errors").as_array()) {
    switchgear::net::HttpResponse response{.status = error.at("status").to_number<int>(),
                                           .body = text(error, "body")};
    for (const auto& [name, value] : error.at("headers").as_object()) {
      response.headers.add(name, std::string(value.as_string()));
    }
    const auto refusal = aws::read_error(response, text(error, "service"));
    errors.push_back(json::object{{"code", refusal.error.code},
                                  {"retryable", refusal.error.retryable},
                                  {"throttled", refusal.throttled},
                                  {"message", refusal.error.message},
                                  {"may_have_run", aws::may_have_run(refusal.error)}});
  }
  std::cout << json::serialize(
                   json::object{{"requests", requests()}, {"answers", answers}, {"errors", errors}})
            << "\n";
}
