#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace switchgear::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::array<Unit, 6> kUnits{{{"y", 365LL * 86'400'000'000'000},
                                      {"d", 86'400'000'000'000},
                                      {"h", 3'600'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"s", 1'000'000'000},
                                      {"ms", 1'000'000}}};
// Two centuries and a bit: below the end of a 64-bit count of nanoseconds.
constexpr double kLongestNanoseconds = 250.0 * 365 * 86'400e9;

constexpr std::string_view kDurationAdvice =
    "; write a number and a unit (ms, s, m, h, d, y), for example 500ms, 30s or 15m";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number without sign or exponent at the front of `text`, which it is removed from.
std::optional<double> take_decimal(std::string_view& text) {
  std::size_t length = 0;
  int points = 0;
  int digits = 0;
  while (length < text.size() && (is_digit(text[length]) || text[length] == '.')) {
    (text[length] == '.' ? points : digits) += 1;
    ++length;
  }
  if (digits == 0 || points > 1) return std::nullopt;
  double value = 0;
  const auto r =
      std::from_chars(text.data(), text.data() + length, value, std::chars_format::fixed);
  if (r.ec != std::errc() || r.ptr != text.data() + length) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

template <class T>
std::optional<T> whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

Read<Duration> read_duration(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return tl::unexpected(in_quotes(text) + std::string(why) + std::string(kDurationAdvice));
  };
  if (text == "0") return Duration::zero();
  if (text.empty()) return bad(" is no duration");

  double total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto number = take_decimal(rest);
    if (!number) return bad(" is no duration");
    std::size_t length = 0;
    while (length < rest.size() && !is_digit(rest[length]) && rest[length] != '.') ++length;
    const std::string_view name = rest.substr(0, length);
    if (name.empty()) {
      // resilience4j and many environment variables mean milliseconds by a bare number.
      if (rest.empty() && total == 0) {
        return tl::unexpected(in_quotes(text) + " has no unit; write " + std::string(text) +
                              "ms, " + std::string(text) + "s or another of ms, s, m, h, d, y");
      }
      return bad(" lacks a unit");
    }
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (unit.name == name) found = &unit;
    }
    if (found == nullptr) {
      return tl::unexpected(in_quotes(text) + " has the unknown unit " + in_quotes(name) +
                            std::string(kDurationAdvice));
    }
    total += *number * static_cast<double>(found->nanoseconds);
    rest.remove_prefix(length);
  }
  if (total > kLongestNanoseconds) return bad(" is longer than 250y");
  return Duration(static_cast<std::int64_t>(std::llround(total)));
}

std::string write_duration(Duration d) {
  if (d == Duration::zero()) return "0s";
  for (const Unit& unit : kUnits) {
    if (d.count() % unit.nanoseconds == 0) {
      return std::to_string(d.count() / unit.nanoseconds) + std::string(unit.name);
    }
  }
  char text[40];
  const auto r = std::to_chars(text, text + sizeof text, static_cast<double>(d.count()) / 1e6,
                               std::chars_format::fixed);
  return std::string(text, r.ptr) + "ms";
}

Read<double> read_rate(std::string_view text) {
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (!number || (!rest.empty() && rest != "%")) {
    return tl::unexpected(in_quotes(text) +
                          " is no rate; write a percentage or a fraction, for example 50% or 0.5");
  }
  const double rate = rest.empty() ? *number : *number / 100;
  if (rate <= 1) return rate;
  if (!rest.empty() || *number > 100) {
    return tl::unexpected(in_quotes(text) + " is more than everything; write at most 100%");
  }
  return tl::unexpected(in_quotes(text) + " is more than everything; write " + std::string(text) +
                        "% or " + write_number(*number / 100));
}

std::string write_rate(double rate) {
  // 0.07 * 100 is 7.000000000000001.
  return write_number(std::round(rate * 1e9) / 1e7) + "%";
}

Read<double> read_number(std::string_view text) {
  if (const auto value = whole<double>(text); value && std::isfinite(*value)) return *value;
  return tl::unexpected(in_quotes(text) + " is no number; write for example 2 or 2.5");
}

std::string write_number(double number) {
  char text[400];
  const bool plain = number == 0 || (std::fabs(number) >= 1e-4 && std::fabs(number) < 1e15);
  const auto r = plain ? std::to_chars(text, text + sizeof text, number, std::chars_format::fixed)
                       : std::to_chars(text, text + sizeof text, number);
  return {text, r.ptr};
}

Read<int> read_integer(std::string_view text) {
  if (const auto value = whole<int>(text)) return *value;
  return tl::unexpected(in_quotes(text) + " is no whole number; write digits only, for example 3");
}

Read<bool> read_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return tl::unexpected(in_quotes(text) + " is neither true nor false; write one of them");
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> entries;
  if (text.find_first_not_of(' ') == std::string_view::npos) return entries;
  for (;;) {
    const auto comma = text.find(',');
    std::string_view entry = text.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(' ') + 1);
    entries.emplace_back(entry);
    if (comma == std::string_view::npos) return entries;
    text.remove_prefix(comma + 1);
  }
}

std::string write_list(const std::vector<std::string>& entries) {
  std::string text;
  for (const std::string& entry : entries) text += (text.empty() ? "" : ", ") + entry;
  return text;
}

std::vector<EntryProblem> problems_with_entries(
    const std::vector<std::string>& entries,
    const std::function<std::optional<std::string>(std::string_view)>& check) {
  std::vector<EntryProblem> problems;
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    if (entries[i].find_first_not_of(' ') == std::string::npos) {
      problems.push_back({i, "entry " + number + " is empty; write a value, or remove it"});
    } else if (const auto [first, fresh] = seen.emplace(entries[i], i); !fresh) {
      problems.push_back({i, in_quotes(entries[i]) + " is given twice, as entry " +
                                 std::to_string(first->second + 1) + " and " + number +
                                 "; remove one of the two"});
    } else if (auto bad = check(entries[i])) {
      problems.push_back({i, std::move(*bad)});
    }
  }
  return problems;
}

// host:port of a local address; who listens resolves it.
Read<std::string> read_listen(const std::string& text) {
  const auto colon = text.rfind(':');
  const std::string_view port =
      colon == std::string::npos ? std::string_view() : std::string_view(text).substr(colon + 1);
  const auto number = read_integer(port);
  if (colon == 0 || !number || *number < 0 || *number > 65'535) {
    return tl::unexpected(in_quotes(text) +
                          " is no address; write address:port, for example 127.0.0.1:9400, with "
                          "port 0 for any free one");
  }
  return text;
}

std::string printable(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      shown += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      shown += c;
    }
  }
  return shown;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShownMax = 60;
  std::size_t length = std::min(text.size(), kShownMax);
  // Not in the middle of a character of UTF-8.
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
    ++length;
  }
  return '"' + printable(text.substr(0, length)) + (text.size() > length ? "…\"" : "\"");
}

}  // namespace switchgear::config
