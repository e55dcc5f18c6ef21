#include "aws/profile.h"

#include <array>
#include <utility>

namespace switchgear::aws {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Variable, and the key that stands for it.
constexpr std::array kKeys{
    Pair{"AWS_REGION", "region"},
    Pair{"AWS_CA_BUNDLE", "ca_bundle"},
    Pair{"AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"},
    Pair{"AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"},
    Pair{"AWS_MAX_ATTEMPTS", "max_attempts"},
    Pair{"AWS_RETRY_MODE", "retry_mode"},
    Pair{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"},
    Pair{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint"},
    Pair{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode"},
    Pair{"AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout"},
    Pair{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts"},
};
constexpr std::string_view kEndpoint = "AWS_ENDPOINT_URL";

std::string value_in(const Section& section, const std::string& key) {
  const auto it = section.find(key);
  return it == section.end() ? "" : it->second;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// What the profile says for a variable that is not set.
std::string in_place_of(const std::string& variable, const Section& section,
                        const Section& services, const Environment& environment) {
  for (const auto& [name, key] : kKeys) {
    if (name != variable) continue;
    // Whatever names the region among the variables wins over the profile.
    if (name == "AWS_REGION" && !value_of(environment, "AWS_DEFAULT_REGION").empty()) return {};
    return value_in(section, std::string(key));
  }
  if (!variable.starts_with(kEndpoint)) return {};
  if (variable == kEndpoint) return value_in(section, "endpoint_url");
  // AWS_ENDPOINT_URL_SQS. The variable for all services wins over what a file says for one.
  if (!value_of(environment, std::string(kEndpoint)).empty()) return {};
  return value_in(services, lower(variable.substr(kEndpoint.size() + 1)) + ".endpoint_url");
}

}  // namespace

const Section& Profile::section() const {
  static const Section none;
  const auto it = config.profiles.find(name);
  return it == config.profiles.end() ? none : it->second;
}

Result<Profile> load_profile(const Environment& environment) {
  Profile profile;
  for (const char* variable : {kProfileOption, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (!profile.name.empty()) break;
    profile.name = value_of(environment, variable);
    profile.chosen_by = variable;
  }
  if (profile.name.empty()) {
    profile.name = "default";
    profile.chosen_by.clear();
  }
  auto config = load_shared_config(environment);
  if (!config) return config.error();
  profile.config = *std::move(config);
  if (!profile.chosen_by.empty() && !profile.config.profiles.contains(profile.name)) {
    return Error{.code = "profile",
                 .message = "there is no profile '" + profile.name + "', which " +
                            profile.chosen_by + " names, in " + profile.config.places +
                            "; `aws configure list-profiles` shows those that are there",
                 .retryable = false,
                 .source = ""};
  }
  const Section section = profile.section();
  const auto services = profile.config.services.find(value_in(section, "services"));
  profile.environment = [environment, section,
                         services = services == profile.config.services.end() ? Section{}
                                                                              : services->second](
                            const std::string& name) -> std::optional<std::string> {
    if (std::string set = value_of(environment, name); !set.empty()) return set;
    std::string said = in_place_of(name, section, services, environment);
    if (said.empty()) return std::nullopt;
    return said;
  };
  return profile;
}

}  // namespace switchgear::aws
