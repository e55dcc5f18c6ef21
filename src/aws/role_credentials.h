// Credentials of a role, from AWS STS.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "aws/cached_credentials.h"
#include "aws/client.h"
#include "aws/endpoint.h"
#include "aws/environment.h"
#include "core/random.h"
#include "net/http_client.h"
#include "net/loop.h"

namespace switchgear::aws {

struct Role {
  std::string arn;
  std::string session_name;      // as CloudTrail shows it
  std::string external_id = {};  // empty: none
  std::optional<int> duration_seconds = {};
};

// How STS is reached. All outlives the sources.
struct StsAccess {
  net::Loop& loop;
  net::HttpClient& http;
  Endpoint endpoint;
  AwsClientOptions options;
};

// Bodies of requests of the query protocol, API of 2011-06-15.
std::string assume_role_request(const Role& role);
std::string web_identity_request(const Role& role, const std::string& token);

// AssumeRole with the credentials of `base`, which is asked anew each time. `name` says where the
// role is written: "profile prod".
std::unique_ptr<CredentialsSource> assumed_role(StsAccess sts, Role role,
                                                std::unique_ptr<CredentialsSource> base,
                                                std::string name, core::Random random);

// AssumeRoleWithWebIdentity with the token in a file, which is read anew each time.
std::unique_ptr<CredentialsSource> web_identity_role(StsAccess sts, Role role,
                                                     std::string token_file, std::string name,
                                                     core::Random random);

}  // namespace switchgear::aws
