// A member that is alone with its decisions: old views, holds, a store that is gone, its own guard.
#include "fleet/member_for_tests.h"

namespace switchgear::fleet {
namespace {

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
    call(Outcome::failure, 50ms);
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

// One of four that make 1,000 calls a second together: to open within half a second they need
// 100 + 500, of which 35 % may be one's, the weight of 21 failures.
class AFastMember : public AMember {
 protected:
  AFastMember() {
    const std::int64_t minute = minute_of(store_time);
    meter.current = {
        .minute = minute, .calls = 1'000, .active_ms = 4'000, .members = 4, .hellos = 0};
    permitted();
    settle();
  }
  void fail(int calls) {
    for (int i = 0; i < calls; ++i) {
      call(Outcome::failure, 1ms);
      if (answering) settle();
      reports.clear();  // as if the fleet outvoted it
    }
  }
  bool answering = true;
};

TEST_F(AFastMember, StopsItselfWhenMoreFailuresOfItsOwnWouldBeNoEvidence) {
  fail(20);
  EXPECT_FALSE(member.stopped_alone());
  fail(1);
  EXPECT_TRUE(member.stopped_alone());
}

TEST_F(AFastMember, LeavesTheFleetTheTimeToOpenUntilAReportIsAnswered) {
  answering = false;
  fail(500);
  EXPECT_FALSE(member.stopped_alone());
  fail(1);
  EXPECT_TRUE(member.stopped_alone());
}

TEST_F(AMember, StoppedByItselfItAsksWhatTheFleetThinks) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 50ms);
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
    call(Outcome::failure, 50ms);
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

TEST_F(AMember, LeavingItReportsTheFailuresThatOthersHaveNotHeardOf) {
  permitted();
  settle();
  call(Outcome::failure);
  settle();
  reports.clear();
  call(Outcome::failure);  // too soon after the report before it to be sent at once
  ASSERT_EQ(settle(), "");
  member.leave();
  EXPECT_FALSE(member.left());
  EXPECT_EQ(settle(), "report");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].failures, 1u);
  EXPECT_TRUE(member.left());
}

TEST_F(AMember, LeavingItWaitsForNoReportThatTheStoreWouldNotTake) {
  permitted();
  settle();
  call(Outcome::failure);
  settle();
  call(Outcome::failure);
  pass(10s);
  member.leave();
  settle();
  EXPECT_TRUE(member.left());
}

TEST_F(AMember, StoppedByItselfItSaysWhenTheNextTrialIs) {
  permitted();
  settle();
  for (int i = 0; i < 15; ++i) {
    call(Outcome::failure, 50ms);
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

TEST_F(AStrictMember, ReadsAheadWhereCallsFollowOneAnotherAndForNoOthers) {
  permitted();
  settle();
  pass(4900ms);
  EXPECT_EQ(settle(), "");  // nobody asked since
  permitted();
  EXPECT_EQ(settle(), "");  // one seldom call
  permitted();
  EXPECT_EQ(settle(), "read");
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

TEST_F(AMember, ReturnsTheSlotOfARoundItBeganWithoutHearingSo) {
  change(State::open, 1s);
  settle();
  pass(2s);
  EXPECT_EQ(refused(), "open");
  const auto looks = member.next_operation(now);
  ASSERT_TRUE(looks && std::holds_alternative<ReadOp>(*looks));
  answer();
  const auto swap = member.next_operation(now);
  ASSERT_TRUE(swap && std::holds_alternative<SwapOp>(*swap));
  accept(*swap);
  member.store_failed(now);
  pass(11s);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op && std::holds_alternative<SettleOp>(*op));
  const auto& settled = std::get<SettleOp>(*op);
  EXPECT_EQ(settled.token, std::get<SwapOp>(*swap).claim->token);
  EXPECT_EQ(settled.settlement, Settlement::returned);
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
