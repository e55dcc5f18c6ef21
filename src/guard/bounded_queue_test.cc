#include "guard/bounded_queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace switchgear::guard {
namespace {

TEST(BoundedQueue, GivesBackInOrderWhatOneThreadPut) {
  BoundedQueue<int> queue(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.push(i));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.pop(), i);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, TakesNoMoreThanItHolds) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(queue.push(3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(queue.push(4));
}

TEST(BoundedQueue, LosesAndDoublesNothingBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  BoundedQueue<int> queue(64);
  std::atomic<int> refused{0};
  std::atomic<int> running{kThreads};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        if (!queue.push(t * kEach + i)) refused++;
      }
      running--;
    });
  }
  std::vector<int> last(kThreads, -1);
  int got = 0;
  for (;;) {
    const bool done = running == 0;
    const auto value = queue.pop();
    if (!value) {
      if (done) break;
      std::this_thread::yield();
      continue;
    }
    // Each writer's entries come in its order.
    const auto writer = static_cast<std::size_t>(*value / kEach);
    EXPECT_GT(*value % kEach, last[writer]);
    last[writer] = *value % kEach;
    ++got;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(got + refused, kThreads * kEach);
}

}  // namespace
}  // namespace switchgear::guard
