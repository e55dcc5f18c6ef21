// The gate by itself, against the member it speaks for.
#include "guard/gate.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "guard/scripted_store_for_tests.h"

namespace switchgear::guard {
namespace {

// Clocks as a test sets them, instead of the machine's.
struct FakeClocks {
  const Now& now;
  bool before(const Deadlines& deadlines) const {
    return now.mono.time_since_epoch().count() < deadlines.mono &&
           now.wall.time_since_epoch().count() < deadlines.wall;
  }
};

// A member, its gate and a store that a test steps through by hand.
class AGate : public testing::Test {
 protected:
  explicit AGate(const Policy& policy = quick_policy(), std::uint64_t seed = 1)
      : table(policy), member(table, {}, {seed}, seed, now) {
    gate.set_awake(true);
  }
  void pass(Duration d) {
    now = {now.mono + d, now.boot + d, now.wall + d};
    store_now += floor_ms(d);
  }
  void publish() { gate.publish(member, now, 0); }
  std::uint64_t enter() const { return gate.enter(FakeClocks{now}); }
  // Gives the store what the member wants; whether it wanted anything. Like a seat, publishes
  // after every touch: each reading of the clocks may age the view.
  bool exchange() {
    const auto operation = member.next_operation(now);
    if (!operation) {
      publish();
      return false;
    }
    const fleet::Answer answer = store.execute("c", *operation, store_now);
    gate.sweep(member, now);
    member.answered(answer, now);
    publish();
    return true;
  }
  void settle() {
    for (int i = 0; i < 20 && exchange(); ++i) {
    }
  }
  void first_view() {
    member.admit(now);
    settle();
  }
  void fail(int times) {
    for (int i = 0; i < times; ++i) {
      const auto admission = member.admit(now);
      if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
        member.finish(*permit, Outcome::failure, 1ms, now);
      }
    }
    publish();
    pass(250ms);
    settle();
  }

