#include "controller/templates/cost.h"

#include <chrono>
#include <numeric>

namespace switchgear::controller {
namespace {

// ---- Prices, USD; see kPricesAsOf
// ----------------------------------------------------------------
constexpr double kLambdaRequest = 0.20 / 1e6;
constexpr double kLambdaGbSecondX86 = 0.0000166667;
constexpr double kLambdaGbSecondArm = 0.0000133334;
constexpr double kAlarmMetric = 0.10;  // an alarm is charged for each metric that it reads
constexpr double kDescribeAlarms = 0.01 / 1000;
constexpr double kDynamoDbWrite = 0.625 / 1e6;
constexpr double kDynamoDbRead = 0.125 / 1e6;
constexpr double kLogsGb = 0.50;
constexpr double kQueueRequest = 0.40 / 1e6;
constexpr double kFisActionMinute = 0.10;

// ---- What a controller does at a start that finds nothing to do, once a minute
// --------------------
constexpr double kStartsPerMonth = 730 * 60;
constexpr double kMemoryGb = 0.125;
constexpr double kStartSeconds = 3;  // assumed of so small a function; a few calls, one by one
constexpr double kAlarmReads = 1;
constexpr double kStoreReads = 4;
constexpr double kStoreWrites = 3;    // the lease: taken and given up
constexpr double kQueueRequests = 2;  // of each queue: its URL and its attributes
constexpr double kLogBytes = 2e3;

}  // namespace

double total(const Costs& costs) {
  return std::accumulate(costs.begin(), costs.end(), 0.0,
                         [](double sum, const Cost& c) { return sum + c.usd; });
}

Costs costs_of_controller(const TemplateOptions& options) {
  const double gb_second = options.arm64 ? kLambdaGbSecondArm : kLambdaGbSecondX86;
  const auto queues = static_cast<double>(options.queues.size());
  const auto monthly = [](double of_one_start) { return kStartsPerMonth * of_one_start; };
  return {
      {"the controller's function",
       monthly(kLambdaRequest + kStartSeconds * kMemoryGb * gb_second)},
      {"reading alarms", monthly(kAlarmReads * kDescribeAlarms)},
      {"the store", monthly(kStoreWrites * kDynamoDbWrite + kStoreReads * kDynamoDbRead)},
      {"looking at queues", monthly(kQueueRequests * queues * kQueueRequest)},
      {"logs", monthly(kLogBytes / 1e9 * kLogsGb)},
      {"alarms of the controller's health", 2 * kAlarmMetric},
  };
}

Costs costs_of_breaker(const TemplateOptions& options) {
  Costs costs = costs_of_controller(options);
  costs.insert(costs.begin(), {"two alarms of two metrics each", 4 * kAlarmMetric});
  return costs;
}

Costs costs_of_faults(const TemplateOptions& options) {
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(options.fault_duration).count();
  const double watched = options.dead_letter_queue.empty() ? 1 : 2;
  return {
      {"alarms that stop experiments", watched * kAlarmMetric},
      // Four experiments; the flapping one has faults for half of its time, but waits as an action.
      {"each experiment run once", 4 * minutes * kFisActionMinute},
  };
}

}  // namespace switchgear::controller
