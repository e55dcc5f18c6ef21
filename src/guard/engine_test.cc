#include "guard/engine.h"

#include <gtest/gtest.h>

#include "guard/scripted_store_for_tests.h"
#include "net/redis_client.h"
#include "net/redis_server_for_tests.h"
#include "stores/open.h"

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
        EngineEvents{
            .transition = [this](const std::string&,
                                 const fleet::Transition& t) { transitions.push_back(t); },
            .store_result =
                [this](const StoreResult& r) {
                  results.push_back({std::string(r.circuit), std::string(r.backend),
                                     std::string(r.operation), std::string(r.result), r.latency});
                },
            .remark = [this](const std::string&, const RecordRemark& r) { remarks.push_back(r); }});
  }
  // With a clock that `passed` moves on.
  void make_with_clock() {
    EngineOptions options;
    options.clock = [this] {
      Now now = net::read_clocks();
      now.mono += passed;
      now.boot += passed;
      return now;
    };
    make(options);
  }
  // With a clock that only `passed` moves.
  void make_with_fifty_operations_a_second() {
    EngineOptions options;
    options.store_operations_per_second = 50;
    options.clock = [this] {
      return Now{.mono = MonoTime{1h} + passed,
                 .boot = BootTime{1h} + passed,
                 .wall = WallTime{1h} + passed};
    };
    make(options);
  }
  // Calls until the store has answered so many times more.
  bool answers(std::size_t more) {
    const std::size_t enough = results.size() + more;
    return run_until([&] {
      call(Outcome::success);
      return results.size() >= enough;
    });
  }
  bool remarked(std::size_t count) {
    return run_until([&] {
      call(Outcome::success);
      return remarks.size() >= count;
    });
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
  std::vector<RecordRemark> remarks;
  Duration passed{0};
  std::unique_ptr<Engine> engine;
};

TEST_F(AnEngine, BringsTheFirstViewOnceACallAsks) {
  added();
  EXPECT_FALSE(engine->ready("c"));
  first_view();
  EXPECT_EQ(engine->member("c").state(), State::closed);
}

