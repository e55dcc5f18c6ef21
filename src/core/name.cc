#include "core/name.h"

#include <algorithm>

namespace switchgear::core {
namespace {

constexpr bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

// The character as a person can read it in a message: control and non-ASCII bytes as hex.
std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 0x20 && byte < 0x7f) return std::string("'") + c + "'";
  if (byte == ' ') return "a space";
  constexpr std::string_view kHex = "0123456789abcdef";
  return std::string("the byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
}

std::optional<std::string> problem_with_part(std::string_view part, std::string_view what) {
  if (part.empty()) {
    return std::string(what) + " is empty; write 1 to 256 of the characters A-Z a-z 0-9 . _ : -";
  }
  if (part.size() > kNameCharactersMax) {
    return std::string(what) + " has " + std::to_string(part.size()) +
           " characters; at most 256 are allowed";
  }
  const auto bad = std::find_if_not(part.begin(), part.end(), allowed);
  if (bad == part.end()) return std::nullopt;
  return std::string(what) + " contains " + shown(*bad) +
         "; write only the characters A-Z a-z 0-9 . _ : -";
}

}  // namespace

std::optional<std::string> problem_with_circuit_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (auto problem = problem_with_part(name.substr(0, slash), "the circuit's name")) return problem;
  if (slash == std::string_view::npos) return std::nullopt;
  return problem_with_part(name.substr(slash + 1), "the key after the slash of the circuit's name");
}

}  // namespace switchgear::core
