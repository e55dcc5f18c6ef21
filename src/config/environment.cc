#include "config/environment.h"

#include <cctype>

#include "config/keys.h"
#include "core/suggest.h"

namespace switchgear::config {
namespace {

constexpr std::string_view kCircuits = "SWITCHGEAR_CIRCUITS_";
// Which file to read is decided before there is a configuration.
constexpr std::string_view kConfig = "SWITCHGEAR_CONFIG";

// Kubernetes tells every container about a service that happens to be called switchgear.
bool is_service_link(std::string_view variable) {
  return variable.starts_with("SWITCHGEAR_SERVICE_") || variable == "SWITCHGEAR_PORT" ||
         variable.starts_with("SWITCHGEAR_PORT_");
}

bool ends_with_key(std::string_view variable, std::string_view key_name) {
  return variable.size() > kCircuits.size() + key_name.size() + 1 && variable.ends_with(key_name) &&
         variable[variable.size() - key_name.size() - 1] == '_';
}

VariableMeaning unknown(std::string_view variable, const std::set<std::string>& circuits) {
  std::vector<std::string> known{std::string(kConfig)};
  for (const auto& key : root_keys()) known.push_back(variable_of_root_key(key.name));
  for (const std::string& circuit : circuits) {
    for (const auto& key : circuit_keys()) {
      known.push_back(variable_of_circuit_key(circuit, key.name));
    }
  }
  VariableMeaning meaning;
  meaning.message = "is not a setting and changes nothing" + core::did_you_mean(variable, known);
  if (!variable.starts_with(kCircuits) || core::closest(variable, known)) return meaning;
  for (const auto& key : circuit_keys()) {
    if (!ends_with_key(variable, environment_name(key.name))) continue;
    meaning.message =
        "belongs to a circuit that is not known here and changes nothing; name the circuit under "
        "circuits in the file, or in worker.circuit";
  }
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

std::string variable_of_root_key(std::string_view key) {
  return std::string(kEnvironmentPrefix) + environment_name(key);
}

std::string variable_of_circuit_key(std::string_view circuit, std::string_view key) {
  return std::string(kCircuits) + environment_name(circuit) + "_" + environment_name(key);
}

VariableMeaning meaning_of(std::string_view variable, const std::set<std::string>& circuits) {
  using What = VariableMeaning::What;
  if (variable == kConfig || is_service_link(variable)) return {What::not_a_setting, {}, {}, {}};
  for (const auto& key : root_keys()) {
    if (variable == variable_of_root_key(key.name)) return {What::root_key, key.name, {}, {}};
  }

  // Two circuits may share a name in upper case, and the end of one circuit's name may look like
  // the beginning of a key (`max` and OPEN_DURATION).
  std::vector<VariableMeaning> found;
  for (const std::string& circuit : circuits) {
    for (const auto& key : circuit_keys()) {
      if (variable == variable_of_circuit_key(circuit, key.name)) {
        found.push_back({What::circuit_key, key.name, circuit, {}});
      }
    }
  }
  if (found.empty()) return unknown(variable, circuits);
  if (found.size() == 1) return found.front();

  VariableMeaning ambiguous{What::ambiguous, {}, {}, "may mean "};
  for (std::size_t i = 0; i < found.size(); ++i) {
    ambiguous.message +=
        (i == 0 ? "circuits." : " or circuits.") + found[i].circuit + "." + found[i].key;
  }
  ambiguous.message += "; set that key in the file, or rename a circuit";
  return ambiguous;
}

}  // namespace switchgear::config
