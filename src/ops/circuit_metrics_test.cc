#include "ops/circuit_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
