// What AWS says when it says no, and what that means for a retry.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/time.h"
#include "net/http.h"

namespace switchgear::aws {

// Codes are normalised: what follows '#', up to ':', without the "AWS.SimpleQueueService." of the
// query era, so that a missing queue is "QueueDoesNotExist" whoever answers.
struct ServiceError {
  // Message with HTTP status, request id, the legacy code if the service named one, and a hint
  // where one is known. `retryable` for throttling and for 500, 502, 503, 504.
  Error error;
  bool throttled = false;
  // The service may have refused only because its clock and ours differ.
  bool maybe_clock_skew = false;
  // The credentials have expired or are not (no longer) known; others may be.
  bool refuses_credentials = false;
};

// Reads any answer that is not 2xx, also one that AWS never sent (a proxy's page, another
// server): then the code is "http_502" or the like. Texts are bounded and free of control
// characters; what AWS echoes of a signed request is cut off, since it holds the session token.
ServiceError read_error(const net::HttpResponse& response, const std::string& service);

// "com.amazonaws.sqs#QueueDoesNotExist:http://…" to "QueueDoesNotExist".
std::string normalise_code(std::string_view code);

bool is_throttling_code(std::string_view code);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate); nothing for any other text.
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace switchgear::aws
