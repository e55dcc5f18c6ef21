// The public API. Its header comes first and alone, to show that it stands by itself.
#include "switchgear/switchgear.h"

#if defined(BOOST_VERSION) || defined(BOOST_CONFIG_HPP) || defined(BOOST_ASIO_VERSION)
#error "the public header must not bring in Boost"
#endif

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

#include "core/result.h"
#include "guard/scripted_store_for_tests.h"
#include "net/redis_server_for_tests.h"

namespace shop {

// A user's result type with a classification of its own, found through its namespace.
struct Receipt {
  int http_status = 200;
};
switchgear::Outcome outcome_of(const Receipt& receipt) {
  return switchgear::outcome_of_status(receipt.http_status);
}
enum class Trouble { slow, broken };
switchgear::Outcome outcome_of(const Trouble& trouble) {
  return trouble == Trouble::slow ? switchgear::Outcome::overload : switchgear::Outcome::failure;
}

}  // namespace shop

namespace switchgear {
namespace {

using guard::eventually;
using guard::quick_policy;

// A circuit in memory that never trips, for looking at what is counted.
class ACircuit : public testing::Test {
 protected:
  CircuitStatus counted(std::uint64_t calls) {
    EXPECT_TRUE(eventually([&] {
      const CircuitStatus s = circuit.status();
      return s.succeeded + s.failed + s.overloaded + s.ignored == calls;
    }));
    return circuit.status();
  }
  Circuits circuits = open("memory:");
  Circuit circuit = circuits.circuit("c", {.failure_weight = 1, .trip_level = 1'000'000});
  static int zero(const Refusal&) { return 0; }
};

TEST_F(ACircuit, ReturnsWhatTheCallReturns) {
  EXPECT_EQ(circuit.run([] { return 42; }, zero), 42);
  EXPECT_THAT(circuit.run([] { return std::make_unique<int>(7); },
                          [](const Refusal&) { return std::unique_ptr<int>(); }),
              testing::Pointee(7));
  int x = 1;
  int& same = circuit.run([&]() -> int& { return x; });
  EXPECT_EQ(&same, &x);
  circuit.run([&] { x = 2; });
  EXPECT_EQ(x, 2);
  EXPECT_EQ(counted(4).succeeded, 4u);
}

// A lock held across the call would stop what the call itself does here, or the other thread, for
// good: on the way of a first call, and of one that a gate lets through.
TEST_F(ACircuit, HoldsNoLockWhileACallRuns) {
  const Circuit another = circuits.circuit("another");
  const auto anything = [&] {
    const int called = circuit.run([] { return 1; }, zero) + another.run([] { return 1; }, zero);
    (void)circuit.status();
    (void)circuits.keys_of("c");
    return called + circuits.circuit("made-meanwhile").run([] { return 1; }, zero);
  };
  const auto twice = [&] { return anything() + std::async(std::launch::async, anything).get(); };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(circuit.run(twice, zero), 6);
    EXPECT_EQ(another.run(twice, zero), 6);
  }
}

TEST_F(ACircuit, ThrowsOnWhatTheCallThrowsAndCountsAFailure) {
  EXPECT_THROW(circuit.run([]() -> int { throw std::runtime_error("broken"); }, zero),
               std::runtime_error);
  EXPECT_EQ(counted(1).failed, 1u);
}

TEST_F(ACircuit, TakesATimeoutForOverloadAndACancellationForNothing) {
  const auto throws = [](std::errc code) {
    return [code]() -> int { throw std::system_error(std::make_error_code(code)); };
  };
  EXPECT_THROW(circuit.run(throws(std::errc::timed_out), zero), std::system_error);
  EXPECT_THROW(circuit.run(throws(std::errc::operation_canceled), zero), std::system_error);
  EXPECT_THROW(circuit.run(throws(std::errc::connection_refused), zero), std::system_error);
  const CircuitStatus status = counted(3);
  EXPECT_EQ(status.overloaded, 1u);
  EXPECT_EQ(status.ignored, 1u);
  EXPECT_EQ(status.failed, 1u);
}

TEST_F(ACircuit, ClassifiesResultsByTheFunctionOfTheirNamespace) {
  circuit.run([] { return shop::Receipt{404}; });
  circuit.run([] { return shop::Receipt{503}; });
  circuit.run([] { return shop::Receipt{500}; });
  circuit.run([] { return shop::Receipt{400}; });
  const CircuitStatus status = counted(4);
  EXPECT_EQ(status.succeeded, 1u);
  EXPECT_EQ(status.overloaded, 1u);
  EXPECT_EQ(status.failed, 1u);
  EXPECT_EQ(status.ignored, 1u);
}

TEST_F(ACircuit, ClassifiesExpectedResultsByTheirError) {
  using Plain = tl::expected<int, std::string>;
  using Own = tl::expected<int, shop::Trouble>;
  circuit.run([] { return Plain(1); });
  circuit.run([] { return Plain(tl::unexpect, "broken"); });
  circuit.run([] { return Own(tl::unexpect, shop::Trouble::slow); });
  const CircuitStatus status = counted(3);
  EXPECT_EQ(status.succeeded, 1u);
  EXPECT_EQ(status.failed, 1u);
  EXPECT_EQ(status.overloaded, 1u);
}

TEST_F(ACircuit, TakesAnOutcomeAsItIsAndAnythingElseForAnAnswer) {
  circuit.run([] { return Outcome::overload; });
  circuit.run([] { return false; });
  circuit.run([] { return std::optional<int>(); });
  const CircuitStatus status = counted(3);
  EXPECT_EQ(status.overloaded, 1u);
  EXPECT_EQ(status.succeeded, 2u);
}

TEST_F(ACircuit, CountsTheFirstOutcomeOfAPermitOnly) {
  auto permit = circuit.try_acquire();
  ASSERT_TRUE(permit);
  permit.overload();
  permit.failure();
  permit.success();
  EXPECT_EQ(counted(1).overloaded, 1u);
}

TEST_F(ACircuit, IgnoresAPermitThatIsDropped) {
  {
    [[maybe_unused]] const auto permit = circuit.try_acquire();
  }
  EXPECT_EQ(counted(1).ignored, 1u);
}

TEST_F(ACircuit, TakesAPermitThatAnExceptionDropsForAFailure) {
  const auto call = [&] {
    [[maybe_unused]] const auto permit = circuit.try_acquire();
    throw std::runtime_error("broken");
  };
  EXPECT_THROW(call(), std::runtime_error);
  EXPECT_EQ(counted(1).failed, 1u);
}

TEST_F(ACircuit, IgnoresAPermitThatIsAcquiredAndDroppedWhileAnotherExceptionUnwinds) {
  struct Cleanup {
    const Circuit& circuit;
    ~Cleanup() { [[maybe_unused]] const auto permit = circuit.try_acquire(); }
  };
  const auto call = [&] {
    [[maybe_unused]] const Cleanup cleanup{circuit};
    throw std::runtime_error("from elsewhere");
  };
  EXPECT_THROW(call(), std::runtime_error);
  EXPECT_EQ(counted(1).ignored, 1u);
}

TEST_F(ACircuit, CountsAPermitThatMovesToAnotherThreadOnce) {
  auto permit = circuit.try_acquire();
  std::thread([moved = std::move(permit)]() mutable { moved.success(); }).join();
  auto second = circuit.try_acquire();
  second = circuit.try_acquire();  // the one that is assigned over is dropped
  second.success();
  const CircuitStatus status = counted(3);
  EXPECT_EQ(status.succeeded, 2u);
  EXPECT_EQ(status.ignored, 1u);
}

TEST_F(ACircuit, SaysWhetherAPermitIsStillWorthACall) {
  auto permit = circuit.try_acquire();
  EXPECT_TRUE(permit.may_start());
  permit.success();
  EXPECT_FALSE(permit.may_start());
}

TEST(Open, RefusesWhatCanNeverWork) {
  EXPECT_THROW(open("redis:/nowhere"), InvalidArgument);
  EXPECT_THROW(open("memory:", {.first_view_wait = -1s}), InvalidArgument);
  EXPECT_THROW(open("memory:", {.name_space = "a b"}), InvalidArgument);
  auto circuits = open("memory:");
  EXPECT_THROW(circuits.circuit("a b"), InvalidArgument);
  EXPECT_THROW(circuits.circuit("a", {.probes = 0}), InvalidArgument);
  circuits.circuit("a");
  EXPECT_THROW(circuits.circuit("a", {.probes = 2}), InvalidArgument);
}

TEST(Open, ShowsNoPassword) {
  try {
    open("redis://user:geheim@host:port/x");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("geheim")));
  }
}

