#include "queue/queue_attributes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdint>

namespace switchgear::queue {
namespace {

namespace json = boost::json;

Error invalid(const std::string& why) {
  return Error{"InvalidRedrivePolicy",
               "the queue's RedrivePolicy cannot be read: " + why +
                   "; expected for example {\"deadLetterTargetArn\":\"arn:…\","
                   "\"maxReceiveCount\":\"5\"}",
               false, "sqs"};
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> whole_number(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (!value.is_string()) return std::nullopt;
  const json::string& text = value.get_string();
  return whole_number(std::string_view(text.data(), text.size()));
}

}  // namespace

Result<RedrivePolicy> parse_redrive_policy(std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return invalid("it is not JSON");
  const json::object* object = document.if_object();
  if (object == nullptr) return invalid("it is not a JSON object");

  const json::value* count = object->if_contains("maxReceiveCount");
  if (count == nullptr) return invalid("it has no maxReceiveCount");
  const auto number = whole_number(*count);
  if (!number || *number < 1 || *number > 1'000'000) {
    return invalid("maxReceiveCount is not a whole number from 1 on");
  }
  RedrivePolicy policy{.max_receive_count = static_cast<int>(*number), .dead_letter_arn = ""};
  if (const json::value* arn = object->if_contains("deadLetterTargetArn");
      arn != nullptr && arn->is_string()) {
    policy.dead_letter_arn.assign(arn->get_string().data(), arn->get_string().size());
  }
  return policy;
}

std::string redrive_policy_text(const RedrivePolicy& policy) {
  return json::serialize(json::object{{"deadLetterTargetArn", policy.dead_letter_arn},
                                      {"maxReceiveCount", policy.max_receive_count}});
}

Result<QueueAttributes> read_queue_attributes(
    const std::map<std::string, std::string>& attributes) {
  QueueAttributes result;
  const auto text = [&](const char* name) -> const std::string* {
    const auto found = attributes.find(name);
    return found == attributes.end() || found->second.empty() ? nullptr : &found->second;
  };
  const auto take_seconds = [&](const char* name, std::chrono::seconds& to) {
    if (const std::string* value = text(name)) {
      if (const auto number = whole_number(*value); number && *number >= 0) {
        to = std::chrono::seconds(*number);
      }
    }
  };
  take_seconds("VisibilityTimeout", result.visibility_timeout);
  take_seconds("MessageRetentionPeriod", result.retention);
  if (const std::string* size = text("MaximumMessageSize")) {
    if (const auto number = whole_number(*size); number && *number > 0) {
      result.maximum_message_size = static_cast<std::size_t>(*number);
    }
  }
  if (const std::string* arn = text("QueueArn")) result.arn = *arn;
  if (const std::string* fifo = text("FifoQueue")) result.fifo = *fifo == "true";
  if (const std::string* redrive = text("RedrivePolicy")) {
    Result<RedrivePolicy> policy = parse_redrive_policy(*redrive);
    if (!policy) return policy.error();
    result.redrive = *policy;
    result.redrive_text = *redrive;
  }
  return result;
}

bool on_last_receive(const Message& message, const QueueAttributes& attributes) {
  return attributes.redrive && message.receive_count >= attributes.redrive->max_receive_count;
}

int receives_burnt(Duration time, const QueueAttributes& attributes) {
  const auto hidden = std::max<Duration>(attributes.visibility_timeout, 1s);
  return 1 + static_cast<int>(time / hidden);
}

}  // namespace switchgear::queue
