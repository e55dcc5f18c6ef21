#include "fleet/meter.h"

#include <algorithm>
#include <set>

namespace switchgear::fleet {

Meter at_minute(const Meter& meter, std::int64_t minute) {
  Meter result{.current = {.minute = minute}, .previous = {.minute = minute - 1}};
  for (const MeterMinute* m : {&meter.current, &meter.previous}) {
    if (m->minute == minute) result.current = *m;
    if (m->minute == minute - 1) result.previous = *m;
  }
  return result;
}

FleetEstimate estimate_fleet(const Meter& meter, std::span<const Report> reports, StoreTime now,
                             StoreTime born) {
  const Meter m = at_minute(meter, minute_of(now));
  std::set<InstanceId> reporters;
  for (const Report& r : reports) reporters.insert(r.instance);

  FleetEstimate fleet;
  fleet.members =
      std::max({m.previous.members, m.current.members, static_cast<double>(reporters.size()), 1.0});

  const double calls = m.previous.calls + m.current.calls;
  const double active_ms = m.previous.active_ms + m.current.active_ms;
  const double by_mean = active_ms > 0 ? fleet.members * calls / active_ms * 1e3 : 0;

  const StoreTime older_minute = store_time_ms((minute_of(now) - 1) * 60'000);
  const double elapsed_ms = static_cast<double>((now - std::max(older_minute, born)).count());
  const double counted = calls + m.previous.hellos + m.current.hellos;
  // Below a tenth of a second the quotient is noise: a first report in the first millisecond of a
  // record's life would claim a thousand calls per second. A longer bound would make a fast fleet
  // that starts as a whole look slow, and trip on the ordinary failures of its first moments.
  const double by_count = counted / std::max(elapsed_ms, 100.0) * 1e3;
  fleet.calls_per_second = std::max(by_mean, by_count);
  return fleet;
}

}  // namespace switchgear::fleet
