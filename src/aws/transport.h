// How requests to AWS travel, as the variables that every AWS tool knows say it.
#pragma once

#include "aws/client.h"
#include "aws/environment.h"
#include "core/result.h"
#include "net/http_client.h"

namespace switchgear::aws {

// AWS_CA_BUNDLE, and the proxies of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Error "proxy".
Result<net::HttpClientOptions> http_options(const Environment& environment);

// The attempts and pauses of the SDKs' standard mode for this service ("sqs", "dynamodb"), with
// AWS_MAX_ATTEMPTS. Error "retry": that is no number, or AWS_RETRY_MODE is neither "standard" nor
// one of the modes that are taken for it ("legacy", "adaptive").
Result<AwsClientOptions> client_options(const Environment& environment, const std::string& service);

}  // namespace switchgear::aws
