// The environment's side of the configuration: which variable stands for which key.
//   worker.backoff.base              SWITCHGEAR_WORKER_BACKOFF_BASE
//   circuits.payments-api.probes     SWITCHGEAR_CIRCUITS_PAYMENTS_API_PROBES
#pragma once

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
    circuit_key,    // `key` of circuit_keys(), of `circuit`
    ambiguous,      // several circuits or keys; `message` names them
    unknown,        // nothing; `message` says so, with a suggestion
    not_a_setting,  // read elsewhere, or put there by a container platform
  };
  What what = What::unknown;
  std::string key;
  std::string circuit;
  std::string message;
};

// What `variable`, which begins with the prefix, means where these circuits are known.
VariableMeaning meaning_of(std::string_view variable, const std::set<std::string>& circuits);

// Like environment_name() of config.h, with the prefix.
std::string variable_of_root_key(std::string_view key);
std::string variable_of_circuit_key(std::string_view circuit, std::string_view key);

}  // namespace switchgear::config