  Now now{MonoTime(1h), BootTime(1h), WallTime(std::chrono::hours(500'000))};
  StoreTime store_now = store_time_ms(1'800'000'000'000);
  fleet::PolicyTable table;
  stores::MemoryTable store;
  fleet::Member member;
  Gate gate;
};

TEST_F(AGate, IsShutBeforeTheFirstView) {
  publish();
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, IsOpenWhileTheCircuitIsClosed) {
  first_view();
  EXPECT_NE(enter(), 0u);
  EXPECT_EQ(Gate::epoch_of(enter()), member.record()->epoch);
}

TEST_F(AGate, ShutsWhenTheCircuitOpens) {
  first_view();
  fail(3);
  ASSERT_EQ(member.state(), State::open);
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, ShutsWhenTheViewGrowsOld) {
  first_view();
  pass(quick_policy().view_max_age);
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, ShutsAfterAFreezeInWhichOnlyTheWallClockRan) {
  first_view();
  now.wall += 10min;
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, ShutsAfterAFreezeInWhichOnlyTheMonotonicClockRan) {
  first_view();
  now.mono += 10min;
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, IsNotKeptOpenByAWallClockThatIsSetBack) {
  first_view();
  pass(quick_policy().view_max_age);
  now.wall -= 1h;
  EXPECT_EQ(enter(), 0u);
}

TEST_F(AGate, SleepsUntilItIsWoken) {
  first_view();
  gate.set_awake(false);
  publish();
  EXPECT_EQ(enter(), 0u);
  gate.set_awake(true);
  publish();
  EXPECT_NE(enter(), 0u);
}

TEST_F(AGate, GivesTheSuccessesItCountedToTheMemberOnce) {
  first_view();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(gate.count_success(enter()));
  EXPECT_EQ(gate.sweep(member, now), 5u);
  EXPECT_EQ(gate.sweep(member, now), 0u);
  EXPECT_EQ(member.counters().outcomes[static_cast<int>(Outcome::success)], 5u);
}

TEST_F(AGate, CountsNoSuccessOfAnEarlierEpoch) {
  first_view();
  const std::uint64_t word = enter();
  fail(3);
  EXPECT_FALSE(gate.count_success(word));
}

TEST_F(AGate, CountsSuccessesBeforeATransitionAsInTime) {
  first_view();
  EXPECT_TRUE(gate.count_success(enter()));
  fail(3);
  EXPECT_EQ(member.counters().late_results, 0u);
  EXPECT_EQ(member.counters().outcomes[static_cast<int>(Outcome::success)], 1u);
}

TEST_F(AGate, RepeatsARefusalForAShortWhileOnly) {
  now = net::read_clocks();  // refused() reads the machine's clocks
  const Refusal refusal{.reason = RefusalReason::open,
                        .state = State::open,
                        .epoch = 7,
                        .retry_after = 10s,
                        .view_age = 1s};
  gate.publish_refusal(refusal, now);
  const auto seen = gate.refused();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->reason, RefusalReason::open);
  EXPECT_EQ(seen->epoch, 7);
  EXPECT_LE(seen->retry_after, 10s + 20ms);
  EXPECT_GT(seen->retry_after, 9s);
  EXPECT_TRUE(eventually([&] { return !gate.refused(); }));
}

TEST_F(AGate, RepeatsNoRefusalOnceTheGateIsOpen) {
  now = net::read_clocks();
  gate.publish_refusal({.reason = RefusalReason::held, .retry_after = 10s}, now);
  first_view();
  EXPECT_FALSE(gate.refused());
}

// What the gate lets pass, the member would have admitted: over random lives with failures, holds,
// a store that comes and goes, and clocks of which one may stand still or the wall clock step.
class AnyGate : public AGate, public testing::WithParamInterface<std::uint64_t> {
 protected:
  AnyGate() : AGate(policy_for(GetParam()), GetParam() + 1) {}
  static Policy policy_for(std::uint64_t seed) {
    Policy policy = quick_policy();
    policy.view_max_age = 1s;
    policy.recovery_limit = seed % 2 == 0;
    policy.mode = seed % 7 == 0 ? Mode::observe : Mode::enforce;
    policy.on_store_failure = static_cast<OnStoreFailure>(seed % 3);
    return policy;
  }
  void random_time(core::Random& random) {
    const auto d = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
        random.chance(0.05) ? random.between(0, 5) : random.between(0, 0.1)));
    store_now += floor_ms(d);
    const auto kind = random.below(20);
    if (kind != 0) now.mono += d;
    if (kind != 1) now.wall += d;
    if (kind != 0) now.boot += d;
    if (kind == 2) now.wall -= std::chrono::seconds(random.below(100));
  }
};

TEST_P(AnyGate, LetsNothingPassThatTheMemberWouldRefuse) {
  SCOPED_TRACE(testing::Message() << "seed " << GetParam());
  core::Random random(GetParam() * 977 + 5);
  int passed = 0;
  bool sick = false;
  std::vector<fleet::Permit> out;
  for (int step = 0; step < 1'000; ++step) {
    random_time(random);
    if (const std::uint64_t word = enter(); word != 0) {
      fleet::Member would = member;
      const auto admission = would.admit(now);
      const auto* permit = std::get_if<fleet::Permit>(&admission);
      ASSERT_NE(permit, nullptr) << "at step " << step << ": "
                                 << to_string(std::get<fleet::Refusal>(admission).reason);
      // Who only observes calls every permit a normal one.
      if (table.policy().mode == Mode::enforce) {
        ASSERT_EQ(permit->kind, fleet::PermitKind::normal);
      }
      ASSERT_EQ(permit->epoch, Gate::epoch_of(word));
      if (random.chance(0.5)) gate.count_success(word);
      ++passed;
    }
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2: {
        const auto admission = member.admit(now);
        if (const auto* permit = std::get_if<fleet::Permit>(&admission)) out.push_back(*permit);
        publish();
        break;
      }
      case 3:
      case 4:
        if (out.empty()) break;
        member.finish(out.back(), sick ? Outcome::failure : Outcome::success, 1ms, now);
        out.pop_back();
        publish();
        break;
      case 5:
        if (random.chance(0.1)) sick = !sick;
        break;
      case 6:
        if (member.next_operation(now)) member.store_failed(now);
        publish();
        break;
      case 7:
        if (random.chance(0.2)) {
          const auto seen = store.execute("c", fleet::ReadOp{}, store_now);
          store.execute("c",
                        fleet::set_hold(
                            table, seen.snapshot, {.instance = {9}, .nonce = random.next()},
                            {.kind = static_cast<HoldKind>(1 + random.below(3)),
                             .who = "somebody",
                             .why = "a test",
                             .until = store_now + std::chrono::milliseconds(random.below(2'000))}),
                        store_now);
        }
        break;
      default:
        exchange();
    }
  }
  EXPECT_GT(passed, 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyGate, testing::Range<std::uint64_t>(0, 40));

}  // namespace
}  // namespace switchgear::guard
