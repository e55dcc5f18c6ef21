// All that a client of one AWS service is made of, from the variables and files that every AWS tool
// reads.
#pragma once

#include <cstdint>
#include <memory>

#include "aws/client.h"
#include "aws/credentials_provider.h"
#include "aws/elasticache_token.h"
#include "aws/endpoint.h"
#include "aws/environment.h"
#include "core/result.h"
#include "net/http_client.h"
#include "net/loop.h"

namespace switchgear::aws {

struct Access {
  Endpoint endpoint;
  std::shared_ptr<CredentialsProvider> credentials;
  net::HttpClientOptions http;
  AwsClientOptions client;
};

// `environment` as the process has it; the profile is looked up here. `seed` is for jitter and
// should differ between processes. With `shared` no other credentials are looked for. Nothing is
// asked over the network yet. `loop` outlives what comes back. Errors: those of load_profile(),
// resolve_endpoint(), default_credentials(), http_options() and client_options().
Result<Access> open_access(net::Loop& loop, const EndpointQuestion& question,
                           const Environment& environment, std::uint64_t seed,
                           std::shared_ptr<CredentialsProvider> shared = nullptr);

// The passwords of an ElastiCache user, whose region is that of the environment if it is empty.
// `listener` hears of trouble with credentials that are looked for here.
Result<TokenSource> open_elasticache_tokens(net::Loop& loop, ElastiCacheUser user,
                                            const Environment& environment, std::uint64_t seed,
                                            const std::shared_ptr<CredentialsProvider>& shared = {},
                                            const CredentialsListener& listener = {});

}  // namespace switchgear::aws
