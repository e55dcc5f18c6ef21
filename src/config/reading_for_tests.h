// Reads a text as switchgear.yaml, with variables and flags.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace switchgear::config {

inline void PrintTo(const Problem& p, std::ostream* out) { *out << p.place << ": " << p.message; }

using Variables = std::vector<std::pair<std::string, std::string>>;

inline Loaded read_yaml(const std::string& text, Variables environment = {},
                        std::vector<Override> overrides = {}) {
  return read({.file_name = "switchgear.yaml",
               .file_text = text,
               .environment = std::move(environment),
               .overrides = std::move(overrides)});
}

inline std::string problems_of(const std::string& yaml, Variables environment = {},
                               std::vector<Override> overrides = {}) {
  return text(read_yaml(yaml, std::move(environment), std::move(overrides)).problems);
}

}  // namespace switchgear::config
