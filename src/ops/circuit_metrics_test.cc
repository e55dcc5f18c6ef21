#include "ops/circuit_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "stores/memory_store.h"
#include "stores/open.h"

namespace switchgear::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CircuitMetrics, ShowsEveryStateOfACircuitAndTheOneItIsIn) {
  net::Loop loop;
  auto store = stores::open_store(loop, "memory:");
  ASSERT_TRUE(store);
  CircuitMetrics metrics;
  guard::Engine engine(
      loop, std::move(*store), {},
      {.transition = nullptr, .store_result = [&](const auto& r) { metrics.store_result(r); }});
  ASSERT_TRUE(engine.add("payments", Policy{}));
  const Now now = engine.now();
  const auto admission = engine.member("payments").admit(now);
  engine.poke("payments");
  loop.run_until([&] { return engine.ready("payments"); }, 5s);
  ASSERT_TRUE(std::holds_alternative<fleet::Permit>(admission));
  engine.member("payments")
      .finish(std::get<fleet::Permit>(admission), Outcome::success, 20ms, engine.now());
  metrics.call("payments", 20ms);
  metrics.transition("payments", {.from = State::closed, .to = State::open, .reason = "operator"});

  MetricsText text;
  metrics.collect(engine, text);
  EXPECT_THAT(text.text(), HasSubstr("switchgear_circuit_state{circuit=\"payments\","
                                     "state=\"CLOSED\"} 1\n"));
  EXPECT_THAT(text.text(), HasSubstr("state=\"HALF_OPEN\"} 0\n"));
  EXPECT_THAT(text.text(), HasSubstr("switchgear_calls_total{circuit=\"payments\","
                                     "outcome=\"success\"} 1\n"));
  EXPECT_THAT(text.text(), HasSubstr("switchgear_inflight_limit{circuit=\"payments\"} +Inf\n"));
  EXPECT_THAT(text.text(), HasSubstr("switchgear_call_duration_seconds_bucket{"
                                     "circuit=\"payments\",le=\"0.025\"} 1\n"));
  EXPECT_THAT(text.text(), HasSubstr("from=\"CLOSED\",to=\"OPEN\",reason=\"operator\"} 1\n"));
  EXPECT_THAT(text.text(), HasSubstr("switchgear_store_operations_total{backend=\"memory\""));
  EXPECT_THAT(text.text(), HasSubstr("switchgear_store_up 1\n"));
}

double value_of(const std::string& text, const std::string& sample) {
  const std::size_t at = text.find("\n" + sample + " ");
  EXPECT_NE(at, std::string::npos) << sample << " in\n" << text;
  return at == std::string::npos ? -1 : std::stod(text.substr(at + sample.size() + 2));
}

TEST(CircuitMetrics, ExpectsFalseTripsByTheRateThatIsMeasured) {
  net::Loop loop;
  auto store = stores::open_store(loop, "memory:");
  ASSERT_TRUE(store);
  Now now = net::read_clocks();
  CircuitMetrics metrics;
  guard::Engine engine(loop, std::move(*store), {.clock = [&] { return now; }});
  ASSERT_TRUE(engine.add("payments", Policy{}));
  fleet::Member& member = engine.member("payments");
  const auto call = [&] {
    now.mono += 1ms;
    now.wall += 1ms;
    const auto admission = member.admit(now);
    if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
      member.finish(*permit, Outcome::success, 1ms, now);
    }
    engine.poke("payments");
    loop.run_until([&] { return !member.operation_under_way(); }, 5s);
  };
  const auto expected = [&] {
    MetricsText text;
    metrics.collect(engine, text);
    return value_of(text.text(), "switchgear_expected_false_trips_per_day{circuit=\"payments\"}");
  };
  for (int i = 0; i < 100; i++) call();
  const double by_policy = expected();
  EXPECT_GT(by_policy, 0);
  EXPECT_LT(by_policy, 1.0 / 365);  // the policy's own false_trip_interval
  for (int i = 0; i < 2'000; i++) call();
  EXPECT_EQ(expected(), 0);
}

