// Amazon EventBridge, API of 2015-10-07: putting events on a bus.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "aws/client.h"
#include "core/result.h"
#include "core/time.h"
#include "net/call_handle.h"

namespace switchgear::aws {

struct BusEvent {
  std::string bus;                          // name or ARN; empty: the default bus
  std::string source;                       // "switchgear"; what begins with "aws." is refused
  std::string detail_type;                  // at most 128 characters
  std::string detail;                       // a JSON object
  std::vector<std::string> resources = {};  // ARNs
};

// On the loop's thread; callbacks as those of AwsClient.
class EventBridge {
 public:
  using Callback = std::function<void(Result<void>)>;

  // `client`, of the service "events", outlives this.
  explicit EventBridge(AwsClient& client) : client_(client) {}

  // One event. An event that the bus refuses although the call succeeds is an error with the bus's
  // own code, retryable if that is its own trouble ("InternalFailure", "ThrottlingException").
  net::CallHandle put_event(const BusEvent& event, Callback callback);

 private:
  AwsClient& client_;
};

}  // namespace switchgear::aws
