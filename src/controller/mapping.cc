#include "controller/mapping.h"

#include <algorithm>
#include <charconv>

namespace switchgear::controller {
namespace {

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

// "sqs" of "arn:aws:sqs:eu-central-1:123456789012:orders".
std::string_view service_of(std::string_view arn) {
  if (!arn.starts_with("arn:")) return {};
  for (int part = 0; part < 2; ++part) {
    const auto colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return arn.substr(0, arn.find(':'));
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

void append(std::string& text, std::string_view name, const std::optional<int>& value) {
  if (value) text += ":" + std::string(name) + "=" + std::to_string(*value);
}

}  // namespace

std::string_view to_string(SourceKind kind) {
  switch (kind) {
    case SourceKind::sqs:
      return "SQS";
    case SourceKind::sqs_fifo:
      return "SQS FIFO";
    case SourceKind::kinesis:
      return "Kinesis";
    case SourceKind::dynamodb_stream:
      return "DynamoDB stream";
    case SourceKind::kafka:
      return "Kafka";
    case SourceKind::mq:
      return "MQ";
    case SourceKind::other:
      return "another source";
  }
  return "another source";
}

SourceKind kind_of_source(std::string_view arn) {
  const std::string_view service = service_of(arn);
  if (service == "sqs") return arn.ends_with(".fifo") ? SourceKind::sqs_fifo : SourceKind::sqs;
  if (service == "kinesis") return SourceKind::kinesis;
  if (service == "dynamodb") return SourceKind::dynamodb_stream;
  if (service == "kafka") return SourceKind::kafka;
  if (service == "mq") return SourceKind::mq;
  return SourceKind::other;
}

Duration rest_max(SourceKind kind) {
  switch (kind) {
    case SourceKind::kinesis:
    case SourceKind::dynamodb_stream:
      return 24h;
    case SourceKind::kafka:
      return 7 * 24h;
    case SourceKind::sqs:
    case SourceKind::sqs_fifo:
    case SourceKind::mq:
    case SourceKind::other:
      break;
  }
  return Duration::max();
}

bool is_as(const Settings& actual, const Settings& wanted) {
  if (actual.enabled != wanted.enabled || actual.limit != wanted.limit) return false;
  const auto agrees = [](const std::optional<int>& is, const std::optional<int>& should) {
    return !should || is == should;
  };
  return agrees(actual.batch_size, wanted.batch_size) && agrees(actual.window_s, wanted.window_s) &&
         agrees(actual.parallelization_factor, wanted.parallelization_factor);
}

Settings part_of(const Settings& from, const Settings& like) {
  Settings part{.enabled = from.enabled, .limit = from.limit};
  if (like.batch_size) part.batch_size = from.batch_size;
  if (like.window_s) part.window_s = from.window_s;
  if (like.parallelization_factor) part.parallelization_factor = from.parallelization_factor;
  return part;
}

std::string describe(const Settings& settings) {
  if (!settings.enabled) return "off";
  std::string text = "on, ";
  text += settings.limit ? "up to " + std::to_string(*settings.limit) + " at a time" : "no cap";
  if (settings.batch_size) text += ", batches of " + std::to_string(*settings.batch_size);
  return text;
}

std::string encode(const Settings& settings) {
  std::string text = std::string("v1:enabled=") + (settings.enabled ? "true" : "false");
  append(text, "max", settings.limit);
  append(text, "batch", settings.batch_size);
  append(text, "window", settings.window_s);
  append(text, "parallel", settings.parallelization_factor);
  return text;
}

std::optional<Settings> decode_settings(std::string_view text) {
  if (!text.starts_with("v1:")) return std::nullopt;
  text.remove_prefix(3);
  Settings settings;
  bool enabled_told = false;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(':'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    if (name == "enabled") {
      if (value != "true" && value != "false") return std::nullopt;
      settings.enabled = value == "true";
      enabled_told = true;
      continue;
    }
    const auto n = number(value);
    if (!n) return std::nullopt;
    if (name == "max") {
      settings.limit = n;
    } else if (name == "batch") {
      settings.batch_size = n;
    } else if (name == "window") {
      settings.window_s = n;
    } else if (name == "parallel") {
      settings.parallelization_factor = n;
    } else {
      return std::nullopt;
    }
  }
  if (!enabled_told) return std::nullopt;
  return settings;
}

Selector selector_of(std::string_view text) {
  if (is_uuid(text)) return {Selector::By::uuid, std::string(text)};
  const std::string_view service = service_of(text);
  const bool function = service.empty() || service == "lambda";
  return {function ? Selector::By::function : Selector::By::source, std::string(text)};
}

}  // namespace switchgear::controller
