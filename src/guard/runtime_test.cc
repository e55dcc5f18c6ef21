// Many threads, one background thread, and a store that changes its mind.
#include "guard/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guard/scripted_store_for_tests.h"

namespace switchgear::guard {
namespace {

std::unique_ptr<Runtime> runtime_on(const std::shared_ptr<SharedTable>& table,
                                    RuntimeOptions options = {}, RuntimeEvents events = {}) {
  auto runtime = Runtime::start(
      [&](net::Loop& loop) -> Result<std::unique_ptr<stores::Store>> {
        return std::unique_ptr<stores::Store>(std::make_unique<ScriptedStore>(loop, table));
      },
      std::move(options), std::move(events));
  EXPECT_TRUE(runtime);
  return std::move(*runtime);
}

bool call(CircuitCore& circuit, Outcome outcome) {
  Leave leave;
  Refusal refusal;
  if (!circuit.admit(leave, refusal)) return false;
  circuit.finish(leave, outcome);
  return true;
}

std::uint64_t ended(const CircuitCounts& c) {
  std::uint64_t sum = c.late + c.dropped;
  for (const std::uint64_t n : c.outcomes) sum += n;
  for (const std::uint64_t n : c.probes) sum += n;
  return sum;
}

class ARuntime : public testing::Test {
 protected:
  CircuitCore& circuit(const std::string& name = "c", const Policy& policy = quick_policy()) {
    const auto core = runtime->circuit(name, policy);
    EXPECT_TRUE(core) << core.error().text();
    return **core;
  }
  static State state(CircuitCore& core) {
    return core.seat()->touch([](fleet::Member& m, const Now&) { return m.state(); });
  }
  static bool seen(CircuitCore& core) {
    return core.seat()->touch([](fleet::Member& m, const Now&) { return m.record() != nullptr; });
  }
  // Calls until the gate alone admits.
  static Leave leave_of_gate(CircuitCore& core) {
    Leave leave{};
    EXPECT_TRUE(eventually([&] {
      Refusal refusal;
      if (!core.admit(leave, refusal)) return false;
      if (leave.way == Leave::Way::gate) return true;
      core.finish(leave, Outcome::ignored);
      return false;
    }));
    return leave;
  }
  std::shared_ptr<SharedTable> table = std::make_shared<SharedTable>();
  std::unique_ptr<Runtime> runtime = runtime_on(table);
};

TEST_F(ARuntime, LetsTheFirstCallWaitForTheFirstView) {
  RuntimeOptions patient;
  patient.circuit.first_view_wait = 5s;
  runtime = runtime_on(table, patient);
  table->hold("c", HoldKind::forced_open);
  CircuitCore& core = circuit();
  Leave leave;
  Refusal refusal;
  EXPECT_FALSE(core.admit(leave, refusal));
  EXPECT_EQ(refusal.reason, RefusalReason::held);
}

TEST_F(ARuntime, LetsNoCallWaitForAStoreThatHangs) {
  table->hangs = true;
  CircuitCore& core = circuit();
  EXPECT_TRUE(call(core, Outcome::success));  // waits out the budget
  EXPECT_TRUE(call(core, Outcome::success));
  EXPECT_FALSE(seen(core));
}

TEST_F(ARuntime, AdmitsByTheGateAloneOnceItKnowsTheCircuit) {
  CircuitCore& core = circuit();
  const Leave leave = leave_of_gate(core);
  core.finish(leave, Outcome::success);
  EXPECT_GE(core.counts().outcomes[static_cast<int>(Outcome::success)], 1u);
}

TEST_F(ARuntime, TripsRefusesProbesAndRecovers) {
  CircuitCore& core = circuit();
  leave_of_gate(core);
  EXPECT_TRUE(eventually([&] {
    Leave leave;
    Refusal refusal;
    if (!core.admit(leave, refusal)) return refusal.reason == RefusalReason::open;
    core.finish(leave, Outcome::failure);
    return false;
  }));
  EXPECT_TRUE(eventually([&] {
    call(core, Outcome::success);
    return state(core) == State::closed;
  }));
  EXPECT_GE(core.counts().probes[static_cast<int>(Outcome::success)], 1u);
}

TEST_F(ARuntime, CountsRefusalsThatNeverReachTheMember) {
  table->hold("c", HoldKind::forced_open);
  CircuitCore& core = circuit();
  ASSERT_TRUE(eventually([&] { return !call(core, Outcome::success); }));
  const auto held = static_cast<int>(RefusalReason::held);
  const std::uint64_t before = core.counts().refused[held];
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(call(core, Outcome::success));
  EXPECT_EQ(core.counts().refused[held], before + 1'000);
}

TEST_F(ARuntime, ObeysAHoldSoonAfterItIsReleased) {
  table->hold("c", HoldKind::forced_open);
  CircuitCore& core = circuit();
  ASSERT_TRUE(eventually([&] { return !call(core, Outcome::success); }));
  table->release("c");
  EXPECT_TRUE(eventually([&] { return call(core, Outcome::success); }));
}

TEST_F(ARuntime, KeepsItsViewYoungWhileEveryCallIsIgnored) {
  Policy policy = quick_policy();
  policy.view_refresh = 100ms;
  policy.view_max_age = 1h;
  CircuitCore& core = circuit("c", policy);
  leave_of_gate(core);
  // One refresh is owed to the calls that asked the member; the others to those of the gate alone.
  const int operations = table->operations;
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(call(core, Outcome::ignored));
    return table->operations >= operations + 3;
  }));
}

