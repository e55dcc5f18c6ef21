// The four kinds of time. Each is its own type, so that a store's time cannot be compared with a
// local one by accident. None of them can be read here: `core/` and `fleet/` are told the time.
#pragma once

#include <chrono>
#include <cstdint>

namespace switchgear {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// Local time that never steps backwards; may stand still while the process is frozen.
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};
// Local time that goes on while the machine sleeps (CLOCK_BOOTTIME).
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
// Local time of day, since 1970. May be wrong, may step.
struct WallClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};
// The store's own time of day, since 1970, in whole milliseconds.
struct StoreClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<StoreClock>;
  static constexpr bool is_steady = false;
};

using MonoTime = MonoClock::time_point;
using BootTime = BootClock::time_point;
using WallTime = WallClock::time_point;
using StoreTime = StoreClock::time_point;

// One reading of all local clocks, taken together.
struct Now {
  MonoTime mono;
  BootTime boot;
  WallTime wall;
  friend bool operator==(const Now&, const Now&) = default;
};

constexpr std::int64_t to_ms(StoreTime t) { return t.time_since_epoch().count(); }
constexpr StoreTime store_time_ms(std::int64_t ms) {
  return StoreTime{std::chrono::milliseconds{ms}};
}
constexpr std::chrono::milliseconds floor_ms(Duration d) {
  return std::chrono::floor<std::chrono::milliseconds>(d);
}
constexpr std::chrono::milliseconds ceil_ms(Duration d) {
  return std::chrono::ceil<std::chrono::milliseconds>(d);
}
constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace switchgear
