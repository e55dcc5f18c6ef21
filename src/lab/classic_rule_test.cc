// The classic rule from end to end: exact where a process is alone, by estimate in a fleet.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <tuple>

#include "core/window_oracle_for_tests.h"
#include "lab/world.h"

namespace switchgear::lab {
namespace {

Policy classic(SlidingWindowType type, int size, int minimum, double threshold = 0.5) {
  return {.rule = Rule::classic,
          .sliding_window_type = type,
          .sliding_window_size = size,
          .failure_rate_threshold = threshold,
          .minimum_number_of_calls = minimum};
}

// ---- One process ----------------------------------------------------------------------------

// A member that is alone, with a store in memory that answers whenever the test lets it.
class Alone {
 public:
  explicit Alone(const Policy& policy) : table_(policy) {}

  void pass(Duration d) {
    now_.mono += d;
    now_.boot += d;
    now_.wall += d;
    store_time_ += floor_ms(d);
  }
  void answer() {
    if (!under_way_) under_way_ = member_.next_operation(now_);
    if (!under_way_) return;
    const auto answer = store_.execute("payments", *under_way_, store_time_);
    under_way_.reset();
    member_.answered(answer, now_);
  }
  void settle() {
    for (int i = 0; i < 20; ++i) answer();
  }
  void call(Outcome outcome, Duration duration) {
    const fleet::Admission admission = member_.admit(now_);
    ASSERT_TRUE(std::holds_alternative<fleet::Permit>(admission));
    pass(duration);
    member_.finish(std::get<fleet::Permit>(admission), outcome, duration, now_);
  }
  // As a gate counts them.
  void successes(std::uint64_t count) {
    const fleet::Record* record = member_.record();
    member_.count_successes(count, record ? record->epoch : 0, now_);
  }
  Duration held() const { return now_.mono - MonoTime{1h}; }
  fleet::Member& member() { return member_; }
  fleet::Record stored() {
    return store_.execute("payments", fleet::ReadOp{}, store_time_).snapshot.record->value();
  }
  void start_operation() {
    if (!under_way_) under_way_ = member_.next_operation(now_);
  }