TEST(CircuitMetrics, RollsKeysUpIntoTheirParent) {
  net::Loop loop;
  auto store = stores::open_store(loop, "memory:");
  ASSERT_TRUE(store);
  guard::Engine engine(loop, std::move(*store));
  CircuitMetrics metrics;
  ASSERT_TRUE(engine.add("payments", Policy{}));
  std::size_t lines = 0;
  for (int i = 0; i < 200; i++) {
    const std::string name = "payments/" + std::to_string(i);
    ASSERT_TRUE(engine.add(name, Policy{}));
    const auto admission = engine.member(name).admit(engine.now());
    engine.member(name).finish(std::get<fleet::Permit>(admission), Outcome::success, 1ms,
                               engine.now());
    metrics.call(name, 1ms);
    metrics.transition(name, {.from = State::closed, .to = State::open, .reason = "operator"});
    MetricsText text;
    metrics.collect(engine, text);
    const auto now = static_cast<std::size_t>(std::ranges::count(text.text(), '\n'));
    if (i == 0) lines = now;
    EXPECT_EQ(now, lines) << "with " << i + 1 << " keys";
  }
  MetricsText text;
  metrics.collect(engine, text);
  EXPECT_EQ(value_of(text.text(), "switchgear_circuit_keys{circuit=\"payments\",state=\"CLOSED\"}"),
            200);
  EXPECT_EQ(
      value_of(text.text(), "switchgear_calls_total{circuit=\"payments\",outcome=\"success\"}"),
      200);
  EXPECT_THAT(text.text(), HasSubstr("to=\"OPEN\",reason=\"operator\"} 200\n"));
  EXPECT_THAT(text.text(), Not(HasSubstr("payments/")));
}

TEST(CircuitMetrics, CountsRecordsThatOtherSettingsHaveWritten) {
  net::Loop loop;
  auto store = stores::open_store(loop, "memory:");
  ASSERT_TRUE(store);
  stores::MemoryTable& table = dynamic_cast<stores::MemoryStore&>(**store).table();
  guard::Engine engine(loop, std::move(*store));
  CircuitMetrics metrics;
  Policy policy;
  policy.view_refresh = 20ms;
  const auto mismatches = [&](const std::string& circuit) {
    MetricsText text;
    metrics.collect(engine, text);
    return value_of(text.text(), "switchgear_settings_mismatch{circuit=\"" + circuit + "\"}");
  };
  const auto call_until = [&](const std::string& circuit, const std::function<bool()>& done) {
    return loop.run_until(
        [&] {
          (void)engine.member(circuit).admit(engine.now());
          engine.poke(circuit);
          return done();
        },
        10s);
  };
  for (const std::string circuit : {"orders", "payments/a", "payments/b"}) {
    ASSERT_TRUE(engine.add(circuit, policy));
    ASSERT_TRUE(call_until(circuit, [&] { return engine.ready(circuit); }));
  }
  EXPECT_EQ(mismatches("orders"), 0);
  EXPECT_EQ(mismatches("payments"), 0);
  for (auto& [circuit, cell] : table.cells()) {
    for (auto& [name, value] : cell.fields) {
      if (name == "fp") value = "feedfacefeedface";
    }
  }
  EXPECT_TRUE(call_until("orders", [&] { return mismatches("orders") == 1; }));
  EXPECT_TRUE(call_until("payments/a", [&] { return mismatches("payments") >= 1; }));
  EXPECT_TRUE(call_until("payments/b", [&] { return mismatches("payments") == 2; }));
}

TEST(CircuitMetrics, BoundsTheSeriesThatReasonsCanMake) {
  net::Loop loop;
  auto store = stores::open_store(loop, "memory:");
  ASSERT_TRUE(store);
  guard::Engine engine(loop, std::move(*store));
  CircuitMetrics metrics;
  for (int i = 0; i < 5'000; i++) {
    metrics.transition(
        "c", {.from = State::closed, .to = State::open, .reason = "reason " + std::to_string(i)});
  }
  MetricsText text;
  metrics.collect(engine, text);
  EXPECT_THAT(text.text(), HasSubstr("reason=\"other\"} 4000\n"));
  EXPECT_THAT(text.text(), Not(HasSubstr("reason 1001\"")));
}

}  // namespace
}  // namespace switchgear::ops
