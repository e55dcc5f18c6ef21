// AWS Lambda, API of 2015-03-31: event source mappings, their tags, and invoking a function.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aws/client.h"
#include "core/result.h"
#include "core/time.h"
#include "net/call_handle.h"

namespace switchgear::aws {

// In the states of transition (creating, enabling, disabling, updating, deleting) an update is
// refused with ResourceInUseException. `unknown` is any name that is none of these, or none at all.
enum class MappingState {
  creating,
  enabling,
  enabled,
  disabling,
  disabled,
  updating,
  deleting,
  unknown
};

struct EventSourceMapping {
  std::string uuid;
  std::string arn;               // of the mapping; takes tags
  std::string event_source_arn;  // empty for self-managed Kafka
  std::string function_arn;      // with the qualifier if it has one
  MappingState state = MappingState::unknown;
  std::string state_text;               // as the service wrote it
  std::string state_transition_reason;  // "USER_INITIATED", "User action": free text
  std::string last_processing_result;
  std::optional<WallTime> last_modified;
  std::optional<int> batch_size;
  std::optional<int> window_s;             // MaximumBatchingWindowInSeconds
  std::optional<int> maximum_concurrency;  // ScalingConfig; nothing: no cap
  std::optional<int> parallelization_factor;
  // Streams and Kafka; -1: without end.
  std::optional<int> maximum_record_age_s;
  std::optional<int> maximum_retry_attempts;
  std::optional<std::string> starting_position;  // "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"
  // At least and at most; 0: not told. Excludes maximum_concurrency.
  std::optional<std::pair<int, int>> provisioned_pollers;
  std::vector<std::string> filters;  // patterns; none: every message matches
  // There may be filters that this answer does not show: they are encrypted with a key of the
  // customer's. A list never shows such, a single mapping does to who may decrypt.
  bool filters_hidden = false;
  bool report_batch_item_failures = false;
  std::vector<std::string> metrics;  // MetricsConfig: "EventCount", …

  friend bool operator==(const EventSourceMapping&, const EventSourceMapping&) = default;
};

// What is empty does not restrict.
struct ListMappings {
  // Name or ARN of a function, or the ARN of its version or alias.
  std::string function_name = {};
  std::string event_source_arn = {};
  std::string marker = {};  // next_marker of the page before; empty: the first page
};
struct MappingsPage {
  std::vector<EventSourceMapping> mappings;  // at most 100
  std::string next_marker;                   // empty: the last page
};

// What is not set stays as it is. An update of nothing is a bug of the caller and asserted.
struct MappingUpdate {
  std::string uuid;
  std::optional<bool> enabled = {};
  std::optional<int> batch_size = {};
  std::optional<int> window_s = {};
  std::optional<int> parallelization_factor = {};
  // Of SQS mappings: 2 to 1000, or nothing to remove the cap.
  struct Limit {
    std::optional<int> maximum_concurrency = {};
  };
  std::optional<Limit> limit = {};
  std::optional<std::pair<int, int>> provisioned_pollers = {};  // at least, at most
};

struct FunctionSettings {
  std::string arn;  // with the qualifier that was asked for
  std::string name;
  std::chrono::seconds timeout{0};
  std::string version;  // "$LATEST" or a number
};

struct InvokeOptions {
  std::string function;        // name, or ARN with or without qualifier
  std::string qualifier = {};  // version or alias; empty: that of the ARN, else $LATEST
  std::string payload;         // JSON, at most 6 MB
  // For the whole answer: the function's own timeout and some seconds for a start.
  Duration timeout = 65s;
};

struct Invocation {
  int status = 200;
  std::string function_error;  // X-Amz-Function-Error: "Unhandled", "Handled"; empty: none
  std::string payload;         // what the function returned; of an error, its description
  std::string executed_version;
};

// Whether the function may have run, or be running, although invoke() ended with this error: the
// answer was lost or is not one to go by. Refusals (throttling, no such function, no permission)
// and connections that were never made are certain that it has not.
bool may_have_run(const Error& error);

// Typed calls. On the loop's thread; callbacks as those of AwsClient, error codes as the service
// names them: ResourceNotFoundException, ResourceInUseException (a mapping in transition),
// ResourceConflictException, InvalidParameterValueException, TooManyRequestsException (the
// account's limit of calls; its reason stands in the message), ServiceException, "protocol" for
// an answer that is not the JSON of the operation. All but invoke() may be carried out twice.
class Lambda {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // `client`, of the service "lambda", outlives this. `attempt_timeout` is for each attempt of all
  // but invoke().
  explicit Lambda(AwsClient& client, Duration attempt_timeout = 10s)
      : client_(client), attempt_timeout_(attempt_timeout) {}

  // One page. Nothing promises that a change shows in it at once.
  net::CallHandle list_event_source_mappings(const ListMappings& which,
                                             Callback<MappingsPage> callback);
  net::CallHandle get_event_source_mapping(const std::string& uuid,
                                           Callback<EventSourceMapping> callback);
  // The mapping as the service accepted it, in general in transition.
  net::CallHandle update_event_source_mapping(const MappingUpdate& update,
                                              Callback<EventSourceMapping> callback);

  // Of the resource of that ARN: a mapping, a function.
  net::CallHandle list_tags(const std::string& arn,
                            Callback<std::map<std::string, std::string>> callback);
  // Adds or overwrites those named; the others stay. No tags or keys at all is asserted against.
  net::CallHandle tag_resource(const std::string& arn,
                               const std::map<std::string, std::string>& tags,
                               Callback<void> callback);
  net::CallHandle untag_resource(const std::string& arn, const std::vector<std::string>& keys,
                                 Callback<void> callback);

  // `function`: name, or ARN with or without qualifier.
  net::CallHandle get_function_configuration(const std::string& function,
                                             Callback<FunctionSettings> callback);

  // Runs the function and waits for its answer. One attempt: the request is never sent again once
  // part of it may have arrived. A function that fails is an Invocation with function_error, no
  // error. Giving up waiting does not stop the function.
  net::CallHandle invoke(const InvokeOptions& options, Callback<Invocation> callback);

 private:
  ServiceCall in_time(ServiceCall call) const;

  AwsClient& client_;
  const Duration attempt_timeout_;
};

}  // namespace switchgear::aws
