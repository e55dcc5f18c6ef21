// Strict reading of numbers out of text that came from outside.
#pragma once

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchgear::fleet {

// The whole text as a number; empty for anything else, out of range included.
template <class Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const char* end = text.data() + text.size();
  std::from_chars_result r;
  if constexpr (std::is_floating_point_v<Number>) {
    r = std::from_chars(text.data(), end, value);
    if (r.ec == std::errc() && !std::isfinite(value)) return std::nullopt;
  } else {
    r = std::from_chars(text.data(), end, value, base);
  }
  if (r.ec != std::errc() || r.ptr != end || text.empty()) return std::nullopt;
  return value;
}

// The shortest text that reads back as the same number.
inline std::string number_text(double value) {
  char buffer[32];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, r.ptr};
}

inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace switchgear::fleet
