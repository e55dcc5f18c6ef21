#include "fleet/transition.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "fleet/hold_clock.h"

namespace switchgear::fleet {
namespace {

constexpr StoreTime kStart = store_time_ms(1'766'000'000'000);

StoreTime at(Duration d) { return kStart + floor_ms(d); }

class Transitions : public testing::Test {
 protected:
  PolicyTable table{Policy{.failure_weight = 10,
                           .trip_level = 100,
                           .open_duration = 10s,
                           .max_open_duration = 60s,
                           .open_jitter = 0,
                           .probes = 2,
                           .probe_successes = 3}};
  Decider me{.instance = InstanceId{1}, .nonce = 77};

  Snapshot snapshot(Record record, Duration now) {
    Snapshot s;
    s.record = std::move(record);
    s.time = at(now);
    return s;
  }
  Record record(State state) {
    Snapshot empty;
    empty.time = kStart;
    Record r = create_record(table, empty, me).next;
    r.state = state;
    return r;
  }
  static void add_failures(Snapshot& s, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      s.reports.push_back(
          Report{.sent = s.time, .instance = InstanceId{10 + i}, .seq = i, .failures = 1});
    }
  }
};

TEST_F(Transitions, ATripStaysInTheRecordUntilSomebodyResetsIt) {
  Snapshot s = snapshot(record(State::closed), 30s);
  add_failures(s, 12);
  const Record open = due_transition(table, s, me, 0)->next;
  EXPECT_EQ(open.trip.at, at(30s));
  EXPECT_EQ(open.trip.rule, "failure_rate");
  EXPECT_EQ(open.trip.reporters, 12);
  EXPECT_EQ(open.trip.shares.size(), kTripSharesMax);
  EXPECT_GE(open.trip.evidence, open.trip.need);

  Record probing = half_open(table, snapshot(open, 60s), me, 1)->next;
  probing.probe_failed = 1;
  const Record again = due_transition(table, snapshot(probing, 61s), me, 0)->next;
  EXPECT_EQ(again.reason, "probe_failed");
  EXPECT_EQ(again.trip, open.trip);
  EXPECT_EQ(reset(table, snapshot(again, 62s), me, "ann").next.trip, Trip{});
}

TEST_F(Transitions, ANewRecordIsClosedAndExpectsNone) {
  Snapshot empty;
  empty.time = at(5s);
  const SwapOp op = create_record(table, empty, me);
  EXPECT_EQ(op.expected_epoch, 0);
  EXPECT_EQ(op.expected_revision, 0u);
  EXPECT_EQ(op.next.state, State::closed);
  EXPECT_EQ(op.next.epoch, to_ms(at(5s)));
  EXPECT_NE(op.next.incarnation, 0u);
}

TEST_F(Transitions, ClosedOpensOnATripAndSaysWhy) {
  Snapshot s = snapshot(record(State::closed), 30s);
  EXPECT_FALSE(due_transition(table, s, me, 0));
  add_failures(s, 12);
  const auto op = due_transition(table, s, me, 0);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.state, State::open);
  EXPECT_EQ(op->next.opens, 1);
  EXPECT_EQ(op->next.reopen, at(40s));
  EXPECT_EQ(op->next.reason, "failure_rate");
  EXPECT_NE(op->next.why.find("12 failures by 12 instances"), std::string::npos) << op->next.why;
  EXPECT_EQ(op->expected_epoch, s.readable()->epoch);
  EXPECT_EQ(op->next.epoch, to_ms(at(30s)));
  EXPECT_EQ(op->next.revision, op->expected_revision + 1);
}

TEST_F(Transitions, TheEpochGrowsEvenIfTheStoresClockStandsStill) {
  Record r = record(State::closed);
  r.epoch = to_ms(at(1h));
  Snapshot s = snapshot(r, 30s);
  add_failures(s, 12);
  EXPECT_EQ(due_transition(table, s, me, 0)->next.epoch, r.epoch + 1);
}

TEST_F(Transitions, OpenTimeDoublesToItsCap) {
  Record r = record(State::half_open);
  r.probe_failed = 1;
  Duration expected[] = {20s, 40s, 60s, 60s};
  for (int opens = 1; opens <= 4; ++opens) {
    r.opens = opens;
    const auto op = due_transition(table, snapshot(r, 100s), me, 0);
    ASSERT_TRUE(op);
    EXPECT_EQ(op->next.state, State::open);
    EXPECT_EQ(op->next.reason, "probe_failed");
    EXPECT_EQ(op->next.reopen - at(100s), expected[opens - 1]);
  }
}

