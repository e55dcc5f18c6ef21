// Virtual time: a queue of events, run in order. Two runs with the same seed run the same events
// in the same order, so whatever happened can be made to happen again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/assert.h"
#include "core/time.h"

namespace switchgear::lab {

// Time since the start of the simulated world, as nobody in it can read it.
using TrueTime = Duration;

// Not thread-safe. Events of the same moment run in the order in which they were asked for.
class Scheduler {
 public:
  using Task = std::function<void()>;

  TrueTime now() const { return now_; }
  std::uint64_t steps() const { return steps_; }

  void at(TrueTime when, Task task) {
    SG_ASSERT(when >= now_);
    heap_.push_back({when, sequence_++, std::move(task)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(Duration delay, Task task) {
    at(now_ + std::max(delay, Duration::zero()), std::move(task));
  }

  // Runs all events up to and including `end`, then stands at `end`.
  void run_until(TrueTime end) {
    while (!stopped_ && !heap_.empty() && heap_.front().when <= end) step();
    if (!stopped_) now_ = std::max(now_, end);
  }
  // Runs the next event; false if there is none.
  bool step() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ = event.when;
    ++steps_;
    event.task();
    return true;
  }
  // Ends run_until() after the event that is running.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  struct Event {
    TrueTime when;
    std::uint64_t sequence;
    Task task;
  };
  static bool later(const Event& a, const Event& b) {
    return std::pair(a.when, a.sequence) > std::pair(b.when, b.sequence);
  }

  TrueTime now_{0};
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  bool stopped_ = false;
  std::vector<Event> heap_;
};

}  // namespace switchgear::lab
