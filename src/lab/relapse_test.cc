// A dependency that dies again right after the probes: the recovery's few calls must be enough to
// reopen the circuit, however large the fleet is.
#include <gtest/gtest.h>

#include <functional>
#include <tuple>

#include "lab/world.h"

namespace switchgear::lab {
namespace {

class Relapse : public testing::TestWithParam<std::tuple<int, Down>> {
 protected:
  std::uint64_t failed() const {
    return world.outcomes[static_cast<std::size_t>(Outcome::failure)] +
           world.outcomes[static_cast<std::size_t>(Outcome::overload)];
  }
  bool reaches(State state, Duration within) {
    return world.run_until(
        [&] {
          const fleet::Record* record = world.stored();
          return record != nullptr && record->state == state;
        },
        within);
  }
  // Calls one after another, and asks again when it is refused.
  void keep_calling(Process& process) {
    process.run([this, &process] {
      const auto refused = process.try_call([this, &process](Outcome) {
        world.scheduler.after(10ms, [this, &process] { keep_calling(process); });
      });
      if (!refused) return;
      world.scheduler.after(std::max<Duration>(refused->retry_after, 20ms),
                            [this, &process] { keep_calling(process); });
    });
  }

  World world{[] {
    WorldOptions options;
    options.policy.call_timeout = 2s;
    options.dependency = {.servers = 1'000, .service_mean = 40ms};
    return options;
  }()};
};

TEST_P(Relapse, IsNoticedByTheFewThatCallWhileRecovering) {
  const auto [processes, down] = GetParam();
  for (int i = 0; i < processes; ++i) {
    Process& process = world.add_process();
    for (int lane = 0; lane < 8; ++lane) {
      world.scheduler.after(1ms * lane, [this, &process] { keep_calling(process); });
    }
  }
  world.run_for(70s);
  world.dependency.set_down(down);
  // Few callers that wait for a black hole make few calls, and the rule believes in the fleet's old
  // pace until the meter has forgotten it, after two minutes.
  ASSERT_TRUE(reaches(State::open, 180s));
  world.run_for(5s);
  world.dependency.set_down(Down::no);
  ASSERT_TRUE(reaches(State::recovering, 60s));
  world.dependency.set_down(down);
  const std::uint64_t before = failed();
  EXPECT_TRUE(reaches(State::open, 30s)) << "limit " << world.stored()->recovery.limit;
  EXPECT_LE(failed() - before, 200u);
}

INSTANTIATE_TEST_SUITE_P(AnyFleet, Relapse,
                         testing::Combine(testing::Values(1, 2, 3, 4, 20),
                                          testing::Values(Down::refusing, Down::black_hole)),
                         [](const auto& name) {
                           return std::to_string(std::get<0>(name.param)) +
                                  (std::get<1>(name.param) == Down::refusing ? "Refusing"
                                                                             : "BlackHole");
                         });

}  // namespace
}  // namespace switchgear::lab
