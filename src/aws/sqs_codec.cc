#include "aws/sqs_codec.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "aws/base64.h"
#include "aws/digest.h"
#include "aws/error.h"
#include "core/assert.h"
#include "net/http.h"

namespace switchgear::aws::sqs_codec {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

// ---- writing

// Ids within one batch are the entries' indices.
std::string entry_id(std::size_t index) { return std::to_string(index); }

void check_batch(std::size_t entries) { SG_ASSERT(entries >= 1 && entries <= kSqsBatchMax); }

void check_visibility(seconds visibility) {
  SG_ASSERT(visibility >= seconds(0) && visibility <= kSqsVisibilityMax);
}

json::object message_json(const OutgoingMessage& message) {
  json::object out{{"MessageBody", message.body}};
  if (message.delay) {
    SG_ASSERT(*message.delay >= seconds(0) && *message.delay <= kSqsDelayMax);
    out["DelaySeconds"] = message.delay->count();
  }
  if (!message.group_id.empty()) out["MessageGroupId"] = message.group_id;
  if (!message.deduplication_id.empty()) out["MessageDeduplicationId"] = message.deduplication_id;
  if (!message.trace_header.empty()) {
    out["MessageSystemAttributes"] =
        json::object{{"AWSTraceHeader",
                      json::object{{"DataType", "String"}, {"StringValue", message.trace_header}}}};
  }
  if (!message.attributes.empty()) {
    json::object attributes;
    for (const auto& [name, attribute] : message.attributes) {
      json::object value{{"DataType", attribute.type}};
      if (attribute.is_binary()) {
        value["BinaryValue"] = base64_encode(attribute.value);
      } else {
        value["StringValue"] = attribute.value;
      }
      attributes[name] = std::move(value);
    }
    out["MessageAttributes"] = std::move(attributes);
  }
  return out;
}

std::string batch_request(const std::string& queue_url, json::array entries) {
  return json::serialize(json::object{{"QueueUrl", queue_url}, {"Entries", std::move(entries)}});
}

// ---- reading

Error not_sqs(const std::string& what) {
  return {.code = "protocol",
          .message = "the answer is not one of SQS (" + what + "); check the endpoint",
          .retryable = false,
          .source = "sqs"};
}

std::string text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : std::string();
}

std::string text(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(field);
  return value == nullptr ? std::string() : text(*value);
}

// The array in that field; empty if there is none.
const json::array& array_of(const json::object& object, std::string_view field) {
  static const json::array empty;
  const json::value* value = object.if_contains(field);
  return value != nullptr && value->is_array() ? value->get_array() : empty;
}

const json::object& object_of(const json::object& object, std::string_view field) {
  static const json::object empty;
  const json::value* value = object.if_contains(field);
  return value != nullptr && value->is_object() ? value->get_object() : empty;
}

Result<json::object> parse(std::string_view body) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(body.data(), body.size()), error);
  if (error) return not_sqs(error.message());
  if (!value.is_object()) return not_sqs("no JSON object");
  return std::move(value.get_object());
}

std::map<std::string, std::string> texts_of(const json::object& object) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : object) {
    if (value.is_string()) out[std::string(name)] = text(value);
  }
  return out;
}

// What cannot be read is left out, and found by flaw().
MessageAttributes message_attributes(const json::object& object) {
  MessageAttributes out;
  for (const auto& [name, value] : object) {
    if (!value.is_object()) continue;
    const json::object& fields = value.get_object();
    MessageAttribute attribute{.type = text(fields, "DataType")};
    if (attribute.is_binary()) {
      auto bytes = base64_decode(text(fields, "BinaryValue"));
      if (!bytes) continue;
      attribute.value = *std::move(bytes);
    } else {
      attribute.value = text(fields, "StringValue");
    }
    out[std::string(name)] = std::move(attribute);
  }
  return out;
}

// The checksum of attributes, as SQS makes it: by name, each part with its length before it.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
// sqs-message-metadata.html
std::optional<std::string> md5_of(const MessageAttributes& attributes) {
  std::string bytes;
  const auto add = [&bytes](std::string_view part) {
    const auto size = static_cast<std::uint32_t>(part.size());
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
    bytes += part;
  };
  for (const auto& [name, attribute] : attributes) {
    add(name);
    add(attribute.type);
    bytes += attribute.is_binary() ? '\2' : '\1';
    add(attribute.value);
  }
  return md5_hex(bytes);
}

