// The recovery limit against a dependency with a queue, in virtual time: a discrete-event model of
// what follows an outage of an hour. 20 servers with exponential service of 0.2 s (100 calls/s),
// callers that give up after 2 s while the server goes on with their abandoned call, at most 1,000
// calls in flight, a backlog of 216,000 messages plus 60/s, 0.5 % of calls failing at random. The
// ideal drain is backlog / (capacity - arrivals).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <queue>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/recovery_limit.h"

namespace switchgear::core {
namespace {

struct World {
  int servers = 20;
  double service_s = 0.2;
  double timeout_s = 2;
  double fail_rate = 0.005;
  int fleet = 1000;
  double backlog = 216'000;
  double arrivals_per_s = 60;
  double horizon_s = 3 * 3600;
  bool limited = true;

  // Shed: refuses, after so long, what finds this many calls in the house. 0: queues everything.
  int shed_above = 0;
  double refusal_s = 0.05;
  // Cold: a third of the speed until this many calls are served.
  double cold_calls = 0;
  // Thrash: beyond this many calls in the house, service slows in proportion. 0: never.
  int thrash_above = 0;
  // From this time on, service takes this many times as long.
  double slow_from_s = 1e18;
  double slow_factor = 1;

  int lag_steps = 0;  // steps that pass before the controller sees a step's sums
};

// What is left of a run.
struct Drain {
  double drained_s = 0;  // when the backlog was gone; the horizon if never
  double closed_s = 0;   // when the circuit would have closed
  double served = 0;
  double overloads = 0;
  double base_rtt_ms = 0;
  bool drained = false;
  bool closed = false;

  double overload_share() const { return overloads / (served + overloads); }
};

class Simulation {
 public:
  Simulation(const World& world, std::uint64_t seed) : world_(world), random_(seed) {
    state_ = begin_recovery(policy_, 0);
    waiting_ = world.backlog;
  }

  // Until the backlog is gone, or until the circuit would close.
  Drain run(bool until_closed = false) {
    const double step_s = to_seconds(policy_.recovery_step);
    at(step_s, Kind::step);
    at(exponential(1 / world_.arrivals_per_s), Kind::arrival);
    admit();
    while (now_ < world_.horizon_s && !result_.closed) {
      const Event event = events_.top();
      events_.pop();
      busy_s_ += in_flight_ * (event.time - now_);
      now_ = event.time;
      switch (event.kind) {
        case Kind::arrival:
          ++waiting_;
          at(now_ + exponential(1 / world_.arrivals_per_s), Kind::arrival);
          break;
        case Kind::served:
          served(event.call);
          break;
        case Kind::gives_up:
          if (calls_[event.call].open) {
            fail(event.call, sums_.overload);
            ++result_.overloads;
          }
          release(event.call);
          break;
        case Kind::step:
          step();
          at(now_ + step_s, Kind::step);
          break;
      }
      admit();
      if (!result_.drained && waiting_ < 1) {
        result_.drained = true;
        result_.drained_s = now_;
        if (!until_closed) break;
      }
    }
    if (!result_.drained) result_.drained_s = world_.horizon_s;
    result_.base_rtt_ms = state_.base_rtt_ms;
    return result_;
  }

 private:
  enum class Kind : unsigned char { arrival, served, gives_up, step };
  struct Event {
    double time;
    Kind kind;
    std::size_t call;
    bool operator<(const Event& other) const { return time > other.time; }
  };
  struct Call {
    double start = 0;
    bool open = true;  // the caller still waits
    int references = 0;
  };

  double exponential(double mean) { return -mean * std::log(1 - random_.unit()); }
  void at(double time, Kind kind, std::size_t call = 0) { events_.push({time, kind, call}); }

  void admit() {
    const double limit =
        world_.limited ? std::min<double>(std::floor(state_.limit), world_.fleet) : world_.fleet;
    while (waiting_ >= 1 && in_flight_ < limit) start_call();
    if (waiting_ >= 1 && in_flight_ < world_.fleet) sums_.refused = 1;
  }

