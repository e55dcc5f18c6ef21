#include "aws/eventbridge.h"

#include <boost/json.hpp>
#include <utility>

#include "core/assert.h"

namespace switchgear::aws {
namespace {

namespace json = boost::json;

constexpr std::string_view kService = "events";

Error error(std::string code, std::string message, bool retryable) {
  return {.code = std::move(code),
          .message = std::move(message),
          .retryable = retryable,
          .source = std::string(kService)};
}

std::string text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// The call succeeds even if its only entry does not.
Result<void> read_answer(const std::string& body) {
  json::error_code bad;
  const json::value document = json::parse(body, bad);
  const json::object* object = bad ? nullptr : document.if_object();
  const json::value* failed = object ? object->if_contains("FailedEntryCount") : nullptr;
  const json::value* entries = object ? object->if_contains("Entries") : nullptr;
  if (!failed || !failed->is_int64()) {
    return error("protocol",
                 "the answer is not one of EventBridge (FailedEntryCount); check the "
                 "endpoint",
                 false);
  }
  if (failed->get_int64() == 0) return {};
  const json::array* list = entries ? entries->if_array() : nullptr;
  const json::object* first = list && !list->empty() ? list->front().if_object() : nullptr;
  const std::string code = first ? text(*first, "ErrorCode") : "";
  const bool theirs = code.empty() || code.starts_with("Internal") || code.starts_with("Throttl");
  return error(code.empty() ? "not_answered" : code,
               "the bus did not take the event: " + (first ? text(*first, "ErrorMessage") : ""),
               theirs);
}

}  // namespace

net::CallHandle EventBridge::put_event(const BusEvent& event, Callback callback) {
  SG_ASSERT(!event.source.empty() && !event.detail_type.empty());
  json::object entry{
      {"Source", event.source}, {"DetailType", event.detail_type}, {"Detail", event.detail}};
  if (!event.bus.empty()) entry["EventBusName"] = event.bus;
  if (!event.resources.empty()) {
    json::array resources;
    for (const std::string& arn : event.resources) resources.emplace_back(arn);
    entry["Resources"] = std::move(resources);
  }
  return client_.call(
      {.target = "AWSEvents.PutEvents",
       .body = json::serialize(json::object{{"Entries", json::array{std::move(entry)}}}),
       .content_type = "application/x-amz-json-1.1"},
      [callback = std::move(callback)](const Result<Answer>& answer) {
        callback(answer ? read_answer(answer->body) : Result<void>(answer.error()));
      });
}

}  // namespace switchgear::aws
