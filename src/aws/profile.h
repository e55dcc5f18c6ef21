// The profile that a process runs under, and what it says besides credentials.
#pragma once

#include <string>

#include "aws/environment.h"
#include "aws/shared_config.h"
#include "core/result.h"

namespace switchgear::aws {

struct Profile {
  std::string name = {};       // "default" if none is chosen
  std::string chosen_by = {};  // "--profile", "AWS_PROFILE"; empty: nobody
  SharedConfig config = {};
  // The variables of the process, and where they are not set what the profile says instead:
  // region, endpoint_url (also of a `services` section), ca_bundle, use_fips_endpoint,
  // use_dualstack_endpoint, max_attempts, retry_mode and those of the instance metadata service.
  // A variable wins over a profile, even over one chosen by --profile, as in the AWS CLI.
  Environment environment = {};

  // Its own section; empty if it has none.
  const Section& section() const;
  bool by_option() const { return chosen_by == kProfileOption; }
};

// The profile named by kProfileOption, AWS_PROFILE, AWS_DEFAULT_PROFILE; else "default". Error
// "profile": one was chosen that does not exist, or a file cannot be understood.
Result<Profile> load_profile(const Environment& environment);

}  // namespace switchgear::aws
