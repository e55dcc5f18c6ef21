// Scenario 30: names of circuits come from outside, and there is no end to them.
#include <gtest/gtest.h>

#include <fstream>

#include "guard/runtime.h"
#include "guard/scripted_store_for_tests.h"
#include "switchgear/switchgear.h"

namespace switchgear {
namespace {

using guard::eventually;
using guard::quick_policy;

constexpr int kNames = 100'000;
constexpr std::size_t kKeysMax = 500;

Policy stays_open() {
  Policy policy = quick_policy();
  policy.open_duration = policy.max_open_duration = 1h;
  // Two failures trip it, however fast the calls of a test follow one another.
  policy.failure_weight = 10'000;
  policy.trip_level = 15'000;
  return policy;
}

Outcome pass(const Refusal&) { return Outcome::ignored; }

bool succeeds(const Circuit& circuit) {
  bool made = false;
  circuit.run(
      [&] {
        made = true;
        return Outcome::success;
      },
      pass);
  return made;
}

void trip(const Circuit& circuit) {
  // Failures that nobody but this process knows of yet would stop it alone, so a view comes first.
  succeeds(circuit);
  ASSERT_TRUE(eventually([&] { return circuit.status().epoch > 0; }));
  ASSERT_TRUE(eventually([&] {
    circuit.run([] { return Outcome::failure; }, pass);
    return circuit.status().state == State::open;
  }));
}

Circuits bounded() {
  Options options;
  options.first_view_wait = 0s;
  options.keys_max = kKeysMax;
  return open("memory:", options);
}

std::size_t resident_kb() {
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  status >> total >> resident;
  return resident * 4;
}

TEST(Scenario30ManyNames, MemoryIsBoundedAndNoOpenCircuitIsForgotten) {
  auto circuits = bounded();
  const Circuit payments = circuits.circuit("payments", stays_open());
  for (int i = 0; i < 20; ++i) trip(payments.key("broken-" + std::to_string(i)));

  [[maybe_unused]] std::size_t after_a_tenth = 0;
  for (int i = 0; i < kNames; ++i) {
    EXPECT_TRUE(succeeds(payments.key("tenant-" + std::to_string(i))));
    if (i % 1'000 == 0) {
      ASSERT_LE(circuits.keys_of("payments").keys, kKeysMax);
    }
    if (i == kNames / 10) after_a_tenth = resident_kb();
  }
  const KeysStatus keys = circuits.keys_of("payments");
  EXPECT_EQ(keys.open, 20u);
#if !__has_feature(address_sanitizer)  // which keeps what was freed
  EXPECT_LE(resident_kb(), after_a_tenth + 50'000) << "kB";
#endif
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(succeeds(payments.key("broken-" + std::to_string(i)))) << i;
  }
}

TEST(Scenario30ManyNames, WhereNoneCanBeForgottenANewNameIsNotGuardedAndCounted) {
  Options options;
  options.keys_max = 3;
  auto circuits = open("memory:", options);
  const Circuit payments = circuits.circuit("payments", stays_open());
  for (const char* key : {"a", "b", "c"}) trip(payments.key(key));
  EXPECT_EQ(circuits.unguarded(), 0u);
  EXPECT_TRUE(succeeds(payments.key("d")));
  EXPECT_EQ(circuits.unguarded(), 1u);
  EXPECT_EQ(payments.key("d").name(), "(beyond circuits_max)");
  EXPECT_EQ(circuits.keys_of("payments").open, 3u);
}

TEST(Scenario30ManyNames, WhatSomebodyHoldsOrCallsIsNotForgotten) {
  Options options;
  options.keys_max = 2;
  auto circuits = open("memory:", options);
  const Circuit payments = circuits.circuit("payments", stays_open());
  const Circuit handle = payments.key("handle");
  Permit permit = payments.key("permit").try_acquire();
  ASSERT_TRUE(permit);
  EXPECT_EQ(payments.key("third").name(), "(beyond circuits_max)");
  permit.success();
  // Once its call has ended it may go, as soon as it has told the store what there is to tell.
  EXPECT_TRUE(eventually([&] { return payments.key("third").name() == "payments/third"; }));
  EXPECT_EQ(handle.name(), "payments/handle");
}

TEST(Scenario30ManyNames, TheLeastRecentlyUsedGoesFirst) {
  Options options;
  options.keys_max = 3;
  auto circuits = open("memory:", options);
  const Circuit payments = circuits.circuit("payments", quick_policy());
  std::vector<std::string> used;
  const auto use = [&](const std::string& key) {
    const Circuit circuit = payments.key(key);
    succeeds(circuit);
    return eventually([&] { return circuit.status().epoch > 0; });
  };
  for (const char* key : {"a", "b", "c", "a"}) ASSERT_TRUE(use(key));
  ASSERT_TRUE(eventually([&] { return use("d") && payments.key("d").name() == "payments/d"; }));
  // "a" is still the one that was counted twice, "b" has begun anew.
  EXPECT_EQ(payments.key("a").status().succeeded, 2u);
}

TEST(Keys, HaveTheSettingsOfTheirParent) {
  auto circuits = open("memory:");
  const Circuit payments = circuits.circuit("payments", stays_open());
  trip(payments.key("a"));
  EXPECT_FALSE(succeeds(circuits.circuit("payments/a")));
  EXPECT_TRUE(succeeds(payments.key("b")));
  EXPECT_TRUE(succeeds(payments));
  EXPECT_NO_THROW(circuits.circuit("payments/c", stays_open()));
  EXPECT_THROW(circuits.circuit("payments/c", Policy{}), InvalidArgument);
}

TEST(Keys, AreRefusedWhereTheyMakeNoName) {
  auto circuits = open("memory:");
  const Circuit payments = circuits.circuit("payments");
  EXPECT_THROW((void)payments.key(""), InvalidArgument);
  EXPECT_THROW((void)payments.key("a b"), InvalidArgument);
  EXPECT_THROW((void)payments.key("a/b"), InvalidArgument);
  EXPECT_THROW((void)payments.key("a").key("b"), InvalidArgument);
}

TEST(Keys, ComeAndGoWhileManyThreadsCallThem) {
  auto circuits = bounded();
  const Circuit payments = circuits.circuit("payments", quick_policy());
  std::atomic<std::uint64_t> made{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5'000; ++i) {
        const std::string key = "k" + std::to_string((i * 7 + t * 1'000) % 3'000);
        Permit permit = payments.key(key).try_acquire();
        if (!permit) continue;
        ++made;
        permit.finish(i % 5 == 0 ? Outcome::failure : Outcome::success);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(made, 0u);
  EXPECT_LE(circuits.keys_of("payments").keys, kKeysMax);
}

}  // namespace
}  // namespace switchgear
