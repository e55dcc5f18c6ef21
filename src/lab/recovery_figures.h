// How a fleet of shipped workers drains a backlog once a dependency is back, for four kinds of
// dependency, through the limit that the fleet shares: slots, quotas and steps over the store, with
// views that are up to 5 s old. 20 servers of 0.2 s each (100 calls/s), 60 new messages a second;
// calls are given up after 2 s, but the dependency finishes them all the same.
#pragma once

#include <string_view>

#include "lab/outage.h"

namespace switchgear::lab {

enum class Profile : unsigned char {
  shed,    // lets 20 calls wait and refuses one more at once
  abrupt,  // refuses at once what it cannot begin
  fifo,    // queues everything
  cold,    // a third of its speed until it has served 2,000 calls
  thrash,  // the more calls wait beyond 20, the slower it is: half the speed with 40
};
inline constexpr Profile kProfiles[] = {Profile::shed, Profile::fifo, Profile::cold,
                                        Profile::thrash, Profile::abrupt};
std::string_view to_string(Profile);

struct RecoveryFleet {
  std::string_view name;
  int workers;
  int concurrency;
};
inline constexpr RecoveryFleet kFourWorkers{"4 x 50 workers", 4, 50};
inline constexpr RecoveryFleet kEnvironments{"1,000 one-call environments", 1'000, 1};

OutageOptions recovery_options(Profile profile, const RecoveryFleet& fleet, std::uint64_t backlog,
                               std::uint64_t seed);

// The same with a black hole for 300 s in the middle of the drain.
// Its result's ideal drain reckons with that.
OutageOptions relapse_options(Profile profile, const RecoveryFleet& fleet, std::uint64_t backlog,
                              std::uint64_t seed);

}  // namespace switchgear::lab
