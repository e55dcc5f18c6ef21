#include "net/loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "net/clocks.h"

namespace switchgear::net {
namespace {

TEST(Loop, RunsPostedCallsInOrder) {
  Loop loop;
  std::vector<int> seen;
  loop.post([&] { seen.push_back(1); });
  loop.post([&] { seen.push_back(2); });
  loop.post([&] { loop.stop(); });
  EXPECT_TRUE(seen.empty());
  loop.run();
  EXPECT_EQ(seen, (std::vector{1, 2}));
}

TEST(Loop, IsWokenByAnotherThread) {
  Loop loop;
  std::thread other([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  other.join();
}

TEST(Loop, CanBeRunAgainAfterStop) {
  Loop loop;
  int runs = 0;
  for (int i = 0; i < 2; ++i) {
    loop.post([&] {
      ++runs;
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(runs, 2);
}

TEST(Loop, CallsLaterInTheOrderOfTheDelays) {
  Loop loop;
  std::vector<int> seen;
  const Timer late = loop.call_after(20ms, [&] { seen.push_back(2); });
  const Timer early = loop.call_after(1ms, [&] { seen.push_back(1); });
  const Timer now = loop.call_after(-1s, [&] { seen.push_back(0); });
  EXPECT_TRUE(loop.run_until([&] { return seen.size() == 3; }, 10s));
  EXPECT_EQ(seen, (std::vector{0, 1, 2}));
  EXPECT_FALSE(late.pending());
}

TEST(Loop, WaitsAtLeastTheDelay) {
  Loop loop;
  bool called = false;
  const MonoTime start = read_clocks().mono;
  const Timer timer = loop.call_after(30ms, [&] { called = true; });
  EXPECT_TRUE(loop.run_until([&] { return called; }, 10s));
  EXPECT_GE(read_clocks().mono - start, 30ms);
}

TEST(Loop, GivesUpAtTheLimit) {
  Loop loop;
  EXPECT_FALSE(loop.run_until([] { return false; }, 5ms));
}

TEST(Timer, DoesNotCallAfterCancel) {
  Loop loop;
  bool called = false;
  Timer timer = loop.call_after(0s, [&] { called = true; });
  EXPECT_TRUE(timer.pending());
  timer.cancel();
  EXPECT_FALSE(timer.pending());
  EXPECT_FALSE(loop.run_until([&] { return called; }, 5ms));
}

TEST(Timer, DoesNotCallWhenTheHandleIsGone) {
  Loop loop;
  bool called = false;
  {
    const Timer timer = loop.call_after(0s, [&] { called = true; });
  }
  EXPECT_FALSE(loop.run_until([&] { return called; }, 5ms));
}

TEST(Timer, IsReplacedByAssignment) {
  Loop loop;
  std::vector<int> seen;
  Timer timer = loop.call_after(0s, [&] { seen.push_back(1); });
  timer = loop.call_after(0s, [&] { seen.push_back(2); });
  EXPECT_TRUE(loop.run_until([&] { return !seen.empty(); }, 10s));
  EXPECT_EQ(seen, std::vector{2});
}

TEST(Timer, MayBeSetAnewByItsOwnCall) {
  Loop loop;
  int calls = 0;
  Timer timer;
  std::function<void()> again = [&] {
    if (++calls < 3) timer = loop.call_after(0s, again);
  };
  again();
  EXPECT_TRUE(loop.run_until([&] { return calls == 3; }, 10s));
}

TEST(Timer, MayBeOwnedByWhatItsCallOwns) {
  struct Owner {
    Timer timer;
  };
  Loop loop;
  auto owner = std::make_shared<Owner>();
  const std::weak_ptr<Owner> watch = owner;
  owner->timer = loop.call_after(std::chrono::hours(1), [owner] {});
  owner->timer.cancel();
  owner.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(Timer, TakesTheLongestDelayThereIs) {
  Loop loop;
  const Timer timer = loop.call_after(Duration::max(), [] { FAIL(); });
  EXPECT_FALSE(loop.run_until([] { return false; }, 5ms));
}

TEST(Loop, TellsOfStopSignals) {
  Loop loop;
  std::vector<int> seen;
  loop.on_stop_signal([&](int signal) { seen.push_back(signal); });
  loop.post([] { std::raise(SIGTERM); });
  EXPECT_TRUE(loop.run_until([&] { return seen.size() == 1; }, 10s));
  std::raise(SIGINT);
  EXPECT_TRUE(loop.run_until([&] { return seen.size() == 2; }, 10s));
  EXPECT_EQ(seen, (std::vector{SIGTERM, SIGINT}));
}

TEST(Clocks, AreReadTogether) {
  const Now first = read_clocks();
  const Now second = read_clocks();
  EXPECT_LE(first.mono, second.mono);
  EXPECT_LE(first.boot, second.boot);
  // 2020 or later, or the machine has no clock.
  EXPECT_GT(first.wall.time_since_epoch(), std::chrono::hours(24 * 365 * 50));
}

}  // namespace
}  // namespace switchgear::net
