#include "aws/access.h"

#include <utility>

#include "aws/credential_chain.h"
#include "aws/profile.h"
#include "aws/transport.h"

namespace switchgear::aws {

Result<Access> open_access(net::Loop& loop, const EndpointQuestion& question,
                           const Environment& environment, std::uint64_t seed,
                           std::shared_ptr<CredentialsProvider> shared) {
  const auto profile = load_profile(environment);
  if (!profile) return profile.error();
  auto endpoint = resolve_endpoint(question, profile->environment);
  if (!endpoint) return endpoint.error();
  auto http = http_options(profile->environment);
  if (!http) return http.error();
  auto client = client_options(profile->environment, question.service);
  if (!client) return client.error();
  Access access{.endpoint = *std::move(endpoint),
                .credentials = std::move(shared),
                .http = *std::move(http),
                .client = *std::move(client)};
  if (access.credentials) return access;
  auto credentials =
      default_credentials(loop, *profile, {.region = access.endpoint.region, .seed = seed});
  if (!credentials) return credentials.error();
  access.credentials = *std::move(credentials);
  return access;
}

Result<TokenSource> open_elasticache_tokens(net::Loop& loop, ElastiCacheUser user,
                                            const Environment& environment, std::uint64_t seed,
                                            const std::shared_ptr<CredentialsProvider>& shared,
                                            const CredentialsListener& listener) {
  auto access = open_access(loop, {.service = "elasticache", .region = user.region}, environment,
                            seed, shared);
  if (!access) return access.error();
  if (!shared) access->credentials->listen(listener);
  user.region = access->endpoint.region;
  return elasticache_tokens(std::move(user), std::move(access->credentials));
}

}  // namespace switchgear::aws