TEST_F(Transitions, OpenTurnsHalfOpenOnlyByTheStoresClockAndWithASlot) {
  Record r = record(State::open);
  r.reopen = at(50s);
  const auto op = half_open(table, snapshot(r, 49s), me, 4711);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.state, State::half_open);
  EXPECT_EQ(op->not_before, at(50s));
  ASSERT_TRUE(op->claim);
  EXPECT_LT(op->claim->slot, 2);
  EXPECT_EQ(op->claim->token, 4711u);
  EXPECT_EQ(Duration{op->claim->lease}, probe_lease(table.policy().call_timeout));
}

TEST_F(Transitions, SlowerProbesOfAnEarlierRoundStillTakeTheirSlots) {
  Record r = record(State::open);
  r.reopen = at(50s);
  r.slots[0] = Slot{.holder = InstanceId{5}, .token = 1, .expires = at(70s)};
  r.slots[1] = Slot{.holder = InstanceId{6}, .token = 2, .expires = at(80s)};
  EXPECT_FALSE(half_open(table, snapshot(r, 60s), me, 1));
  const auto later = half_open(table, snapshot(r, 71s), me, 1);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->claim->slot, 0);
}

TEST_F(Transitions, HalfOpenWaitsForEnoughSuccesses) {
  Record r = record(State::half_open);
  r.probe_ok = 2;
  EXPECT_FALSE(due_transition(table, snapshot(r, 60s), me, 0));
  r.probe_ok = 3;
  const auto op = due_transition(table, snapshot(r, 60s), me, 0);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.state, State::recovering);
  EXPECT_DOUBLE_EQ(op->next.recovery.limit, 2);
  EXPECT_EQ(op->next.probe_ok, 0);
  EXPECT_EQ(op->next.step_at, at(63s));
}

TEST_F(Transitions, ProbesThatSucceededEndTheRoundOnlyIfNoneFailsMeanwhile) {
  Record r = record(State::half_open);
  r.probe_ok = 3;
  for (const bool limit : {true, false}) {
    Policy policy = table.policy();
    policy.recovery_limit = limit;
    const auto op = due_transition(PolicyTable(policy), snapshot(r, 100s), me, 0);
    ASSERT_TRUE(op);
    EXPECT_TRUE(op->unless_probe_failed);
  }
}

TEST_F(Transitions, WithoutTheLimitProbesCloseAtOnce) {
  const PolicyTable bare(Policy{.recovery_limit = false});
  Record r = record(State::half_open);
  r.probe_ok = 3;
  r.opens = 4;
  const auto op = due_transition(bare, snapshot(r, 60s), me, 0);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.state, State::closed);
  EXPECT_EQ(op->next.opens, 0);
}

TEST_F(Transitions, ARecoveryStepIsDueAfterItsTimeAndTheJitter) {
  Record r = record(State::recovering);
  r.recovery = core::begin_recovery(table.policy(), 0);
  r.step = 5;
  r.step_at = at(60s);
  EXPECT_FALSE(due_transition(table, snapshot(r, 59s), me, 0));
  EXPECT_FALSE(due_transition(table, snapshot(r, 60500ms), me, 0.9));
  Snapshot s = snapshot(r, 61s);
  s.steps.push_back({.step = 5,
                     .sums = {.ok = 20,
                              .rtt_sum_ms = 2'000,
                              .rtt_count = 20,
                              .busy_ms = 6'000,
                              .refused = 3,
                              .members = 2}});
  s.steps.push_back({.step = 4, .sums = {.overload = 100, .members = 50}});
  const auto op = due_transition(table, s, me, 0.9);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.state, State::recovering);
  EXPECT_EQ(op->next.epoch, r.epoch);
  EXPECT_EQ(op->next.step, 6u);
  EXPECT_DOUBLE_EQ(op->next.members, 2);
  EXPECT_DOUBLE_EQ(op->next.recovery.limit, 3);
}