TEST_F(ARuntime, JudgesASlowCallThatTheGateAdmitted) {
  Policy policy = quick_policy();
  policy.slow_call_duration = 1ms;
  policy.acceptable_slow_call_rate = 0.01;
  policy.unacceptable_slow_call_rate = 0.9;
  CircuitCore& core = circuit("slow", policy);
  ASSERT_TRUE(eventually([&] {
    Leave leave;
    Refusal refusal;
    if (!core.admit(leave, refusal)) return refusal.reason == RefusalReason::open;
    const MonoTime from = read_monotonic();
    while (read_monotonic() < from + 2ms) {
    }
    core.finish(leave, Outcome::success);
    return false;
  }));
}

TEST_F(ARuntime, HandsTheClassicRuleItsCallsInTheirOrder) {
  const Policy policy{
      .rule = Rule::classic, .sliding_window_size = 10, .minimum_number_of_calls = 1};
  CircuitCore& core = circuit("c", policy);
  core.finish(leave_of_gate(core), Outcome::success);
  for (int i = 0; i < 20; ++i) call(core, Outcome::success);
  // As the member has them: counts() would hand over the successes itself.
  const auto failures = [&] {
    return core.seat()->touch([](fleet::Member& m, const Now&) {
      return m.counters().outcomes[static_cast<int>(Outcome::failure)];
    });
  };
  call(core, Outcome::failure);  // one of the last ten, not the first of all
  ASSERT_TRUE(eventually([&] { return failures() == 1; }));
  EXPECT_EQ(state(core), State::closed);
  for (int i = 0; i < 3; ++i) call(core, Outcome::failure);
  ASSERT_TRUE(eventually([&] { return failures() == 4; }));
  EXPECT_EQ(state(core), State::closed);
  call(core, Outcome::failure);
  EXPECT_TRUE(eventually([&] { return state(core) == State::open; }));
}

