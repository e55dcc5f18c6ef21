// What endpoints, programs and STS answer when asked for credentials. Error "credentials" for
// whatever is not as documented; never with any of the text, which may hold secrets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "core/result.h"
#include "core/time.h"

namespace switchgear::aws {

// The JSON of the container endpoints and of the instance metadata service: AccessKeyId,
// SecretAccessKey, Token, Expiration; or Code and Message.
Result<Credentials> read_endpoint_credentials(std::string_view json);

// What a credential_process prints: Version 1, AccessKeyId, SecretAccessKey, and for temporary
// credentials SessionToken and Expiration.
Result<Credentials> read_process_credentials(std::string_view json);

// The XML answer to AssumeRole or AssumeRoleWithWebIdentity (`action`).
Result<Credentials> read_sts_credentials(std::string_view xml, const std::string& action);

// "2026-11-23T05:34:07Z", with any fraction of a second (cut off), "Z", "+00:00" or "+0000";
// nothing for any other text.
std::optional<WallTime> parse_iso_time(std::string_view text);

}  // namespace switchgear::aws
