// Steps through a member by hand: every answer of the store is written here. What a member and a
// real store do together is tested in lab/.
#include "fleet/member.h"

#include <gtest/gtest.h>

namespace switchgear::fleet {
namespace {

constexpr StoreTime kStoreStart = store_time_ms(1'766'000'000'000);

Policy quick_policy() {
  return Policy{.failure_weight = 10,
                .trip_level = 100,
                .open_duration = 10s,
                .max_open_duration = 60s,
                .open_jitter = 0,
                .call_timeout = 2s};
}

class AMember : public testing::Test {
 protected:
  explicit AMember(Policy policy = quick_policy()) : table(policy) {}

  // Local clocks and the store's run together unless a test says otherwise.
  void pass(Duration d) {
    now.mono += d;
    now.boot += d;
    now.wall += d;
    store_time += floor_ms(d);
  }
  Snapshot snapshot() {
    Snapshot s;
    s.record = record;
    s.reports = reports;
    s.time = store_time;
    return s;
  }
  void answer(Status status = Status::ok) { member.answered({status, snapshot()}, now); }
  // Lets the member do all it wants against a store that accepts everything; returns the names of
  // the operations, joined by spaces.
  std::string settle() {
    std::string names;
    for (int i = 0; i < 20; ++i) {
      const auto op = member.next_operation(now);
      if (!op) return names;
      names += (names.empty() ? "" : " ") + std::string(name_of(*op));
      accept(*op);
      answer();
    }
    ADD_FAILURE() << "it never comes to rest: " << names;
    return names;
  }
  void accept(const Operation& op) {
    if (const auto* swap = std::get_if<SwapOp>(&op)) {
      const bool new_epoch = record.epoch != swap->next.epoch;
      const Slots slots = record.slots;
      record = swap->next;
      record.slots = slots;
      if (swap->claim) take(*swap->claim);
      if (new_epoch) reports.clear();
    } else if (const auto* report = std::get_if<ReportOp>(&op)) {
      if (report->report) reports.push_back(*report->report);
    } else if (const auto* claim = std::get_if<ClaimOp>(&op)) {
      take(claim->claim);
    } else if (const auto* settlement = std::get_if<SettleOp>(&op)) {
      record.slots[static_cast<std::size_t>(settlement->slot)].reset();
      if (settlement->epoch == record.epoch) {
        record.probe_ok += settlement->settlement == Settlement::success;
        record.probe_failed += settlement->settlement == Settlement::failure;
      }
    }
  }
  void take(const SlotClaim& claim) {
    record.slots[static_cast<std::size_t>(claim.slot)] =
        Slot{.holder = claim.holder, .token = claim.token, .expires = store_time + claim.lease};
  }
  Permit permitted() {
    const Admission a = member.admit(now);
    EXPECT_TRUE(std::holds_alternative<Permit>(a)) << "refused: " << refused_reason(a);
    return std::holds_alternative<Permit>(a) ? std::get<Permit>(a) : Permit{};
  }
  std::string refused() { return refused_reason(member.admit(now)); }
  static std::string refused_reason(const Admission& a) {
    const auto* r = std::get_if<Refusal>(&a);
    return r ? std::string(to_string(r->reason)) : "admitted";
  }
  void call(Outcome outcome, Duration duration = 10ms) {
    const Permit p = permitted();
    pass(duration);
    member.finish(p, outcome, duration, now);
  }
  void change(State state, Duration reopen_in = 0s) {
    record.state = state;
    record.epoch = std::max(record.epoch + 1, to_ms(store_time));
    record.revision++;
    record.since = store_time;
    record.reopen = store_time + floor_ms(reopen_in);
    reports.clear();
  }

