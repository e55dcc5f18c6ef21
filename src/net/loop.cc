#include "net/loop.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <utility>

#include "net/clocks.h"
#include "net/loop_impl.h"

namespace switchgear::net {

struct Timer::State {
  explicit State(asio::io_context& context) : timer(context) {}
  asio::steady_timer timer;
  std::function<void()> fn;  // empty: called or cancelled
};

Timer::Timer(std::shared_ptr<State> state) : state_(std::move(state)) {}
Timer::~Timer() { cancel(); }

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Timer::cancel() {
  if (!state_) return;
  // The function may own the object that owns this timer, so let go of it last.
  const std::shared_ptr<State> state = std::exchange(state_, nullptr);
  const std::function<void()> fn = std::exchange(state->fn, nullptr);
  if (fn) state->timer.cancel();
}

bool Timer::pending() const { return state_ && state_->fn; }

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() noexcept {
  impl_->context.restart();
  const auto idle = asio::make_work_guard(impl_->context);
  impl_->context.run();
}

bool Loop::run_until(const std::function<bool()>& done, Duration limit) noexcept {
  impl_->context.restart();
  const auto idle = asio::make_work_guard(impl_->context);
  const MonoTime end = read_clocks().mono + limit;
  while (!done()) {
    const Duration left = end - read_clocks().mono;
    if (left <= 0s || impl_->context.stopped()) return false;
    impl_->context.run_one_for(left);
  }
  return true;
}

void Loop::stop() { impl_->context.stop(); }

void Loop::post(std::function<void()> fn) { asio::post(impl_->context, std::move(fn)); }

Timer Loop::call_after(Duration delay, std::function<void()> fn) {
  auto state = std::make_shared<Timer::State>(impl_->context);
  state->fn = std::move(fn);
  // A century of delay would overflow the clock that it is added to.
  state->timer.expires_after(std::clamp<Duration>(delay, 0s, std::chrono::hours(24 * 365)));
  state->timer.async_wait([state](const boost::system::error_code&) {
    // Empty after cancel(), which may come between expiry and this call.
    if (const auto due = std::exchange(state->fn, nullptr)) due();
  });
  return Timer(std::move(state));
}

void Loop::on_stop_signal(std::function<void(int)> fn) {
  const bool first = !impl_->on_signal;
  impl_->on_signal = std::move(fn);
  if (!first) return;
  impl_->signals.add(SIGINT);
  impl_->signals.add(SIGTERM);
  impl_->wait_for_signal();
}

void Loop::Impl::wait_for_signal() {
  signals.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    on_signal(signal);
    wait_for_signal();
  });
}

}  // namespace switchgear::net
