#include "ops/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/ostream_sink.h>

#include <cstdint>
#include <cstdio>

namespace switchgear::ops {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Length of the valid UTF-8 sequence at the front; 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 0;
  std::uint32_t code = 0;
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    code = first & 0x1f;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    code = first & 0x0f;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    code = first & 0x07;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; i++) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3f);
  }
  const std::uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  return length;
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\\ufffd";
    } else if (length > 1) {
      out += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
  return out;
}

std::string plain_value(std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '\\' || c == '=') plain = false;
  }
  return plain ? std::string(text) : json_text(text);
}

struct Log::Impl {
  LogFormat format;
  std::shared_ptr<spdlog::sinks::sink> sink;
  std::unique_ptr<spdlog::logger> logger;

  Impl(const LogOptions& options, std::shared_ptr<spdlog::sinks::sink> to)
      : format(options.format), sink(std::move(to)) {
    logger = std::make_unique<spdlog::logger>("switchgear", sink);
    logger->set_level(level_of(options.least));
    logger->flush_on(spdlog::level::trace);
    const char* pattern = format == LogFormat::json
                              ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                              : "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
    logger->set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
    // A full disk or a closed pipe must not stop the work.
    logger->set_error_handler([](const std::string&) {});
  }
};

Log::Log(const LogOptions& options)
    : impl_(std::make_unique<Impl>(
          options, std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(
                       options.colour ? spdlog::color_mode::always : spdlog::color_mode::never))) {}

Log::Log(const LogOptions& options, std::ostream& out)
    : impl_(std::make_unique<Impl>(options,
                                   std::make_shared<spdlog::sinks::ostream_sink_mt>(out, true))) {}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view message, const LogFields& fields) {
  if (!impl_->logger->should_log(level_of(level))) return;
  std::string line;
  if (impl_->format == LogFormat::json) {
    line = "\"message\":" + json_text(message);
    for (const auto& [name, value] : fields) line += "," + json_text(name) + ":" + json_text(value);
  } else {
    for (const char c : message) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (!fields.empty()) line += ' ';
    for (const auto& [name, value] : fields) line += " " + name + "=" + plain_value(value);
  }
  impl_->logger->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace switchgear::ops
