#include "queue/parking.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace switchgear::queue {
namespace {

namespace json = boost::json;

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
constexpr std::size_t kAttributesMax = 10;
// Of all messages of one call; queues whose messages are smaller take no more.
constexpr std::size_t kCallMax = 262'144;

std::size_t size_of(const aws::OutgoingMessage& message) {
  std::size_t size = message.body.size();
  for (const auto& [name, attribute] : message.attributes) {
    size += name.size() + attribute.type.size() + attribute.value.size();
  }
  return size;
}

std::string system_attribute(const Message& message, const char* name) {
  const auto found = message.system_attributes.find(name);
  return found == message.system_attributes.end() ? std::string() : found->second;
}

aws::OutgoingMessage copy_of(const Message& message) {
  // The group, which on a standard queue spreads it fairly, and the trace are not among what the
  // sender attached.
  aws::OutgoingMessage copy{.body = message.body,
                            .group_id = system_attribute(message, "MessageGroupId"),
                            .trace_header = system_attribute(message, "AWSTraceHeader")};
  for (const auto& [name, attribute] : message.attributes) {
    copy.attributes[name] = {attribute.type, attribute.value};
  }
  return copy;
}

Result<Parked> mark_of(const Message& message) {
  const auto found = message.attributes.find(std::string(kParkedAttribute));
  if (found == message.attributes.end()) {
    return Error{"unreadable", "it has no attribute " + std::string(kParkedAttribute), false,
                 "queue"};
  }
  return decode_parked(found->second.value);
}

}  // namespace

std::string encode(const Parked& parked) {
  const auto sent = std::chrono::floor<std::chrono::milliseconds>(parked.sent.time_since_epoch());
  return json::serialize(json::object{{"id", parked.id},
                                      {"sent", sent.count()},
                                      {"receive_count", parked.receive_count},
                                      {"queue", parked.queue_arn},
                                      {"circuit", parked.circuit}});
}

