// The simulated dependency is bad in the ways it is meant to be.
#include "lab/dependency.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

class ADependency : public testing::Test {
 protected:
  // Calls at once; how long until the last of them was answered.
  Duration time_for(Dependency& dependency, int calls) {
    const TrueTime from = scheduler.now();
    TrueTime last = from;
    for (int i = 0; i < calls; ++i) {
      dependency.call([&](Outcome outcome) {
        ++outcomes[static_cast<std::size_t>(outcome)];
        last = scheduler.now();
      });
    }
    scheduler.run_until(from + 1h);
    return last - from;
  }
  Scheduler scheduler;
  core::Random random{1};
  int outcomes[4] = {};
};

TEST_F(ADependency, TurnsAwayWhatItHasNoRoomFor) {
  Dependency shedding(scheduler, random,
                      {.servers = 2, .service_mean = 100ms, .exponential = false, .queue_max = 3});
  time_for(shedding, 10);
  EXPECT_EQ(outcomes[static_cast<int>(Outcome::success)], 5);
  EXPECT_EQ(outcomes[static_cast<int>(Outcome::overload)], 5);
}

TEST_F(ADependency, ThrashesWhenCallsWait) {
  const DependencyOptions plain{.servers = 10, .service_mean = 100ms, .exponential = false};
  DependencyOptions bad = plain;
  bad.thrash = 0.5;
  Dependency steady(scheduler, random, plain);
  Dependency thrashing(scheduler, random, bad);
  EXPECT_EQ(time_for(steady, 10), 100ms);
  EXPECT_EQ(time_for(thrashing, 10), 100ms);  // nobody waits
  EXPECT_EQ(time_for(steady, 100), 1s);
  EXPECT_GT(time_for(thrashing, 100), 2s);
}

TEST_F(ADependency, IsSlowUntilItIsWarm) {
  Dependency cold(scheduler, random,
                  {.servers = 10,
                   .service_mean = 100ms,
                   .exponential = false,
                   .cold_speed = 0.25,
                   .warm_after_calls = 10});
  EXPECT_EQ(time_for(cold, 1), 100ms);  // at the start of the world it has been up for long
  cold.set_down(Down::refusing);
  cold.set_down(Down::no);
  EXPECT_EQ(time_for(cold, 1), 400ms);
  time_for(cold, 10);
  EXPECT_EQ(time_for(cold, 1), 100ms);  // after so many calls
}

}  // namespace
}  // namespace switchgear::lab
