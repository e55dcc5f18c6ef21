// The simulated queue, alarm and mapping do what AWS's documents say.
#include "lab/mapping_world.h"

#include <gtest/gtest.h>

namespace switchgear::lab {
namespace {

using AlarmState = controller::AlarmView::State;

queue::QueueAttributes two_receives() {
  return {.arn = "q", .redrive = queue::RedrivePolicy{2, "dead"}, .retention = 1h};
}

TEST(MessageQueue, HidesWhatWasReceivedAndDeadLettersTheReceiveTooMany) {
  MessageQueue queue(two_receives());
  queue.send(0s);
  ASSERT_EQ(queue.receive(10, 30s, 1s).size(), 1u);
  EXPECT_EQ(queue.visible(20s), 0);
  EXPECT_TRUE(queue.receive(10, 30s, 20s).empty());
  const auto second = queue.receive(10, 30s, 31s);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second.front().receive_count, 2);
  EXPECT_TRUE(queue.receive(10, 30s, 61s).empty());
  EXPECT_EQ(queue.counts().dead_lettered, 1u);
  EXPECT_EQ(queue.counts().receives, 2u);
  EXPECT_EQ(queue.size(), 0);
}

TEST(MessageQueue, OnlyTheNewestReceiptDeletesAndWhatIsOldExpires) {
  MessageQueue queue(two_receives());
  queue.send(0s);
  const std::string old = queue.receive(1, 5s, 0s).front().receipt_handle;
  const std::string newest = queue.receive(1, 5s, 5s).front().receipt_handle;
  EXPECT_FALSE(queue.remove(old));
  EXPECT_TRUE(queue.remove(newest));
  queue.send(10s, 60s);
  EXPECT_EQ(queue.visible(69s), 0);
  EXPECT_EQ(queue.visible(70s), 1);
  EXPECT_EQ(queue.oldest_age(70s), Duration{60s});
  queue.expire(1h + 9s);
  EXPECT_EQ(queue.size(), 1);
  queue.expire(1h + 10s);
  EXPECT_EQ(queue.counts().expired, 1u);
}

TEST(MinuteAlarm, WaitsForItsDatapointsAndForMinutesThatComeLate) {
  MinuteMetric metric;
  MinuteAlarm alarm({.datapoints = 2, .periods = 3}, metric, 30s);
  EXPECT_FALSE(alarm.evaluate(60s));
  EXPECT_EQ(alarm.view().state, AlarmState::insufficient_data);
  metric.add(5s, 10, 0);
  EXPECT_FALSE(alarm.evaluate(89s)) << "the minute has ended but cannot be seen";
  EXPECT_TRUE(alarm.evaluate(90s));
  EXPECT_EQ(alarm.view().state, AlarmState::ok);
  metric.add(65s, 10, 5);
  EXPECT_FALSE(alarm.evaluate(150s));
  metric.add(125s, 10, 10);
  EXPECT_TRUE(alarm.evaluate(210s));
  EXPECT_EQ(alarm.view().state, AlarmState::alarm);
}

TEST(MinuteAlarm, TreatsSilenceAsItWasTold) {
  MinuteMetric metric;
  MinuteAlarm missing({.periods = 1}, metric, 0s);
  MinuteAlarm good({.periods = 1, .missing_is_good = true}, metric, 0s);
  metric.add(0s, 10, 10);
  for (MinuteAlarm* alarm : {&missing, &good}) {
    EXPECT_TRUE(alarm->evaluate(1min));
    EXPECT_EQ(alarm->view().state, AlarmState::alarm);
    EXPECT_FALSE(alarm->evaluate(3min)) << "the range reaches further back than the periods";
    EXPECT_TRUE(alarm->evaluate(4min));
  }
  EXPECT_EQ(missing.view().state, AlarmState::insufficient_data);
  EXPECT_EQ(good.view().state, AlarmState::ok);
}

TEST(MinuteAlarm, DoesNotBreachWithLessThanItsMinimum) {
  MinuteMetric metric;
  MinuteAlarm alarm({.minimum = 5}, metric, 0s);
  metric.add(0s, 4, 4);
  alarm.evaluate(1min);
  EXPECT_EQ(alarm.view().state, AlarmState::ok);
}

MappingWorldOptions busy() { return {.traffic = {{.at = 0s, .per_second = 20}}}; }

TEST(MappingWorld, AMappingGoesOnAsBeforeWhileItChangesAndRefusesMeanwhile) {
  MappingWorld world(busy());
  world.scheduler.run_until(30s);
  controller::Settings off = world.mapping().settings;
  off.enabled = false;
  ASSERT_TRUE(world.update(off).has_value());
  EXPECT_EQ(world.admitted(), 10);
  const auto again = world.update(off);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, "ResourceInUseException");
  world.scheduler.run_until(46s);
  EXPECT_EQ(world.admitted(), 0);
  EXPECT_FALSE(world.mapping().changing);
  const auto done = world.queue.counts().done;
  world.scheduler.run_until(60s);
  EXPECT_LE(world.queue.counts().done, done + 10) << "only calls that were under way";
  EXPECT_GT(world.queue.size(), 200);
}

TEST(MappingWorld, NeverRunsMoreInvocationsThanTheLimitSays) {
  MappingWorldOptions options = busy();
  options.health = {{.at = 0s, .hangs = true}};
  MappingWorld world(options);
  world.scheduler.run_until(100s);
  // Ten at a time, ten seconds each.
  EXPECT_EQ(world.counts().invocations, 100u);
  EXPECT_GE(world.counts().failed, 90u);
  EXPECT_EQ(world.queue.counts().done, 0u);
}

TEST(MappingWorld, TheDependencyTurnsAwayWhatItHasNoRoomFor) {
  MappingWorldOptions options = busy();
  options.traffic = {{.at = 0s, .per_second = 200}};
  options.health = {{.at = 0s, .capacity = 1}};
  MappingWorld world(options);
  world.scheduler.run_until(30s);
  EXPECT_GT(world.counts().failed, 100u);
  EXPECT_GT(world.queue.counts().done, 500u);
}

}  // namespace
}  // namespace switchgear::lab
