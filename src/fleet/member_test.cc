// Steps through a member by hand: every answer of the store is written here. What a member and a
// real store do together is tested in lab/.
#include "fleet/member_for_tests.h"

namespace switchgear::fleet {
namespace {

TEST_F(AMember, ReadsAtOnceWhenItHearsOfANewEpochAndOnlyThen) {
  permitted();
  settle();
  EXPECT_FALSE(member.heard_of(record.epoch));
  EXPECT_FALSE(member.next_operation(now));
  // True or not, one read settles it.
  EXPECT_TRUE(member.heard_of(record.epoch + 1));
  EXPECT_EQ(member.until_next(now), 0s);
  EXPECT_EQ(settle(), "read");
}

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
  EXPECT_EQ(settle(), "read swap report");
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

TEST_F(AMember, LooksWhetherSomebodyProbesBeforeItWritesThatItDoes) {
  change(State::open, 1s);
  settle();
  pass(2s);
  EXPECT_EQ(refused(), "open");
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op && std::holds_alternative<ReadOp>(*op));
  record.state = State::half_open;
  record.epoch += 1;
  record.slots[0] =
      Slot{.holder = InstanceId{7}, .token = 1, .expires = store_time + 5s, .started = 0};
  answer();
  EXPECT_EQ(settle(), "report");  // its hello; no swap in vain
}

TEST_F(AMember, LooksOnceHoweverSlowTheStoreIs) {
  change(State::open, 1s);
  settle();
  pass(2s);
  EXPECT_EQ(refused(), "open");
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op && std::holds_alternative<ReadOp>(*op));
  pass(300ms);
  answer();
  pass(300ms);
  EXPECT_EQ(settle().substr(0, 4), "swap");
}

