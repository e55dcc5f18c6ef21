// The password of an ElastiCache user who authenticates with IAM.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "aws/credentials_provider.h"
#include "core/time.h"

namespace switchgear::aws {

struct ElastiCacheUser {
  // Name of the serverless cache or the replication group, not its host name.
  std::string cache;
  std::string user;  // user id, which ElastiCache wants to be the same as the user name
  std::string region;
  bool serverless = false;
};

// Good for 15 minutes for a connection to begin with; the connection itself may last 12 hours, or
// longer if it authenticates again. Holds a signature and the session token: a secret.
std::string elasticache_token(const ElastiCacheUser& user, const Credentials& credentials,
                              WallTime time);

// Gives a password for one connection: answers once, perhaps from inside. Error "credentials".
using TokenSource = std::function<void(std::function<void(Result<std::string>)>)>;
// By the provider's credentials of the moment and this machine's time of day.
TokenSource elasticache_tokens(ElastiCacheUser user,
                               std::shared_ptr<CredentialsProvider> credentials);

}  // namespace switchgear::aws
