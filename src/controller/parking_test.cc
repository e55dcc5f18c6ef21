// Messages that would expire, or be dead-lettered, because a circuit is open: admitted, parked and
// brought back; killed at every call of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controller/reconciler.h"
#include "controller/world_for_tests.h"

namespace switchgear::controller {
namespace {

constexpr const char* kParking = "arn:aws:sqs:eu-central-1:123456789012:orders-parked";
constexpr const char* kDead = "arn:aws:sqs:eu-central-1:123456789012:orders-dead";

class ParkingTest : public ::testing::Test {
 protected:
  void begin(bool park = true, const std::string& suffix = "") {
    CircuitOptions options{.name = "payments",
                           .evidence = Evidence::alarm,
                           .alarms = {"payments-errors"},
                           .mappings = {{Selector::By::function, "all"}},
                           .ramp_step = 90s,
                           .raise_retention = false};
    if (park) options.parking_queue = kParking;
    world.emplace(std::move(options));
    world->add_mapping("a");
    Mapping& mapping = world->functions.at("a").mapping;
    mapping.source_arn += suffix;
    orders = mapping.source_arn;
    QueueForTests& queue = world->queues[orders];
    queue.attributes = {.arn = orders, .visibility_timeout = 30s, .retention = 2h};
    queue.attributes.redrive = queue::RedrivePolicy{3, kDead};
    queue.attributes.redrive_text = queue::redrive_policy_text(*queue.attributes.redrive);
    redrive = queue.attributes.redrive_text;
    queue.attributes.fifo = !suffix.empty();
    if (park) {
      world->queues[kParking].attributes = {.arn = kParking, .retention = queue::kRetentionMax};
    }
    world->run(2min);
  }
  QueueForTests& queue() { return world->queues.at(orders); }
  QueueForTests& parked() { return world->queues.at(kParking); }
  void send(int messages, std::map<std::string, queue::Attribute> with = {}) {
    for (int i = 0; i < messages; ++i) {
      sent.insert("m" + std::to_string(sent.size()));
      queue().send("m" + std::to_string(sent.size() - 1), world->elapsed(), with);
    }
  }
  // An outage of so long, with messages at first and a few more each five minutes.
  void outage(Duration time, int first = 25) {
    world->healthy = false;
    EXPECT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min)) << world->told();
    send(first);
    const Duration end = world->elapsed() + time;
    while (world->elapsed() < end) {
      world->run(5min);
      send(2);
    }
  }
  bool comes_back() {
    world->healthy = true;
    return world->run_until(
        [&] {
          return world->state() == State::closed && queue().messages.empty() &&
                 (!world->queues.contains(kParking) || parked().messages.empty()) &&
                 queue().attributes.redrive_text == redrive && world->enabled("a") &&
                 world->limit("a") == 50;
        },
        2h);
  }
  // At least one copy of each was handled, none expired or was dead-lettered.
  std::string lost() const {
    std::set<std::string> missing = sent;
    for (const std::string& body : world->handled) missing.erase(body);
    std::string text;
    for (const std::string& body : missing) text += body + " not handled; ";
    for (const auto& [arn, q] : world->queues) {
      // A copy that was parked may be left behind to expire only if it was handled.
      for (const std::string& body : q.expired) text += body + " expired; ";
      for (const std::string& body : q.dead) text += body + " dead-lettered; ";
    }
    return text;
  }
  int told(const std::string& what) const {
    return static_cast<int>(std::ranges::count_if(
        world->log, [&](const std::string& line) { return line.find(what) != std::string::npos; }));
  }

  std::optional<World> world;
  std::string orders;
  std::string redrive;
  std::set<std::string> sent;
};

TEST_F(ParkingTest, LosesNothingInAnOutageThatIsLongerThanTheRetention) {
  begin();
  outage(7h);
  EXPECT_GT(parked().messages.size(), 50u) << world->told();
  EXPECT_EQ(queue().attributes.redrive->max_receive_count, queue::kReceiveCountMax);
  ASSERT_TRUE(comes_back()) << world->told();
  EXPECT_EQ(lost(), "") << world->told();
  EXPECT_EQ(world->redrives_set, 2);
  EXPECT_TRUE(world->reconciler->ledger().entries.empty());
}

