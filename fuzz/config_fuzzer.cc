// Any text as switchgear.yaml: reading it ends, throws nothing, and what has no problems is valid.
// A line "=== " splits off variables of the environment.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/config.h"
#include "config/json_writer.h"

namespace config = switchgear::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  config::Input input{.file_name = "f", .file_text = text, .environment = {}, .overrides = {}};
  if (const auto at = text.find("=== "); at != std::string::npos) {
    const std::string rest = text.substr(at + 4);
    const auto equals = rest.find('=');
    input.file_text = text.substr(0, at);
    input.environment.emplace_back("SWITCHGEAR_" + rest.substr(0, equals),
                                   equals == std::string::npos ? "" : rest.substr(equals + 1));
  }

  const config::Loaded loaded = config::read(input);
  for (const auto* list : {&loaded.problems, &loaded.warnings}) {
    for (const auto& problem : *list) {
      if (problem.place.empty() || problem.message.empty()) std::abort();
      if (problem.message.find('\n') != std::string::npos) std::abort();
      config::json_string(problem.message);
    }
  }
  if (loaded.problems.empty()) {
    for (const auto& [name, policy] : loaded.config.circuits) {
      if (!policy.validate().empty()) std::abort();
    }
    if (!loaded.config.worker.validate().empty()) std::abort();
    if (!loaded.config.controller.validate().empty()) std::abort();
  }
  return 0;
}
