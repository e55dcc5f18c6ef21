// Amazon CloudWatch, API of 2010-08-01, in its JSON protocol: the state of alarms.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "aws/client.h"
#include "core/result.h"
#include "core/time.h"
#include "net/call_handle.h"

namespace switchgear::aws {

inline constexpr std::size_t kAlarmNamesMax = 100;  // in one call

// A metric alarm or a composite one.
struct Alarm {
  enum class State { ok, alarm, insufficient_data };

  std::string name;
  std::string arn;
  State state = State::insufficient_data;
  std::string state_reason;
  std::optional<WallTime> state_updated;       // also a new reason for the same state
  std::optional<WallTime> state_transitioned;  // the last change of the state
  // The rest is of metric alarms only.
  std::string treat_missing_data;          // "missing", "notBreaching", "breaching", "ignore"
  std::optional<int> period_s;             // of metric math, the longest of its metrics
  std::optional<int> evaluation_periods;   // N
  std::optional<int> datapoints_to_alarm;  // M of N; nothing: all
  bool composite = false;

  friend bool operator==(const Alarm&, const Alarm&) = default;
};

// Typed calls. On the loop's thread; callbacks as those of AwsClient. An answer that is not the
// JSON of the operation gives the error "protocol".
class CloudWatch {
 public:
  template <class T>
  using Callback = std::function<void(Result<T>)>;

  // `client`, of the service "monitoring", outlives this.
  explicit CloudWatch(AwsClient& client) : client_(client) {}

  // The alarms of those names (1 to 100, asserted), in any order; one that does not exist is
  // missing from the answer. Follows pages.
  net::CallHandle describe_alarms(const std::vector<std::string>& names,
                                  Callback<std::vector<Alarm>> callback);

 private:
  AwsClient& client_;
};

}  // namespace switchgear::aws