TEST_F(Transitions, OverloadWhileRecoveringHasARuleOfItsOwn) {
  Record r = record(State::recovering);
  r.recovery = core::begin_recovery(table.policy(), 0);
  r.step_at = at(1h);
  Snapshot s = snapshot(r, 60s);
  for (std::uint32_t i = 0; i < 9; ++i) {
    s.reports.push_back({.sent = s.time, .instance = InstanceId{10 + i}, .seq = i, .overloads = 1});
  }
  EXPECT_FALSE(due_transition(table, s, me, 0));  // 9 overloads would be 90 of 100 as failures
  s.reports.push_back({.sent = s.time, .instance = InstanceId{40}, .seq = 0, .overloads = 1});
  const auto op = due_transition(table, s, me, 0);
  ASSERT_TRUE(op);
  EXPECT_EQ(op->next.reason, "overload");
  EXPECT_EQ(op->next.opens, 1);
}

TEST_F(Transitions, TheFirstStepOfARecoveryIsWeighedAtTheFleetsPace) {
  Record r = record(State::recovering);
  r.recovery = core::begin_recovery(table.policy(), 0);
  r.step_at = at(1h);
  Snapshot s = snapshot(r, 3s);
  for (std::uint32_t i = 0; i < 12; ++i) {  // 12 failures among 300 calls
    s.reports.push_back(
        {.sent = at(250ms * i), .instance = InstanceId{10 + i}, .seq = i, .failures = 1});
  }
  EXPECT_TRUE(due_transition(table, s, me, 0));
  s.meter.current = {.minute = minute_of(s.time), .calls = 300, .active_ms = 3'000};
  EXPECT_FALSE(due_transition(table, s, me, 0));
}

TEST_F(Transitions, AfterARecoveryTheOutageInTheMeterSharpensNoRule) {
  Record r = record(State::closed);
  r.reason = "recovered";
  r.since = at(0s);
  r.recovery.calls_per_second = 100;
  Snapshot s = snapshot(r, 3s);
  for (std::uint32_t i = 0; i < 12; ++i) {  // 12 failures among 300 calls
    s.reports.push_back(
        {.sent = at(250ms * i), .instance = InstanceId{10 + i}, .seq = i, .failures = 1});
  }
  // Two minutes in which next to nothing was called.
  s.meter.current = {.minute = minute_of(s.time), .calls = 30, .active_ms = 60'000};
  EXPECT_FALSE(due_transition(table, s, me, 0));
  s.record->value().since = at(-3min);
  EXPECT_TRUE(due_transition(table, s, me, 0)) << "by then the meter knows";
}

TEST_F(Transitions, TheFewWhoHoldSlotsCanReopenARecoveryOfALargeFleet) {
  Record r = record(State::recovering);
  r.recovery = core::begin_recovery(table.policy(), 0);
  r.step_at = at(1h);
  Snapshot s = snapshot(r, 60s);
  s.meter.current = {.minute = minute_of(s.time), .calls = 30, .active_ms = 60'000, .members = 50};
  for (std::uint32_t i = 0; i < 20; ++i) {
    s.reports.push_back(
        {.sent = s.time, .instance = InstanceId{10 + i % 2}, .seq = i, .failures = 1});
  }
  EXPECT_TRUE(due_transition(table, s, me, 0));
  // But not one of several: the others' calls succeed.
  for (std::size_t i = 0; i < 4; ++i) {
    r.slots[i] = Slot{.holder = InstanceId{10 + i}, .token = 1, .expires = s.time + 5s};
  }
  s.record = r;
  for (Report& report : s.reports) report.instance = InstanceId{10};
  EXPECT_FALSE(due_transition(table, s, me, 0));
}

TEST_F(Transitions, AHoldStopsTheMachineUntilItsEnd) {
  Record r = record(State::closed);
  r.hold = {.kind = HoldKind::forced_closed, .who = "anna", .why = "test", .until = at(100s)};
  Snapshot s = snapshot(r, 60s);
  add_failures(s, 30);
  EXPECT_FALSE(due_transition(table, s, me, 0));
  const auto ended = due_transition(table, snapshot(r, 100s), me, 0);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->next.hold.kind, HoldKind::none);
  EXPECT_EQ(ended->next.reason, "hold_ended");
  EXPECT_GT(ended->next.epoch, r.epoch);
  r.hold.until = StoreTime{};
  EXPECT_FALSE(due_transition(table, snapshot(r, 10'000h), me, 0));
}

TEST_F(Transitions, AHandMayHoldReleaseAndReset) {
  const Record r = record(State::open);
  const SwapOp held = set_hold(table, snapshot(r, 5s), me,
                               {.kind = HoldKind::forced_open, .who = "anna", .why = "deploy"});
  EXPECT_EQ(held.next.state, State::open);
  EXPECT_EQ(held.next.why, "held by anna: deploy");
  EXPECT_GT(held.next.epoch, r.epoch);
  const SwapOp released = release_hold(table, snapshot(held.next, 6s), me, "anna");
  EXPECT_EQ(released.next.hold, Hold{.epoch = released.next.epoch});
  EXPECT_GT(released.next.hold.epoch, held.next.hold.epoch);
  EXPECT_EQ(released.next.state, State::open);
  const SwapOp back = reset(table, snapshot(released.next, 7s), me, "anna");
  EXPECT_EQ(back.next.state, State::closed);
  EXPECT_EQ(back.next.opens, 0);
  Snapshot empty;
  empty.time = at(1s);
  EXPECT_EQ(set_hold(table, empty, me, {.kind = HoldKind::forced_open}).expected_epoch, 0);
}

TEST_F(Transitions, AReassertedRecordGoesAboveBothEpochs) {
  Record seen = record(State::open);
  seen.epoch = to_ms(at(90s));
  seen.revision = 7;
  Record stored = record(State::closed);
  stored.epoch = to_ms(at(95s));
  stored.revision = 1;
  const SwapOp op = reassert(seen, snapshot(stored, 50s), me);
  EXPECT_EQ(op.expected_epoch, stored.epoch);
  EXPECT_EQ(op.expected_revision, 1u);
  EXPECT_EQ(op.next.state, State::open);
  EXPECT_GT(op.next.epoch, stored.epoch);
  EXPECT_EQ(op.next.revision, 8u);
}

TEST_F(Transitions, EverySlotIsFoundFromAnyStart) {
  Slots slots;
  for (std::size_t i = 0; i < 8; ++i) {
    slots[i] = Slot{.holder = InstanceId{1}, .token = 1, .expires = at(10s)};
  }
  slots[5].reset();
  for (std::uint64_t start = 0; start < 20; ++start) {
    EXPECT_EQ(free_slot(slots, 8, at(5s), start), 5);
    EXPECT_EQ(free_slot(slots, 5, at(5s), start), -1);
  }
  EXPECT_GE(free_slot(slots, 5, at(10s), 3), 0);
  EXPECT_EQ(free_slot(slots, 0, at(10s), 3), -1);
}

TEST_F(Transitions, TheRuleSharpensAndDullsWithTheFleetsRate) {
  const PolicyTable defaults{Policy{}};
  EXPECT_EQ(defaults.at(1).failure_rule.weight, 4);
  EXPECT_LT(defaults.at(1).failure_rule.level, defaults.at(1e5).failure_rule.level);
  EXPECT_EQ(defaults.at(50).failure_rule, defaults.at(99).failure_rule);
  EXPECT_EQ(defaults.at(1e9).failure_rule, defaults.at(1e6).failure_rule);
}

// Overloads of a recovery whose slots are held by `holders`, one after the other; `by` whom.
class Overloads : public Transitions {
 protected:
  Snapshot recovering(double limit, const std::vector<std::uint64_t>& holders) {
    Record r = record(State::recovering);
    r.recovery = core::begin_recovery(table.policy(), 0);
    r.recovery.limit = limit;
    r.recovery.calls_per_second = 10;
    r.step = 1;
    r.step_at = at(3s);
    for (std::size_t i = 0; i < holders.size(); ++i) {
      r.slots[i] = Slot{.holder = InstanceId{holders[i]}, .token = 1, .expires = at(60s)};
    }
    Snapshot s = snapshot(r, 1s);
    s.meter.current = {.minute = minute_of(s.time), .members = 4};
    return s;
  }
  static void add(Snapshot& s, std::uint64_t by, std::uint32_t count) {
    s.reports.push_back(
        Report{.sent = s.time, .instance = InstanceId{by}, .seq = 1, .overloads = count});
  }
};

TEST_F(Overloads, OfOneThatHoldsNearlyAllSlotsReopen) {
  Snapshot s = recovering(12, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3});
  add(s, 1, 10);
  add(s, 2, 1);
  add(s, 3, 1);
  EXPECT_TRUE(weigh(table, s).trips());
}

TEST_F(Overloads, OfOneAmongEqualsDoNotReopen) {
  Snapshot s = recovering(12, {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  add(s, 1, 30);
  EXPECT_FALSE(weigh(table, s).trips());
}

TEST_F(Overloads, OfTheThirdOfTheLimitThatAStepAddsDoNotReopenAndOfAllPlacesDo) {
  for (const std::uint32_t each : {4u, 12u}) {
    Snapshot s = recovering(48, {});
    for (std::uint64_t by = 1; by <= 4; ++by) add(s, by, each);
    EXPECT_EQ(weigh(table, s).trips(), each == 12u);
  }
}

TEST_F(Overloads, ThatLedToACutAreJudgedByTheLimitTheyCameFrom) {
  for (const bool cut : {true, false}) {
    Snapshot s = recovering(23.92, {});
    for (std::uint64_t by = 1; by <= 15; ++by) add(s, by, 1);
    Record r = *s.readable();
    r.recovery.slow_start_threshold = 23.92;
    r.recovery.hold_steps = cut ? 1 : 0;
    s.record = r;
    EXPECT_EQ(weigh(table, s).trips(), !cut);
  }
}

// ---- Evidence that has aged ---------------------------------------------------------------------

TEST_F(Transitions, EvidenceAgesTheFasterTheMoreCallsThereAreToOutweighIt) {
  Snapshot s = snapshot(record(State::closed), 100s);
  const auto age = [&](double members, double calls) {
    s.meter.previous = {.minute = minute_of(s.time) - 1,
                        .calls = calls * 60,
                        .active_ms = members * 60e3,
                        .members = members};
    return weigh(table, s).evidence_age;
  };
  for (std::uint32_t i = 0; i < 9; ++i) {
    s.reports.push_back(Report{.sent = s.time - 1s, .instance = InstanceId{i}, .failures = 1});
  }
  // Four times (weight + 1) * 10 failures, the next one with them, in calls.
  ASSERT_TRUE(age(10, 10));
  EXPECT_NEAR(static_cast<double>(age(10, 10)->count()),
              4e3 * (table.at(10).failure_rule.weight + 1), 500);
  EXPECT_EQ(age(1'000, 1'000), 3'000ms) << "never below what the clocks may be apart";
  s.reports[0].retry_after_ms = 20'000;
  EXPECT_EQ(age(1'000, 1'000), 20'000ms) << "the pause that was asked for is still needed";
  s.meter = {};
  s.reports.clear();
  s.record = record(State::open);
  EXPECT_FALSE(weigh(table, s).evidence_age) << "there is no evidence";
}

TEST_F(Transitions, EvidenceOlderThanItsAgeOpensNothingThatItWouldNotOpenWithoutIt) {
  core::Random random(5);
  int opened = 0;
  for (int run = 0; run < 300; ++run) {
    Snapshot s = snapshot(record(State::closed), 100s);
    const double rate = random.between(1, 30);
    s.meter.previous = {
        .minute = minute_of(s.time) - 1, .calls = rate * 60, .active_ms = 20 * 60e3, .members = 20};
    const auto failures = static_cast<std::uint32_t>(1 + random.below(20));
    for (std::uint32_t i = 0; i < failures; ++i) {
      s.reports.push_back(Report{
          .sent = s.time - std::chrono::milliseconds{static_cast<int>(random.between(0, 60e3))},
          .instance = InstanceId{1 + random.below(20)},
          .seq = i,
          .failures = 1});
    }
    // Later failures come on top, at any pace, and then the old ones are dropped.
    const auto age = *weigh(table, s).evidence_age;
    const StoreTime kept = s.time - age;
    const auto later = static_cast<std::uint32_t>(random.below(44));
    const double span = random.between(100, 20e3);
    for (std::uint32_t i = 0; i < later; ++i) {
      s.reports.push_back(Report{
          .sent = s.time + std::chrono::milliseconds{static_cast<int>(random.between(0, span))},
          .instance = InstanceId{1 + random.below(20)},
          .seq = 1'000 + i,
          .failures = 1});
    }
    s.time += std::chrono::milliseconds{static_cast<int>(span)};
    const bool with_all = weigh(table, s).trips();
    std::erase_if(s.reports, [&](const Report& r) { return r.sent < kept; });
    EXPECT_EQ(weigh(table, s).trips(), with_all) << "run " << run;
    opened += with_all;
  }
  EXPECT_GT(opened, 30);
  EXPECT_LT(opened, 270);
}

}  // namespace
}  // namespace switchgear::fleet
