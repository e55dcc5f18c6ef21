// A CloudWatch alarm over metrics of one minute, as CloudWatch's documents say that it evaluates:
// once a minute, over the newest data points of a range that is longer than its periods, late data
// included. Never compared with AWS.
#pragma once

#include <cstdint>
#include <map>

#include "controller/decision.h"
#include "lab/scheduler.h"

namespace switchgear::lab {

// What a function (or its mapping) reports: each invocation in the minute in which it began, once
// it has ended.
class MinuteMetric {
 public:
  struct Point {
    std::uint64_t all = 0;
    std::uint64_t failed = 0;
  };
  void add(TrueTime began, std::uint64_t all, std::uint64_t failed);
  // None: nothing is there, which CloudWatch calls missing.
  const Point* at(std::int64_t minute) const;

 private:
  std::map<std::int64_t, Point> points_;
};

struct AlarmRule {
  int percent = 50;            // of a minute that breaches
  std::uint64_t minimum = 5;   // events in a minute; with fewer it does not breach
  std::uint64_t failures = 0;  // in a minute, at least
  int datapoints = 1;
  int periods = 1;
  bool missing_is_good = false;  // TreatMissingData: notBreaching, else missing
};

class MinuteAlarm {
 public:
  // `lag`: until a minute that has ended can be seen.
  MinuteAlarm(AlarmRule rule, const MinuteMetric& metric, Duration lag)
      : rule_(rule), metric_(metric), lag_(lag) {}
  // Once a minute. Whether the state changed.
  bool evaluate(TrueTime now);
  const controller::AlarmView& view() const { return view_; }

 private:
  controller::AlarmView::State judge(TrueTime now) const;

  AlarmRule rule_;
  const MinuteMetric& metric_;
  Duration lag_;
  controller::AlarmView view_{.state = controller::AlarmView::State::insufficient_data,
                              .reason = {}};
};

}  // namespace switchgear::lab
