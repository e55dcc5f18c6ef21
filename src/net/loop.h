// One thread's event loop. Clients, servers and timers are made on a Loop, run their callbacks on
// the thread that runs it, and are touched from that thread only; so what lives on one loop needs
// no lock. Scale with more loops, one per thread.
#pragma once

#include <functional>
#include <memory>

#include "core/time.h"

namespace switchgear::net {

// A call that is due later. Destroying or assigning over the handle cancels the call: an object
// that keeps its timers as members is never called after its end. Loop's thread only; must not
// outlive the Loop.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer();
  // The function will not be called. Nothing happens if it already was.
  void cancel();
  // Neither called nor cancelled yet.
  bool pending() const;

 private:
  friend class Loop;
  struct State;
  explicit Timer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class Loop {
 public:
  Loop();
  // Callbacks that are still waiting are destroyed without being called.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs callbacks on this thread until stop(); an idle loop waits. May be called again after it
  // returned. A callback must not throw: that ends the process.
  void run() noexcept;
  // Runs callbacks until `done()` is true (asked after each) or `limit` has passed or stop() was
  // called; answers whether it is done. For commands that wait for one answer, and for tests.
  bool run_until(const std::function<bool()>& done, Duration limit) noexcept;

  // Makes run() return after the callback that is running. From any thread.
  void stop();
  // Runs `fn` on the loop's thread, soon and in order, never from inside post(). From any thread;
  // wakes an idle loop.
  void post(std::function<void()> fn);

  // Calls `fn` once, `delay` from now (CLOCK_MONOTONIC; 0 or less: soon, never from inside). The
  // call is cancelled when the handle is dropped.
  [[nodiscard]] Timer call_after(Duration delay, std::function<void()> fn);

  // Calls `fn` with SIGINT or SIGTERM each time one arrives, instead of ending the process. One
  // loop per process may do this.
  void on_stop_signal(std::function<void(int signal)> fn);

  // For the other sources of net/; see net/loop_impl.h.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchgear::net
