// The scenarios that a controller must survive, in the deterministic world.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "controller/reconciler.h"
#include "controller/world_for_tests.h"

namespace switchgear::controller {
namespace {

CircuitOptions guarded(Evidence evidence = Evidence::alarm) {
  return {.name = "payments",
          .evidence = evidence,
          .alarms = {"payments-errors"},
          .mappings = {{Selector::By::function, "all"}},
          .ramp_step = 90s};
}

bool is_as_before(const World& world, const std::string& uuid) {
  const World::Function& f = world.functions.at(uuid);
  return f.mapping.settings.enabled && f.mapping.settings.limit == 50 && f.tags.empty();
}

// Killed at every change of its own, while a person switches one mapping off during the ramp and
// the queue is empty whenever a trial wants a message.
TEST(Scenario25KilledController, ConvergesAndKeepsAPersonsIntentWithAnEmptyQueue) {
  const auto life = [](std::optional<World::Kill> kill) {
    World world(guarded());
    world.add_mapping("a");
    world.add_mapping("b");
    world.run(90s);
    const int first = world.actions;
    world.kill = kill;
    world.healthy = false;
    EXPECT_TRUE(world.run_until([&] { return !world.enabled("a") && !world.enabled("b"); }, 10min));
    world.backlog = 0;
    world.healthy = true;
    EXPECT_TRUE(world.run_until(
        [&] { return world.enabled("b") && world.limit("b") == 4 && world.reconciler->settled(); },
        1h))
        << world.told();
    EXPECT_EQ(world.trials, 0);
    world.backlog = 1'000'000'000;
    // What a person does while an update is on its way may be overwritten, so the person waits.
    EXPECT_TRUE(world.run_until(
        [&] {
          const Reconciler& controller = *world.reconciler;
          const auto entry = controller.ledger().entries.find("b");
          return world.reconciler->in_control(world.now()) && controller.settled() &&
                 entry != controller.ledger().entries.end() && entry->second.done &&
                 controller.record()->step_at > world.store_time() + 40s;
        },
        10min))
        << world.told();
    const int limit = *world.limit("b");
    world.set("b", {.enabled = false, .limit = limit});
    bool back_on = false;
    EXPECT_TRUE(world.run_until(
        [&] {
          back_on = back_on || world.enabled("b");
          return world.reconciler->quiet();
        },
        2h))
        << world.told();
    EXPECT_FALSE(back_on) << world.told();
    EXPECT_EQ(world.limit("b"), 50) << "what only the controller had limited goes back";
    EXPECT_TRUE(is_as_before(world, "a")) << world.told();
    return world.actions - first;
  };
  const int actions = life(std::nullopt);
  ASSERT_GT(actions, 100);
  for (int n = 1; n <= actions; n += 3) {
    for (const bool after : {false, true}) {
      life(World::Kill{n, after});
      if (::testing::Test::HasFailure()) {
        FAIL() << "killed " << (after ? "after" : "before") << " action " << n;
      }
    }
  }
}

// A backlog of an hour, and a dependency that is back with a tenth of what it bears. More at once
// than it bears, and all of it fails.
class Backlog {
 public:
  static constexpr int kFull = 50;
  static constexpr int kArriving = 20;  // a second

  explicit Backlog(Evidence evidence) : world(guarded(evidence)) {
    world.add_mapping("a", kFull);
    world.arriving = kArriving;
    world.backlog = 0;
    world.run(2min);
    world.healthy = false;
    EXPECT_TRUE(world.run_until([&] { return !world.enabled("a"); }, 10min));
    EXPECT_TRUE(world.run_until([&] { return world.backlog >= 3600 * kArriving; }, 2h));
    back_at_ = world.elapsed();
  }

  // `bears`: calls at once, so long after it came back.
  template <class Bears>
  void recover(Bears bears, Duration time) {
    const int failed = world.failed_calls;
    const Duration end = world.elapsed() + time;
    auto was = world.state();
    while (world.elapsed() < end && !done()) {
      const int at_once = world.enabled("a") ? std::min(*world.limit("a"), world.backlog) : 1;
      world.healthy = at_once <= bears(world.elapsed() - back_at_);
      world.run(World::kTick);
      if (world.state() == State::open && was == State::recovering) ++trips;
      was = world.state();
    }
    failed_calls = world.failed_calls - failed;
  }
  bool done() const {
    return world.backlog <= kFull && world.state() == State::closed && is_as_before(world, "a");
  }

  World world;
  int trips = 0;
  int failed_calls = 0;

 private:
  Duration back_at_{0};
};

TEST(Scenario28Backlog, DrainsWithoutATripFromATenthOfTheCapacity) {
  for (const Evidence evidence : {Evidence::alarm, Evidence::trial}) {
    Backlog backlog(evidence);
    // It grows back within seven minutes, which is about as fast as the ramp.
    backlog.recover(
        [](Duration since) {
          const double part =
              std::min(1.0, 0.1 + 0.9 * std::chrono::duration<double>(since).count() / 420);
          return static_cast<int>(Backlog::kFull * part);
        },
        3h);
    EXPECT_TRUE(backlog.done()) << backlog.world.told();
    EXPECT_EQ(backlog.trips, 0) << backlog.world.told();
    EXPECT_EQ(backlog.failed_calls, 0);
    EXPECT_EQ(backlog.world.limit("a"), Backlog::kFull) << "full rate";
  }
}

// The ramp doubles until an alarm says that it is too much, so a dependency that stays at a tenth
// trips it again: what that costs is bounded, and it still drains meanwhile.
TEST(Scenario28Backlog, AsksLittleTooMuchOfADependencyThatStaysAtATenth) {
  Backlog backlog(Evidence::trial);
  const int waiting = backlog.world.backlog;
  const int good = backlog.world.good_calls;
  backlog.recover([](Duration) { return Backlog::kFull / 10; }, 2h);
  EXPECT_FALSE(backlog.done());
  EXPECT_GT(backlog.trips, 3);
  // Per trip: the eight at once of the step that is too much, for as long as detection and
  // switching off take.
  EXPECT_LE(backlog.failed_calls, backlog.trips * 8 * 30) << waiting;
  EXPECT_GT(backlog.world.good_calls - good, 4 * backlog.failed_calls);
  backlog.recover([](Duration) { return Backlog::kFull; }, 3h);
  EXPECT_TRUE(backlog.done()) << backlog.world.told();
}

}  // namespace
}  // namespace switchgear::controller
