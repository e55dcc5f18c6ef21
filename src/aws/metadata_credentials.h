// Credentials of the machine: the endpoints that AWS puts beside a process on ECS, EKS, Lambda's
// relatives and EC2. Asked over plain HTTP on link-local addresses, never through a proxy.
#pragma once

#include <memory>
#include <string>

#include "aws/cached_credentials.h"
#include "aws/environment.h"
#include "core/result.h"
#include "net/http_client.h"
#include "net/loop.h"

namespace switchgear::aws {

// The endpoint of AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI;
// nullptr if neither is set. The token of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is read anew at
// each fetch. Error "credentials" if the URI is one that may not be asked: over plain HTTP only a
// loopback address and the addresses of ECS and EKS. `loop` and `http` outlive the source.
Result<std::unique_ptr<CredentialsSource>> container_credentials(net::Loop& loop,
                                                                 net::HttpClient& http,
                                                                 const Environment& environment);

// The role of the EC2 instance, by version 2 of its metadata service only. nullptr if
// AWS_EC2_METADATA_DISABLED is true; AWS_EC2_METADATA_SERVICE_ENDPOINT, …_ENDPOINT_MODE,
// AWS_METADATA_SERVICE_TIMEOUT (seconds, default 1) and …_NUM_ATTEMPTS (default 3) count.
Result<std::unique_ptr<CredentialsSource>> instance_credentials(net::Loop& loop,
                                                                net::HttpClient& http,
                                                                const Environment& environment);

}  // namespace switchgear::aws