  Now now{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  StoreTime store_time = kStoreStart;
  PolicyTable table;
  Record record = [] {
    Record r;
    r.incarnation = 1;
    r.epoch = to_ms(kStoreStart) - 1'000;
    r.revision = 1;
    r.born = kStoreStart - 1s;
    return r;
  }();
  std::vector<Report> reports;
  Member member{table, MemberOptions{}, InstanceId{0xabc}, 42, now};
};

TEST_F(AMember, SaysHelloWithItsFirstCall) {
  permitted();
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  const auto& hello = std::get<ReportOp>(*op);
  EXPECT_FALSE(hello.report);
  EXPECT_EQ(hello.meter.hellos, 1);
  EXPECT_EQ(hello.meter.members, 1);
}

TEST_F(AMember, OnlyReadsWhileNobodyCalls) { EXPECT_EQ(settle(), "read"); }

TEST_F(AMember, HasOneOperationUnderWayAtATime) {
  ASSERT_TRUE(member.next_operation(now));
  EXPECT_FALSE(member.next_operation(now));
  EXPECT_TRUE(member.operation_under_way());
}

TEST_F(AMember, SuccessesCostNoWrites) {
  settle();
  for (int i = 0; i < 100; ++i) call(Outcome::success, 1ms);
  EXPECT_EQ(settle(), "report");  // the hello of the first call
  for (int i = 0; i < 1'000; ++i) call(Outcome::success, 1ms);
  EXPECT_EQ(settle(), "");
}

TEST_F(AMember, RefreshesAViewThatCallsUseAfterItsTime) {
  permitted();
  settle();
  pass(4s);
  call(Outcome::success);
  EXPECT_EQ(settle(), "");
  pass(1s);
  EXPECT_EQ(settle(), "read");
}

TEST_F(AMember, ReadsOnceIn30SecondsWhenIdle) {
  settle();
  pass(29s);
  EXPECT_EQ(settle(), "");
  pass(1s);
  EXPECT_EQ(settle(), "read");
}

TEST_F(AMember, ReportsAFailureAtOnceAndTheNextOnesTogether) {
  permitted();
  settle();
  call(Outcome::failure);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  const Report first = *std::get<ReportOp>(*op).report;
  EXPECT_EQ(first.failures, 1u);
  accept(*op);
  answer();
  call(Outcome::failure, 3ms);
  call(Outcome::overload, 4ms);
  EXPECT_FALSE(member.next_operation(now));  // within the gap
  EXPECT_LE(member.until_next(now), 20ms);
  pass(20ms);
  const auto second = member.next_operation(now);
  ASSERT_TRUE(second);
  const Report r = *std::get<ReportOp>(*second).report;
  EXPECT_EQ(r.failures, 1u);
  EXPECT_EQ(r.overloads, 1u);
  EXPECT_EQ(r.span, 4ms);
  EXPECT_NE(r.seq, first.seq);
}

TEST_F(AMember, StopsItselfBeforeTheStoreHasTakenItsTrip) {
  permitted();
  settle();
  for (int i = 0; i < 10; ++i) call(Outcome::failure, 1ms);
  const auto report = member.next_operation(now);
  ASSERT_TRUE(report);
  accept(*report);
  answer();
  EXPECT_EQ(member.state(), State::open);
  EXPECT_EQ(refused(), "open");
  EXPECT_EQ(record.state, State::closed);
  EXPECT_EQ(settle(), "swap");
  EXPECT_EQ(record.state, State::open);
  const auto seen = member.take_transitions();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].from, State::closed);
  EXPECT_EQ(seen[0].to, State::open);
  EXPECT_EQ(seen[0].reason, "failure_rate");
}

TEST_F(AMember, RepeatsALostReportAsItWas) {
  permitted();
  settle();
  call(Outcome::failure);
  const auto first = member.next_operation(now);
  ASSERT_TRUE(first);
  pass(1s);
  member.store_failed(now);
  EXPECT_FALSE(member.store_up());
  pass(member.until_next(now));
  const auto again = member.next_operation(now);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
}

TEST_F(AMember, DropsAndCountsFailuresTooOldForTheStore) {
  permitted();
  settle();
  call(Outcome::failure);
  ASSERT_TRUE(member.next_operation(now));
  pass(11s);
  member.store_failed(now);
  EXPECT_EQ(member.counters().failures_dropped, 1u);
}

TEST_F(AMember, ALateResultChangesNothing) {
  permitted();
  settle();
  const Permit old = permitted();
  change(State::open, 10s);
  pass(5s);
  EXPECT_EQ(settle(), "read");
  member.finish(old, Outcome::success, 1s, now);
  EXPECT_EQ(member.counters().late_results, 1u);
  EXPECT_EQ(member.state(), State::open);
  const Permit older = old;
  member.finish(older, Outcome::failure, 1s, now);
  EXPECT_EQ(settle(), "");
}

TEST_F(AMember, ProbesOnlyWhereACallWaits) {
  change(State::open, 1s);
  settle();
  pass(2s);
  EXPECT_EQ(settle(), "");  // nobody asked
  EXPECT_EQ(refused(), "open");
  EXPECT_EQ(settle(), "swap report");
  EXPECT_EQ(record.state, State::half_open);
  const Permit p = permitted();
  EXPECT_EQ(p.kind, PermitKind::probe);
  EXPECT_TRUE(member.may_start(p, now));
  EXPECT_EQ(refused(), "probing");
  pass(1s);
  member.finish(p, Outcome::success, 1s, now);
  EXPECT_EQ(settle(), "settle claim");
  EXPECT_EQ(record.probe_ok, 1);
}

TEST_F(AMember, NeverProbesBeforeTheReopenTime) {
  change(State::open, 10s);
  settle();
  refused();
  EXPECT_EQ(settle(), "report");
  for (int i = 0; i < 9; ++i) {
    pass(1s);
    EXPECT_EQ(refused(), "open");
    EXPECT_EQ(settle(), "read") << i;
  }
  pass(1010ms);
  EXPECT_EQ(refused(), "open");
  EXPECT_NE(settle().find("swap"), std::string::npos);
}

class AProber : public AMember {
 protected:
  AProber() {
    change(State::half_open);
    refused();
    settle();
    pass(10ms);
    settle();
  }
};

TEST_F(AProber, GivesAnUnusedSlotBackBeforeItsLeaseIsTooShort) {
  // lease 5 s; usable 4.85 s; a call of up to 2 s may start until 2.85 s.
  pass(2800ms);
  const Permit p = permitted();
  EXPECT_EQ(p.kind, PermitKind::probe);
  member.finish(p, Outcome::ignored, 0s, now);
  settle();
  EXPECT_EQ(record.probe_ok + record.probe_failed, 0);
  pass(2900ms);
  EXPECT_EQ(refused(), "probing");
  EXPECT_EQ(settle().substr(0, 6), "settle");
  EXPECT_EQ(record.probe_failed, 0);
}

TEST_F(AProber, MayNotStartACallThatTheLeaseCannotCover) {
  const Permit p = permitted();
  pass(2s);
  EXPECT_TRUE(member.may_start(p, now));
  pass(1s);
  EXPECT_FALSE(member.may_start(p, now));
}

TEST_F(AProber, AFreezeCountsWhicheverClockStoodStill) {
  const Permit p = permitted();
  now.wall += 3s;  // the monotonic clock stood still
  EXPECT_FALSE(member.may_start(p, now));
}

TEST_F(AProber, AProbeWithoutAWordIsAFailureWhenItsLeaseEnds) {
  const Permit p = permitted();
  pass(5s);
  EXPECT_EQ(settle().substr(0, 6), "settle");
  EXPECT_EQ(record.state, State::open);
  EXPECT_EQ(record.reason, "probe_failed");
  member.finish(p, Outcome::success, 5s, now);
  EXPECT_EQ(member.counters().late_results, 1u);
  EXPECT_EQ(record.state, State::open);
}

TEST_F(AProber, AFailedProbeReopensAndGivesItsSlotBack) {
  const Permit p = permitted();
  pass(100ms);
  member.finish(p, Outcome::overload, 100ms, now);
  EXPECT_EQ(settle(), "settle swap");
  EXPECT_EQ(record.state, State::open);
  EXPECT_FALSE(record.slots[0]);
}

TEST_F(AProber, EnoughSuccessesBeginTheRecovery) {
  for (int i = 0; i < 3; ++i) {
    const Permit p = permitted();
    pass(100ms);
    member.finish(p, Outcome::success, 100ms, now);
    settle();
    pass(10ms);
    settle();
  }
  EXPECT_EQ(record.state, State::recovering);
  EXPECT_DOUBLE_EQ(record.recovery.limit, 2);
}

class ARecoveringMember : public AMember {
 protected:
  ARecoveringMember() {
    change(State::recovering);
    record.recovery.limit = 3;
    record.step = 1;
    record.step_at = store_time + 3s;
    refused();
    settle();
  }
  void claim_all() {
    for (int i = 0; i < 10; ++i) {
      member.admit(now);
      pass(10ms);
      settle();
    }
  }
};

TEST_F(ARecoveringMember, TakesSlotsAsCallsAreRefusedAndNoMoreThanTheLimit) {
  EXPECT_EQ(refused(), "limit");
  claim_all();
  EXPECT_EQ(member.slots_held(), 3);
  EXPECT_EQ(member.allowed_in_flight(now), 3);
  EXPECT_EQ(member.in_flight_recovering(), 3);
  EXPECT_EQ(refused(), "limit");
}

TEST_F(ARecoveringMember, AFinishedCallMakesRoomForTheNext) {
  claim_all();
  EXPECT_EQ(refused(), "limit");
  Permit p{.kind = PermitKind::recovering, .epoch = record.epoch};
  member.finish(p, Outcome::success, 10ms, now);
  EXPECT_EQ(refused(), "admitted");
}

TEST_F(ARecoveringMember, SendsItsSumsOnceAStepAndStepsTheLimit) {
  claim_all();
  pass(2500ms);
  bool sent = false;
  for (int i = 0; i < 300 && record.step == 1; ++i) {
    pass(10ms);
    if (const auto op = member.next_operation(now)) {
      if (const auto* r = std::get_if<ReportOp>(&*op); r && r->step) {
        EXPECT_FALSE(sent);
        EXPECT_EQ(r->step->step, 1u);
        EXPECT_EQ(r->step->sums.members, 1);
        EXPECT_GT(r->step->sums.refused, 0);
        sent = true;
      }
      accept(*op);
      answer();
    }
  }
  EXPECT_TRUE(sent);
  EXPECT_EQ(record.step, 2u);
}

TEST_F(ARecoveringMember, ReadsTheSumsOfAllBeforeItMakesAStep) {
  pass(2990ms);
  refused();
  std::string names;
  for (int i = 0; i < 200 && record.step == 1; ++i) {
    refused();
    names += settle() + " ";
    pass(10ms);
  }
  EXPECT_NE(names.find("read swap"), std::string::npos) << names;
}

TEST_F(ARecoveringMember, LeavesItsSlotsWhenTheCircuitReopens) {
  claim_all();
  for (int i = 0; i < 3; ++i) {
    Permit p{.kind = PermitKind::recovering, .epoch = record.epoch};
    member.finish(p, Outcome::success, 10ms, now);
  }
  change(State::open, 10s);
  pass(1s);
  settle();
  EXPECT_EQ(member.slots_held(), 0);
  for (const auto& slot : record.slots) EXPECT_FALSE(slot);
}

TEST_F(ARecoveringMember, AboveTheSlotsItHasAQuotaOfWhatTheLastStepCounted) {
  record.recovery.limit = 100;
  record.members = 4;
  record.revision++;
  pass(1s);
  refused();
  settle();
  EXPECT_NEAR(member.allowed_in_flight(now), 25, 1);
}

TEST_F(ARecoveringMember, OneThatJoinedAfterTheStepWaitsForTheNext) {
  record.recovery.limit = 100;
  record.members = 4;
  record.step = 2;
  record.step_at = store_time + 2900ms;  // made 100 ms ago
  Member late{table, MemberOptions{}, InstanceId{0xdef}, 43, now};
  EXPECT_TRUE(std::holds_alternative<Permit>(late.admit(now)));  // blind still
  ASSERT_TRUE(late.next_operation(now));
  late.answered({Status::ok, snapshot()}, now);
  EXPECT_EQ(late.allowed_in_flight(now), 0);
  EXPECT_EQ(refused_reason(late.admit(now)), "limit");
  pass(2900ms);
  record.step = 3;
  record.step_at = store_time + 3s;
  record.revision++;
  ASSERT_TRUE(late.next_operation(now));
  late.answered({Status::ok, snapshot()}, now);
  EXPECT_NEAR(late.allowed_in_flight(now), 25, 1);
}

TEST_F(ARecoveringMember, ASeldomCallerClaimsNoSlotButDrawsForTheFreeOnes) {
  record.recovery.limit = 30;
  record.recovery.offered_in_flight = 40;
  int admitted = 0;
  for (std::uint32_t step = 2; step < 202; ++step) {
    pass(3500ms);
    record.step = step;
    record.step_at = store_time + 1s;
    record.revision++;
    EXPECT_EQ(settle().find("claim"), std::string::npos);
    const Admission a = member.admit(now);
    if (const auto* p = std::get_if<Permit>(&a)) {
      admitted++;
      EXPECT_NE(refused(), "admitted") << "one call at a time";
      member.finish(*p, Outcome::success, 10ms, now);
    }
  }
  EXPECT_NEAR(admitted, 150, 30);  // 30 places for 40 calls
}

TEST_F(AMember, AfterAThawOneCallMayGoOnTheOldView) {
  permitted();
  settle();
  pass(600s);
  EXPECT_EQ(refused(), "admitted");
  EXPECT_EQ(refused(), "stale_view");
  change(State::open, 10s);
  EXPECT_EQ(settle().find("swap"), std::string::npos);
  EXPECT_EQ(refused(), "open");
}

TEST_F(AMember, AHoldIsObeyedHoweverOldItsView) {
  permitted();
  record.hold = {.kind = HoldKind::forced_open, .who = "anna", .why = "x", .until = {}};
  record.epoch++;
  settle();
  pass(1h);
  EXPECT_EQ(refused(), "held");
  EXPECT_EQ(member.hold_in_force(), HoldKind::forced_open);
}

TEST_F(AMember, AHoldEndsAtItsTimeEvenBlind) {
  permitted();
  record.hold = {.kind = HoldKind::forced_open, .who = "a", .why = "x", .until = store_time + 60s};
  record.epoch++;
  settle();
  pass(59s);
  EXPECT_EQ(refused(), "held");
  ASSERT_TRUE(member.next_operation(now));
  member.store_failed(now);
  pass(1s);
  EXPECT_NE(refused(), "held");
}

TEST_F(AMember, AClockThatRunsAheadEndsNoHold) {
  permitted();
  record.hold = {.kind = HoldKind::forced_open, .who = "a", .why = "x", .until = store_time + 60s};
  record.epoch++;
  settle();
  now.wall += 458s;
  EXPECT_EQ(refused(), "held");
  pass(1s);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  EXPECT_TRUE(std::holds_alternative<ReadOp>(*op)) << name_of(*op);
}

TEST_F(AMember, BlindItAdmitsUnderTheLocalGuard) {
  permitted();
  settle();
  pass(16s);
  member.admit(now);
  ASSERT_TRUE(member.next_operation(now));
  member.store_failed(now);
  EXPECT_TRUE(member.blind(now));
  int admitted = 0;
  for (int i = 0; i < 50; ++i) {
    const Admission a = member.admit(now);
    if (const auto* p = std::get_if<Permit>(&a)) {
      EXPECT_EQ(p->kind, PermitKind::local);
      member.finish(*p, Outcome::failure, 1ms, now);
      admitted++;
    }
    pass(1ms);
  }
  EXPECT_EQ(admitted, 5);  // weight 10 against half the fleet's level of 100
  EXPECT_EQ(refused(), "local");
  pass(12s);
  EXPECT_EQ(refused(), "admitted");
  EXPECT_EQ(refused(), "local") << "one trial at a time";
}

TEST_F(AMember, SickAloneItStopsItselfWhileTheFleetGoesOn) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 1ms);
    reports.clear();  // as if a large fleet outvoted it
  }
  EXPECT_EQ(refused(), "local");
  EXPECT_FALSE(member.gate(now).open);
  pass(12s);
  settle();
  const Permit trial = permitted();
  EXPECT_EQ(refused(), "local") << "one trial at a time";
  member.finish(trial, Outcome::failure, 1ms, now);
  pass(12s);
  settle();
  EXPECT_EQ(refused(), "local") << "it waits twice as long";
  pass(12s);
  settle();
  member.finish(permitted(), Outcome::ignored, 1ms, now);
  member.give_back(permitted(), now);
  member.finish(permitted(), Outcome::success, 1ms, now);
  settle();
  EXPECT_EQ(refused(), "admitted");
  EXPECT_TRUE(member.gate(now).open);
}

