#include "core/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace switchgear {

void PrintTo(const Problem& problem, std::ostream* out) {
  *out << problem.place << ": " << problem.message;
}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

// One problem, at this place, whose message names all of these.
auto only(const char* place, const char* value, const char* range) {
  return ElementsAre(
      AllOf(Field("place", &Problem::place, place),
            Field("message", &Problem::message, AllOf(HasSubstr(value), HasSubstr(range)))));
}

TEST(PolicyValidate, AcceptsTheDefaults) { EXPECT_THAT(Policy{}.validate(), IsEmpty()); }

TEST(PolicyValidate, AcceptsTheSharpPoliciesOfTheDocumentation) {
  EXPECT_THAT(
      (Policy{.acceptable_failure_rate = 0.01, .unacceptable_failure_rate = 0.3}.validate()),
      IsEmpty());
  EXPECT_THAT((Policy{.failure_weight = 10, .trip_level = 100}.validate()), IsEmpty());
  EXPECT_THAT((Policy{.unacceptable_failure_rate = 1}.validate()), IsEmpty());
  EXPECT_THAT((Policy{.slow_call_duration = 2s}.validate()), IsEmpty());
}

TEST(PolicyValidate, SaysValueRangeAndRemedy) {
  const Problems problems = Policy{.probes = 33}.validate();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].place, "probes");
  EXPECT_EQ(problems[0].message, "is 33, but must be from 1 to 32; write for example 1");
}

TEST(PolicyValidate, KeepsRatesWithinTheirRange) {
  const char* acceptable = "acceptable_failure_rate";
  const char* range = "above 0% and below 100%";
  EXPECT_THAT((Policy{.acceptable_failure_rate = 0}.validate()), only(acceptable, "0%", range));
  EXPECT_THAT((Policy{.acceptable_failure_rate = 5}.validate()), only(acceptable, "500%", range));
  EXPECT_THAT((Policy{.acceptable_failure_rate = -0.1}.validate()),
              only(acceptable, "-10%", range));
  EXPECT_THAT((Policy{.acceptable_failure_rate = NAN}.validate()), only(acceptable, "nan", range));
  EXPECT_THAT((Policy{.acceptable_slow_call_rate = 1}.validate()),
              only("acceptable_slow_call_rate", "100%", range));
  EXPECT_THAT((Policy{.unacceptable_failure_rate = 1.01}.validate()),
              only("unacceptable_failure_rate", "101%", "at most 100%"));
  EXPECT_THAT((Policy{.unacceptable_failure_rate = NAN}.validate()),
              only("unacceptable_failure_rate", "nan", "at most 100%"));
  EXPECT_THAT((Policy{.unacceptable_slow_call_rate = 0}.validate()),
              only("unacceptable_slow_call_rate", "0%", "above 0%"));
}

TEST(PolicyValidate, KeepsTheUnacceptableRateAboveTheAcceptableOne) {
  EXPECT_THAT((Policy{.acceptable_failure_rate = 0.5, .unacceptable_failure_rate = 0.5}.validate()),
              only("unacceptable_failure_rate", "50%", "above acceptable_failure_rate (50%)"));
  EXPECT_THAT(
      (Policy{.acceptable_slow_call_rate = 0.6, .unacceptable_slow_call_rate = 0.5}.validate()),
      only("unacceptable_slow_call_rate", "50%", "above acceptable_slow_call_rate (60%)"));
}

TEST(PolicyValidate, RefusesRatesThatNoRuleCanTellApart) {
  EXPECT_THAT(
      (Policy{.acceptable_failure_rate = 0.9, .unacceptable_failure_rate = 0.95}.validate()),
      only("acceptable_failure_rate", "90%", "no rule can tell"));
  EXPECT_THAT(
      (Policy{.acceptable_failure_rate = 0.05, .unacceptable_failure_rate = 0.0500001}.validate()),
      only("acceptable_failure_rate", "5%", "further apart"));
  // Not asked for where the rule is given, or where there is no slow-call rule.
  EXPECT_THAT((Policy{.acceptable_failure_rate = 0.9,
                      .unacceptable_failure_rate = 0.95,
                      .failure_weight = 1,
                      .trip_level = 100,
                      .acceptable_slow_call_rate = 0.9,
                      .unacceptable_slow_call_rate = 0.95}
                   .validate()),
              IsEmpty());
}

