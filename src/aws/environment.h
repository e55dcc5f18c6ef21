// Environment variables as a value, so that what reads them can be tested without setting any.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace switchgear::aws {

// The value of a variable; nothing if it is not set. An empty value counts as not set everywhere
// in aws/. The name kProfileOption stands for the option --profile of a command: its environment
// answers it with the profile that was asked for.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

inline constexpr const char* kProfileOption = "--profile";

// The process's own. getenv: nobody may change the environment meanwhile.
Environment process_environment();

// The variable's value if it is set and not empty, else "".
std::string value_of(const Environment& environment, const std::string& name);

}  // namespace switchgear::aws
