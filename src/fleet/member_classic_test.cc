// A member that is alone and goes by the classic rule: its own window opens the circuit.
#include "fleet/member_for_tests.h"

namespace switchgear::fleet {
namespace {

class AClassicMember : public AMember {
 protected:
  AClassicMember()
      : AMember(Policy{.rule = Rule::classic,
                       .sliding_window_size = 10,
                       .minimum_number_of_calls = 10,
                       .open_duration = 5s,
                       .open_jitter = 0}) {
    permitted();
    settle();
    for (int i = 0; i < 10; ++i) permits.push_back(permitted());
  }
  void all_fail() {
    for (const Permit& permit : permits) member.finish(permit, Outcome::failure, 1ms, now);
  }
  std::vector<Permit> permits;
};

TEST_F(AClassicMember, AloneItOpensAtTheCallThatTripsItsWindow) {
  all_fail();
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op && std::holds_alternative<SwapOp>(*op));
  EXPECT_EQ(std::get<SwapOp>(*op).next.state, State::open);
}

TEST_F(AClassicMember, AfterAClockWasSetForwardItAsksForTheStoresTimeBeforeItOpens) {
  now.wall += 520s;
  all_fail();
  settle();
  EXPECT_EQ(record.state, State::open);
  EXPECT_LE(record.reopen, store_time + 6s);
}

}  // namespace
}  // namespace switchgear::fleet
