#include "guard/engine.h"

#include <gtest/gtest.h>

#include "guard/scripted_store_for_tests.h"

namespace switchgear::guard {
namespace {

struct Seen {
  std::string circuit, backend, operation, result;
  Duration latency{0};
};

class AnEngine : public testing::Test {
 protected:
  AnEngine() { make({}); }
  void make(EngineOptions options) {
    engine = std::make_unique<Engine>(
        loop, std::make_unique<ScriptedStore>(loop, table), std::move(options),
        EngineEvents{.transition = [this](const std::string&,
                                          const fleet::Transition& t) { transitions.push_back(t); },
                     .store_result =
                         [this](const StoreResult& r) {
                           results.push_back({std::string(r.circuit), std::string(r.backend),
                                              std::string(r.operation), std::string(r.result),
                                              r.latency});
                         }});
  }
  fleet::Member& added(const Policy& policy = quick_policy()) {
    const auto member = engine->add("c", policy);
    EXPECT_TRUE(member) << member.error().text();
    return **member;
  }
  // One call as a worker on the loop's thread makes it; whether it was admitted.
  bool call(Outcome outcome) {
    fleet::Member& member = engine->member("c");
    const auto admission = member.admit(engine->now());
    if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
      member.finish(*permit, outcome, 1ms, engine->now());
    }
    engine->poke("c");
    return std::holds_alternative<fleet::Permit>(admission);
  }
  bool run_until(const std::function<bool()>& done) { return loop.run_until(done, 10s); }
  void first_view() {
    call(Outcome::success);
    ASSERT_TRUE(run_until([&] { return engine->ready("c"); }));
  }

  net::Loop loop;
  std::shared_ptr<SharedTable> table = std::make_shared<SharedTable>();
  std::vector<fleet::Transition> transitions;
  std::vector<Seen> results;
  std::unique_ptr<Engine> engine;
};

TEST_F(AnEngine, BringsTheFirstViewOnceACallAsks) {
  added();
  EXPECT_FALSE(engine->ready("c"));
  first_view();
  EXPECT_EQ(engine->member("c").state(), State::closed);
}

TEST_F(AnEngine, CarriesATripToTheStoreAndTellsOfIt) {
  added();
  first_view();
  for (int i = 0; i < 5; ++i) call(Outcome::failure);
  ASSERT_TRUE(
      run_until([&] { return !transitions.empty() && transitions.back().to == State::open; }));
  EXPECT_EQ(transitions.back().reason, "failure_rate");
  const auto stored = table->execute("c", fleet::ReadOp{});
  EXPECT_EQ(stored.snapshot.readable()->state, State::open);
}

TEST_F(AnEngine, ComesBackByProbes) {
  added();
  first_view();
  for (int i = 0; i < 5; ++i) call(Outcome::failure);
  ASSERT_TRUE(run_until([&] { return engine->member("c").state() == State::open; }));
  ASSERT_TRUE(run_until([&] {
    call(Outcome::success);
    return engine->member("c").state() == State::closed;
  }));
}

TEST_F(AnEngine, ReportsEveryStoreOperation) {
  added();
  first_view();
  ASSERT_FALSE(results.empty());
  EXPECT_EQ(results.front().circuit, "c");
  EXPECT_EQ(results.front().backend, "scripted");
  EXPECT_EQ(results.front().result, "ok");
  EXPECT_GE(results.front().latency, 0s);
  EXPECT_LT(results.front().latency, 5s);
}

TEST_F(AnEngine, GoesOnWithoutTheStore) {
  table->down = true;
  added();
  EXPECT_TRUE(call(Outcome::success));
  ASSERT_TRUE(run_until([&] { return !results.empty(); }));
  EXPECT_EQ(results.front().result, "timeout");
  EXPECT_FALSE(engine->store_up());
  EXPECT_TRUE(call(Outcome::success));
  table->down = false;
  ASSERT_TRUE(run_until([&] {
    call(Outcome::success);
    return engine->ready("c");
  }));
  EXPECT_TRUE(engine->store_up());
}

TEST_F(AnEngine, IsSilentWhileNobodyCalls) {
  added();
  loop.run_until([] { return false; }, 50ms);  // whatever it does at its start
  const int before = table->operations;
  loop.run_until([] { return false; }, 300ms);
  EXPECT_EQ(table->operations, before);
}

TEST_F(AnEngine, RefusesABadNameWithTheReason) {
  const auto member = engine->add("pay ments", {});
  ASSERT_FALSE(member);
  EXPECT_EQ(member.error().code, "name");
  EXPECT_NE(member.error().message.find("a space"), std::string::npos);
}

TEST_F(AnEngine, RefusesABadPolicyWithAllItsProblems) {
  const auto member = engine->add("c", {.open_duration = 0s, .probes = 0});
  ASSERT_FALSE(member);
  EXPECT_EQ(member.error().code, "policy");
  EXPECT_NE(member.error().message.find("open_duration"), std::string::npos);
  EXPECT_NE(member.error().message.find("probes"), std::string::npos);
}

TEST_F(AnEngine, HasEachNameOnce) {
  added();
  const auto again = engine->add("c", quick_policy());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "exists");
}

TEST_F(AnEngine, HasNoMoreCircuitsThanItMay) {
  EngineOptions options;
  options.circuits_max = 2;
  make(options);
  EXPECT_TRUE(engine->add("a", {}));
  EXPECT_TRUE(engine->add("b", {}));
  const auto third = engine->add("c", {});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, "too_many_circuits");
}

TEST_F(AnEngine, MayEndWhileTheStoreOwesAnAnswer) {
  added();
  call(Outcome::success);
  engine.reset();
  EXPECT_FALSE(loop.run_until([] { return false; }, 10ms));
}

TEST(RandomIdentity, DiffersEveryTimeAndFits48Bits) {
  const Identity a = random_identity();
  const Identity b = random_identity();
  EXPECT_NE(a.instance, b.instance);
  EXPECT_NE(a.seed, b.seed);
  EXPECT_EQ(a.instance.value >> 48, 0u);
}

}  // namespace
}  // namespace switchgear::guard