TEST_F(ParkingTest, AdmitsBeforeItParks) {
  begin();
  outage(100min);
  EXPECT_EQ(told("are given to the function, and if it fails they are parked"), 1) << world->told();
  EXPECT_EQ(std::ranges::count_if(world->announcements,
                                  [](const Announcement& a) {
                                    return a.kind == Announcement::Kind::loss_approaching;
                                  }),
            1);
}

TEST_F(ParkingTest, LeavesYoungMessagesWhereTheyAre) {
  begin();
  outage(90min);
  world->run(5min);
  send(10);
  ASSERT_TRUE(world->run_until([&] { return parked().messages.size() > 20; }, 30min))
      << world->told();
  const auto young = std::ranges::count_if(parked().messages, [](const auto& m) {
    return m.message.body >= "m45" && m.message.body.size() == 3;
  });
  EXPECT_EQ(young, 0);
}

TEST_F(ParkingTest, ParksUnderAHoldWithoutAsking) {
  begin();
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  const int before = world->trials;
  world->hold(HoldKind::forced_open);
  send(25);
  world->run(150min);
  EXPECT_EQ(parked().messages.size(), 25u) << world->told();
  EXPECT_LE(world->trials, before + 1);
  EXPECT_EQ(lost().find("expired"), std::string::npos);
}

TEST_F(ParkingTest, AdmitsWhileTheFunctionTakesThem) {
  begin();
  outage(90min, 10);
  // Well again, but the circuit may not know yet.
  world->alarm_stuck = true;
  world->healthy = true;
  world->run(10min);
  EXPECT_EQ(parked().messages.size(), 0u) << world->told();
  EXPECT_EQ(lost().find("expired"), std::string::npos);
}

TEST_F(ParkingTest, ParksNothingWhereTheRedrivePolicyCannotBeRaised) {
  begin();
  world->redrive_may_be_set = false;
  outage(110min);
  EXPECT_TRUE(parked().messages.empty());
  EXPECT_GE(told("without it no message is parked"), 1) << world->told();
  EXPECT_FALSE(world->reconciler->ledger().queues.at(orders).parking);
}

TEST_F(ParkingTest, DeletesNothingThatTheParkingQueueDoesNotTake) {
  begin();
  world->sends_fail = true;
  outage(110min);
  EXPECT_EQ(queue().messages.size() + world->handled.size(), sent.size()) << world->told();
  EXPECT_TRUE(parked().messages.empty());
  world->sends_fail = false;
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ParkingTest, GivesWhatDoesNotFitToTheFunction) {
  begin();
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  std::map<std::string, queue::Attribute> ten;
  for (int i = 0; i < 10; ++i) ten["n" + std::to_string(i)] = {"String", "v"};
  send(3, ten);
  send(20);
  const int trials = world->trials;
  ASSERT_TRUE(world->run_until([&] { return parked().messages.size() == 20; }, 120min))
      << world->told();
  EXPECT_EQ(queue().messages.size(), 3u);
  EXPECT_GE(told("it has 10 attributes"), 1);
  // While it is tried it is not parked.
  EXPECT_GT(world->trials, trials);
}

TEST_F(ParkingTest, DoesNotParkAQueueWhoseOrderCounts) {
  begin(true, ".fifo");
  outage(110min, 5);
  EXPECT_TRUE(parked().messages.empty());
  EXPECT_EQ(world->redrives_set, 0);
}

TEST_F(ParkingTest, KeepsARedrivePolicyThatAPersonHasChangedMeanwhile) {
  begin();
  outage(110min);
  ASSERT_EQ(queue().attributes.redrive->max_receive_count, queue::kReceiveCountMax);
  queue().attributes.redrive = queue::RedrivePolicy{7, kDead};
  queue().attributes.redrive_text = queue::redrive_policy_text(*queue().attributes.redrive);
  redrive = queue().attributes.redrive_text;
  world->run(5min);
  ASSERT_TRUE(comes_back()) << world->told();
}