Result<Parked> decode_parked(std::string_view text) {
  const auto unreadable = [](const std::string& what) {
    return Error{"unreadable", std::string(kParkedAttribute) + ": " + what, false, "queue"};
  };
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !document.is_object()) return unreadable("it is no JSON object");
  const json::object& object = document.get_object();
  const auto word = [&object](const char* name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  const auto number = [&object](const char* name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_int64() ? value->get_int64() : -1;
  };
  const std::int64_t sent = number("sent");
  const std::int64_t count = number("receive_count");
  constexpr std::int64_t kMsMax = 9'000'000'000'000;  // WallTime ends in the year 2262
  if (sent < 0 || sent > kMsMax) return unreadable("sent is no time");
  if (count < 0 || count > 1'000'000'000) return unreadable("receive_count is no count");
  Parked parked{.id = word("id"),
                .sent = WallTime(std::chrono::milliseconds(sent)),
                .receive_count = static_cast<int>(count),
                .queue_arn = word("queue"),
                .circuit = word("circuit")};
  if (!parked.queue_arn.starts_with("arn:")) return unreadable("queue is no ARN");
  return parked;
}

Result<std::optional<Copy>> parked_copy(const Message& message, const ParkingRule& rule) {
  if (message.sent && *message.sent >= rule.sent_before) return std::optional<Copy>();
  Parked mark{.id = message.id,
              .sent = message.sent.value_or(WallTime{}),
              .receive_count = message.receive_count,
              .queue_arn = rule.queue_arn,
              .circuit = rule.circuit};
  // Parked before: it is still the message that it was at first.
  if (const auto before = mark_of(message)) {
    mark.id = before->id;
    mark.sent = before->sent;
    mark.receive_count += before->receive_count;
  }
  Copy copy{rule.parking_arn, copy_of(message)};
  copy.message.attributes[std::string(kParkedAttribute)] = {"String", encode(mark)};
  const auto unfit = [&message](const std::string& why) {
    return Error{"does_not_fit", "message " + message.id + " cannot be parked: " + why, false,
                 "queue"};
  };
  if (copy.message.attributes.size() > kAttributesMax) {
    return unfit("it has 10 attributes, and a message can have no more");
  }
  if (const std::size_t size = size_of(copy.message); size > rule.size_max) {
    return unfit("it would have " + std::to_string(size) + " bytes, and the parking queue takes " +
                 std::to_string(rule.size_max));
  }
  return std::optional(std::move(copy));
}

Result<std::optional<Copy>> returned_copy(const Message& message, const std::string& circuit) {
  const auto mark = mark_of(message);
  if (!mark || mark->circuit != circuit) {
    return Error{"not_parked",
                 "message " + message.id + " of the parking queue was not parked by this circuit" +
                     (mark ? ", but by " + mark->circuit : ": " + mark.error().message) +
                     "; give each circuit a parking queue of its own",
                 false, "queue"};
  }
  return std::optional(Copy{mark->queue_arn, copy_of(message)});
}

// ---- One batch ---------------------------------------------------------------------------------

void Move::stays(const Message& message) {
  if (!message.sent) return;
  result_.oldest_left = std::min(result_.oldest_left.value_or(*message.sent), *message.sent);
}

Move::Step Move::received(Result<std::vector<Message>> messages, std::size_t corrupt) {
  if (!messages) {
    result_.trouble = "no messages could be received: " + messages.error().text();
    return result_;
  }
  result_.received = static_cast<int>(messages->size() + corrupt);
  if (corrupt > 0) {
    result_.unfit = static_cast<int>(corrupt);
    result_.trouble = std::to_string(corrupt) +
                      " messages came that do not match their checksums, and stay where they are";
  }
  for (Message& message : *messages) {
    auto copy = choose_(message);
    if (copy && *copy) {
      waiting_.push_back({std::move(message), **std::move(copy)});
      continue;
    }
    stays(message);
    if (copy) {
      ++result_.stayed;
    } else {
      ++result_.unfit;
      result_.trouble = copy.error().message;
    }
  }
  return next();
}

// The next call: of those that go to the same queue, as many as it can carry.
Move::Step Move::next() {
  if (waiting_.empty()) return result_;
  Send send{.queue_arn = waiting_.front().copy.queue_arn, .messages = {}};
  std::vector<Going> later;
  std::size_t size = 0;
  out_.clear();
  for (Going& going : waiting_) {
    const std::size_t more = size_of(going.copy.message);
    const bool goes =
        going.copy.queue_arn == send.queue_arn && (out_.empty() || size + more <= kCallMax);
    if (!goes) {
      later.push_back(std::move(going));
      continue;
    }
    size += more;
    send.messages.push_back(going.copy.message);
    out_.push_back(std::move(going));
  }
  waiting_ = std::move(later);
  return send;
}

Move::Step Move::sent(const Result<aws::SendBatchResult>& result) {
  deleting_.clear();
  Delete confirmed;
  for (std::size_t i = 0; i < out_.size(); ++i) {
    const Error* error = nullptr;
    if (!result) {
      error = &result.error();
    } else if (!result->message_ids.at(i)) {
      error = &result->message_ids[i].error();
    }
    if (error) {
      stays(out_[i].message);
      result_.trouble = "message " + out_[i].message.id + " could not be sent to " +
                        out_[i].copy.queue_arn + ": " + error->text();
      continue;
    }
    confirmed.receipt_handles.push_back(out_[i].message.receipt_handle);
    deleting_.push_back(std::move(out_[i].message));
  }
  out_.clear();
  if (confirmed.receipt_handles.empty()) return next();
  return confirmed;
}

Move::Step Move::deleted(const Result<aws::BatchResult>& result) {
  for (std::size_t i = 0; i < deleting_.size(); ++i) {
    const Error* error = nullptr;
    if (!result) {
      error = &result.error();
    } else if (result->errors.at(i)) {
      error = &*result->errors[i];
    }
    if (!error) {
      ++result_.moved;
      continue;
    }
    ++result_.twice;
    stays(deleting_[i]);
    result_.trouble = "message " + deleting_[i].id +
                      " was moved, but could not be deleted, and will come twice: " + error->text();
  }
  return next();
}

}  // namespace switchgear::queue