TEST_F(AnEngine, CarriesATripToTheStoreAndTellsOfIt) {
  Policy stays_open = quick_policy();
  stays_open.open_duration = stays_open.max_open_duration = 1h;
  added(stays_open);
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

TEST_F(AnEngine, SaysOncePerChangeThatTheFleetGoesByOtherSettings) {
  make_with_clock();
  added();
  first_view();
  const std::string ours = quick_policy().fingerprint();
  table->spoil("c", "fp", "feedfacefeedface");
  ASSERT_TRUE(remarked(1));
  EXPECT_TRUE(remarks[0].bad);
  for (const std::string& part : {std::string("circuit c "), std::string("feedfacefeedface"), ours,
                                  std::string("the same settings in every process")}) {
    EXPECT_NE(remarks[0].text.find(part), std::string::npos) << remarks[0].text;
  }
  ASSERT_TRUE(answers(3));
  EXPECT_EQ(remarks.size(), 1u);
  passed += 61s;
  ASSERT_TRUE(answers(3));
  EXPECT_EQ(remarks.size(), 1u);  // it is the same still

  table->spoil("c", "fp", "0123456789abcdef");
  ASSERT_TRUE(remarked(2));
  EXPECT_NE(remarks[1].text.find("0123456789abcdef"), std::string::npos);
  passed += 61s;
  table->spoil("c", "fp", ours);
  ASSERT_TRUE(remarked(3));
  EXPECT_FALSE(remarks[2].bad);
  EXPECT_NE(remarks[2].text.find("agree again"), std::string::npos) << remarks[2].text;
}

TEST_F(AnEngine, SaysOfSettingsThatAlternateOnceAMinute) {
  make_with_clock();
  added();
  first_view();
  table->spoil("c", "fp", "feedfacefeedface");
  ASSERT_TRUE(remarked(1));
  for (int i = 0; i < 5; ++i) {
    table->spoil("c", "fp", quick_policy().fingerprint());
    ASSERT_TRUE(answers(2));
    table->spoil("c", "fp", "feedfacefeedface");
    ASSERT_TRUE(answers(2));
  }
  EXPECT_EQ(remarks.size(), 1u);
}

TEST_F(AnEngine, SaysAFewThingsAMinuteHoweverManyCircuitsThereAre) {
  make_with_clock();
  const auto name = [](int i) { return "p/" + std::to_string(i); };
  const auto all = [&](const std::function<bool(const std::string&)>& holds) {
    return run_until([&] {
      bool every = true;
      for (int i = 0; i < 30; ++i) {
        (void)engine->member(name(i)).admit(engine->now());
        engine->poke(name(i));
        every &= holds(name(i));
      }
      return every;
    });
  };
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(engine->add(name(i), quick_policy()));
  ASSERT_TRUE(all([&](const std::string& circuit) { return engine->ready(circuit); }));
  for (int i = 0; i < 30; ++i) table->spoil(name(i), "fp", "feedfacefeedface");
  const auto differs = [&](const std::string& circuit) {
    return engine->member(circuit).settings_differ();
  };
  ASSERT_TRUE(all(differs));
  EXPECT_EQ(remarks.size(), 20u);
  passed += 61s;
  ASSERT_TRUE(all(differs));
  EXPECT_EQ(remarks.size(), 30u);
}

TEST_F(AnEngine, SpendsNoMoreOperationsThanAllowedHoweverManyCircuitsThereAre) {
  make_with_fifty_operations_a_second();
  const auto name = [](int i) { return "p/" + std::to_string(i); };
  constexpr int kCircuits = 200;
  for (int i = 0; i < kCircuits; ++i) ASSERT_TRUE(engine->add(name(i), quick_policy()));
  const auto ask_all = [&] {
    for (int i = 0; i < kCircuits; ++i) {
      (void)engine->member(name(i)).admit(engine->now());
      engine->poke(name(i));
    }
    loop.run_until([] { return false; }, 5ms);  // the answers
  };
  const auto operations = [&] { return static_cast<int>(table->operations); };
  for (int i = 0; i < 5; ++i) ask_all();
  EXPECT_GE(operations(), 50);
  EXPECT_LE(operations(), 51) << "a burst of one second's worth";
  for (int step = 1; step <= 20; ++step) {
    passed += 100ms;
    ask_all();
    EXPECT_LE(operations(), 51 + 5 * step);
  }
  EXPECT_GE(operations(), 51 + 5 * 20 - 10) << "and no less";
  for (int second = 0; second < 30; ++second) {
    passed += 1s;
    ask_all();
  }
  for (int i = 0; i < kCircuits; ++i) EXPECT_TRUE(engine->ready(name(i))) << "nobody starves " << i;
}

TEST_F(AnEngine, LetsNobodyWaitForTheTurnsOfCircuitsThatWereReleased) {
  make_with_fifty_operations_a_second();
  const auto policy = std::make_shared<const fleet::PolicyTable>(quick_policy());
  for (int i = 0; i < 1'000; ++i) {
    const auto seat = engine->make_seat("p/" + std::to_string(i), policy);
    ASSERT_TRUE(engine->adopt(seat));
    (void)seat->member().admit(engine->now());
    engine->poke(*seat);
    engine->release(*seat);
  }
  added();
  for (int step = 0; step < 10 && !engine->ready("c"); ++step) {
    passed += 100ms;
    call(Outcome::success);
    loop.run_until([] { return false; }, 5ms);
  }
  EXPECT_TRUE(engine->ready("c"));
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

// Two engines on one Redis, as two processes have them. The second makes no call after its first:
// what it knows soon it has been told, for on its own it looks once in 30 s.
class TwoEngines : public testing::Test {
 protected:
  // Of everything that answers in milliseconds on a machine that has nothing else to do.
  static constexpr Duration kPatience = 20s;

  std::unique_ptr<Engine> engine(bool push = true) {
    auto made = std::make_unique<Engine>(
        loop, *stores::open_store(loop, redis.url(), {.timeout = kPatience}),
        EngineOptions{.member = {}, .push = push}, EngineEvents{});
    EXPECT_TRUE(made->add("c", policy()));
    call(*made, Outcome::success);
    EXPECT_TRUE(run_until([&] { return made->ready("c"); }));
    return made;
  }
  static Policy policy() {
    Policy p = quick_policy();
    p.open_duration = p.max_open_duration = 1h;
    p.view_refresh = 10min;
    p.view_refresh_in_trouble = 10min;
    p.view_max_age = 1h;
    return p;
  }
  static void call(Engine& by, Outcome outcome) {
    const auto admission = by.member("c").admit(by.now());
    if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
      by.member("c").finish(*permit, outcome, 1ms, by.now());
    }
    by.poke("c");
  }
  bool run_until(const std::function<bool()>& done) { return loop.run_until(done, kPatience); }
  static State state(Engine& of) { return of.member("c").state(); }
  void hold(HoldKind kind) {
    const fleet::PolicyTable table{Policy{}};
    auto store = *stores::open_store(loop, redis.url(), {.timeout = kPatience});
    bool done = false;
    store->execute("c", fleet::ReadOp{}, [&](const Result<fleet::Answer>& seen) {
      ASSERT_TRUE(seen) << seen.error().text();
      store->execute("c",
                     fleet::set_hold(table, seen->snapshot, {.instance = {0xabc}, .nonce = ++nonce},
                                     {.kind = kind, .who = "somebody", .why = "", .until = {}}),
                     [&](const Result<fleet::Answer>& answer) {
                       ASSERT_TRUE(answer) << answer.error().text();
                       EXPECT_EQ(answer->status, fleet::Status::ok);
                       done = true;
                     });
    });
    EXPECT_TRUE(run_until([&] { return done; }));
  }
  net::resp::Value command(std::vector<std::string> words) {
    net::RedisClient client(loop, *net::redis_address(redis.url()),
                            {.command_timeout = kPatience, .connect_timeout = kPatience});
    std::optional<net::resp::Value> answer;
    client.command(std::move(words), [&](const Result<net::resp::Value>& value) {
      EXPECT_TRUE(value) << value.error().text();
      answer = value ? *value : net::resp::Value{};
    });
    EXPECT_TRUE(run_until([&] { return answer.has_value(); }));
    return *answer;
  }
  std::int64_t subscribers() {
    return command({"PUBSUB", "NUMSUB", "{sg:10:switchgear:1:c}:c"}).items.at(1).integer;
  }
  bool subscribed(std::int64_t count) {
    const MonoTime end = net::read_clocks().mono + kPatience;
    while (subscribers() != count) {
      if (net::read_clocks().mono > end) return false;
    }
    return true;
  }

  net::RedisServer redis;
  net::Loop loop;
  std::uint64_t nonce = 0;
};

TEST_F(TwoEngines, HearOfATripWithoutACall) {
  const auto author = engine();
  const auto listener = engine();
  ASSERT_TRUE(subscribed(2));
  ASSERT_TRUE(run_until([&] {
    // Neither may supply all the evidence; the listener's part comes first.
    if (state(*author) == State::closed) {
      call(*author, Outcome::failure);
      call(*listener, Outcome::failure);
    }
    return state(*author) == State::open;
  }));
  EXPECT_TRUE(run_until([&] { return state(*listener) == State::open; }));
}

TEST_F(TwoEngines, HearOfAHoldWithoutACallAndReadOnceForIt) {
  // The record is there before anybody listens: its creation would be heard too.
  auto author = engine(false);
  ASSERT_TRUE(run_until([&] { return command({"DBSIZE"}).integer > 0; }));
  author.reset();
  int reads = 0;
  Engine listener(loop, *stores::open_store(loop, redis.url(), {.timeout = kPatience}),
                  {.member = {}, .push = true},
                  {.transition = {}, .store_result = [&](const StoreResult& result) {
                     reads += result.operation == "read";
                   }});
  ASSERT_TRUE(listener.add("c", policy()));
  call(listener, Outcome::success);
  ASSERT_TRUE(run_until([&] { return listener.ready("c"); }));
  ASSERT_TRUE(subscribed(1));
  reads = 0;
  hold(HoldKind::forced_open);
  ASSERT_TRUE(
      run_until([&] { return listener.member("c").hold_in_force() == HoldKind::forced_open; }));
  EXPECT_EQ(listener.pushes_heard(), 1u);
  EXPECT_EQ(reads, 1);
}

TEST_F(TwoEngines, SubscribeAnewAfterTheSubscriptionWasKilled) {
  const auto listener = engine();
  ASSERT_TRUE(subscribed(1));
  ASSERT_EQ(command({"CLIENT", "KILL", "TYPE", "pubsub"}).integer, 1);
  ASSERT_TRUE(subscribed(0));
  ASSERT_TRUE(subscribed(1));
  hold(HoldKind::forced_open);
  EXPECT_TRUE(
      run_until([&] { return listener->member("c").hold_in_force() == HoldKind::forced_open; }));
}

TEST_F(TwoEngines, HearNothingUnlessTheyAreToListen) {
  const auto deaf = engine(false);
  const auto listener = engine();
  ASSERT_TRUE(subscribed(1));
  hold(HoldKind::forced_open);
  ASSERT_TRUE(
      run_until([&] { return listener->member("c").hold_in_force() == HoldKind::forced_open; }));
  EXPECT_EQ(deaf->pushes_heard(), 0u);
  EXPECT_EQ(deaf->member("c").hold_in_force(), HoldKind::none);
}

TEST_F(TwoEngines, GoOnByPollingWhereTheServerAllowsNoChannels) {
  const net::RedisServer strict({"--user", "ann", "on", ">secret", "~*", "resetchannels", "+@all"});
  const std::string url = "redis://ann:secret@127.0.0.1:" + std::to_string(strict.port());
  Engine engine(loop, *stores::open_store(loop, url, {.timeout = kPatience}));
  ASSERT_TRUE(engine.add("c", quick_policy()));
  ASSERT_TRUE(run_until([&] {
    call(engine, Outcome::failure);
    return state(engine) == State::open && engine.member("c").record() != nullptr &&
           engine.member("c").record()->state == State::open;
  }));
  EXPECT_TRUE(engine.store_up());
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
