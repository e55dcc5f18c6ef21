// Names of circuits.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace switchgear::core {

inline constexpr std::size_t kNameCharactersMax = 256;

// What is wrong with a circuit's name and what to write instead, as one sentence; empty if the
// name is good: 1 to 256 characters of A-Z a-z 0-9 . _ : - and optionally a slash and a key of
// the same kind ("payments-api", "payments-api/eu-1"). Anything else is refused rather than
// rewritten, so that two names never mean the same circuit.
std::optional<std::string> problem_with_circuit_name(std::string_view name);

// "payments-api" of the keyed circuit "payments-api/eu-1"; empty for one without a key.
constexpr std::string_view parent_of(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

}  // namespace switchgear::core