TEST_F(AMember, StoppedByItselfItAsksWhatTheFleetThinks) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 1ms);
    settle();
    reports.clear();
  }
  ASSERT_EQ(refused(), "local");
  // The others open it; nothing that this member has left to report would tell it so.
  change(State::open, 5s);
  pass(100ms);
  settle();
  EXPECT_EQ(refused(), "open");
}

TEST_F(AMember, ATrialThatNeverComesBackStopsNobodyForGood) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 1ms);
    reports.clear();
  }
  pass(12s);
  settle();
  permitted();
  EXPECT_EQ(refused(), "local");
  pass(60s);
  settle();
  EXPECT_EQ(refused(), "admitted");
}

TEST_F(AMember, AHoldIsObeyedThoughTheRecordCannotBeReadAnyMore) {
  permitted();
  record.hold = {.kind = HoldKind::forced_open, .who = "anna", .why = "x"};
  record.epoch++;
  settle();
  pass(1s);
  member.admit(now);
  ASSERT_TRUE(member.next_operation(now));
  Snapshot s = snapshot();
  s.record = Result<Record>(Error{.code = "unreadable", .message = "schema 2"});
  member.answered({Status::ok, s}, now);
  EXPECT_EQ(refused(), "held");
}

TEST_F(AMember, AnOldViewNeverGoesOverARecordMadeAnewWhenOnlyItsHoldWasNewer) {
  permitted();
  record.hold = {.kind = HoldKind::none, .epoch = record.epoch};  // held and released
  settle();
  pass(20s);
  record = Record{.incarnation = 2,
                  .epoch = to_ms(store_time),
                  .revision = 2,
                  .state = State::open,
                  .born = store_time - 5s,
                  .since = store_time,
                  .reopen = store_time + 5s,
                  .reason = "failure_rate"};
  member.admit(now);
  settle();
  EXPECT_EQ(record.state, State::open);
  EXPECT_EQ(refused(), "open");
}