TEST(PolicyValidate, TakesTheExpertsRuleWholeOrNotAtAll) {
  EXPECT_THAT((Policy{.failure_weight = 10}.validate()), only("trip_level", "0", "write both"));
  EXPECT_THAT((Policy{.trip_level = 100}.validate()), only("failure_weight", "0", "write both"));
  EXPECT_THAT((Policy{.failure_weight = -1, .trip_level = 100}.validate()),
              only("failure_weight", "-1", "from 0 to 1000000"));
  EXPECT_THAT((Policy{.failure_weight = 1, .trip_level = 1'000'001}.validate()),
              only("trip_level", "1000001", "from 0 to 1000000"));
}

TEST(PolicyValidate, KeepsDurationsWithinTheirRange) {
  EXPECT_THAT((Policy{.false_trip_interval = 59min}.validate()),
              only("false_trip_interval", "59m", "from 1h"));
  EXPECT_THAT((Policy{.open_duration = 0s}.validate()), only("open_duration", "0s", "from 1ms"));
  EXPECT_THAT((Policy{.open_duration = -5s}.validate()), only("open_duration", "-5s", "from 1ms"));
  EXPECT_THAT((Policy{.max_open_duration = 25h}.validate()),
              only("max_open_duration", "25h", "to 24h"));
  EXPECT_THAT((Policy{.call_timeout = 0s}.validate()),
              only("call_timeout", "0s", "from 1ms to 15m"));
  EXPECT_THAT((Policy{.call_timeout = 16min}.validate()), only("call_timeout", "16m", "to 15m"));
  EXPECT_THAT((Policy{.recovery_step = 999ms}.validate()),
              only("recovery_step", "999ms", "from 1s"));
  EXPECT_THAT((Policy{.recovery_quiet_duration = 0s}.validate()),
              only("recovery_quiet_duration", "0s", "from 1s"));
  EXPECT_THAT((Policy{.view_refresh = 0s}.validate()), only("view_refresh", "0s", "from 1ms"));
  EXPECT_THAT((Policy{.view_refresh_in_trouble = 0s}.validate()),
              only("view_refresh_in_trouble", "0s", "from 1ms"));
}

TEST(PolicyValidate, KeepsNumbersWithinTheirRange) {
  EXPECT_THAT((Policy{.open_jitter = 0.6}.validate()), only("open_jitter", "0.6", "from 0 to 0.5"));
  EXPECT_THAT((Policy{.open_jitter = NAN}.validate()), only("open_jitter", "nan", "from 0 to 0.5"));
  EXPECT_THAT((Policy{.probes = 0}.validate()), only("probes", "0", "from 1 to 32"));
  EXPECT_THAT((Policy{.probe_successes = 1001}.validate()),
              only("probe_successes", "1001", "from 1 to 1000"));
  EXPECT_THAT((Policy{.recovery_initial_limit = 0.5}.validate()),
              only("recovery_initial_limit", "0.5", "from 1 to 1e+06"));
  EXPECT_THAT((Policy{.recovery_initial_limit = NAN}.validate()),
              only("recovery_initial_limit", "nan", "from 1"));
  EXPECT_THAT((Policy{.mode = static_cast<Mode>(7)}.validate()), only("mode", "7", "observe"));
  EXPECT_THAT((Policy{.on_store_failure = static_cast<OnStoreFailure>(7)}.validate()),
              only("on_store_failure", "7", "last_known"));
}