TEST(Open, NeedsNoStoreThatCanBeReached) {
  auto circuits = open("redis://127.0.0.1:" + std::to_string(net::unused_port()));
  const Circuit circuit = circuits.circuit("c");
  EXPECT_EQ(circuit.run([] { return 1; }), 1);
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(circuit.run([] { return 1; }), 1);
    return !circuits.store_up();
  }));
}

TEST(Circuits, MayBeMovedAndEndBeforeTheirHandles) {
  std::optional<Circuit> circuit;
  {
    auto first = open("memory:");
    circuit = first.circuit("c");
    Circuits second = std::move(first);
    EXPECT_EQ(circuit->run([] { return 1; }), 1);
  }
  EXPECT_EQ(circuit->run([] { return 2; }), 2);
}

// A process that fails before it knows the fleet's view may stop itself for a whole open time, and
// the fleet never hears enough of it to open; where that time is long, a view comes first.
void see_a_view(const Circuit& circuit) {
  circuit.run([] { return Outcome::success; }, [](const Refusal&) { return Outcome::ignored; });
  ASSERT_TRUE(eventually([&] { return circuit.status().epoch > 0; }));
}

// Two failures trip it, however fast the calls of a test follow one another.
Policy trips_and_stays_open() {
  Policy policy = quick_policy();
  policy.failure_weight = 10'000;
  policy.trip_level = 15'000;
  policy.open_duration = policy.max_open_duration = 1h;
  return policy;
}

