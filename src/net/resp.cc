#include "net/resp.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace switchgear::net::resp {
namespace {

// std::from_chars takes no leading plus sign, RESP does.
std::string_view without_plus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = without_plus(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
  text = without_plus(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

bool is_big_number(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A byte from a stranger, for a message.
std::string quoted(char byte) {
  if (byte >= ' ' && byte <= '~') return std::string("'") + byte + "'";
  constexpr char kDigits[] = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  return std::string("byte 0x") + kDigits[value >> 4] + kDigits[value & 15];
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::simple_string:
      return "simple string";
    case Kind::error:
      return "error";
    case Kind::integer:
      return "integer";
    case Kind::bulk_string:
      return "bulk string";
    case Kind::array:
      return "array";
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "boolean";
    case Kind::real:
      return "double";
    case Kind::big_number:
      return "big number";
    case Kind::map:
      return "map";
    case Kind::set:
      return "set";
    case Kind::push:
      return "push";
  }
  return "unknown";
}

Result<std::optional<Value>> Parser::next(std::string_view& input) {
  while (!failed_ && !done_ && !input.empty()) {
    const std::size_t before = input.size();
    const bool complete = step_ == Step::line ? take_line(input) : take_bulk(input);
    value_bytes_ += before - input.size();
    if (value_bytes_ > limits_.value_bytes_max) fail("a value is too large");
    if (complete && !failed_ && step_ == Step::line) line_complete();
  }
  if (failed_) return *failed_;
  if (!done_) return std::optional<Value>{};
  value_bytes_ = 0;
  value_items_ = 0;
  return std::exchange(done_, std::nullopt);
}

// Moves bytes up to and including CR LF to line_. True when the line is there, without its end.
bool Parser::take_line(std::string_view& input) {
  if (line_.empty()) {
    // Not before the end of the line: a stranger's line may never end.
    constexpr std::string_view kTypes = "+-:$*_#,(!=%~>|";
    if (kTypes.find(input[0]) == std::string_view::npos) {
      fail("a value begins with " + quoted(input[0]));
      return false;
    }
  }
  if (!line_.empty() && line_.back() == '\r') {
    if (input[0] != '\n') {
      fail("a carriage return is not followed by a line feed");
      return false;
    }
    input.remove_prefix(1);
    line_.pop_back();
    return true;
  }
  const std::size_t end = input.find_first_of("\r\n");
  const std::size_t size = end == std::string_view::npos ? input.size() : end;
  if (line_.size() + size > limits_.line_bytes_max) {
    fail("a line is too long");
    return false;
  }
  if (end != std::string_view::npos && input[end] == '\n') {
    fail("a line feed stands alone");
    return false;
  }
  const std::size_t taken = std::min(size + 1, input.size());  // with the carriage return
  line_.append(input.substr(0, taken));
  input.remove_prefix(taken);
  return false;
}

// Moves bytes of a bulk string and then its CR LF; completes the value. Always false: there is no
// line to look at afterwards.
bool Parser::take_bulk(std::string_view& input) {
  if (step_ == Step::bulk) {
    const std::size_t size = std::min(bulk_missing_, input.size());
    bulk_.text.append(input.substr(0, size));
    input.remove_prefix(size);
    bulk_missing_ -= size;
    if (bulk_missing_ == 0) {
      step_ = Step::bulk_end;
      bulk_missing_ = 2;
    }
    return false;
  }
  if (input[0] != (bulk_missing_ == 2 ? '\r' : '\n')) {
    fail("a bulk string is longer than it says");
    return false;
  }
  input.remove_prefix(1);
  if (--bulk_missing_ > 0) return false;
  step_ = Step::line;
  if (bulk_verbatim_) {
    if (bulk_.text.size() < 4 || bulk_.text[3] != ':') {
      fail("a verbatim string has no format");
      return false;
    }
    bulk_.text.erase(0, 4);
  }
  complete(std::exchange(bulk_, Value{}));
  return false;
}

void Parser::line_complete() {
  const std::string line = std::exchange(line_, {});
  const char type = line[0];
  const std::string_view rest = std::string_view(line).substr(1);
  Value value;
  switch (type) {
    case '+':
    case '-':
      value.kind = type == '+' ? Kind::simple_string : Kind::error;
      value.text = rest;
      return complete(std::move(value));
    case '_':
      if (!rest.empty()) return fail("a null has content");
      return complete(std::move(value));
    case '#':
      if (rest != "t" && rest != "f") return fail("a boolean is neither t nor f");
      value.kind = Kind::boolean;
      value.integer = rest == "t";
      return complete(std::move(value));
    case ',': {
      const auto real = parse_real(rest);
      if (!real) return fail("a double is malformed");
      value.kind = Kind::real;
      value.real = *real;
      return complete(std::move(value));
    }
    case '(':
      if (!is_big_number(rest)) return fail("a big number is malformed");
      value.kind = Kind::big_number;
      value.text = rest;
      return complete(std::move(value));
    default:
      break;
  }
  const auto number = parse_integer(rest);
  if (!number) return fail(type == ':' ? "an integer is malformed" : "a length is malformed");
  switch (type) {
    case ':':
      value.kind = Kind::integer;
      value.integer = *number;
      return complete(std::move(value));
    case '$':
      if (*number == -1) return complete(std::move(value));
      return begin_bulk(*number, Kind::bulk_string);
    case '!':
      return begin_bulk(*number, Kind::error);
    case '=':
      begin_bulk(*number, Kind::bulk_string);
      bulk_verbatim_ = true;
      return;
    case '*':
      if (*number == -1) return complete(std::move(value));
      return begin_aggregate(*number, Kind::array, false);
    case '~':
      return begin_aggregate(*number, Kind::set, false);
    case '>':
      return begin_aggregate(*number, Kind::push, false);
    case '%':
      return begin_aggregate(*number, Kind::map, false);
    default:
      return begin_aggregate(*number, Kind::map, true);  // '|'
  }
}

void Parser::begin_bulk(std::int64_t size, Kind kind) {
  if (size < 0) return fail("a length is negative");
  if (static_cast<std::uint64_t>(size) > limits_.bulk_bytes_max) {
    return fail("a bulk string is too long");
  }
  bulk_ = Value{};
  bulk_.kind = kind;
  bulk_verbatim_ = false;
  bulk_missing_ = static_cast<std::size_t>(size);
  step_ = Step::bulk;
  if (bulk_missing_ == 0) {
    step_ = Step::bulk_end;
    bulk_missing_ = 2;
  }
}

void Parser::begin_aggregate(std::int64_t size, Kind kind, bool attribute) {
  if (size < 0) return fail("a length is negative");
  auto items = static_cast<std::uint64_t>(size);
  if (items > limits_.value_items_max) return fail("a value has too many items");
  if (kind == Kind::map) items *= 2;
  value_items_ += static_cast<std::size_t>(items);
  if (value_items_ > limits_.value_items_max) return fail("a value has too many items");
  if (frames_.size() >= static_cast<std::size_t>(std::max(limits_.depth_max, 0))) {
    return fail("values are nested too deeply");
  }
  Frame frame;
  frame.value.kind = kind;
  frame.missing = static_cast<std::size_t>(items);
  frame.attribute = attribute;
  // No more than a little ahead of the bytes that have really come.
  frame.value.items.reserve(std::min<std::size_t>(frame.missing, 256));
  if (frame.missing > 0) {
    frames_.push_back(std::move(frame));
  } else if (!attribute) {
    complete(std::move(frame.value));
  }
}

void Parser::complete(Value value) {
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (!frame.attribute) frame.value.items.push_back(std::move(value));
    if (--frame.missing > 0) return;
    const bool attribute = frame.attribute;
    value = std::move(frame.value);
    frames_.pop_back();
    if (attribute) return;  // the value that it speaks of comes next
  }
  done_ = std::move(value);
}

void Parser::fail(std::string why) {
  failed_ = Error{.code = "protocol", .message = std::move(why), .retryable = false, .source = ""};
  frames_.clear();
  line_.clear();
  bulk_ = Value{};
}

void append_command(std::string& out, std::span<const std::string> arguments) {
  out += '*';
  out += std::to_string(arguments.size());
  out += "\r\n";
  for (const std::string& argument : arguments) {
    out += '$';
    out += std::to_string(argument.size());
    out += "\r\n";
    out += argument;
    out += "\r\n";
  }
}

std::string to_string(const Value& value) {
  switch (value.kind) {
    case Kind::null:
      return "nil";
    case Kind::boolean:
      return value.integer ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return std::to_string(value.real);
    case Kind::big_number:
      return value.text;
    case Kind::error:
      return "error \"" + value.text + "\"";
    case Kind::simple_string:
    case Kind::bulk_string:
      return "\"" + value.text + "\"";
    case Kind::array:
    case Kind::set:
    case Kind::push:
    case Kind::map:
      break;
  }
  const bool map = value.kind == Kind::map;
  std::string text = map ? "{" : "[";
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) text += map && i % 2 == 1 ? ": " : ", ";
    text += to_string(value.items[i]);
  }
  return text + (map ? "}" : "]");
}

}  // namespace switchgear::net::resp