TEST(PolicyValidate, KeepsDurationsInTheirOrder) {
  EXPECT_THAT((Policy{.open_duration = 1min}.validate()),
              only("max_open_duration", "30s", "open_duration (1m)"));
  EXPECT_THAT((Policy{.view_refresh = 20s}.validate()),
              only("view_max_age", "15s", "view_refresh (20s)"));
  EXPECT_THAT((Policy{.view_refresh_in_trouble = 20s}.validate()),
              only("view_max_age", "15s", "view_refresh_in_trouble (20s)"));
  EXPECT_THAT((Policy{.slow_call_duration = 10s}.validate()),
              only("slow_call_duration", "10s", "call_timeout (10s)"));
  EXPECT_THAT((Policy{.slow_call_duration = -1s}.validate()),
              only("slow_call_duration", "-1s", "at least 1ms"));
}

TEST(PolicyValidate, AcceptsTheClassicRuleToItsEnds) {
  EXPECT_THAT((Policy{.rule = Rule::classic}.validate()), IsEmpty());
  EXPECT_THAT((Policy{.rule = Rule::classic,
                      .sliding_window_size = 1,
                      .failure_rate_threshold = 1,
                      .slow_call_rate_threshold = 0.001,
                      .minimum_number_of_calls = 1}
                   .validate()),
              IsEmpty());
  EXPECT_THAT((Policy{.slow_call_duration = 2s,
                      .rule = Rule::classic,
                      .sliding_window_type = SlidingWindowType::time,
                      .sliding_window_size = 10'000,
                      .minimum_number_of_calls = 1'000'000}
                   .validate()),
              IsEmpty());
}

TEST(PolicyValidate, KeepsTheClassicRuleWithinItsRanges) {
  EXPECT_THAT((Policy{.rule = Rule::classic, .sliding_window_size = 0}.validate()),
              only("sliding_window_size", "0", "from 1 to 10000"));
  EXPECT_THAT((Policy{.rule = Rule::classic, .failure_rate_threshold = 0}.validate()),
              only("failure_rate_threshold", "0%", "above 0%"));
  EXPECT_THAT((Policy{.rule = Rule::classic, .slow_call_rate_threshold = 1.1}.validate()),
              only("slow_call_rate_threshold", "110%", "at most 100%"));
  EXPECT_THAT((Policy{.rule = Rule::classic, .minimum_number_of_calls = 1'000'001}.validate()),
              only("minimum_number_of_calls", "1000001", "from 1 to 1000000"));
}

TEST(PolicyValidate, RefusesSettingsOfTheRuleThatIsNotInUse) {
  EXPECT_THAT((Policy{.failure_rate_threshold = 0.6}.validate()),
              only("failure_rate_threshold", "rule is cusum", "write rule: classic"));
  EXPECT_THAT((Policy{.unacceptable_failure_rate = 0.6, .rule = Rule::classic}.validate()),
              only("unacceptable_failure_rate", "rule is classic", "failure_rate_threshold"));
  const auto given = [](std::string_view field) { return field == "minimum_number_of_calls"; };
  EXPECT_THAT(Policy{}.rule_contradictions(given),
              only("minimum_number_of_calls", "rule is cusum", "write rule: classic"));
  EXPECT_THAT((Policy{.rule = Rule::classic}.rule_contradictions(given)), IsEmpty());
}

TEST(PolicyValidate, AcceptsTheEndsOfEveryRange) {
  EXPECT_THAT((Policy{.false_trip_interval = 1h,
                      .open_duration = 1ms,
                      .max_open_duration = 1ms,
                      .open_jitter = 0,
                      .probes = 32,
                      .probe_successes = 1000,
                      .call_timeout = 1ms,
                      .recovery_step = 1s,
                      .recovery_initial_limit = 1e6,
                      .recovery_quiet_duration = 1s,
                      .view_refresh = 15s}
                   .validate()),
              IsEmpty());
}

