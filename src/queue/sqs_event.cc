#include "queue/sqs_event.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "aws/base64.h"
#include "aws/digest.h"

namespace switchgear::queue {
namespace {

namespace json = boost::json;

std::string region_of(std::string_view arn) {
  for (int part = 0; part < 3; ++part) {
    const auto colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return std::string(arn.substr(0, arn.find(':')));
}

json::object attribute(const Attribute& from) {
  json::object out;
  if (from.binary()) {
    out["binaryValue"] = aws::base64_encode(from.value);
  } else {
    out["stringValue"] = from.value;
  }
  // SQS has never filled them, and every event has them.
  out["stringListValues"] = json::array();
  out["binaryListValues"] = json::array();
  out["dataType"] = from.type;
  return out;
}

json::object record(const Message& message, std::string_view queue_arn) {
  json::object attributes;
  for (const auto& [name, value] : message.system_attributes) attributes[name] = value;
  json::object message_attributes;
  for (const auto& [name, value] : message.attributes) message_attributes[name] = attribute(value);
  json::object out{{"messageId", message.id},
                   {"receiptHandle", message.receipt_handle},
                   {"body", message.body},
                   {"attributes", std::move(attributes)},
                   {"messageAttributes", std::move(message_attributes)}};
  if (const auto md5 = aws::md5_hex(message.body)) out["md5OfBody"] = *md5;
  out["eventSource"] = "aws:sqs";
  out["eventSourceARN"] = json::string_view(queue_arn.data(), queue_arn.size());
  out["awsRegion"] = region_of(queue_arn);
  return out;
}

BatchAnswer all_failed(std::string why) {
  return {.all_failed = true, .why = std::move(why), .failed = {}};
}

}  // namespace

std::string sqs_event(const std::vector<Message>& messages, std::string_view queue_arn) {
  json::array records;
  for (const Message& message : messages) records.push_back(record(message, queue_arn));
  return json::serialize(json::object{{"Records", std::move(records)}});
}

BatchAnswer read_batch_answer(std::string_view payload, const std::vector<Message>& batch) {
  if (payload.empty()) return {};
  json::error_code error;
  const json::value document =
      json::parse(json::string_view(payload.data(), payload.size()), error);
  if (error) return all_failed("the answer is no JSON");
  if (document.is_null()) return {};
  const json::object* object = document.if_object();
  if (!object) return all_failed("the answer is no object");
  const json::value* failures = object->if_contains("batchItemFailures");
  if (!failures || failures->is_null()) return {};
  if (!failures->is_array()) return all_failed("batchItemFailures is no list");
  BatchAnswer answer;
  for (const json::value& item : failures->get_array()) {
    const json::object* entry = item.if_object();
    const json::value* id = entry ? entry->if_contains("itemIdentifier") : nullptr;
    if (!id || !id->is_string() || id->get_string().empty()) {
      return all_failed("an entry of batchItemFailures has no itemIdentifier");
    }
    std::string text(id->get_string());
    if (std::ranges::none_of(batch, [&](const Message& m) { return m.id == text; })) {
      return all_failed("batchItemFailures names " + text + ", which is none of the batch");
    }
    answer.failed.insert(std::move(text));
  }
  return answer;
}

}  // namespace switchgear::queue
