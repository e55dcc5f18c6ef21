#include "stores/dynamodb_clock.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace switchgear::stores {
namespace {

class ADynamoDbClock : public testing::Test {
 protected:
  static constexpr Duration kStart = 1'766'000'000s + 250ms;  // at the service, since 1970

  void pass(Duration time) { pass(time, time, time, time); }
  void pass(Duration truly, Duration mono, Duration boot, Duration wall) {
    true_time += truly;
    now.mono += mono;
    now.boot += boot;
    now.wall += wall;
  }
  static WallTime date_of(Duration time) {
    return WallTime{
        std::chrono::duration_cast<Duration>(std::chrono::floor<std::chrono::seconds>(time))};
  }
  void ask(Duration there = 5ms, Duration back = 5ms) {
    const Duration sent = clock.sent(now);
    pass(there);
    const WallTime date = date_of(true_time);
    pass(back);
    clock.answered(sent, date, now);
  }
  Duration least() { return clock.bounds(now)->at_least.time_since_epoch(); }
  Duration most() { return clock.bounds(now)->at_most.time_since_epoch(); }
  void expect_right() {
    EXPECT_LE(least(), true_time);
    EXPECT_GE(most(), true_time);
  }

  Now now{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  Duration true_time = kStart;
  DynamoDbClock clock{now};
};

TEST_F(ADynamoDbClock, KnowsNothingBeforeAnAnswer) {
  EXPECT_FALSE(clock.bounds(now));
  EXPECT_FALSE(clock.fresh(now));
}

TEST_F(ADynamoDbClock, KnowsTheSecondAfterOneAnswer) {
  ask();
  expect_right();
  EXPECT_LE(most() - least(), 1s + 12ms);
}

TEST_F(ADynamoDbClock, KnowsItToAFewMillisecondsAfterMany) {
  core::Random random(1);
  for (int i = 0; i < 300; ++i) {
    pass(std::chrono::duration_cast<Duration>(1s * random.unit()));
    ask();
    expect_right();
  }
  EXPECT_LE(most() - least(), 50ms);
}

TEST_F(ADynamoDbClock, IsFreshForTwoSeconds) {
  ask();
  pass(1900ms);
  EXPECT_TRUE(clock.fresh(now));
  pass(200ms);
  EXPECT_FALSE(clock.fresh(now));
}

TEST_F(ADynamoDbClock, AFreezeThatOneClockShowsWidensTheBounds) {
  ask();
  pass(10min, 0s, 10min, 10min);  // the monotonic clock stood still
  expect_right();
  EXPECT_FALSE(clock.fresh(now));
  ask();
  expect_right();
  EXPECT_LE(most() - least(), 2s);
}

TEST_F(ADynamoDbClock, ALocalStepMovesNeitherBoundPastTheTruth) {
  core::Random random(2);
  for (int i = 0; i < 50; ++i) {
    pass(std::chrono::duration_cast<Duration>(1s * random.unit()));
    ask();
  }
  now.wall += 1h;
  expect_right();
  now.wall -= 2h;
  expect_right();
  ask();
  expect_right();
}

TEST_F(ADynamoDbClock, BelievesTheServiceWhenItSaysSomethingElse) {
  ask();
  true_time += 5min;  // a freeze that no local clock shows
  ask();
  expect_right();
  true_time -= 10min;
  ask();
  expect_right();
}

}  // namespace
}  // namespace switchgear::stores
