// How often a member reads: a record bears only so many reads a second by all.
#include "fleet/member_for_tests.h"

namespace switchgear::fleet {
namespace {

// Of a fleet in which nearly no failure is reported, so that each asks what the others say of it.
class AReader : public AMember {
 protected:
  AReader() : AMember(quick_policy(), {.thinning_rate = 1e-6, .reads_per_second = 2'000}) {}

  void join(double members) {
    const std::int64_t minute = minute_of(store_time);
    meter.previous = {.minute = minute - 1,
                      .calls = 20 * members,
                      .active_ms = 1e3 * members,
                      .members = members,
                      .hellos = 0};
    permitted();
    ASSERT_EQ(settle(), "report");
    ASSERT_EQ(member.fleet().members, members);
  }
  // The reads in so long a time, in which a call in twenty fails, 20 times a second.
  int reads_in(Duration time) {
    int reads = 0;
    for (const MonoTime end = now.mono + time; now.mono < end;) {
      call(Outcome::failure, 10ms);
      member.count_successes(19, record.epoch, now);
      pass(40ms);
      while (member.next_operation(now)) {
        ++reads;
        answer();
      }
    }
    return reads;
  }
};

TEST_F(AReader, OfASmallFleetAsksWithinTheGapAfterAFailureThatItDoesNotReport) {
  join(10);
  pass(40ms);
  call(Outcome::failure);
  EXPECT_EQ(member.until_next(now), 0s);
  EXPECT_EQ(settle(), "read");
  call(Outcome::failure);
  EXPECT_EQ(member.until_next(now), 30ms) << "4 ms for each of them after the last time";
}

TEST_F(AReader, OfALargeFleetAsksAsSeldomAsTheRecordBears) {
  join(1'000);
  // Each 0.5 s, so that 1,000 make 2,000 a second.
  EXPECT_LE(reads_in(10s), 20);
  EXPECT_GE(reads_in(10s), 18);
}

TEST_F(AReader, OfALargeFleetAsksAtOnceWhereItHasNotForLong) {
  join(1'000);
  pass(600ms);
  call(Outcome::failure);
  EXPECT_EQ(member.until_next(now), 0s);
  EXPECT_EQ(settle(), "read");
}

TEST_F(AReader, OfAHugeFleetAsksWithinATimeInWhichTheRecordBearsThemAll) {
  join(20'000);  // who read every 10 s: a fifth of them in 2 s
  pass(1s);
  call(Outcome::failure);
  EXPECT_GT(member.until_next(now), 0s);
  EXPECT_LE(member.until_next(now), 4s) << "with the other four fifths twice as fast";
}

TEST_F(AReader, AFailureDelaysNoReadThatIsDueAnyway) {
  join(60'000);  // who read every 30 s
  pass(10s);
  call(Outcome::failure);
  pass(member.until_next(now));
  EXPECT_EQ(settle(), "read");
  pass(10s);
  call(Outcome::failure);
  EXPECT_GT(member.until_next(now), 15s);
  pass(6s);
  permitted();
  EXPECT_EQ(member.until_next(now), 0s) << "the view is too old for calls";
  EXPECT_EQ(settle(), "read");
  call(Outcome::failure);
  member.heard_of(record.epoch + 1);
  EXPECT_EQ(member.until_next(now), 0s) << "news";
}

TEST_F(AReader, OfAHugeFleetLooksWhetherSomebodyProbesWithinATimeInWhichTheRecordBearsThemAll) {
  join(9'000);  // who take 4.5 s for 2,000 reads a second
  record.members = 9'000;
  int late = 0;
  for (int round = 0; round < 20; ++round) {
    change(State::open, 10s);
    member.heard_of(record.epoch);
    settle_read();
    pass(9900ms);
    EXPECT_EQ(refused(), "open");
    settle();
    pass(101ms);
    const Duration look = member.until_next(now);
    EXPECT_LE(look, 3s);
    late += look > 1s;
  }
  EXPECT_GT(late, 5) << "of 20: of a small fleet all would within a second";
}

}  // namespace
}  // namespace switchgear::fleet
