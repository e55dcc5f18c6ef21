// Scenarios of a store that throttles, is cut off, is slow, or is asked too much.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

// ---- 09 -------------------------------------------------------------------------------------

Policy long_open() {
  Policy policy;
  policy.open_duration = 30min;
  policy.max_open_duration = 30min;
  return policy;
}

TEST(Scenario09ThrottledRead, AWriteAfterAReadThatFailedLeavesOpenUntouched) {
  Fleet fleet(5, long_open());
  fleet.trip();
  const std::int64_t epoch = fleet.stored().epoch;
  const std::uint64_t revision = fleet.stored().revision;
  CountOperations observer(fleet.properties);
  fleet.world.observe(observer);
  // A newcomer whose reads all fail, and whose writes work.
  fleet.world.store.network.throttled_reads = 1;
  Process& newcomer = fleet.world.add_process();
  newcomer.run([] {});
  fleet.world.run_for(2s);
  EXPECT_GT(fleet.world.store.throttled, 0u);
  EXPECT_TRUE(newcomer.member().blind(newcomer.now()));
  EXPECT_TRUE(fleet.call(newcomer.index()));  // it knows nothing yet: the call goes out
  fleet.world.run_for(5s);                    // and its hello, a write, is answered
  EXPECT_EQ(newcomer.member().state(), State::open);
  EXPECT_FALSE(fleet.call(newcomer.index()));
  EXPECT_EQ(fleet.stored().epoch, epoch);
  EXPECT_EQ(fleet.stored().revision, revision);
  EXPECT_EQ(observer.swaps[newcomer.index()], 0);
}

TEST(Scenario09ThrottledRead, AStateMadeUpWhileBlindIsNeverWritten) {
  Fleet fleet(5, long_open());
  fleet.trip();
  const std::int64_t epoch = fleet.stored().epoch;
  CountOperations observer(fleet.properties);
  fleet.world.observe(observer);
  // A newcomer that is throttled at everything finds the dependency broken, and stops itself; for
  // another, which reaches a part of the dependency that works, all is well.
  fleet.world.store.network.throttled = 1;
  Dependency healthy(fleet.world.scheduler, fleet.world.random, {.servers = 10});
  Process& failing = fleet.world.add_process();
  Process& succeeding = fleet.world.add_process();
  succeeding.use(healthy);
  fleet.world.call_at_random(failing, 5);
  fleet.world.call_at_random(succeeding, 5);
  fleet.world.run_for(60s);
  EXPECT_EQ(failing.member().record(), nullptr);
  EXPECT_GT(failing.member().counters().refused[static_cast<int>(RefusalReason::local)], 100u);
  EXPECT_GT(succeeding.member().counters().outcomes[static_cast<int>(Outcome::success)], 200u);
  // Throttled, they ask ever less often: nobody more than 30 times in this minute.
  for (const auto& [process, count] : observer.of) EXPECT_LE(count, 30) << "process " << process;

  fleet.world.store.network.throttled = 0;
  fleet.world.run_for(10s);
  for (const Process* p : {&failing, &succeeding}) {
    EXPECT_EQ(const_cast<Process*>(p)->member().state(), State::open);
    EXPECT_EQ(observer.swaps[p->index()], 0);
  }
  EXPECT_EQ(fleet.stored().epoch, epoch);
}