TEST(PolicyValidate, ReportsEveryProblemAtOnce) {
  std::set<std::string> places;
  const Policy wrong{.acceptable_failure_rate = NAN,
                     .unacceptable_failure_rate = 7,
                     .false_trip_interval = 1s,
                     .failure_weight = -1,
                     .trip_level = -1,
                     .slow_call_duration = 1ns,
                     .acceptable_slow_call_rate = -1,
                     .unacceptable_slow_call_rate = -1,
                     .rule = static_cast<Rule>(9),
                     .sliding_window_type = static_cast<SlidingWindowType>(9),
                     .sliding_window_size = 0,
                     .failure_rate_threshold = NAN,
                     .slow_call_rate_threshold = 2,
                     .minimum_number_of_calls = 0,
                     .minimum_outage = -1s,
                     .open_duration = Duration::min(),
                     .max_open_duration = Duration::max(),
                     .open_jitter = -1,
                     .retry_after_max = -1s,
                     .probes = -1,
                     .probe_successes = -1,
                     .call_timeout = -1s,
                     .recovery_step = 0s,
                     .recovery_initial_limit = -1,
                     .recovery_quiet_duration = -1s,
                     .view_refresh = -1s,
                     .view_refresh_in_trouble = -1s,
                     .view_max_age = -1s,
                     .on_store_failure = static_cast<OnStoreFailure>(9),
                     .mode = static_cast<Mode>(9)};
  for (const Problem& problem : wrong.validate()) places.insert(problem.place);
  EXPECT_EQ(places.size(), 30U);  // every field but two booleans, which cannot be wrong
}

TEST(PolicyFingerprint, IsShortAndNeverChanges) {
  // Written into records: a new version must not look like a changed policy.
  EXPECT_EQ(Policy{}.fingerprint(), "bf21ad39b30d613b");
}

TEST(PolicyFingerprint, DiffersWithEverySettingThatTheFleetShares) {
  std::set<std::string> seen{Policy{}.fingerprint()};
  const Policy changed[] = {{.acceptable_failure_rate = 0.06},
                            {.unacceptable_failure_rate = 0.6},
                            {.false_trip_interval = 2h},
                            {.failure_weight = 4},
                            {.trip_level = 40},
                            {.slow_call_duration = 2s},
                            {.acceptable_slow_call_rate = .1},
                            {.unacceptable_slow_call_rate = .6},
                            {.open_duration = 6s},
                            {.max_open_duration = 31s},
                            {.open_jitter = 0.2},
                            {.probes = 2},
                            {.probe_successes = 4},
                            {.call_timeout = 11s},
                            {.recovery_limit = false},
                            {.recovery_step = 4s},
                            {.recovery_initial_limit = 3},
                            {.recovery_quiet_duration = 61s},
                            {.minimum_outage = 1s},
                            {.retry_after_max = 1min}};
  for (const Policy& policy : changed) EXPECT_TRUE(seen.insert(policy.fingerprint()).second);
}

TEST(PolicyFingerprint, DiffersWithEverySettingOfTheClassicRule) {
  std::set<std::string> seen{Policy{}.fingerprint()};
  const Policy changed[] = {{.rule = Rule::classic},
                            {.rule = Rule::classic, .sliding_window_type = SlidingWindowType::time},
                            {.rule = Rule::classic, .sliding_window_size = 50},
                            {.rule = Rule::classic, .failure_rate_threshold = 0.6},
                            {.rule = Rule::classic, .slow_call_rate_threshold = 0.6},
                            {.rule = Rule::classic, .minimum_number_of_calls = 20}};
  for (const Policy& policy : changed) EXPECT_TRUE(seen.insert(policy.fingerprint()).second);
}

TEST(PolicyFingerprint, LeavesOutWhatEachProcessDecides) {
  const Policy mine{.view_refresh = 1s,
                    .view_refresh_in_trouble = 500ms,
                    .view_max_age = 20s,
                    .strict = true,
                    .on_store_failure = OnStoreFailure::refuse,
                    .mode = Mode::observe};
  EXPECT_EQ(mine.fingerprint(), Policy{}.fingerprint());
}

}  // namespace
}  // namespace switchgear
