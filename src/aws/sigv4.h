// AWS Signature Version 4, in headers or in the query, for every service but S3 (which encodes
// paths differently). Algorithm: "Create a signed AWS API request" in the IAM User Guide; checked
// against the test suite that botocore runs and against botocore itself (tests/sigv4).
#pragma once

#include <chrono>
#include <string>

#include "aws/credentials.h"
#include "core/time.h"
#include "net/http.h"

namespace switchgear::aws {

struct SigningScope {
  std::string region;   // "eu-central-1"
  std::string service;  // "sqs"
};

struct Signature {
  // To be set on the request: X-Amz-Date, Authorization, and X-Amz-Security-Token for temporary
  // credentials.
  net::Headers headers;
  // The steps on the way, for tests and for finding out why a service disagrees. The canonical
  // request holds the session token: never log it.
  std::string canonical_request;
  std::string string_to_sign;
};

// Pure. The request must have its Host header (asserted), and must be sent as it is: every header
// it has is signed, but for those that a hop may change (Connection, Expect, User-Agent, …). An
// earlier signature's headers on it are replaced. An X-Amz-Content-SHA256 header is taken for the
// body's hash. About 10 µs for a small body.
Signature sign(const net::HttpRequest& request, const Credentials& credentials,
               const SigningScope& scope, WallTime time);

// The target of the request with the signature in its query, for whoever is handed it, from `time`
// until `validity` later. Pure. Only Host is signed, which the request must have (asserted); no
// body.
std::string presign(const net::HttpRequest& request, const Credentials& credentials,
                    const SigningScope& scope, WallTime time, std::chrono::seconds validity);

// The form of X-Amz-Date: "20150830T123600Z".
std::string amz_date(WallTime time);

}  // namespace switchgear::aws