TEST(Scenario09ThrottledRead, AReadFromThePastTakesNobodyBack) {
  // An eventually consistent store: half of all reads are up to 3 s old. Nobody acts on an epoch
  // below one it has seen (P2, checked beside), and the circuit does what it should.
  Policy policy;
  policy.open_duration = 2s;
  policy.recovery_quiet_duration = 5s;
  WorldOptions options = Fleet::options(policy, {.servers = 1'000, .service_mean = 20ms});
  Fleet fleet(10, options);
  fleet.world.store.keep_history(10s);
  fleet.world.store.network.stale_by = 3s;
  fleet.world.store.network.stale_reads = 0.5;
  fleet.call_steadily(5);
  fleet.world.run_for(20s);
  fleet.world.dependency.set_down(Down::refusing);
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  fleet.world.run_for(10s);
  fleet.world.dependency.set_down(Down::no);
  ASSERT_TRUE(fleet.reaches(State::closed, 3min));
  EXPECT_EQ(fleet.changed_to(State::open, "failure_rate"), 1);
}

// ---- 10 -------------------------------------------------------------------------------------

TEST(Scenario10Partition, HalfTheFleetWithoutAStoreCostsABoundedNumberOfCalls) {
  const Policy policy;  // the default one: OPEN for 5 to 30 s
  constexpr int kSize = 20;
  Fleet fleet(kSize, policy);
  fleet.call_steadily(5);
  fleet.world.run_for(2min);
  std::vector<std::uint64_t> failures_before;
  for (int i = 0; i < kSize / 2; ++i) fleet.world.store.cut_off.push_back(i);
  fleet.world.dependency.set_down(Down::refusing);
  fleet.changes.clear();
  fleet.world.run_for(5min);

  // The half without a store: the failures that stop a process by itself (one and a half times the
  // fleet's level while its view was young), then one trial after each open time, which doubles
  // from 5 s to the longest within three of them.
  const core::CusumRule rule = core::compile(policy, 1e6).failure_rule;
  const int guard = (rule.level * 3 / 2 + rule.weight - 1) / rule.weight;
  const int trials = 3 + static_cast<int>(5min / (policy.max_open_duration * 9 / 10)) + 1;
  for (int i = 0; i < kSize / 2; ++i) {
    const fleet::MemberCounters& counters = fleet.process(i).member().counters();
    EXPECT_LE(counters.outcomes[static_cast<int>(Outcome::failure)] + counters.late_results,
              static_cast<std::uint64_t>(guard + trials))
        << "process " << i;
    EXPECT_GT(counters.refused[static_cast<int>(RefusalReason::local)], 1'000u);
  }
  EXPECT_EQ(fleet.changed_to(State::open, "failure_rate"), 1);  // the connected half: one trip

  // Healed: one record, reached within two refreshes.
  fleet.world.store.cut_off.clear();
  fleet.changes.clear();
  fleet.world.run_for(2 * policy.view_refresh);
  for (int i = 0; i < kSize; ++i) {
    const fleet::Record* seen = fleet.process(i).member().record();
    ASSERT_NE(seen, nullptr);
    EXPECT_FALSE(fleet.process(i).member().blind(fleet.process(i).now())) << "process " << i;
    EXPECT_NE(seen->state, State::closed) << "process " << i;
  }
  // No flapping: no new trip, and none when the dependency is back.
  fleet.world.run_for(1min);
  fleet.world.dependency.set_down(Down::no);
  ASSERT_TRUE(fleet.reaches(State::closed, 5min));
  fleet.world.run_for(2min);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.changed_to(State::open, "failure_rate"), 0);
  for (const Fleet::Change& change : fleet.changes) EXPECT_NE(change.record.reason, "reassert");
}

// ---- 11 -------------------------------------------------------------------------------------

class Scenario11SlowStore : public testing::TestWithParam<Duration> {};

TEST_P(Scenario11SlowStore, DelaysNoCallAndPilesUpNothing) {
  // Every operation takes 3 s: given up before, or waited for.
  Policy policy;
  Fleet fleet(10, policy);
  fleet.world.store.timeout = GetParam();
  fleet.call_steadily(20);
  fleet.world.run_for(20s);
  CountOperations observer(fleet.properties);
  fleet.world.observe(observer);
  fleet.world.store.network.slow = 1500ms;
  const std::uint64_t served = fleet.world.dependency.received();
  fleet.world.run_for(60s);
  // Nothing waits: what is decided is decided at once, and calls go out as before.
  EXPECT_EQ(fleet.world.refusals, 0u);
  EXPECT_NEAR(static_cast<double>(fleet.world.dependency.received() - served), 12'000, 500);
  EXPECT_EQ(observer.at_once_max, 1);
  EXPECT_LE(observer.total, 10u * 60);
  for (int i = 0; i < 10; ++i) {
    Process& p = fleet.process(i);
    EXPECT_EQ(p.member().store_up(), GetParam() > 3s) << "what the metric store_up shows";
  }
  // And with the dependency down as well every process stops, by the fleet or by itself.
  fleet.world.dependency.set_down(Down::refusing);
  fleet.world.run_for(30s);
  const std::uint64_t received = fleet.world.dependency.received();
  fleet.world.run_for(30s);
  EXPECT_LE(fleet.world.dependency.received() - received, 10u * 4);  // probes and trials
  EXPECT_EQ(observer.at_once_max, 1);
}

INSTANTIATE_TEST_SUITE_P(Timeout, Scenario11SlowStore, testing::Values(Duration{1s}, Duration{5s}),
                         [](const auto& name) {
                           return name.param > 3s ? "LongerThanTheDelay" : "ShorterThanTheDelay";
                         });

// ---- 16 -------------------------------------------------------------------------------------

struct Heat {
  double healthy_writes_per_minute = 0;
  std::uint64_t writes_in_first_second = 0;
  std::uint64_t operations_in_first_second = 0;
  std::uint64_t throttled = 0;
  bool opened = false;
  Duration until_all_stopped{0};
  std::uint64_t calls_once_stopped = 0;  // to the dependency, in the next 20 s
};

// 50 processes: a minute and a half healthy at `per_second` calls in all, then the dependency
// fails every call.
Heat heat(double per_second, int throttle_at) {
  constexpr int kSize = 50;
  Policy policy;
  policy.open_duration = 30s;
  Fleet fleet(kSize, policy);
  CountOperations observer(fleet.properties);
  fleet.world.observe(observer);
  const double each = per_second / kSize;
  // Successes are counted in bulk, as the gate of a process does: ten times a second.
  const TrueTime healthy_until = fleet.world.scheduler.now() + 150s;
  for (int i = 0; i < kSize; ++i) {
    auto tick = std::make_shared<std::function<void()>>();
    *tick = [&fleet, i, each, healthy_until, weak = std::weak_ptr(tick)] {
      Process& p = fleet.process(i);
      if (fleet.world.scheduler.now() >= healthy_until) return;
      p.run([&] {
        const auto admission = p.admit();
        const auto& permit = std::get<fleet::Permit>(admission);
        p.member().count_successes(static_cast<std::uint64_t>(each / 10), permit.epoch, p.now());
      });
      if (const auto again = weak.lock()) {
        fleet.world.scheduler.after(100ms, [again] { (*again)(); });
      }
    };
    fleet.world.scheduler.after(1ms * i, [tick] { (*tick)(); });
  }
  fleet.world.run_for(90s);
  Heat heat;
  std::uint64_t writes = fleet.world.store.writes;
  fleet.world.run_for(60s);
  heat.healthy_writes_per_minute = static_cast<double>(fleet.world.store.writes - writes);

  fleet.world.store.network.operations_per_second_max = throttle_at;
  fleet.world.dependency.set_down(Down::refusing);
  const TrueTime down = fleet.world.scheduler.now();
  writes = fleet.world.store.writes;
  const std::uint64_t operations = observer.total;
  fleet.call_steadily(each);
  fleet.world.run_for(1s);
  heat.writes_in_first_second = fleet.world.store.writes - writes;
  heat.operations_in_first_second = observer.total - operations;
  const auto all_refuse = [&] {
    return std::all_of(fleet.world.processes.begin(), fleet.world.processes.end(),
                       [](const auto& p) { return !p->member().gate(p->now()).open; });
  };
  while (!all_refuse() && fleet.world.scheduler.now() - down < 30s) fleet.world.run_for(10ms);
  heat.until_all_stopped = fleet.world.scheduler.now() - down;
  const std::uint64_t received = fleet.world.dependency.received();
  fleet.world.run_for(20s);
  heat.calls_once_stopped = fleet.world.dependency.received() - received;
  heat.opened = fleet.properties.entered(State::open) > 0;
  heat.throttled = fleet.world.store.throttled;
  return heat;
}

TEST(Scenario16HotCircuit, WritesToTheStoreDoNotGrowWithTheCalls) {
  for (const double calls_per_second : {2'000.0, 20'000.0, 100'000.0}) {
    SCOPED_TRACE(calls_per_second);
    const Heat hot = heat(calls_per_second, 0);
    // Healthy: a heartbeat a minute and process, whatever the calls.
    EXPECT_LE(hot.healthy_writes_per_minute, 2 * 50);
    EXPECT_TRUE(hot.opened);
    EXPECT_LE(hot.until_all_stopped, 2s);
    // Down: at most one report a gap and process (200 ms at this size), and their trips.
    EXPECT_LE(hot.writes_in_first_second, 50u * (5 + 2));
  }
}

TEST(Scenario16HotCircuit, ThrottlingDoesNotCascade) {
  const Heat free = heat(20'000, 0);
  for (const int bears : {100, 20}) {  // operations a second; the fleet would make more
    SCOPED_TRACE(bears);
    const Heat tight = heat(20'000, bears);
    EXPECT_GT(tight.throttled, 0u);
    // Whoever is throttled backs off: what is tried again stays below what is asked at all.
    EXPECT_LE(tight.operations_in_first_second, 2 * free.operations_in_first_second);
    // And nobody waits for the store to be told: each process stops by what it has seen itself.
    EXPECT_LE(tight.until_all_stopped, 2s);
    EXPECT_LE(tight.calls_once_stopped, 50u * 3);  // trials, after 5, 10 and 20 s
    if (bears == 100) {
      EXPECT_TRUE(tight.opened);
    }
  }
}

}  // namespace
}  // namespace switchgear::lab