// Where `claimed` is not the checksum. Nothing can be said of one that is not there, or where MD5
// may not be used.
bool differs(const std::string& claimed, const std::optional<std::string>& actual) {
  return !claimed.empty() && actual && !net::equal_ignoring_case(claimed, *actual);
}

// What is wrong with a message; empty: nothing.
std::string flaw(const json::object& fields, const Message& message) {
  if (message.receipt_handle.empty()) return "it has no receipt handle";
  const json::value* body = fields.if_contains("Body");
  if (body == nullptr || !body->is_string()) return "it has no body";
  if (differs(text(fields, "MD5OfBody"), md5_hex(message.body))) {
    return "its body does not match its MD5 checksum";
  }
  if (message.message_attributes.size() != object_of(fields, "MessageAttributes").size()) {
    return "an attribute of it cannot be read";
  }
  if (differs(text(fields, "MD5OfMessageAttributes"), md5_of(message.message_attributes))) {
    return "its attributes do not match their MD5 checksum";
  }
  return {};
}

// The index that an entry of an answer speaks of; `entries` if none of ours.
std::size_t index_of(const json::object& entry, std::size_t entries) {
  const std::string id = text(entry, "Id");
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), index);
  return error == std::errc() && end == id.data() + id.size() ? std::min(index, entries) : entries;
}

Error not_answered() {
  return {.code = "not_answered",
          .message = "the answer says nothing about this entry of the batch",
          .retryable = true,
          .source = "sqs"};
}

Error entry_error(const json::object& entry) {
  const json::value* fault = entry.if_contains("SenderFault");
  const bool our_fault = fault != nullptr && fault->is_bool() && fault->get_bool();
  Error error{.code = normalise_code(text(entry, "Code")),
              .message = text(entry, "Message").substr(0, 500),
              .retryable = false,
              .source = "sqs"};
  error.retryable = !our_fault || is_throttling_code(error.code);
  return error;
}

// Calls `done(index, entry)` and `failed(index, error)` for what the answer says.
template <class Done, class Failed>
void for_each_answer(const json::object& answer, std::size_t entries, Done done, Failed failed) {
  for (const json::value& value : array_of(answer, "Successful")) {
    if (!value.is_object()) continue;
    const std::size_t index = index_of(value.get_object(), entries);
    if (index < entries) done(index, value.get_object());
  }
  for (const json::value& value : array_of(answer, "Failed")) {
    if (!value.is_object()) continue;
    const std::size_t index = index_of(value.get_object(), entries);
    if (index < entries) failed(index, entry_error(value.get_object()));
  }
}

}  // namespace

std::string receive_request(const std::string& queue_url, const ReceiveOptions& options) {
  SG_ASSERT(options.max_messages >= 1 && options.max_messages <= int(kSqsBatchMax));
  SG_ASSERT(options.wait >= seconds(0) && options.wait <= kSqsWaitMax);
  json::object request{{"QueueUrl", queue_url},
                       {"MaxNumberOfMessages", options.max_messages},
                       {"WaitTimeSeconds", options.wait.count()},
                       // The second is the older name of the first; some servers know only one.
                       {"MessageSystemAttributeNames", {"All"}},
                       {"AttributeNames", {"All"}},
                       {"MessageAttributeNames", {"All"}}};
  if (options.visibility) {
    check_visibility(*options.visibility);
    request["VisibilityTimeout"] = options.visibility->count();
  }
  return json::serialize(request);
}

std::string delete_batch_request(const std::string& queue_url,
                                 const std::vector<std::string>& receipt_handles) {
  check_batch(receipt_handles.size());
  json::array entries;
  for (std::size_t i = 0; i < receipt_handles.size(); ++i) {
    entries.push_back(json::object{{"Id", entry_id(i)}, {"ReceiptHandle", receipt_handles[i]}});
  }
  return batch_request(queue_url, std::move(entries));
}

std::string change_visibility_batch_request(const std::string& queue_url,
                                            const std::vector<VisibilityChange>& changes) {
  check_batch(changes.size());
  json::array entries;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    check_visibility(changes[i].visibility);
    entries.push_back(json::object{{"Id", entry_id(i)},
                                   {"ReceiptHandle", changes[i].receipt_handle},
                                   {"VisibilityTimeout", changes[i].visibility.count()}});
  }
  return batch_request(queue_url, std::move(entries));
}

std::string send_request(const std::string& queue_url, const OutgoingMessage& message) {
  json::object request = message_json(message);
  request["QueueUrl"] = queue_url;
  return json::serialize(request);
}

