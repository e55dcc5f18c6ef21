// Counts of calls that need no further look, spread over cache lines so that threads do not share
// one. A count is kept per generation: the epochs of a circuit, numbered as they come, modulo 8.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <thread>

namespace switchgear::guard {

inline constexpr unsigned kGenerations = 8;

// add() from any thread: lock-free, no allocation. Nothing added is ever lost: each count is taken
// by exactly one take().
class SuccessCounters {
 public:
  SuccessCounters()
      : mask_(std::bit_ceil(std::min(16U, std::max(2U, 2 * std::thread::hardware_concurrency()))) -
              1),
        shards_(std::make_unique<Shard[]>(mask_ + 1)) {}

  void add(std::uint32_t thread_number, unsigned generation) {
    shards_[thread_number & mask_].counts[generation].fetch_add(1, std::memory_order_relaxed);
  }
  // The count of a generation since it was last taken.
  std::uint64_t take(unsigned generation) {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i <= mask_; ++i) {
      auto& count = shards_[i].counts[generation];
      if (count.load(std::memory_order_relaxed) != 0) {
        sum += count.exchange(0, std::memory_order_relaxed);
      }
    }
    return sum;
  }

 private:
  struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, kGenerations> counts{};
  };
  const unsigned mask_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace switchgear::guard
