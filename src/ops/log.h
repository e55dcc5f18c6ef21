// The log: one line per event, for people on a terminal or as JSON for machines.
//
//   2026-11-22T13:05:09.123Z warning paused: nothing is received  reason=open state=OPEN
//   {"time":"2026-11-22T13:05:09.123Z","level":"warning","message":"paused: …","reason":"open"}
//
// Never give it a secret: URLs go through net::Url::text() or net::redact_url().
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchgear::ops {

enum class LogLevel : unsigned char { debug, info, warn, error };
enum class LogFormat : unsigned char { text, json };

struct LogOptions {
  LogFormat format = LogFormat::text;
  LogLevel least = LogLevel::info;
  bool colour = false;  // of the level, in text
};

using LogFields = std::vector<std::pair<std::string, std::string>>;

// Thread-safe. A line is written at once and whole.
class Log {
 public:
  // To stderr.
  explicit Log(const LogOptions& options);
  // To `out`, which outlives the log.
  Log(const LogOptions& options, std::ostream& out);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, std::string_view message, const LogFields& fields = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Text as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(std::string_view text);
// A field's value on one line of text: quoted, with escapes, if it holds anything but plain
// characters.
std::string plain_value(std::string_view text);

}  // namespace switchgear::ops