TEST_F(ParkingTest, BringsAFewBackToBeTriedWhereAllAreParked) {
  begin();
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  send(60);
  ASSERT_TRUE(world->run_until([&] { return parked().messages.size() >= 60; }, 3h))
      << world->told();
  const int tried = world->trials;
  world->run(15min);
  EXPECT_GT(world->trials, tried);
  EXPECT_GT(parked().messages.size(), 30u);
  EXPECT_EQ(told("no message waits"), 0) << world->told();
  EXPECT_FALSE(world->enabled("a"));
  ASSERT_TRUE(comes_back()) << world->told();
  EXPECT_EQ(lost(), "");
}

TEST_F(ParkingTest, BringsMessagesBackNoFasterThanTheRampAllows) {
  begin();
  outage(110min, 300);
  ASSERT_GT(parked().messages.size(), 250u);
  world->healthy = true;
  ASSERT_TRUE(world->run_until([&] { return world->state() == State::recovering; }, 30min));
  const auto before = world->reconciler->returned_total();
  const double limit = world->reconciler->record()->recovery.limit;
  const Duration since = world->elapsed();
  world->run(20s);
  if (world->reconciler->record()->recovery.limit == limit) {
    EXPECT_LE(static_cast<double>(world->reconciler->returned_total() - before),
              limit * to_seconds(world->elapsed() - since) + 10);
  }
  EXPECT_GT(world->reconciler->returned_total(), before);
}

// Three days, while every message bears three receives and is kept for four.
class DaysTest : public ParkingTest, public ::testing::WithParamInterface<bool> {};

TEST_P(DaysTest, DeadLetterNothingAndKeepTheOrder) {
  const bool fifo = GetParam();
  begin(false, fifo ? ".fifo" : "");
  queue().attributes.retention = std::chrono::days(4);
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  std::map<char, std::string> order;  // of each group
  for (int i = 0; i < 40; ++i) {
    const std::string body(1, static_cast<char>('A' + i));
    queue().send(body, world->elapsed(), {}, "group" + std::to_string(i % 4));
    order[static_cast<char>('0' + i % 4)] += body;
    sent.insert(body);
    world->run(72h / 40);
  }
  EXPECT_EQ(lost().find("dead"), std::string::npos) << lost();
  ASSERT_TRUE(comes_back()) << world->told();
  EXPECT_EQ(lost(), "") << world->told();
  // The next outage begins anew.
  const int set = world->redrives_set;
  EXPECT_EQ(set, 2);
  world->healthy = false;
  ASSERT_TRUE(world->run_until([&] { return !world->enabled("a"); }, 5min));
  world->run(30min);
  EXPECT_EQ(world->redrives_set, set);
  if (!fifo) return;
  std::map<char, std::string> handled;
  for (const std::string& body : world->handled) {
    handled[static_cast<char>('0' + (body[0] - 'A') % 4)] += body;
  }
  EXPECT_EQ(handled, order);
}

INSTANTIATE_TEST_SUITE_P(Queues, DaysTest, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "Fifo" : "Standard");
});

// Killed before and after each call, another goes on: nothing is lost, and all is as it was.
TEST_F(ParkingTest, KilledAnywhereLosesNothing) {
  int steps = 0;
  for (const bool after : {false, true}) {
    for (int number = 1;; ++number) {
      sent.clear();
      begin();
      outage(95min, 25);
      ASSERT_TRUE(parked().messages.empty());
      world->kill = World::Kill{number, after, true};
      const bool all = world->run_until([&] { return parked().messages.size() >= 25; }, 30min);
      ASSERT_TRUE(all) << number << " " << after << world->told();
      const bool in_parking = world->kills > 0;
      ASSERT_TRUE(comes_back()) << number << " " << after << world->told();
      ASSERT_EQ(lost(), "") << number << " " << after << world->told();
      if (world->kills == 0) break;
      steps += in_parking ? 1 : 0;
    }
  }
  EXPECT_GT(steps, 30);
}

}  // namespace
}  // namespace switchgear::controller