TEST_F(AMember, LeavingItGivesBackWhatNoCallUses) {
  change(State::recovering);
  record.recovery = core::begin_recovery(table.policy(), 0);
  record.recovery.limit = 2;
  record.step_at = store_time + 1h;
  member.admit(now);
  settle();
  member.admit(now);  // refused by the limit: wants a slot
  for (int i = 0; i < 40 && member.slots_held() < 1; ++i) {
    pass(100ms);
    member.admit(now);
    settle();
  }
  ASSERT_GE(member.slots_held(), 1);
  ASSERT_FALSE(member.left());
  member.leave();
  EXPECT_NE(settle().find("settle"), std::string::npos);
  EXPECT_TRUE(member.left());
  for (const auto& slot : record.slots) EXPECT_FALSE(slot);
}

TEST_F(AMember, StoppedByItselfItSaysWhenTheNextTrialIs) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 1ms);
    reports.clear();
  }
  EXPECT_TRUE(member.stopped_alone());
  EXPECT_GT(member.retry_after(now), 9s);
  pass(12s);
  settle();
  const Permit trial = permitted();
  EXPECT_TRUE(trial.trial);
  EXPECT_GT(member.retry_after(now), 1s) << "not before that trial has ended";
  member.finish(trial, Outcome::success, 1ms, now);
  EXPECT_FALSE(permitted().trial);
}

