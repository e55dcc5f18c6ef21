#include "aws/elasticache_token.h"

#include <utility>

#include "aws/sigv4.h"
#include "net/clocks.h"
#include "net/url.h"

namespace switchgear::aws {
namespace {

// The longest that ElastiCache takes.
constexpr std::chrono::seconds kValidity{900};

}  // namespace

std::string elasticache_token(const ElastiCacheUser& user, const Credentials& credentials,
                              WallTime time) {
  // ElastiCache keeps names of caches in lower case.
  std::string host = user.cache;
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  net::HttpRequest request{.target = "/?Action=connect&User=" + net::percent_encode(user.user)};
  if (user.serverless) request.target += "&ResourceType=ServerlessCache";
  request.headers.set("Host", host);
  return host + presign(request, credentials, {.region = user.region, .service = "elasticache"},
                        time, kValidity);
}

TokenSource elasticache_tokens(ElastiCacheUser user,
                               std::shared_ptr<CredentialsProvider> credentials) {
  return [user = std::move(user),
          credentials = std::move(credentials)](std::function<void(Result<std::string>)> callback) {
    credentials->get([user, callback = std::move(callback)](const Result<CredentialsPtr>& got) {
      if (!got) return callback(got.error());
      callback(elasticache_token(user, **got, net::read_clocks().wall));
    });
  };
}

}  // namespace switchgear::aws
