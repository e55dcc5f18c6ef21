// RESP, the protocol of Redis and Valkey, versions 2 and 3: an incremental parser and the encoder
// of commands. Pure: bytes in, values out; no sockets, never throws, not thread-safe.
// Source: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace switchgear::net::resp {

enum class Kind : unsigned char {
  simple_string,  // +
  error,          // - and !, the latter of any length and content
  integer,        // :
  bulk_string,    // $ and =; the three-letter format of a verbatim string is taken off
  array,          // *
  null,           // _ and the older $-1 and *-1
  boolean,        // #
  real,           // ,
  big_number,     // ( as text
  map,            // % with keys and values in turn in `items`
  set,            // ~
  push,           // > something that no command asked for
};
std::string_view to_string(Kind);

struct Value {
  Kind kind = Kind::null;
  std::string text;          // simple_string, error, bulk_string, big_number
  std::int64_t integer = 0;  // integer; boolean as 0 and 1
  double real = 0;           // real
  std::vector<Value> items;  // array, map, set, push

  bool is_text() const { return kind == Kind::simple_string || kind == Kind::bulk_string; }
  bool is_list() const { return kind == Kind::array || kind == Kind::set || kind == Kind::map; }
  friend bool operator==(const Value&, const Value&) = default;
};

// What one value may cost. A peer that goes beyond is not trusted any further.
struct Limits {
  int depth_max = 16;                       // aggregates within aggregates
  std::size_t line_bytes_max = 64 << 10;    // everything that is not a bulk string
  std::size_t bulk_bytes_max = 16 << 20;    // one bulk string
  std::size_t value_bytes_max = 64 << 20;   // one value with all its items
  std::size_t value_items_max = 1'000'000;  // items of one value at all depths
};

// Takes bytes as they arrive, in pieces of any size, and never looks at a byte twice. Holds at
// most one unfinished value. Attributes (|) are read and dropped. The streamed types of RESP3
// ("$?", "*?"), which no server sends, are refused.
class Parser {
 public:
  explicit Parser(const Limits& limits = {}) : limits_(limits) {}

  // The next complete value; its bytes are taken off the front of `input`. Empty: all of `input`
  // was taken and more is needed. Error "protocol": these bytes are not RESP or break a limit;
  // the message says which, and every later call says the same.
  Result<std::optional<Value>> next(std::string_view& input);

  // Whether a value has begun and not ended.
  bool in_value() const { return value_bytes_ > 0; }

 private:
  struct Frame {
    Value value;
    std::size_t missing = 0;  // items
    bool attribute = false;
  };
  enum class Step : unsigned char { line, bulk, bulk_end };

  bool take_line(std::string_view& input);
  bool take_bulk(std::string_view& input);
  void line_complete();
  void begin_bulk(std::int64_t size, Kind kind);
  void begin_aggregate(std::int64_t size, Kind kind, bool attribute);
  void complete(Value value);
  void fail(std::string why);

  Limits limits_;
  Step step_ = Step::line;
  std::string line_;
  Value bulk_;
  bool bulk_verbatim_ = false;
  std::size_t bulk_missing_ = 0;
  std::vector<Frame> frames_;
  std::size_t value_bytes_ = 0;
  std::size_t value_items_ = 0;
  std::optional<Value> done_;
  std::optional<Error> failed_;
};

// Appends a command: an array of bulk strings. Arguments may hold any bytes.
void append_command(std::string& out, std::span<const std::string> arguments);

// The value in a form for people and for messages of tests: [1, "a", {"k": nil}].
std::string to_string(const Value&);

}  // namespace switchgear::net::resp
