// The environment's side of the configuration: which variable stands for which key.
//   worker.backoff.base              SWITCHGEAR_WORKER_BACKOFF_BASE
//   circuits.payments-api.probes     SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES
//   controller.circuits.a.ramp_step  SWITCHGEAR_CONTROLLER_CIRCUITS_A_RAMP_STEP
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace switchgear::config {

inline constexpr std::string_view kEnvironmentPrefix = "SWITCHGEAR_";

// What a variable stands for.
struct VariableMeaning {
  enum class What : unsigned char {
    root_key,       // `key` of root_keys()
    circuit_key,    // `key` of what `section` has for `circuit`
    ambiguous,      // several circuits or keys; `message` names them
    unknown,        // nothing; `message` says so, with a suggestion
    not_a_setting,  // read elsewhere, or put there by a container platform
  };
  What what = What::unknown;
  std::string key;
  std::string_view section;
  std::string circuit;
  std::string message;
};

// The names of the circuits that a section has, by the section's path.
using KnownCircuits = std::map<std::string_view, std::set<std::string>>;

// What `variable`, which begins with the prefix, means where these circuits are known.
VariableMeaning meaning_of(std::string_view variable, const KnownCircuits& circuits);

// Like environment_name() of config.h, with the prefix.
std::string variable_of(std::string_view key);

}  // namespace switchgear::config
