#include "queue/message.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace switchgear::queue {
namespace {

std::optional<std::int64_t> number(const Message& message, const char* name) {
  const auto found = message.system_attributes.find(name);
  if (found == message.system_attributes.end()) return std::nullopt;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<WallTime> time(const Message& message, const char* name) {
  const auto ms = number(message, name);
  // Beyond this many milliseconds the nanoseconds of WallTime would overflow (the year 2262).
  if (!ms || *ms > 9'000'000'000'000) return std::nullopt;
  return WallTime(std::chrono::milliseconds(*ms));
}

}  // namespace

void read_system_attributes(Message& message) {
  if (const auto count = number(message, "ApproximateReceiveCount")) {
    message.receive_count = static_cast<int>(std::clamp<std::int64_t>(*count, 1, 1'000'000'000));
  }
  if (const auto t = time(message, "SentTimestamp")) message.sent = t;
  if (const auto t = time(message, "ApproximateFirstReceiveTimestamp")) message.first_received = t;
}

Message message_of(aws::Message from) {
  Message message;
  message.id = std::move(from.id);
  message.receipt_handle = std::move(from.receipt_handle);
  message.body = std::move(from.body);
  message.system_attributes = std::move(from.attributes);
  for (auto& [name, attribute] : from.message_attributes) {
    message.attributes.emplace(name,
                               Attribute{std::move(attribute.type), std::move(attribute.value)});
  }
  read_system_attributes(message);
  return message;
}

}  // namespace switchgear::queue
