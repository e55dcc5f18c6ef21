#include "aws/sqs.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "aws/sqs_codec.h"

namespace switchgear::aws {
namespace {

// An answer may come this much later than a long poll was to end.
constexpr Duration kWaitMargin = 5s;

// Makes the callback of a raw call: errors pass, a body goes through `read`.
template <class T, class Read>
AwsClient::Callback reading(Sqs::Callback<T> callback, Read read) {
  return [callback = std::move(callback), read](const Result<Answer>& answer) {
    callback(answer ? read(answer->body) : Result<T>(answer.error()));
  };
}

ServiceCall operation(const char* name, std::string body) {
  return {.target = std::string("AmazonSQS.") + name, .body = std::move(body)};
}

}  // namespace

std::optional<std::int64_t> Message::number(const std::string& attribute) const {
  const auto it = attributes.find(attribute);
  if (it == attributes.end()) return std::nullopt;
  const std::string& text = it->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool BatchResult::all_done() const {
  return std::ranges::none_of(errors, [](const auto& error) { return error.has_value(); });
}

net::CallHandle Sqs::receive(const std::string& queue_url, const ReceiveOptions& options,
                             Callback<Received> callback) {
  ServiceCall call = operation("ReceiveMessage", sqs_codec::receive_request(queue_url, options));
  call.attempt_timeout = options.wait + kWaitMargin;
  return client_.call(std::move(call),
                      reading<Received>(std::move(callback), &sqs_codec::read_received));
}

net::CallHandle Sqs::delete_batch(const std::string& queue_url,
                                  const std::vector<std::string>& receipt_handles,
                                  Callback<BatchResult> callback) {
  const std::size_t entries = receipt_handles.size();
  return client_.call(
      operation("DeleteMessageBatch", sqs_codec::delete_batch_request(queue_url, receipt_handles)),
      reading<BatchResult>(std::move(callback), [entries](std::string_view body) {
        return sqs_codec::read_batch(body, entries);
      }));
}

net::CallHandle Sqs::change_visibility_batch(const std::string& queue_url,
                                             const std::vector<VisibilityChange>& changes,
                                             Callback<BatchResult> callback) {
  const std::size_t entries = changes.size();
  return client_.call(operation("ChangeMessageVisibilityBatch",
                                sqs_codec::change_visibility_batch_request(queue_url, changes)),
                      reading<BatchResult>(std::move(callback), [entries](std::string_view body) {
                        return sqs_codec::read_batch(body, entries);
                      }));
}

net::CallHandle Sqs::send(const std::string& queue_url, const OutgoingMessage& message,
                          Callback<std::string> callback) {
  return client_.call(operation("SendMessage", sqs_codec::send_request(queue_url, message)),
                      reading<std::string>(std::move(callback), [](std::string_view body) {
                        return sqs_codec::read_text(body, "MessageId");
                      }));
}

net::CallHandle Sqs::send_batch(const std::string& queue_url,
                                const std::vector<OutgoingMessage>& messages,
                                Callback<SendBatchResult> callback) {
  return client_.call(
      operation("SendMessageBatch", sqs_codec::send_batch_request(queue_url, messages)),
      reading<SendBatchResult>(std::move(callback), [messages](std::string_view body) {
        return sqs_codec::read_send_batch(body, messages);
      }));
}

net::CallHandle Sqs::get_queue_attributes(const std::string& queue_url,
                                          const std::vector<std::string>& names,
                                          Callback<std::map<std::string, std::string>> callback) {
  return client_.call(
      operation("GetQueueAttributes", sqs_codec::get_queue_attributes_request(queue_url, names)),
      reading<std::map<std::string, std::string>>(std::move(callback),
                                                  &sqs_codec::read_attributes));
}

net::CallHandle Sqs::set_queue_attributes(const std::string& queue_url,
                                          const std::map<std::string, std::string>& attributes,
                                          Callback<void> callback) {
  return client_.call(
      operation("SetQueueAttributes",
                sqs_codec::set_queue_attributes_request(queue_url, attributes)),
      // AWS answers with no body at all.
      reading<void>(std::move(callback), [](std::string_view) { return Result<void>{}; }));
}

net::CallHandle Sqs::get_queue_url(const std::string& queue_name, Callback<std::string> callback) {
  return client_.call(operation("GetQueueUrl", sqs_codec::get_queue_url_request(queue_name)),
                      reading<std::string>(std::move(callback), [](std::string_view body) {
                        return sqs_codec::read_text(body, "QueueUrl");
                      }));
}

}  // namespace switchgear::aws
