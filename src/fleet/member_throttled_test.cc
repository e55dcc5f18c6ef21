// A member whose store is asked too much: trouble, not an outage.
#include "fleet/member_for_tests.h"

namespace switchgear::fleet {
namespace {

class AThrottledMember : public AMember {
 protected:
  AThrottledMember() {
    permitted();
    settle();
    call(Outcome::failure);
    refuse_report();
  }
  void refuse_report() {
    const auto op = member.next_operation(now);
    ASSERT_TRUE(op);
    ASSERT_EQ(name_of(*op), "report");
    report = std::get<ReportOp>(*op);
    member.store_failed(now, NoAnswer::throttled);
  }
  // The name of the next operation, which is throttled; "" if none is due.
  std::string throttle_next() {
    const auto op = member.next_operation(now);
    if (!op) return {};
    member.store_failed(now, NoAnswer::throttled);
    return std::string(name_of(*op));
  }
  ReportOp report;
};

TEST_F(AThrottledMember, ReadsAtOnceInsteadOfTheWrite) {
  EXPECT_EQ(member.until_next(now), 0s);
  settle_read();
  EXPECT_FALSE(member.next_operation(now)) << "the write waits";
}

TEST_F(AThrottledMember, TakesTheStoreForUpAsLongAsItCanBeRead) {
  EXPECT_TRUE(member.store_up());
  settle_read();
  EXPECT_TRUE(member.store_up());
  EXPECT_FALSE(member.blind(now));
}

TEST_F(AThrottledMember, SendsTheVerySameReportAfterItsBackOff) {
  settle_read();
  const Duration wait = member.until_next(now);
  EXPECT_GE(wait, 50ms);
  EXPECT_LE(wait, 100ms);
  pass(wait);
  const auto again = member.next_operation(now);
  ASSERT_TRUE(again);
  EXPECT_EQ(std::get<ReportOp>(*again), report);
}

TEST_F(AThrottledMember, TellsAllThatHasFailedSinceWithTheNextWrite) {
  settle_read();
  for (int i = 0; i < 4; ++i) call(Outcome::failure, 10ms);
  pass(member.until_next(now));
  const auto again = member.next_operation(now);
  ASSERT_TRUE(again);
  const Report all = *std::get<ReportOp>(*again).report;
  EXPECT_EQ(all.failures, report.report->failures + 4);
  // At the last of them; the store's time is known in whole milliseconds.
  EXPECT_GE(all.sent - report.report->sent, 39ms);
  EXPECT_LE(all.sent - report.report->sent, 40ms);
  EXPECT_EQ(all.span, 40ms);
  accept(*again);
  answer();
  EXPECT_EQ(settle(), "") << "nothing is left to tell";
}

TEST_F(AThrottledMember, TellsFailuresThatLieFarApartOneAfterTheOther) {
  int throttled = 0;
  while (throttled < 6) {
    const auto op = member.next_operation(now);
    if (!op) {
      pass(member.until_next(now));
    } else if (std::holds_alternative<ReadOp>(*op)) {
      answer();
    } else {
      EXPECT_EQ(std::get<ReportOp>(*op), report);
      member.store_failed(now, NoAnswer::throttled);
      if (++throttled == 5) call(Outcome::failure);  // more than a second after the first one
    }
  }
}

TEST_F(AMember, RepeatsAReportThatMayHaveBeenTakenAsItWas) {
  permitted();
  settle();
  call(Outcome::failure);
  const auto first = member.next_operation(now);
  member.store_failed(now);
  pass(member.until_next(now));
  ASSERT_EQ(*member.next_operation(now), *first);
  member.store_failed(now, NoAnswer::throttled);
  call(Outcome::failure);
  auto next = member.next_operation(now);
  for (; !next || std::holds_alternative<ReadOp>(*next); next = member.next_operation(now)) {
    if (next) answer();
    pass(std::max<Duration>(member.until_next(now), 1ms));
  }
  EXPECT_EQ(*next, *first) << "though the second attempt was not carried out";
}

TEST_F(AThrottledMember, WritesEverMoreSeldomAndReadsOnceForEachWrite) {
  int writes = 1;
  int reads = 0;
  const MonoTime end = now.mono + 60s;
  while (now.mono < end) {
    const auto op = member.next_operation(now);
    if (!op) {
      // Calls go on, so there always is something to say.
      const auto admission = member.admit(now);
      if (const auto* permit = std::get_if<Permit>(&admission)) {
        member.finish(*permit, Outcome::failure, 1ms, now);
      }
      pass(std::clamp<Duration>(member.until_next(now), 1ms, 100ms));
      continue;
    }
    if (std::holds_alternative<ReadOp>(*op)) {
      ++reads;
      answer();
    } else {
      ++writes;
      member.store_failed(now, NoAnswer::throttled);
    }
  }
  // 0.1, 0.2, 0.4 … 3.2 s, then 5 s each, of which half is random.
  EXPECT_LE(writes, 6 + 60 / 2.5);
  EXPECT_GE(writes, 6) << "it goes on, though it has stopped itself and has little to say";
  // One with each write, and one a second in trouble.
  EXPECT_LE(reads, writes + 60);
}

TEST_F(AThrottledMember, SeesByReadingThatSomebodyElseHasTripped) {
  change(State::open, 10s);
  settle_read();
  EXPECT_EQ(member.state(), State::open);
  pass(200ms);
  EXPECT_FALSE(member.next_operation(now)) << "a report of a passed epoch";
  EXPECT_EQ(member.counters().failures_dropped, 1u);
}

TEST_F(AThrottledMember, BacksOffFromAllOnceReadsAreThrottledToo) {
  EXPECT_EQ(throttle_next(), "read");
  EXPECT_TRUE(member.store_up()) << "trouble, and no outage";
  EXPECT_GE(member.until_next(now), 50ms);
  // By turns from then on, so that it is noticed when either works again.
  int operations = 0;
  for (const MonoTime end = now.mono + 60s; now.mono < end;
       pass(std::max<Duration>(member.until_next(now), 1ms))) {
    operations += throttle_next().empty() ? 0 : 1;
  }
  EXPECT_LE(operations, 30);
  EXPECT_FALSE(member.store_up()) << "of no use: no answer for as long as a view is good";
}

TEST_F(AThrottledMember, NoticesByTurnsWhetherReadsOrWritesAreTakenAgain) {
  std::string turns;
  for (int i = 0; i < 6; ++i) {
    turns += throttle_next() + " ";
    // There always is something to say.
    const auto admission = member.admit(now);
    if (const auto* permit = std::get_if<Permit>(&admission)) {
      member.finish(*permit, Outcome::failure, 1ms, now);
    }
    pass(member.until_next(now));
  }
  EXPECT_EQ(turns, "read report read report read report ");
}

TEST_F(AThrottledMember, WritesAtOnceAgainAfterAWriteThatWasTaken) {
  settle_read();
  pass(100ms);
  EXPECT_EQ(settle(), "report");
  call(Outcome::failure, 200ms);
  EXPECT_EQ(settle(), "report");
}

TEST_F(AThrottledMember, StopsItselfWhenItCannotTellAnybody) {
  settle_read();
  std::string reason;
  for (int i = 0; i < 200 && reason.empty(); ++i) {
    const auto admission = member.admit(now);
    if (const auto* refusal = std::get_if<Refusal>(&admission)) {
      reason = to_string(refusal->reason);
    } else {
      pass(20ms);
      member.finish(std::get<Permit>(admission), Outcome::failure, 20ms, now);
      if (const auto op = member.next_operation(now)) {
        if (std::holds_alternative<ReadOp>(*op)) {
          answer();
        } else {
          member.store_failed(now, NoAnswer::throttled);
        }
      }
    }
  }
  EXPECT_EQ(reason, "local");
  EXPECT_EQ(record.state, State::closed);
}

// Its calls go on, and its view is old enough for a read, which is throttled.
class AMemberWithThrottledReads : public AMember {
 protected:
  AMemberWithThrottledReads() {
    permitted();
    settle();
    pass(5s);
    permitted();
    throttle_read();
  }
  void throttle_read() {
    const auto op = member.next_operation(now);
    ASSERT_TRUE(op);
    ASSERT_EQ(name_of(*op), "read");
    member.store_failed(now, NoAnswer::throttled);
  }
};

TEST_F(AMemberWithThrottledReads, WritesAtOnce) {
  EXPECT_GE(member.until_next(now), 50ms);
  call(Outcome::failure, 1ms);
  EXPECT_EQ(member.until_next(now), 0s);
  const auto op = member.next_operation(now);
  ASSERT_TRUE(op);
  EXPECT_EQ(name_of(*op), "report");
  accept(*op);
  answer();
  EXPECT_EQ(settle(), "") << "the answer to the write has shown what the read was for";
  EXPECT_GE(member.until_next(now), 1s);
}

TEST_F(AMemberWithThrottledReads, ReadsAgainAfterItsBackOff) {
  EXPECT_FALSE(member.next_operation(now));
  const Duration wait = member.until_next(now);
  EXPECT_GE(wait, 50ms);
  EXPECT_LE(wait, 100ms);
  pass(wait);
  settle_read();
  EXPECT_GE(member.until_next(now), 1s);
}

TEST_F(AMemberWithThrottledReads, ReadsAgainAfterItsBackOffWhatItWasToldOf) {
  pass(member.until_next(now));
  settle_read();
  change(State::open, 10s);
  member.heard_of(record.epoch);
  throttle_read();
  EXPECT_LE(member.until_next(now), 100ms);
  pass(member.until_next(now));
  settle_read();
  EXPECT_EQ(member.state(), State::open);
}

TEST_F(AMemberWithThrottledReads, ReadsEverMoreSeldom) {
  int reads = 1;
  for (const MonoTime end = now.mono + 60s; now.mono < end; pass(member.until_next(now))) {
    if (member.next_operation(now)) {
      ++reads;
      member.store_failed(now, NoAnswer::throttled);
    }
    ASSERT_GT(member.until_next(now), 0s);
  }
  // 0.1, 0.2, 0.4 … 3.2 s, then 5 s each, of which half is random.
  EXPECT_LE(reads, 6 + 60 / 2.5);
  EXPECT_GE(reads, 6 + 50 / 5);
}

TEST_F(AMemberWithThrottledReads, TakesTheStoreForUpWhileItsViewIsGood) {
  EXPECT_TRUE(member.store_up());
  EXPECT_FALSE(member.blind(now));
  while (member.view_age(now) <= table.policy().view_max_age) {
    pass(member.until_next(now));
    throttle_read();
  }
  EXPECT_FALSE(member.store_up());
  EXPECT_TRUE(member.blind(now));
}

TEST_F(AMember, WithoutAViewSaysItsHelloThoughReadsAreThrottled) {
  ASSERT_EQ(name_of(*member.next_operation(now)), "read");
  member.store_failed(now, NoAnswer::throttled);
  EXPECT_FALSE(member.next_operation(now));
  EXPECT_GE(member.until_next(now), 50ms);
  change(State::open, 10s);
  permitted();
  EXPECT_EQ(settle(), "report");
  EXPECT_EQ(member.state(), State::open);
}

TEST_F(AMember, LooksAgainBeforeItProbesWhereTheLookWasThrottledButNotForever) {
  permitted();
  settle();
  change(State::open, 10s);
  member.heard_of(record.epoch);
  settle_read();
  std::string names;
  pass(9900ms);
  EXPECT_EQ(settle(), "read");
  while (!names.ends_with("swap")) {
    refused();
    pass(std::max<Duration>(member.until_next(now), 1ms));
    const auto op = member.next_operation(now);
    if (!op) continue;
    names += " " + std::string(name_of(*op));
    if (std::holds_alternative<ReadOp>(*op)) member.store_failed(now, NoAnswer::throttled);
  }
  EXPECT_EQ(names, " read read read read swap");
}

// What was throttled was not carried out: nothing has to be made good.

TEST_F(AMember, DoesNotTryATripAgainThatWasThrottledOnceAnotherHasMadeIt) {
  permitted();
  settle();
  for (int i = 0; i < 10; ++i) call(Outcome::failure, 1ms);
  accept(*member.next_operation(now));
  answer();
  EXPECT_EQ(refused(), "open");
  EXPECT_TRUE(std::holds_alternative<SwapOp>(*member.next_operation(now)));
  member.store_failed(now, NoAnswer::throttled);
  EXPECT_EQ(refused(), "open") << "it has stopped, whatever the store can take";
  change(State::open, 10s);
  EXPECT_TRUE(std::holds_alternative<ReadOp>(*member.next_operation(now)));
  answer();
  pass(200ms);
  EXPECT_FALSE(member.next_operation(now));
}

TEST_F(AMember, DoesNotGiveASlotBackWhoseClaimWasThrottled) {
  permitted();
  settle();
  change(State::half_open);
  pass(5s);
  refused();
  settle_read();
  pass(member.until_next(now));
  const auto claim = member.next_operation(now);
  ASSERT_TRUE(claim);
  ASSERT_EQ(name_of(*claim), "claim");
  member.store_failed(now, NoAnswer::throttled);
  change(State::open, 10s);
  EXPECT_EQ(settle(), "read");
  pass(200ms);
  EXPECT_EQ(settle(), "") << "neither the claim of a passed round nor a settlement";
}

}  // namespace
}  // namespace switchgear::fleet
