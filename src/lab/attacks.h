// Attacks on a fleet, each a small world built for one kind of defect, beside the random lives of
// chaos.h. Each takes a seed and is the same for the same seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace switchgear::lab {

struct Attack {
  std::string_view name;
  // "" or what was wrong. What always holds (properties.h) is checked beside.
  std::string (*run)(std::uint64_t seed);
};

std::span<const Attack> attacks();
// Null if there is none of this name.
const Attack* find_attack(std::string_view name);

}  // namespace switchgear::lab
