// Who signs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/environment.h"
#include "core/result.h"
#include "core/time.h"

namespace switchgear::aws {

// Has no way to be printed, on purpose: only the access key id may ever appear in a message.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token = {};  // empty: long-term credentials
  // The end of temporary credentials, by the clock of AWS; nothing: not known, or none.
  std::optional<WallTime> expires = {};
};

// The error "credentials", as all trouble with credentials is called. `source`: who said so.
Error credentials_error(std::string message, bool retryable = false, std::string source = {});

// Whether a text can be (part of) a credential: printable ASCII without spaces.
bool is_credential_text(std::string_view text);

// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set, AWS_SESSION_TOKEN. Error
// "credentials", naming the variables that are missing or cannot be right (never their values).
Result<Credentials> credentials_from_environment(const Environment& environment);

}  // namespace switchgear::aws