std::string send_batch_request(const std::string& queue_url,
                               const std::vector<OutgoingMessage>& messages) {
  check_batch(messages.size());
  json::array entries;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    json::object entry = message_json(messages[i]);
    entry["Id"] = entry_id(i);
    entries.push_back(std::move(entry));
  }
  return batch_request(queue_url, std::move(entries));
}

std::string get_queue_attributes_request(const std::string& queue_url,
                                         const std::vector<std::string>& names) {
  json::array wanted;
  for (const std::string& name : names) wanted.emplace_back(name);
  if (wanted.empty()) wanted.emplace_back("All");
  return json::serialize(
      json::object{{"QueueUrl", queue_url}, {"AttributeNames", std::move(wanted)}});
}

std::string set_queue_attributes_request(const std::string& queue_url,
                                         const std::map<std::string, std::string>& attributes) {
  SG_ASSERT(!attributes.empty());
  json::object values;
  for (const auto& [name, value] : attributes) values[name] = value;
  return json::serialize(json::object{{"QueueUrl", queue_url}, {"Attributes", std::move(values)}});
}

std::string get_queue_url_request(const std::string& queue_name) {
  return json::serialize(json::object{{"QueueName", queue_name}});
}

Result<Received> read_received(std::string_view body) {
  const Result<json::object> answer = parse(body);
  if (!answer) return answer.error();
  Received received;
  for (const json::value& value : array_of(*answer, "Messages")) {
    if (!value.is_object()) return not_sqs("a message that is no object");
    const json::object& fields = value.get_object();
    Message message{
        .id = text(fields, "MessageId"),
        .receipt_handle = text(fields, "ReceiptHandle"),
        .body = text(fields, "Body"),
        .attributes = texts_of(object_of(fields, "Attributes")),
        .message_attributes = message_attributes(object_of(fields, "MessageAttributes"))};
    const std::string what = flaw(fields, message);
    if (what.empty()) {
      received.messages.push_back(std::move(message));
    } else {
      received.corrupt.push_back({.id = message.id,
                                  .receipt_handle = message.receipt_handle,
                                  .error = {.code = "corrupt",
                                            .message = "message " + message.id + ": " + what,
                                            .retryable = true,
                                            .source = "sqs"}});
    }
  }
  return received;
}

Result<BatchResult> read_batch(std::string_view body, std::size_t entries) {
  const Result<json::object> answer = parse(body);
  if (!answer) return answer.error();
  BatchResult result;
  result.errors.assign(entries, not_answered());
  for_each_answer(
      *answer, entries,
      [&](std::size_t index, const json::object&) { result.errors[index].reset(); },
      [&](std::size_t index, Error error) { result.errors[index] = std::move(error); });
  return result;
}

namespace {

// Whether the queue has confirmed what was sent. That of the body is always there.
bool confirms(const json::object& entry, const OutgoingMessage& message) {
  const std::string body = text(entry, "MD5OfMessageBody");
  return !body.empty() && !differs(body, md5_hex(message.body)) &&
         !differs(text(entry, "MD5OfMessageAttributes"), md5_of(message.attributes));
}

}  // namespace

Result<SendBatchResult> read_send_batch(std::string_view body,
                                        const std::vector<OutgoingMessage>& messages) {
  const Result<json::object> answer = parse(body);
  if (!answer) return answer.error();
  SendBatchResult result;
  const std::size_t entries = messages.size();
  result.message_ids.assign(entries, not_answered());
  for_each_answer(
      *answer, entries,
      [&](std::size_t index, const json::object& entry) {
        if (confirms(entry, messages[index])) {
          result.message_ids[index] = text(entry, "MessageId");
        } else {
          result.message_ids[index] =
              Error{"checksum", "the queue has not confirmed the message with its MD5 checksums",
                    true, "sqs"};
        }
      },
      [&](std::size_t index, Error error) { result.message_ids[index] = std::move(error); });
  return result;
}

Result<std::map<std::string, std::string>> read_attributes(std::string_view body) {
  const Result<json::object> answer = parse(body);
  if (!answer) return answer.error();
  return texts_of(object_of(*answer, "Attributes"));
}

Result<std::string> read_text(std::string_view body, std::string_view field) {
  const Result<json::object> answer = parse(body);
  if (!answer) return answer.error();
  std::string value = text(*answer, field);
  if (value.empty()) return not_sqs("no " + std::string(field));
  return value;
}

}  // namespace switchgear::aws::sqs_codec
