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

// ---- What a controller does in a turn while nothing happens
// --------------------------------------
constexpr double kTurnsPerMonth = 730 * 60;
constexpr double kMemoryGb = 0.125;
constexpr double kStartSeconds = 1;  // beside the turn: start, leases given up
constexpr double kAlarmIntervalSeconds = 10;
constexpr double kStoreSeconds = 5;   // between two reads of the circuit's record
constexpr double kWritesPerTurn = 5;  // the lease: taken, renewed, given up
constexpr double kLogBytesPerTurn = 2e3;
constexpr double kQueueRequestsPerTurn = 2;  // of each queue: its URL and its attributes

}  // namespace

double total(const Costs& costs) {
  return std::accumulate(costs.begin(), costs.end(), 0.0,
                         [](double sum, const Cost& c) { return sum + c.usd; });
}

Costs costs_of_controller(const TemplateOptions& options) {
  const double turn = std::chrono::duration<double>(options.turn).count();
  const double gb_second = options.arm64 ? kLambdaGbSecondArm : kLambdaGbSecondX86;
  const double reads = turn / kStoreSeconds + 2;
  const double looks = kQueueRequestsPerTurn * static_cast<double>(options.queues.size());
  return {
      {"the controller's function",
       kTurnsPerMonth * (kLambdaRequest + (turn + kStartSeconds) * kMemoryGb * gb_second)},
      {"reading alarms", kTurnsPerMonth * (turn / kAlarmIntervalSeconds + 1) * kDescribeAlarms},
      {"the store", kTurnsPerMonth * (kWritesPerTurn * kDynamoDbWrite + reads * kDynamoDbRead)},
      {"looking at queues", kTurnsPerMonth * looks * kQueueRequest},
      {"logs", kTurnsPerMonth * kLogBytesPerTurn / 1e9 * kLogsGb},
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