TEST_F(ARuntime, ObservesWithoutRefusing) {
  table->hold("c", HoldKind::forced_open);
  Policy policy = quick_policy();
  policy.mode = Mode::observe;
  CircuitCore& core = circuit("c", policy);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(call(core, Outcome::failure));
  EXPECT_TRUE(eventually([&] { return ended(core.counts()) == 1'000; }));
}

TEST_F(ARuntime, DoesNothingAtAllWhenSwitchedOff) {
  Policy policy = quick_policy();
  policy.mode = Mode::off;
  CircuitCore& core = circuit("c", policy);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(call(core, Outcome::failure));
  EXPECT_EQ(table->operations, 0);
}

TEST_F(ARuntime, SharesACircuitWithAnotherProcessByTheStore) {
  const auto other = runtime_on(table);
  CircuitCore& here = circuit();
  CircuitCore& there = **other->circuit("c", quick_policy());
  leave_of_gate(here);
  leave_of_gate(there);
  // With two members one alone cannot supply all the evidence.
  ASSERT_TRUE(eventually([&] {
    const bool one = call(here, Outcome::failure);
    const bool two = call(there, Outcome::failure);
    return !one && !two;
  }));
}

TEST_F(ARuntime, GoesOnWhenTheStoreGoesAndComesBack) {
  std::mutex mutex;
  std::vector<std::string> problems;
  RuntimeEvents events;
  events.problem = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    problems.push_back(text);
  };
  runtime = runtime_on(table, {}, events);
  CircuitCore& core = circuit();
  leave_of_gate(core);
  table->down = true;
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(call(core, Outcome::success));
    return !runtime->store_up();
  }));
  table->down = false;
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(call(core, Outcome::success));
    return runtime->store_up();
  }));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return problems.size() >= 2;
  }));
  const std::lock_guard lock(mutex);
  EXPECT_THAT(problems[0], testing::HasSubstr("does not answer"));
  EXPECT_THAT(problems[1], testing::HasSubstr("answers again"));
}

TEST_F(ARuntime, SwallowsWhatACallbackThrows) {
  RuntimeEvents events;
  std::atomic<int> told{0};
  events.transition = [&](const std::string&, const fleet::Transition&) {
    told++;
    throw std::runtime_error("from a callback");
  };
  runtime = runtime_on(table, {}, events);
  CircuitCore& core = circuit();
  leave_of_gate(core);
  EXPECT_TRUE(eventually([&] {
    call(core, Outcome::failure);
    return told > 0;
  }));
}

TEST_F(ARuntime, GivesTheSameCircuitForTheSameName) {
  EXPECT_EQ(&circuit(), &circuit());
  EXPECT_EQ(&circuit(), runtime->circuit("c")->get());
}

TEST_F(ARuntime, RefusesOneNameWithTwoPolicies) {
  circuit();
  Policy other = quick_policy();
  other.probes = 5;
  const auto again = runtime->circuit("c", other);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "exists");
}

TEST_F(ARuntime, LetsCallsOfOneCircuitTooManyPassAndSaysSo) {
  std::atomic<int> told{0};
  RuntimeEvents events;
  events.problem = [&](const std::string& text) { told += text.find("not guarded") < text.size(); };
  RuntimeOptions options;
  options.engine.circuits_max = 2;
  runtime = runtime_on(table, options, events);
  circuit("a");
  circuit("b");
  CircuitCore& third = circuit("c");
  EXPECT_TRUE(call(third, Outcome::failure));
  EXPECT_EQ(third.seat(), nullptr);
  circuit("d");
  EXPECT_EQ(runtime->circuits_refused(), 2u);
  EXPECT_TRUE(eventually([&] { return told == 1; }));
}

TEST_F(ARuntime, ForgetsNoKeyThatHasFailuresToReport) {
  RuntimeOptions options;
  options.keys_max = 1;
  runtime = runtime_on(table, options);
  const auto guarded = [&](const std::string& name) {
    return (*runtime->circuit(name, quick_policy()))->seat() != nullptr;
  };
  Runtime::Core first = *runtime->circuit("p/a", quick_policy());
  const Leave leave = leave_of_gate(*first);
  table->down = true;
  first->finish(leave, Outcome::failure);
  first.reset();
  EXPECT_FALSE(guarded("p/b"));
  const int asked = table->operations;
  EXPECT_FALSE(guarded("p/b"));
  table->down = false;
  EXPECT_TRUE(eventually([&] { return guarded("p/b"); }));
  EXPECT_GT(table->operations, asked);
}