TEST_F(AMember, OfALargeFleetRefreshesItsViewAsOftenAsTheRecordBears) {
  MemberOptions options;
  options.limits.reads_per_second = 2'000;
  Member other(table, options, InstanceId{0xdef}, 43, now);
  const auto reads_in = [&](Duration time) {
    int reads = 0;
    for (Duration passed{0}; passed < time; passed += 100ms) {
      pass(100ms);
      (void)other.admit(now);
      while (const auto op = other.next_operation(now)) {
        reads += std::holds_alternative<ReadOp>(*op);
        other.answered({Status::ok, snapshot()}, now);
      }
    }
    return reads;
  };
  record.members = 10'000;
  change(State::open, 10min);
  (void)reads_in(2s);
  EXPECT_NEAR(reads_in(100s), 20, 1);  // every 5 s: 10,000 of them read 2,000 times a second
  record.members = 10;
  record.revision++;
  (void)reads_in(6s);
  EXPECT_NEAR(reads_in(100s), 100, 5);
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

TEST_F(AProber, TellsTheStoreOnceThatItsCallIsOut) {
  ASSERT_EQ(settle(), "");
  const Permit p = permitted();
  EXPECT_EQ(settle(), "") << "a short call ends before there is anything to tell";
  EXPECT_EQ(member.until_next(now), 100ms);
  pass(100ms);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  const auto* starts = std::get_if<ClaimOp>(&*op);
  ASSERT_NE(starts, nullptr);
  EXPECT_TRUE(starts->starts);
  EXPECT_EQ(starts->claim.token, p.token);
  EXPECT_EQ(starts->seen, starts->claim.owner());
  // Said for the others: what comes of it changes nothing for the call.
  answer(Status::taken);
  EXPECT_TRUE(member.may_start(p, now));
  EXPECT_EQ(settle(), "");
  pass(100ms);
  member.finish(p, Outcome::success, 100ms, now);
  EXPECT_EQ(settle().substr(0, 6), "settle");
  EXPECT_EQ(record.probe_ok, 1);
}

TEST_F(AProber, DoesNotTellOfACallThatHasEndedMeanwhile) {
  const Permit p = permitted();
  member.finish(p, Outcome::success, 0s, now);
  EXPECT_EQ(settle().substr(0, 6), "settle");
  const Permit next = permitted();
  pass(100ms);
  ASSERT_TRUE(member.next_operation(now));
  member.store_failed(now);  // the mark is lost, and no use once the call has ended
  member.finish(next, Outcome::ignored, 0s, now);
  pass(1s);
  EXPECT_EQ(settle().substr(0, 6), "settle");
  EXPECT_EQ(record.probe_failed, 0);
}

TEST_F(AProber, TellsWhatBecameOfItsCallAsLongAsItsSlotWaits) {
  Policy patient;
  patient.call_timeout = 10s;  // a lease of 21 s
  table = PolicyTable(patient);
  change(State::half_open);
  for (int i = 0; i < 5; ++i) {
    pass(1s);
    settle();
  }
  const Permit p = permitted();
  settle();
  pass(1s);
  member.finish(p, Outcome::success, 1s, now);
  for (int second = 0; second < 13; ++second) {
    const auto op = member.next_operation(now);
    if (op) member.store_failed(now);
    pass(1s);
  }
  for (int second = 0; second < 6; ++second) {
    pass(1s);
    settle();
  }
  EXPECT_EQ(record.probe_ok, 1);
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

// Probes of others come and go between its view and its claim.
class AClaimant : public AMember {
 protected:
  AClaimant() {
    change(State::half_open);
    had_by(7);
    refused();
    answer_next<ReportOp>(Status::ok);  // a hello: the view
    pass(10ms);
  }
  void had_by(std::uint32_t token) {
    record.slots[0] = Slot{.holder = InstanceId{5}, .token = token, .expires = StoreTime{}};
  }
  template <class Op>
  Op answer_next(Status status) {
    const auto op = member.next_operation(now);
    EXPECT_TRUE(op && std::holds_alternative<Op>(*op));
    answer(status);
    return op && std::holds_alternative<Op>(*op) ? std::get<Op>(*op) : Op{};
  }
};

TEST_F(AClaimant, SaysWhomItHasSeenInTheSlot) {
  EXPECT_EQ(answer_next<ClaimOp>(Status::taken).seen, SlotOwner(InstanceId{5}, 7));
}

TEST_F(AClaimant, ClaimsAgainAtOnceWhenTheSlotHasOnlyChangedHands) {
  had_by(8);
  answer_next<ClaimOp>(Status::taken);
  had_by(9);
  EXPECT_EQ(answer_next<ClaimOp>(Status::taken).seen, SlotOwner(InstanceId{5}, 8));
  EXPECT_FALSE(member.next_operation(now)) << "once in a refresh is enough";
  pass(table.policy().view_refresh_in_trouble + 10ms);
  EXPECT_EQ(answer_next<ClaimOp>(Status::taken).seen, SlotOwner(InstanceId{5}, 9));
}

TEST_F(AClaimant, WaitsForTheNextRefreshWhenTheSlotIsHeld) {
  record.slots[0] = Slot{.holder = InstanceId{5}, .token = 8, .expires = store_time + 1s};
  answer_next<ClaimOp>(Status::taken);
  EXPECT_FALSE(member.next_operation(now));
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

TEST_F(ARecoveringMember, MayNotStartACallThatTheSlotsLeaseCannotCover) {
  claim_all();
  member.finish(Permit{.kind = PermitKind::recovering, .epoch = record.epoch}, Outcome::success,
                10ms, now);
  const Permit p = permitted();
  EXPECT_TRUE(member.may_start(p, now));
  now.wall += 7s;  // a lease is 3 + 2 * 2 + 1 s long; the view is good for longer
  ASSERT_GT(table.policy().view_max_age, 7s);
  EXPECT_FALSE(member.may_start(p, now));
}

TEST_F(ARecoveringMember, RenewsASlotThatIsStillItsOwnOnly) {
  claim_all();
  for (int i = 0; i < 250; ++i) {
    pass(10ms);
    const auto op = member.next_operation(now);
    if (!op) continue;
    if (const auto* renewal = std::get_if<ClaimOp>(&*op)) {
      EXPECT_EQ(renewal->seen, renewal->claim.owner());
      return;
    }
    accept(*op);
    answer();
  }
  ADD_FAILURE() << "it never renews";
}

TEST_F(ARecoveringMember, APlaceWhoseCallWasTurnedAwayStaysTakenForAsLongAsTwoCallsTake) {
  claim_all();
  member.finish(Permit{.kind = PermitKind::recovering, .epoch = record.epoch}, Outcome::success,
                10ms, now);
  const Permit p = permitted();
  member.finish(p, Outcome::overload, 2ms, now);
  EXPECT_EQ(member.in_flight_recovering(), 3);
  EXPECT_EQ(refused(), "limit");
  pass(19ms);  // twice as long as the call that was served
  settle();
  EXPECT_EQ(refused(), "limit");
  pass(2ms);
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

class AmongTenThousand : public ARecoveringMember {
 protected:
  // What it adds to a step of this limit in which it asks for one call, a second time if it was
  // refused; none if others speak for it.
  std::optional<core::StepSums> sums_of_a_step(double limit) {
    record.recovery.limit = limit;
    record.members = 10'000;
    record.step++;
    record.step_at = store_time + 3s;
    record.revision++;
    std::optional<core::StepSums> sums;
    bool called = false;
    for (int i = 0; i < 32; ++i) {
      if (i == 10 || (i == 14 && !called)) {
        const Admission a = member.admit(now);
        if (const auto* p = std::get_if<Permit>(&a)) {
          member.finish(*p, Outcome::success, 10ms, now);
          called = true;
        }
      }
      while (const auto op = member.next_operation(now)) {
        const auto* report = std::get_if<ReportOp>(&*op);
        if (report && report->step && report->step->step == record.step) sums = report->step->sums;
        if (!std::holds_alternative<SwapOp>(*op)) accept(*op);
        answer();
      }
      pass(90ms);
    }
    return sums;
  }
};

TEST_F(AmongTenThousand, WhoeverMadeACallSpeaksForItself) {
  for (int step = 0; step < 50; ++step) {
    const auto sums = sums_of_a_step(30);
    ASSERT_TRUE(sums) << step;
    EXPECT_DOUBLE_EQ(sums->ok, 1);
    EXPECT_DOUBLE_EQ(sums->members, 1);
  }
}

TEST_F(AmongTenThousand, OfThoseThatCallSeldomNoMoreSpeakThanIsMeantToBe) {
  record.recovery.calls_per_second = 1'000;  // by 3,000 of them in a step
  record.recovery.offered_in_flight = 1;     // whoever draws a lot wins
  int spoke = 0;
  for (int step = 0; step < 1'000; ++step) {
    pass(3s);
    const auto sums = sums_of_a_step(30);
    if (!sums) continue;
    ++spoke;
    EXPECT_NEAR(sums->ok, 10, 1e-9);
    EXPECT_NEAR(sums->members, 10, 1e-9);
  }
  EXPECT_NEAR(spoke, 100, 30);
}

TEST_F(AmongTenThousand, OfThoseThatHadNoCallThreeInAHundredSpeakForAll) {
  ASSERT_EQ(sums_of_a_step(100).value_or(core::StepSums{}).ok, 0);
  int spoke = 0;
  for (int step = 0; step < 1'000; ++step) {
    const auto sums = sums_of_a_step(100);
    if (!sums) continue;
    ++spoke;
    EXPECT_NEAR(sums->members, 100.0 / 3, 1e-9);
    EXPECT_GE(sums->refused, 33.3);
  }
  EXPECT_NEAR(spoke, 30, 15);
}

TEST_F(ARecoveringMember, TellsOneWithoutAPlaceToAskAgainInAMoment) {
  record.recovery.limit = 100;
  record.members = 10'000;
  record.revision++;
  pass(1s);
  refused();
  settle();
  const Admission a = member.admit(now);
  ASSERT_TRUE(std::holds_alternative<Refusal>(a));
  EXPECT_EQ(std::get<Refusal>(a).retry_after, 250ms);
}

class AfterQuotas : public ARecoveringMember {
 protected:
  void limit_is(double limit, double members) {
    record.recovery.limit = limit;
    record.members = members;
    record.step++;
    record.step_at = store_time + 60s;
    record.revision++;
    pass(1s);
    refused();
    settle();
  }
  int slots_taken() {
    for (int i = 0; i < 20; ++i) claim_all();
    return member.slots_held();
  }
};

TEST_F(AfterQuotas, TakesNoMoreThanItsShareOfTheSlotsUntilTheOthersKnow) {
  limit_is(40, 4);
  limit_is(24, 4);
  EXPECT_EQ(slots_taken(), 6);
  pass(4s);
  EXPECT_EQ(slots_taken(), 24);
}

TEST_F(AfterQuotas, TakesNoSlotUntilTheOthersKnowIfItHadNone) {
  limit_is(40, 1'000);
  ASSERT_EQ(member.allowed_in_flight(now), 0);
  limit_is(16, 1'000);
  EXPECT_EQ(slots_taken(), 0);
  pass(4s);
  EXPECT_EQ(slots_taken(), 16);
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

}  // namespace
}  // namespace switchgear::fleet
