// Where a process finds its credentials if nobody says it otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aws/cached_credentials.h"
#include "aws/credentials_provider.h"
#include "aws/profile.h"
#include "core/result.h"
#include "net/loop.h"

namespace switchgear::aws {

struct ChainOptions {
  // For STS, where variables and profile name none; empty: none.
  std::string region = {};
  std::uint64_t seed = 0;  // of jitter; should differ between processes
  CredentialsCacheOptions cache = {};
};

// The first that is there, as in the AWS CLI but for what it asks a person for (sso_…,
// login_session): a profile may have that beside something else, which is taken then.
//   1. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, unless --profile was given
//   2. the profile's role_arn, with source_profile or credential_source
//   3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, unless --profile was given
//   4. the profile's web_identity_token_file; its keys in the credentials file;
//      credential_process; its keys in the config file
//   5. the endpoint of AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI
//   6. the role of the EC2 instance
// Of a source_profile that has keys these count, and not its role. An id and a secret belong
// together only where one file has both.
// Which it is, is decided here, from variables and files; whether it gives credentials shows at
// the first get(). Errors: "credentials" for what cannot work, with the profile's name and what to
// do; "profile", "region", "endpoint", "proxy" and "retry" of what STS needs. `loop` outlives the
// provider.
Result<std::shared_ptr<CredentialsProvider>> default_credentials(net::Loop& loop,
                                                                 const Profile& profile,
                                                                 const ChainOptions& options = {});

}  // namespace switchgear::aws
