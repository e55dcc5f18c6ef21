#include "config/checker.h"
#include "config/config.h"
#include "config/values.h"

namespace switchgear::config {
namespace {

// A queue hides a message for whole seconds, and for no more than 12 hours after its receive.
constexpr Duration kHiddenMax = 43'195s;

}  // namespace

Problems WorkerSettings::validate() const {
  Checker check;
  check.in_range("concurrency", concurrency, 1, 10'000, "50");
  check.in_range("handler_timeout", handler_timeout, 100ms, 11h, "30s");

  check.in_range("backoff.base", backoff.base, 1s, kHiddenMax, "5s");
  check.in_range("backoff.cap", backoff.cap, 1s, kHiddenMax, "15m");
  if (check.problems.empty() && backoff.cap < backoff.base) {
    check.problems.push_back({"backoff.cap", "is " + write_duration(backoff.cap) +
                                                 ", but must be at least as long as base (" +
                                                 write_duration(backoff.base) + ")"});
  }
  check.in_range("retry_after_max", retry_after_max, 1s, kHiddenMax, "1h");
  check.in_range("shutdown_grace", shutdown_grace, 0s, 1h, "20s");
  check.in_range("receive_wait", receive_wait, 0s, 20s, "20s");
  if (receive_wait % Duration(1s) != Duration::zero()) {
    check.problems.push_back({"receive_wait", "is " + write_duration(receive_wait) +
                                                  ", but the queue waits for whole seconds; write "
                                                  "for example 20s"});
  }
  check.in_range("receives_max", receives_max, 1, 100, "4");
  check.in_range("visibility_margin", visibility_margin, 5s, 10min, "30s");
  return check.problems;
}

}  // namespace switchgear::config