 private:
  Now now_{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  StoreTime store_time_ = store_time_ms(1'766'000'000'000);
  fleet::PolicyTable table_;
  stores::MemoryTable store_;
  fleet::Member member_{table_, fleet::MemberOptions{}, fleet::InstanceId{0xabc}, 42, now_};
  std::optional<fleet::Operation> under_way_;
};

TEST(AProcessAlone, OpensAtExactlyTheCallThatTheClassicRuleSays) {
  int by_failures = 0;
  int by_slowness = 0;
  int never = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    core::Random random(seed);
    const auto from = [&](std::initializer_list<int> values) {
      return values.begin()[random.next() % values.size()];
    };
    Policy policy = classic(random.chance(0.5) ? SlidingWindowType::count : SlidingWindowType::time,
                            from({1, 2, 5, 20, 100}), from({1, 2, 10, 100}),
                            from({10, 50, 55, 80, 100}) / 100.0);
    if (random.chance(0.5)) {
      policy.slow_call_duration = 100ms;
      policy.slow_call_rate_threshold = from({30, 60, 100}) / 100.0;
    }
    ASSERT_EQ(policy.validate(), Problems{});
    Alone process(policy);
    process.settle();
    core::WindowOracle oracle(core::window_rule(policy));
    double failing = 0.1 * random.unit();
    std::optional<core::WindowTrip> expected;
    for (int i = 0; i < 1'500 && !expected; ++i) {
      if (random.chance(0.01)) failing = random.unit();
      process.pass(std::chrono::milliseconds(random.next() % 300));
      if (random.chance(0.2)) {
        const std::uint64_t count = random.next() % 20;
        process.successes(count);
        for (std::uint64_t n = 0; n < count && !expected; ++n) {
          expected = oracle.add(false, false, process.held());
        }
      } else {
        const Outcome outcome = !random.chance(failing) ? Outcome::success
                                : random.chance(0.5)    ? Outcome::failure
                                                        : Outcome::overload;
        const Duration duration = random.chance(failing) ? 150ms : 10ms;
        process.call(outcome, duration);
        if (testing::Test::HasFatalFailure()) return;
        const bool slow = policy.slow_call_duration > 0s && duration == 150ms;
        expected = oracle.add(outcome != Outcome::success, slow, process.held());
      }
      ASSERT_EQ(process.member().state(), expected ? State::open : State::closed) << "step " << i;
      // What the store says comes now or later, and may cross the next calls.
      if (random.chance(0.5)) process.start_operation();
      if (random.chance(0.5)) process.answer();
    }
    process.settle();
    const fleet::Record record = process.stored();
    if (!expected) {
      EXPECT_EQ(record.state, State::closed);
      never++;
      continue;
    }
    (expected->slow ? by_slowness : by_failures)++;
    EXPECT_EQ(record.state, State::open);
    EXPECT_EQ(record.reason, expected->slow ? "slow_call_rate" : "failure_rate");
    EXPECT_EQ(record.why, fleet::own_trip(*expected, core::window_rule(policy)).why);
  }
  EXPECT_GT(by_failures, 50);
  EXPECT_GT(by_slowness, 10);
  EXPECT_GT(never, 5);
}

TEST(AProcessAlone, SaysWhatItsWindowHeld) {
  Alone process(classic(SlidingWindowType::count, 10, 10));
  process.settle();
  process.successes(5);
  for (int i = 0; i < 5; ++i) process.call(Outcome::failure, 10ms);
  process.settle();
  EXPECT_EQ(process.stored().why, "5 of the last 10 calls failed; the threshold is 50 %");
}

TEST(AProcessAlone, BeginsAnewInEveryEpoch) {
  Alone process(classic(SlidingWindowType::count, 10, 10));
  process.settle();
  for (int i = 0; i < 9; ++i) process.call(Outcome::failure, 10ms);
  process.settle();
  EXPECT_DOUBLE_EQ(process.member().evidence_ratio(), 1) << "short of calls only";
  EXPECT_EQ(process.member().state(), State::closed);
  process.call(Outcome::ignored, 10ms);
  EXPECT_EQ(process.member().state(), State::closed);
  process.call(Outcome::success, 10ms);
  EXPECT_EQ(process.member().state(), State::open);
}

// ---- A fleet --------------------------------------------------------------------------------

struct Fleet {
  const char* name;
  int processes;
  double calls_per_second;  // of each
};
void PrintTo(const Fleet& fleet, std::ostream* out) { *out << fleet.name; }
struct NamedRule {
  const char* name;
  Policy policy;
};
void PrintTo(const NamedRule& rule, std::ostream* out) { *out << rule.name; }

class ClassicFleet : public testing::TestWithParam<std::tuple<Fleet, NamedRule>> {
 protected:
  ClassicFleet() {
    const Fleet& fleet = std::get<0>(GetParam());
    failing.assign(static_cast<std::size_t>(fleet.processes), 0.005);
    for (int i = 0; i < fleet.processes; ++i) {
      call_at_random(world.add_process(), fleet.calls_per_second);
    }
    world.run_for(65s);
  }
  void call_at_random(Process& process, double per_second) {
    const double wait = -std::log(1 - world.random.unit()) / per_second;
    world.scheduler.after(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)),
                          [=, this, &process] {
                            process.run([&] { call(process); });
                            call_at_random(process, per_second);
                          });
  }
  void call(Process& process) {
    const fleet::Admission admission = process.admit();
    const auto* permit = std::get_if<fleet::Permit>(&admission);
    if (permit == nullptr) {
      refused += std::get<fleet::Refusal>(admission).reason != RefusalReason::stale_view;
      return;
    }
    world.scheduler.after(10ms, [this, &process, permit = *permit] {
      process.run([&] {
        const bool fails = world.random.chance(failing[static_cast<std::size_t>(process.index())]);
        process.member().finish(permit, fails ? Outcome::failure : Outcome::success, 10ms,
                                process.now());
      });
    });
  }
  void fail(double rate) { std::ranges::fill(failing, rate); }
  bool opens_within(Duration longest) {
    const TrueTime from = world.scheduler.now();
    const bool opened = world.run_until(
        [&] { return world.stored() != nullptr && world.stored()->state == State::open; }, longest);
    if (opened) {
      RecordProperty("opened_after", seconds_text(world.scheduler.now() - from));
      RecordProperty("why", world.stored()->why);
    }
    return opened;
  }

  World world{{.policy = std::get<1>(GetParam()).policy}};
  std::vector<double> failing;
  std::uint64_t refused = 0;
};

TEST_P(ClassicFleet, OpensWhenEveryCallFails) {
  fail(1);
  EXPECT_TRUE(opens_within(20s));
}

TEST_P(ClassicFleet, OpensAboveItsThresholdAndNotWellBelowIt) {
  fail(0.3);
  EXPECT_FALSE(opens_within(30s)) << world.stored()->why;
  EXPECT_EQ(refused, 0u);
  fail(0.6);
  EXPECT_TRUE(opens_within(60s));
}

class ClassicFleetWithOneSick : public ClassicFleet {};

TEST_P(ClassicFleetWithOneSick, StaysClosed) {
  failing[0] = 1;
  EXPECT_FALSE(opens_within(60s)) << world.stored()->why;
}

constexpr Fleet kFast{"4Fast", 4, 270};
constexpr Fleet k20{"20", 20, 2};
constexpr Fleet k1000{"1000", 1'000, 1.4};
const auto kRules =
    testing::Values(NamedRule{"ByCount", classic(SlidingWindowType::count, 100, 100)},
                    NamedRule{"ByTime", classic(SlidingWindowType::time, 10, 100)});
std::string name_of(const testing::TestParamInfo<ClassicFleet::ParamType>& test) {
  return std::string(std::get<0>(test.param).name) + std::get<1>(test.param).name;
}
INSTANTIATE_TEST_SUITE_P(Of, ClassicFleet,
                         testing::Combine(testing::Values(kFast, k20, k1000), kRules), name_of);
INSTANTIATE_TEST_SUITE_P(Of, ClassicFleetWithOneSick,
                         testing::Combine(testing::Values(kFast, k20), kRules), name_of);

}  // namespace
}  // namespace switchgear::lab
