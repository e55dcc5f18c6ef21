// The planted defects by name: which published circuit breakers have them, and what finds them.
#pragma once

#include <span>
#include <string_view>

#include "core/mutant.h"

namespace switchgear::lab {

// An attack is kChaos, one of lab/attacks.h, or "Suite.Test", a filter of this program's tests.
inline constexpr std::string_view kChaos = "chaos";

struct Defect {
  core::Mutant mutant;
  const char* name;
  const char* peers;  // "" if none is known to have it
  std::string_view attack;
};

// In the order of core::Mutant, all of them.
extern const std::span<const Defect> kDefects;

// The defect's name; "none" for none.
const char* name_of(core::Mutant mutant);
// Makes every run of this process from now on one with the defect of this name; false: unknown.
bool plant(std::string_view name);

}  // namespace switchgear::lab