TEST_F(AMember, StaysOpenForAsLongAsTheDependencyAsks) {
  settle();
  for (int i = 0; i < 12; ++i) {
    const Permit p = permitted();
    pass(1ms);
    member.asked_to_wait(90s, now);
    member.finish(p, Outcome::overload, 1ms, now);
    pass(30ms);
    settle();
    if (record.state == State::open) break;
  }
  ASSERT_EQ(record.state, State::open);
  EXPECT_GT(record.reopen - store_time, 89s);
}

TEST_F(AMember, HeedsWhatOthersWereAskedToo) {
  permitted();
  settle();
  pass(6s);
  for (std::uint32_t i = 0; i < 12; ++i) {
    reports.push_back({.sent = store_time,
                       .instance = InstanceId{10 + i},
                       .seq = i,
                       .failures = 1,
                       .retry_after_ms = i == 3 ? 2'000'000u : 0u});
  }
  member.admit(now);
  settle();
  if (record.state != State::open) GTEST_FAIL() << "it never tripped";
  EXPECT_GT(record.reopen - store_time, 800s);
  EXPECT_LE(record.reopen - store_time, 900s) << "but at most retry_after_max";
}

TEST(MemberOptionsTest, BoundsStoreOperationsPerSecond) {
  PolicyTable table(quick_policy());
  Now now{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  Member member(table, MemberOptions{.store_operations_per_second = 20}, InstanceId{1}, 1, now);
  Record record;
  record.incarnation = 1;
  record.epoch = to_ms(kStoreStart);
  record.revision = 1;
  int operations = 0;
  Snapshot s;
  s.record = record;
  s.time = kStoreStart;
  for (int ms = 0; ms < 10'000; ++ms) {
    now.mono += 1ms;
    now.boot += 1ms;
    now.wall += 1ms;
    s.time += 1ms;
    // Failures all the time, and a store that answers at once.
    const Admission a = member.admit(now);
    if (const auto* p = std::get_if<Permit>(&a)) member.finish(*p, Outcome::failure, 1ms, now);
    while (const auto op = member.next_operation(now)) {
      ++operations;
      if (std::holds_alternative<SwapOp>(*op)) {
        member.answered({Status::conflict, s}, now);
      } else {
        member.answered({Status::ok, s}, now);
      }
    }
  }
  EXPECT_LE(operations, 20 * 10 + 20);
  EXPECT_GE(operations, 10);
}

class AStrictMember : public AMember {
 protected:
  AStrictMember()
      : AMember([] {
          Policy p = quick_policy();
          p.strict = true;
          return p;
        }()) {}
};

TEST_F(AStrictMember, LetsNoCallGoOnAStaleView) {
  permitted();
  settle();
  pass(5001ms);  // older than view_refresh
  EXPECT_LE(member.gate(now).valid_for, 0s);
  EXPECT_EQ(refused(), "stale_view");
  EXPECT_EQ(settle(), "read");
  EXPECT_EQ(refused(), "admitted");
  EXPECT_GT(member.gate(now).valid_for, 4s);
}

TEST_F(AStrictMember, WaitsNoLongerThanTheBudget) {
  permitted();
  settle();
  pass(5001ms);
  EXPECT_EQ(refused(), "stale_view");
  ASSERT_TRUE(member.next_operation(now));  // never answered
  pass(9ms);
  EXPECT_EQ(refused(), "stale_view");
  pass(2ms);
  EXPECT_EQ(refused(), "admitted") << "on the old view, which is young enough";
}

TEST_F(AStrictMember, AfterAThawAdmitsNothingOnTheOldView) {
  permitted();
  settle();
  pass(10min);
  EXPECT_EQ(refused(), "stale_view");
}

class APatientMember : public AMember {
 protected:
  APatientMember()
      : AMember([] {
          Policy p = quick_policy();
          p.minimum_outage = 2s;
          return p;
        }()) {}
  // Failures every 10 ms from four instances for this long, as the store has them.
  void outage(Duration length) {
    for (Duration passed = 0s; passed < length; passed += 10ms) {
      pass(10ms);
      reports.push_back({.sent = store_time,
                         .instance = InstanceId{10 + next_ % 4},
                         .seq = next_++,
                         .failures = 1});
      if (reports.size() > kReportsMax) reports.erase(reports.begin());
      if (next_ % 10 == 0) {
        member.admit(now);
        pass(1001ms * (next_ % 100 == 0));
        settle();
      }
    }
  }
  std::uint32_t next_ = 0;
};

TEST_F(APatientMember, DoesNotOpenForAShortBurst) {
  permitted();
  settle();
  outage(1s);
  for (int i = 0; i < 10; ++i) {
    pass(1s);
    member.admit(now);
    settle();
  }
  EXPECT_EQ(record.state, State::closed);
}

TEST_F(APatientMember, OpensWhenTheOutageGoesOn) {
  permitted();
  settle();
  outage(10s);
  EXPECT_NE(record.state, State::closed);
}

class ARefusingMember : public AMember {
 protected:
  ARefusingMember()
      : AMember([] {
          Policy p = quick_policy();
          p.on_store_failure = OnStoreFailure::refuse;
          return p;
        }()) {}
};

TEST_F(ARefusingMember, AdmitsNothingWhileTheStoreIsUnknown) {
  EXPECT_EQ(refused(), "store");
  settle();
  EXPECT_EQ(refused(), "admitted");
}

TEST_F(AMember, BlindAndPastTheReopenTimeItTriesAlone) {
  change(State::open, 5s);
  refused();
  settle();
  ASSERT_TRUE([&] {
    pass(20s);
    member.admit(now);
    return member.next_operation(now).has_value();
  }());
  member.store_failed(now);
  const Admission a = member.admit(now);
  ASSERT_TRUE(std::holds_alternative<Permit>(a));
  EXPECT_EQ(std::get<Permit>(a).kind, PermitKind::local);
  EXPECT_EQ(refused(), "local");
  member.finish(std::get<Permit>(a), Outcome::failure, 10ms, now);
  EXPECT_EQ(refused(), "local");
  pass(59s);
  EXPECT_EQ(refused(), "local");
}

TEST_F(AMember, NeverAppliesAnEpochBelowOneItHasSeen) {
  change(State::open, 30s);
  refused();
  settle();
  const std::int64_t seen = record.epoch;
  record.state = State::closed;
  record.epoch = seen - 500;
  pass(1s);
  for (int i = 0; i < 30; ++i) {
    settle();
    EXPECT_EQ(refused(), "open");
    pass(100ms);
  }
  EXPECT_GT(record.epoch, seen);
  EXPECT_EQ(record.state, State::open);
  EXPECT_EQ(record.reason, "reassert");
}

TEST_F(AMember, KeepsItsHandsOffARecordItCannotRead) {
  permitted();
  settle();
  const auto unreadable = [&] {
    Snapshot s = snapshot();
    s.record = Result<Record>(Error{.code = "unreadable", .message = "schema 2"});
    return s;
  };
  int operations = 0;
  for (int i = 0; i < 100; ++i) {
    pass(100ms);
    EXPECT_EQ(refused(), "admitted");
    while (const auto op = member.next_operation(now)) {
      EXPECT_TRUE(std::holds_alternative<ReadOp>(*op) ||
                  !std::get<ReportOp>(*op).report.has_value());
      member.answered({Status::ok, unreadable()}, now);
      operations++;
    }
  }
  EXPECT_EQ(member.unreadable(), "schema 2");
  EXPECT_LT(operations, 15);
}

TEST_F(AMember, CreatesTheRecordWhereThereIsNone) {
  member.admit(now);
  ASSERT_TRUE(member.next_operation(now));
  Snapshot empty;
  empty.time = store_time;
  member.answered({Status::ok, empty}, now);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  const auto& swap = std::get<SwapOp>(*op);
  EXPECT_EQ(swap.expected_epoch, 0);
  EXPECT_EQ(swap.next.state, State::closed);
}

class AnObserver : public AMember {
 protected:
  AnObserver()
      : AMember([] {
          Policy p = quick_policy();
          p.mode = Mode::observe;
          return p;
        }()) {}
};

TEST_F(AnObserver, CountsWhatItWouldHaveRefusedAndRefusesNothing) {
  change(State::open, 10s);
  settle();
  EXPECT_EQ(refused(), "admitted");
  EXPECT_EQ(member.counters().refused[static_cast<std::size_t>(RefusalReason::open)], 1u);
}

TEST_F(AMember, TheGateOpensOnlyWhereAdmitWould) {
  EXPECT_FALSE(member.gate(now).open);
  permitted();
  settle();
  EXPECT_TRUE(member.gate(now).open);
  EXPECT_EQ(member.gate(now).epoch, record.epoch);
  EXPECT_LE(member.gate(now).valid_for, member.policy().view_max_age);
  pass(16s);
  EXPECT_FALSE(member.gate(now).open);
  change(State::open, 10s);
  settle();
  EXPECT_FALSE(member.gate(now).open);
}

TEST_F(AMember, IsAskedAgainWhenSomethingIsDue) {
  permitted();
  for (int i = 0; i < 500; ++i) {
    const Duration wait = member.until_next(now);
    ASSERT_LT(wait, 1h);
    if (wait == 0s) {
      ASSERT_NE(settle(), "") << "due at once, but nothing to do in " << to_string(record.state)
                              << "; step " << i;
    }
    pass(std::max<Duration>(wait, 1ms));
    if (i % 3 != 0) continue;
    const Admission a = member.admit(now);
    if (const auto* p = std::get_if<Permit>(&a)) {
      pass(1ms);
      member.finish(*p, i % 30 == 0 ? Outcome::failure : Outcome::success, 1ms, now);
    }
  }
}

}  // namespace
}  // namespace switchgear::fleet
