// Signed calls to an AWS service that speaks a JSON protocol (SQS, DynamoDB, CloudWatch …), JSON
// over paths (Lambda) or the query protocol (STS), with the SDKs' standard retries.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "aws/credentials_provider.h"
#include "aws/endpoint.h"
#include "core/random.h"
#include "core/result.h"
#include "core/time.h"
#include "net/call_handle.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/loop.h"

namespace switchgear::aws {

struct AwsClientOptions {
  // Attempts in all. Retried: throttling, 500, 502, 503, 504, no connection, connection lost,
  // attempt timed out; and once, a refusal for our clock, after setting it by the answer's Date.
  // A refusal of credentials that the provider can renew is tried once more beyond that.
  int attempts_max = 3;
  // The wait before the n-th retry: uniform in [0, min(cap, base * 2^(n-1))]; after throttling
  // with the base of throttling.
  Duration backoff_base = 50ms;
  Duration throttling_base = 1s;
  Duration backoff_cap = 20s;
  // How long a call waits for credentials that are not at hand; then it ends with "credentials".
  Duration credentials_timeout = 60s;
  // Time of day for signatures; empty: this machine's.
  std::function<WallTime()> wall_clock = {};
};

struct ServiceCall {
  // "AmazonSQS.ReceiveMessage"; empty: the path, or the body, names the operation.
  std::string target;
  std::string body = "{}";
  Duration attempt_timeout = 10s;                           // for each attempt
  std::string content_type = "application/x-amz-json-1.0";  // empty: not sent, as without a body
  // A refusal of this code is an answer like any other ("ConditionalCheckFailedException"): the
  // caller gets its body, it is no error and no trouble of the service. Empty: none.
  std::string accepted_code = {};
  std::string method = "POST";
  // With its query, as it goes over the wire: what comes from outside is percent-encoded once.
  std::string path = "/";
  net::Headers headers = {};  // beyond those of every call; signed too
  // Overrides the client's. 1: what may have been carried out is never sent again, not even where
  // a kept connection was lost.
  std::optional<int> attempts_max = {};
};

struct Answer {
  std::string body;
  bool refused = false;  // with the accepted code
  // The service's time of day: its Date header, whole seconds, cut off; nothing if there was none.
  std::optional<WallTime> date;
  int status = 200;
  net::Headers headers = {};
};

// On the loop's thread. Errors are those of net::HttpClient (the last attempt's), "credentials" if
// there are none to sign with, and those that the service names: code as in its reference, message
// with HTTP status and request id.
class AwsClient {
 public:
  using Callback = std::function<void(Result<Answer>)>;

  // `loop` and `http` outlive the client. Without `credentials` nothing is signed. `random` is for
  // jitter and invocation ids.
  AwsClient(net::Loop& loop, net::HttpClient& http, Endpoint endpoint,
            std::shared_ptr<CredentialsProvider> credentials, core::Random random,
            AwsClientOptions options = {});
  // Calls that have not ended are abandoned and their callbacks destroyed without being called.
  ~AwsClient();
  AwsClient(const AwsClient&) = delete;
  AwsClient& operator=(const AwsClient&) = delete;

  // `callback` gets a 2xx answer, a refusal of the accepted code, or the error; exactly once, never
  // from inside call(). A call of more than one attempt may be carried out twice if its answer was
  // lost.
  net::CallHandle call(ServiceCall call, Callback callback);

  const Endpoint& endpoint() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace switchgear::aws
