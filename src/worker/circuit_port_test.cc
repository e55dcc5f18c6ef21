#include "worker/circuit_port.h"

#include <gtest/gtest.h>

namespace switchgear::worker {
namespace {

// The state that a worker goes by under an open circuit.
State state_under(Mode mode) {
  const fleet::PolicyTable table(Policy{.mode = mode});
  Now now{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  fleet::Member member(table, {}, fleet::InstanceId{1}, 42, now);
  EXPECT_TRUE(member.next_operation(now));
  fleet::Snapshot snapshot;
  snapshot.time = store_time_ms(1'766'000'000'000);
  snapshot.record = fleet::Record{.epoch = 7,
                                  .revision = 1,
                                  .state = State::open,
                                  .born = snapshot.time,
                                  .reopen = snapshot.time + 10s};
  member.answered({fleet::Status::ok, snapshot}, now);
  return MemberPort(member).state(now);
}

TEST(AMemberPort, IsOpenWhileTheCircuitIs) { EXPECT_EQ(state_under(Mode::enforce), State::open); }

TEST(AMemberPort, IsClosedWhereTheCircuitIsOnlyObserved) {
  EXPECT_EQ(state_under(Mode::observe), State::closed);
}

}  // namespace
}  // namespace switchgear::worker
