#include "lab/minute_alarm.h"

#include "lab/local_clocks.h"

namespace switchgear::lab {

namespace {
// More than the periods: CloudWatch's example is 5 for 3 periods.
constexpr int kRangeBeyond = 2;
}  // namespace

void MinuteMetric::add(TrueTime began, std::uint64_t all, std::uint64_t failed) {
  Point& point = points_[began / 1min];
  point.all += all;
  point.failed += failed;
}

const MinuteMetric::Point* MinuteMetric::at(std::int64_t minute) const {
  const auto point = points_.find(minute);
  return point == points_.end() ? nullptr : &point->second;
}

bool MinuteAlarm::evaluate(TrueTime now) {
  const auto state = judge(now);
  if (state == view_.state) return false;
  view_.state = state;
  view_.since_ms = std::chrono::floor<std::chrono::milliseconds>(kEpochStart + now).count();
  view_.reason = "Threshold Crossed";
  return true;
}

// The newest real points count, up to `periods` of them; what is wanting is filled as the treatment
// of missing data says.
controller::AlarmView::State MinuteAlarm::judge(TrueTime now) const {
  using State = controller::AlarmView::State;
  const std::int64_t newest = (now - lag_) / 1min - 1;
  int real = 0;
  int breaching = 0;
  for (std::int64_t m = newest; m > newest - rule_.periods - kRangeBeyond; --m) {
    const auto* point = metric_.at(m);
    if (!point || real == rule_.periods) continue;
    ++real;
    const auto percent = static_cast<std::uint64_t>(rule_.percent);
    breaching += point->all >= rule_.minimum && point->failed >= rule_.failures &&
                 100 * point->failed >= percent * point->all;
  }
  if (breaching >= rule_.datapoints) return State::alarm;
  if (real == 0 && !rule_.missing_is_good) return State::insufficient_data;
  return State::ok;
}

}  // namespace switchgear::lab
