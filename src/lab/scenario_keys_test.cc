// Scenario 27: one of eight shards of a dependency is down. One shipped member per key and process,
// on one store in memory, in virtual time.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fleet/member.h"
#include "stores/memory_store.h"

namespace switchgear::lab {
namespace {

constexpr int kShards = 8;
constexpr int kProcesses = 4;
constexpr int kDownShard = 3;
constexpr Duration kTick = 10ms;

// What became of the calls to one shard.
struct Tally {
  std::uint64_t good = 0;
  std::uint64_t failed = 0;
  std::uint64_t refused = 0;
};

// Processes that call all shards alike, under a circuit for each or under one for all.
class ShardedFleet {
 public:
  ShardedFleet(const Policy& policy, bool keyed) : table_(policy), keyed_(keyed), random_(7) {
    for (int p = 0; p < kProcesses; ++p) {
      for (int k = 0; k < (keyed ? kShards : 1); ++k) {
        members_.push_back(std::make_unique<fleet::Member>(
            table_, fleet::MemberOptions{}, fleet::InstanceId{static_cast<std::uint64_t>(p) + 100},
            random_.next(), now_));
      }
    }
  }

  void run_for(Duration length, bool one_is_down) {
    for (Duration passed{0}; passed < length; passed += kTick) {
      now_.mono += kTick;
      now_.boot += kTick;
      now_.wall += kTick;
      for (int p = 0; p < kProcesses; ++p) {
        for (int shard = 0; shard < kShards; ++shard) {
          if (random_.chance(0.2)) call(p, shard, one_is_down && shard == kDownShard);
        }
      }
      for (std::size_t i = 0; i < members_.size(); ++i) settle(i);
    }
  }
  State stored(int shard) {
    return stores_.execute(name(shard), fleet::ReadOp{}, time()).snapshot.readable()->state;
  }
  int opens(int shard) const { return opens_[static_cast<std::size_t>(shard)]; }

  std::array<Tally, kShards> tally{};

 private:
  std::string name(int shard) const {
    return keyed_ ? "payments/shard-" + std::to_string(shard) : "payments";
  }
  StoreTime time() const { return StoreTime{floor_ms(now_.wall.time_since_epoch())}; }
  std::size_t index(int process, int shard) const {
    return static_cast<std::size_t>(keyed_ ? process * kShards + shard : process);
  }
  void call(int process, int shard, bool fails) {
    fleet::Member& member = *members_[index(process, shard)];
    Tally& sum = tally[static_cast<std::size_t>(shard)];
    const fleet::Admission admission = member.admit(now_);
    const auto* permit = std::get_if<fleet::Permit>(&admission);
    if (permit == nullptr) {
      ++sum.refused;
      return;
    }
    ++(fails ? sum.failed : sum.good);
    member.finish(*permit, fails ? Outcome::failure : Outcome::success, 1ms, now_);
  }
  void settle(std::size_t i) {
    const int shard = keyed_ ? static_cast<int>(i) % kShards : 0;
    while (const auto operation = members_[i]->next_operation(now_)) {
      members_[i]->answered(stores_.execute(name(shard), *operation, time()), now_);
      for (const fleet::Transition& transition : members_[i]->take_transitions()) {
        opens_[static_cast<std::size_t>(shard)] += transition.to == State::open;
      }
    }
  }

  const fleet::PolicyTable table_;
  const bool keyed_;
  core::Random random_;
  Now now_{.mono = MonoTime(1h), .boot = BootTime(1h), .wall = WallTime(490'000h)};
  stores::MemoryTable stores_;
  std::vector<std::unique_ptr<fleet::Member>> members_;
  std::array<int, kShards> opens_{};
};

Policy sharp() { return Policy{.acceptable_failure_rate = 0.01, .unacceptable_failure_rate = 0.1}; }

TEST(Scenario27PartialOutage, OnlyTheKeyOfTheShardThatIsDownOpens) {
  ShardedFleet fleet(sharp(), true);
  fleet.run_for(90s, false);
  fleet.run_for(60s, true);
  for (int shard = 0; shard < kShards; ++shard) {
    const Tally& tally = fleet.tally[static_cast<std::size_t>(shard)];
    if (shard == kDownShard) {
      EXPECT_NE(fleet.stored(shard), State::closed);
      EXPECT_GT(tally.refused, 20 * tally.failed) << tally.failed << " failed";
    } else {
      EXPECT_EQ(fleet.stored(shard), State::closed) << shard;
      EXPECT_EQ(fleet.opens(shard), 0) << shard;
      EXPECT_EQ(tally.refused, 0u) << shard;
    }
  }
  fleet.run_for(300s, false);
  EXPECT_EQ(fleet.stored(kDownShard), State::closed);
}

TEST(Scenario27PartialOutage, OneCircuitForAllShardsStopsTheHealthyOnesToo) {
  ShardedFleet fleet(sharp(), false);
  fleet.run_for(90s, false);
  EXPECT_EQ(fleet.stored(0), State::closed);
  fleet.run_for(60s, true);
  EXPECT_GT(fleet.tally[0].refused, fleet.tally[0].good / 10);
}

}  // namespace
}  // namespace switchgear::lab