// Fails calls until the circuit is open, then makes good ones until it is closed again.
void trip_and_recover(const Circuit& circuit) {
  std::optional<Refusal> refusal;
  ASSERT_TRUE(eventually([&] {
    circuit.run([] { return Outcome::failure; },
                [&](const Refusal& r) {
                  refusal = r;
                  return Outcome::ignored;
                });
    return refusal && refusal->reason == RefusalReason::open;
  }));
  EXPECT_EQ(refusal->state, State::open);
  EXPECT_GT(refusal->retry_after, 0s);
  ASSERT_TRUE(eventually([&] {
    circuit.run([] { return Outcome::success; }, [](const Refusal&) { return Outcome::ignored; });
    return circuit.status().state == State::closed;
  }));
}

TEST(Circuits, ThrowTheRefusalWhereThereIsNoFallback) {
  auto circuits = open("memory:");
  const Circuit circuit = circuits.circuit("c", trips_and_stays_open());
  see_a_view(circuit);
  std::optional<Refusal> refusal;
  ASSERT_TRUE(eventually([&] {
    try {
      circuit.run([] { return Outcome::failure; });
    } catch (const Refused& refused) {
      refusal = refused.refusal();
      EXPECT_THAT(refused.what(), testing::HasSubstr("the circuit c is "));
    }
    return refusal && refusal->reason == RefusalReason::open;
  }));
  EXPECT_GT(refusal->retry_after, 50min);
}

TEST(Circuits, TripRefuseProbeAndRecoverInMemory) {
  auto circuits = open("memory:");
  const Circuit circuit = circuits.circuit("c", quick_policy());
  trip_and_recover(circuit);
  EXPECT_GE(circuit.status().probes, 1u);
}

