// Who signs.
#pragma once

#include <string>

#include "aws/environment.h"
#include "core/result.h"

namespace switchgear::aws {

// Has no way to be printed, on purpose: only the access key id may ever appear in a message.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token = {};  // empty: long-term credentials
};

// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set, AWS_SESSION_TOKEN. Error
// "credentials", naming the variables that are missing or cannot be right (never their values).
Result<Credentials> credentials_from_environment(const Environment& environment);

}  // namespace switchgear::aws