TEST_F(ARuntime, ForgetsNoKeyThatAPersonHolds) {
  RuntimeOptions options;
  options.keys_max = 1;
  runtime = runtime_on(table, options);
  const auto guarded = [&](const std::string& name) {
    return (*runtime->circuit(name, quick_policy()))->seat() != nullptr;
  };
  table->hold("p/a", HoldKind::metrics_only);
  {
    const Runtime::Core first = *runtime->circuit("p/a", quick_policy());
    ASSERT_TRUE(eventually([&] { return call(*first, Outcome::success) && seen(*first); }));
  }
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(guarded("p/b"));
  table->release("p/a");
  // It is looked at again when it is used again.
  EXPECT_TRUE(eventually([&] {
    call(**runtime->circuit("p/a", quick_policy()), Outcome::success);
    return guarded("p/b");
  }));
}

TEST_F(ARuntime, LetsCallsPassAfterItsEnd) {
  CircuitCore& core = circuit();
  Leave early = leave_of_gate(core);
  table->hold("c", HoldKind::forced_open);
  runtime->close();
  EXPECT_TRUE(call(core, Outcome::failure));
  core.finish(early, Outcome::failure);
  EXPECT_TRUE(call(circuit("new"), Outcome::failure));
}

TEST_F(ARuntime, MayEndAtOnce) {
  for (int i = 0; i < 20; ++i) {
    auto brief = runtime_on(table);
    EXPECT_TRUE(brief->circuit("c", quick_policy()));
  }
}

TEST_F(ARuntime, SleepsWhenNobodyCalls) {
  Policy lazy = quick_policy();
  lazy.view_refresh = 10s;
  CircuitCore& core = circuit("c", lazy);
  core.finish(leave_of_gate(core), Outcome::success);
  // Two rounds of sweeping without a call put the gate to sleep; the next call wakes it.
  EXPECT_TRUE(eventually([&] {
    return core.seat()->touch([&](fleet::Member&, const Now&) { return !core.awake(); });
  }));
  EXPECT_TRUE(call(core, Outcome::success));
  core.finish(leave_of_gate(core), Outcome::success);
}

// Every call that was admitted is counted exactly once, whatever the store does meanwhile.
TEST_F(ARuntime, CountsEveryCallOnceWhileTheCircuitFlips) {
  constexpr int kThreads = 4;
  RuntimeOptions tight;
  tight.notes_max = 64;  // so that some results find no room
  runtime = runtime_on(table, tight);
  Policy policy = quick_policy();
  policy.slow_call_duration = 500ms;
  policy.trip_level = 500;  // so that calls pass for a while between trips
  CircuitCore& core = circuit("c", policy);
  leave_of_gate(core);  // one leave that stays out
  const std::uint64_t before = ended(core.counts());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> issued{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      core::Random random(static_cast<std::uint64_t>(t));
      std::uint64_t mine = 0;
      while (!stop) {
        Leave leave;
        Refusal refusal;
        if (!core.admit(leave, refusal)) {
          std::this_thread::yield();
          continue;
        }
        ++mine;
        if (random.chance(0.01)) std::this_thread::yield();
        core.finish(leave, random.chance(0.05)   ? Outcome::failure
                           : random.chance(0.05) ? Outcome::overload
                           : random.chance(0.05) ? Outcome::ignored
                                                 : Outcome::success);
      }
      issued += mine;
    });
  }
  const MonoTime end = read_monotonic() + 3s;
  for (int flip = 0; read_monotonic() < end; ++flip) {
    switch (flip % 4) {
      case 0:
        table->hold("c", HoldKind::forced_open);
        EXPECT_TRUE(eventually([&] {
          return core.seat()->touch([](fleet::Member& m, const Now&) {
            return m.hold_in_force() == HoldKind::forced_open;
          });
        }));
        break;
      case 1:
        table->release("c");
        break;
      case 2:
        table->down = true;
        EXPECT_TRUE(eventually([&] { return !runtime->store_up(); }));
        break;
      default:
        table->down = false;
        EXPECT_TRUE(eventually([&] { return runtime->store_up(); }));
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(issued, 100u);
  const std::uint64_t expected = before + issued;
  EXPECT_TRUE(eventually([&] { return ended(core.counts()) == expected; }))
      << ended(core.counts()) << " counted of " << expected;
}

}  // namespace
}  // namespace switchgear::guard
