#include "config/environment.h"

#include <cctype>

#include "config/keys.h"
#include "core/suggest.h"

namespace switchgear::config {
namespace {

// Where to read from is decided before there is a configuration.
constexpr std::string_view kConfig = "SWITCHGEAR_CONFIG";
constexpr std::string_view kConfigText = "SWITCHGEAR_CONFIG_TEXT";

// Kubernetes tells every container about a service that happens to be called switchgear.
bool is_service_link(std::string_view variable) {
  return variable.starts_with("SWITCHGEAR_SERVICE_") || variable == "SWITCHGEAR_PORT" ||
         variable.starts_with("SWITCHGEAR_PORT_");
}

// Calls `f` with section, circuit, key and the full name of each key of a known circuit.
template <class F>
void for_each_circuit_key(const KnownCircuits& circuits, const F& f) {
  for_each_section([&](const auto& section) {
    const auto known = circuits.find(section.path);
    if (known == circuits.end()) return;
    for (const std::string& circuit : known->second) {
      for (const auto& key : section.keys) {
        f(section.path, circuit, key.name,
          std::string(section.path) + "." + circuit + "." + key.name);
      }
    }
  });
}

bool ends_with_key(std::string_view variable, std::string_view key_name) {
  return variable.size() > key_name.size() + 1 && variable.ends_with(key_name) &&
         variable[variable.size() - key_name.size() - 1] == '_';
}

VariableMeaning unknown(std::string_view variable, const KnownCircuits& circuits) {
  std::vector<std::string> known{std::string(kConfig), std::string(kConfigText)};
  for (const auto& key : root_keys()) known.push_back(variable_of(key.name));
  for_each_circuit_key(circuits, [&](auto, auto&, auto&, const std::string& full_name) {
    known.push_back(variable_of(full_name));
  });
  VariableMeaning meaning;
  meaning.message = "is not a setting and changes nothing" + core::did_you_mean(variable, known);
  if (core::closest(variable, known)) return meaning;
  for_each_section([&](const auto& section) {
    const std::string prefix = variable_of(section.path) + "_";
    if (!variable.starts_with(prefix)) return;
    for (const auto& key : section.keys) {
      if (!ends_with_key(variable.substr(prefix.size()), environment_name(key.name))) continue;
      meaning.message =
          "belongs to a circuit that is not known here and changes nothing; name the circuit "
          "under " +
          std::string(section.named_in);
    }
  });
  return meaning;
}

}  // namespace

std::string environment_name(std::string_view key) {
  std::string name;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

std::string variable_of(std::string_view key) {
  return std::string(kEnvironmentPrefix) + environment_name(key);
}

VariableMeaning meaning_of(std::string_view variable, const KnownCircuits& circuits) {
  using What = VariableMeaning::What;
  if (variable == kConfig || variable == kConfigText || is_service_link(variable)) {
    return {.what = What::not_a_setting};
  }
  for (const auto& key : root_keys()) {
    if (variable == variable_of(key.name)) return {.what = What::root_key, .key = key.name};
  }

  // Two circuits may share a name in upper case, and the end of one circuit's name may look like
  // the beginning of a key (`max` and OPEN_DURATION).
  VariableMeaning meaning;
  std::vector<std::string> full_names;
  for_each_circuit_key(circuits, [&](std::string_view section, const std::string& circuit,
                                     const std::string& key, const std::string& full_name) {
    if (variable != variable_of(full_name)) return;
    meaning = {.what = What::circuit_key, .key = key, .section = section, .circuit = circuit};
    full_names.push_back(full_name);
  });
  if (full_names.empty()) return unknown(variable, circuits);
  if (full_names.size() == 1) return meaning;

  VariableMeaning ambiguous{.what = What::ambiguous, .message = "may mean "};
  for (const std::string& name : full_names) {
    ambiguous.message += (&name == &full_names.front() ? "" : " or ") + name;
  }
  ambiguous.message += "; set that key in the file, or rename a circuit";
  return ambiguous;
}

}  // namespace switchgear::config