TEST(Circuits, TellOfTransitionsInOrder) {
  std::mutex mutex;
  std::vector<std::pair<State, State>> seen;
  Options options;
  options.on_transition = [&](const TransitionEvent& event) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(event.circuit, "c");
    seen.emplace_back(event.from, event.to);
  };
  auto circuits = open("memory:", options);
  trip_and_recover(circuits.circuit("c", quick_policy()));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() >= 4;  // the first sight of it among them
  }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen[seen.size() - 1].second, State::closed);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i].first, seen[i - 1].second);
}

// Keeps what a subscription tells, from the background thread.
class Heard {
 public:
  void operator()(const TransitionEvent& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }
  std::vector<TransitionEvent> all() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<TransitionEvent> events_;
};

TEST(Circuits, TellASubscriberHowEachCircuitStandsAndThenWhatChanges) {
  auto circuits = open("memory:");
  const Circuit circuit = circuits.circuit("c", quick_policy());
  circuit.run([] { return Outcome::success; }, [](const Refusal&) { return Outcome::ignored; });
  ASSERT_TRUE(eventually([&] { return circuit.status().epoch > 0; }));
  Heard heard;
  const Subscription events = circuits.on_transition(std::ref(heard));
  ASSERT_TRUE(eventually([&] { return heard.all().size() == 1; }));
  const TransitionEvent found = heard.all()[0];
  EXPECT_TRUE(found.first_sight);
  EXPECT_EQ(found.circuit, "c");
  EXPECT_EQ(found.to, State::closed);
  EXPECT_EQ(found.epoch, circuit.status().epoch);

  trip_and_recover(circuit);
  ASSERT_TRUE(eventually([&] { return heard.all().size() >= 3; }));
  const TransitionEvent trip = heard.all()[1];
  EXPECT_FALSE(trip.first_sight);
  EXPECT_EQ(trip.to, State::open);
  EXPECT_EQ(trip.reason, "failure_rate");
  EXPECT_GT(trip.epoch, found.epoch);
  EXPECT_GE(trip.time, found.time);
  EXPECT_GT(to_ms(found.time), 1'600'000'000'000);
}

TEST(Circuits, TellNobodyWhoseSubscriptionHasEnded) {
  auto circuits = open("memory:");
  Heard gone;
  Heard heard;
  Subscription ends = circuits.on_transition(std::ref(gone));
  const Subscription goes_on = circuits.on_transition(std::ref(heard));
  ends = Subscription();
  const Circuit circuit = circuits.circuit("c", quick_policy());
  trip_and_recover(circuit);
  EXPECT_TRUE(eventually([&] { return heard.all().size() >= 2; }));
  EXPECT_TRUE(gone.all().empty());
}

TEST(Circuits, LetACallbackEndItsOwnSubscriptionAndThrow) {
  auto circuits = open("memory:");
  Heard heard;
  Subscription once;
  std::atomic<bool> kept{false};
  once = circuits.on_transition([&](const TransitionEvent& event) {
    while (!kept) std::this_thread::yield();
    heard(event);
    once = Subscription();
    throw std::runtime_error("from a callback");
  });
  kept = true;
  const Circuit circuit = circuits.circuit("c", quick_policy());
  trip_and_recover(circuit);
  EXPECT_EQ(heard.all().size(), 1u);
}

TEST(CircuitsOnRedis, TellOfATripThatAProcessNowDeadHasMade) {
  const net::RedisServer redis;
  const Policy policy = trips_and_stays_open();
  {
    Heard written;
    auto author = open(redis.url());
    const Subscription events = author.on_transition(std::ref(written));
    const Circuit circuit = author.circuit("c", policy);
    see_a_view(circuit);
    ASSERT_TRUE(eventually([&] {
      circuit.run([] { return Outcome::failure; }, [](const Refusal&) { return Outcome::ignored; });
      return !written.all().empty() && written.all().back().to == State::open;
    }));
  }
  Heard heard;
  auto circuits = open(redis.url());
  const Subscription events = circuits.on_transition(std::ref(heard));
  const Circuit circuit = circuits.circuit("c", policy);
  EXPECT_TRUE(eventually([&] {
    circuit.run([] { return Outcome::success; }, [](const Refusal&) { return Outcome::ignored; });
    return !heard.all().empty();
  }));
  const TransitionEvent found = heard.all()[0];
  EXPECT_TRUE(found.first_sight);
  EXPECT_EQ(found.to, State::open);
  EXPECT_EQ(found.reason, "failure_rate");
}