  void start_call() {
    --waiting_;
    ++in_flight_;
    std::size_t id = calls_.size();
    if (free_.empty()) {
      calls_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    calls_[id] = {.start = now_, .open = true, .references = 1};
    if (world_.shed_above > 0 && in_house() >= world_.shed_above) {
      at(now_ + world_.refusal_s, Kind::gives_up, id);  // refused, fast
      return;
    }
    ++calls_[id].references;
    at(now_ + world_.timeout_s, Kind::gives_up, id);
    queue_.push_back(id);
    serve();
  }

  int in_house() const { return busy_servers_ + static_cast<int>(queue_.size()); }

  void serve() {
    while (busy_servers_ < world_.servers && !queue_.empty()) {
      double mean = world_.service_s;
      if (total_served_ < world_.cold_calls) mean *= 3;
      if (world_.thrash_above > 0 && in_house() > world_.thrash_above) {
        mean *= static_cast<double>(in_house()) / world_.thrash_above;
      }
      if (now_ >= world_.slow_from_s) mean *= world_.slow_factor;
      ++busy_servers_;
      at(now_ + exponential(mean), Kind::served, queue_.front());
      queue_.pop_front();
    }
  }

  void served(std::size_t id) {
    --busy_servers_;
    ++total_served_;
    if (calls_[id].open) {
      if (random_.chance(world_.fail_rate)) {
        fail(id, sums_.failure);
      } else {
        const double rtt_ms = (now_ - calls_[id].start) * 1e3;
        --in_flight_;
        calls_[id].open = false;
        ++sums_.ok;
        ++sums_.rtt_count;
        sums_.rtt_sum_ms += rtt_ms;
        ++result_.served;
      }
    }
    release(id);
    serve();
  }

  void fail(std::size_t id, double& counter) {
    calls_[id].open = false;
    --in_flight_;
    ++counter;
    ++waiting_;  // the message comes back at once
  }
  void release(std::size_t id) {
    if (--calls_[id].references == 0) free_.push_back(id);
  }

  void step() {
    sums_.busy_ms = busy_s_ * 1e3;
    sums_.members = 1;
    seen_.push_back({sums_, std::floor(state_.limit)});
    sums_ = {};
    busy_s_ = 0;
    if (static_cast<int>(seen_.size()) <= world_.lag_steps) return;
    const auto [sums, limit] = seen_.front();
    seen_.pop_front();
    state_ = recovery_step(policy_, state_, sums, limit, policy_.recovery_step);
    if (recovery_done(policy_, state_)) {
      result_.closed = true;
      result_.closed_s = now_;
    }
  }

  World world_;
  Policy policy_;
  Random random_;
  RecoveryState state_;
  StepSums sums_;
  Drain result_;
  double now_ = 0;
  double busy_s_ = 0;
  double waiting_ = 0;
  double total_served_ = 0;
  int in_flight_ = 0;
  int busy_servers_ = 0;
  std::deque<std::pair<StepSums, double>> seen_;  // sums that the controller has yet to see
  std::priority_queue<Event> events_;
  std::deque<std::size_t> queue_;
  std::vector<Call> calls_;
  std::vector<std::size_t> free_;
};

double ideal_s(const World& world) {
  return world.backlog / (world.servers / world.service_s - world.arrivals_per_s);
}

// Runs some seeds and holds each against the bounds.
void expect_drain(const World& world, double times_ideal, double overload_share,
                  std::uint64_t seeds = 3) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Drain drain = Simulation(world, seed).run();
    EXPECT_TRUE(drain.drained);
    EXPECT_LE(drain.drained_s, times_ideal * ideal_s(world));
    EXPECT_LE(drain.overload_share(), overload_share);
  }
}

TEST(RecoveryLimitSimulation, CollapsesWithoutTheLimit) {
  // 1,000 calls in flight > 100/s * 2 s: every call times out and is served for nothing.
  const Drain drain = Simulation({.horizon_s = 600, .limited = false}, 1).run();
  EXPECT_FALSE(drain.drained);
  EXPECT_LT(drain.served, 0.01 * 600 * 100);
}

TEST(RecoveryLimitSimulation, DrainsAQueueingDependencyWithin8PercentOfTheIdeal) {
  expect_drain({}, 1.08, 0.003);
}

TEST(RecoveryLimitSimulation, DrainsADependencyThatSheds) {
  expect_drain({.shed_above = 60}, 1.08, 0.003, 1);  // latency speaks before it refuses
  // Refuses where the latency has just doubled: the limit can only find the edge by touching it.
  expect_drain({.shed_above = 40, .refusal_s = 0.2}, 1.08, 0.01, 1);
  expect_drain({.shed_above = 40, .refusal_s = 0.05}, 1.08, 0.015);
}

TEST(RecoveryLimitSimulation, DrainsADependencyThatRefusesAtOnceEvenIfCallersDoNotPause) {
  // The worst case: a caller that is refused in 10 ms and takes the next message at once is refused
  // 100 times a second, and a step of 3 s cannot notice sooner.
  expect_drain({.shed_above = 40, .refusal_s = 0.01}, 1.08, 0.06, 1);
}

TEST(RecoveryLimitSimulation, DrainsADependencyThatIsColdAtFirst) {
  // A minute at a third of the speed costs 2 % of the ideal that no controller can win back.
  expect_drain({.cold_calls = 2000}, 1.08, 0.003);
}

TEST(RecoveryLimitSimulation, DrainsADependencyThatSlowsWhenFull) {
  expect_drain({.thrash_above = 40}, 1.08, 0.003);
}

TEST(RecoveryLimitSimulation, BearsSumsThatComeAStepOrTwoLate) {
  expect_drain({.lag_steps = 1}, 1.08, 0.003, 1);
  expect_drain({.thrash_above = 40, .lag_steps = 1}, 1.08, 0.003, 1);
  expect_drain({.lag_steps = 2}, 1.10, 0.003, 1);
}

TEST(RecoveryLimitSimulation, DrainsASmallDependencyWhoseStepMeansScatter) {
  expect_drain({.servers = 2, .backlog = 21'600, .arrivals_per_s = 6}, 1.10, 0.01);
  expect_drain({.servers = 1, .backlog = 10'800, .arrivals_per_s = 3}, 1.10, 0.02);
}

TEST(RecoveryLimitSimulation, DrainsADependencyWhoseCallsAreLongerThanAStep) {
  // A step sees hardly more calls end than it takes to judge them.
  expect_drain({.service_s = 4, .timeout_s = 40, .backlog = 10'800, .arrivals_per_s = 3}, 1.15,
               0.02);
}

TEST(RecoveryLimitSimulation, FollowsADependencyThatBecomesSlowerForGood) {
  // At 600 s service takes 2.5 times as long: of the hour's 100/s, half is left.
  const World slower{.horizon_s = 3600, .slow_from_s = 600, .slow_factor = 2.5};
  EXPECT_GE(Simulation(slower, 1).run().served, 0.45 * 3600 * 100);
}

TEST(RecoveryLimitSimulation, DoesNotLetTheBaseDriftUp) {
  const Drain drain = Simulation({}, 1).run();  // 18 measurements of 200 ms
  EXPECT_GT(drain.base_rtt_ms, 150);
  EXPECT_LT(drain.base_rtt_ms, 300);
}

TEST(RecoveryLimitSimulation, ClosesSoonAfterTheBacklogIsGone) {
  const Drain drain = Simulation({.backlog = 20'000}, 1).run(/*until_closed=*/true);
  EXPECT_TRUE(drain.drained);
  EXPECT_TRUE(drain.closed);
  EXPECT_GE(drain.closed_s, drain.drained_s + 50);
  EXPECT_LE(drain.closed_s, drain.drained_s + 120);
}

}  // namespace
}  // namespace switchgear::core
