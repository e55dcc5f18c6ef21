#include "aws/environment.h"

#include <cstdlib>

namespace switchgear::aws {

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::string value_of(const Environment& environment, const std::string& name) {
  return environment(name).value_or("");
}

}  // namespace switchgear::aws