TEST(CircuitsOnRedis, ShareOneCircuit) {
  const net::RedisServer redis;
  auto ours = open(redis.url());
  auto theirs = open(redis.url());
  const Circuit here = ours.circuit("payments-api", quick_policy());
  const Circuit there = theirs.circuit("payments-api", quick_policy());
  const auto refused = [](const Circuit& circuit, Outcome outcome) {
    bool no = false;
    circuit.run([&] { return outcome; },
                [&](const Refusal&) {
                  no = true;
                  return Outcome::ignored;
                });
    return no;
  };
  // Neither alone may supply all the evidence; both stop.
  ASSERT_TRUE(eventually([&] {
    const bool one = refused(here, Outcome::failure);
    const bool two = refused(there, Outcome::failure);
    return one && two;
  }));
  ASSERT_TRUE(eventually([&] {
    refused(here, Outcome::success);
    refused(there, Outcome::success);
    return here.status().state == State::closed && there.status().state == State::closed;
  }));
  EXPECT_EQ(here.status().epoch, there.status().epoch);
}

TEST(CircuitsOnRedis, TripRefuseProbeAndRecoverUnderTheRecoveryLimit) {
  const net::RedisServer redis;
  auto circuits = open(redis.url());
  Policy policy = quick_policy();
  policy.recovery_limit = true;
  policy.recovery_step = 1s;
  policy.recovery_quiet_duration = 1s;
  trip_and_recover(circuits.circuit("c", policy));
}

TEST(CircuitsOnRedis, GoOnWhenTheServerDies) {
  net::RedisServer redis;
  auto circuits = open(redis.url(), {.store_timeout = 200ms});
  Policy policy = quick_policy();
  policy.view_max_age = 300ms;
  const Circuit circuit = circuits.circuit("c", policy);
  const auto call = [&] { EXPECT_NO_THROW(EXPECT_EQ(circuit.run([] { return 1; }), 1)); };
  ASSERT_TRUE(eventually([&] {
    call();
    return circuit.status().epoch != 0;
  }));
  redis.stop();
  EXPECT_TRUE(eventually([&] {
    call();
    return circuit.status().blind && !circuits.store_up();
  }));
  for (int i = 0; i < 1'000; ++i) call();
  redis.start();
  EXPECT_TRUE(eventually([&] {
    call();
    return !circuit.status().blind && circuits.store_up();
  }));
}

TEST(CircuitsOnRedis, GoOnWhenTheServerStandsStill) {
  net::RedisServer redis;
  auto circuits = open(redis.url(), {.store_timeout = 200ms});
  Policy policy = quick_policy();
  policy.view_max_age = 300ms;
  const Circuit circuit = circuits.circuit("c", policy);
  ASSERT_TRUE(eventually([&] {
    circuit.run([] { return 1; });
    return circuit.status().epoch != 0;
  }));
  redis.freeze();
  // Calls by the thousand while each store operation hangs for its whole time-out: if a call waited
  // for the store, so many would take minutes.
  EXPECT_TRUE(eventually([&] {
    for (int i = 0; i < 1'000; ++i) EXPECT_EQ(circuit.run([] { return 1; }), 1);
    return circuit.status().blind;
  }));
  redis.thaw();
  EXPECT_TRUE(eventually([&] {
    circuit.run([] { return 1; });
    return !circuit.status().blind;
  }));
}

}  // namespace
}  // namespace switchgear
