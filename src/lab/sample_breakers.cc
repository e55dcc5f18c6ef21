// What the code of two public samples does, step by step, in words of our own. Nothing is copied.
#include <utility>

#include "lab/outside_breaker.h"

namespace switchgear::lab {
namespace {

using AlarmState = controller::AlarmView::State;

// What both have in common: one call that sets nothing but Enabled.
class SampleBreaker : public OutsideBreaker {
 public:
  explicit SampleBreaker(MappingWorld& world) : world_(world) {
    world_.on_alarm = [this](AlarmState from, AlarmState to) { on_alarm(from, to); };
  }
  State state() const override {
    if (trying_ > 0) return State::half_open;
    return world_.mapping().settings.enabled ? State::closed : State::open;
  }

 protected:
  virtual void on_alarm(AlarmState from, AlarmState to) = 0;

  bool set(bool enabled) {
    controller::Settings settings = world_.mapping().settings;
    settings.enabled = enabled;
    return world_.update(settings).has_value();
  }
  void after(Duration time, std::function<void()> task) {
    world_.scheduler.after(time, std::move(task));
  }
  std::vector<queue::Message> receive() {
    return world_.queue.receive(1, world_.queue.attributes().visibility_timeout, world_.now());
  }

  MappingWorld& world_;
  int trying_ = 0;  // executions under way
};

class GerkensBreaker final : public SampleBreaker {
 public:
  using SampleBreaker::SampleBreaker;

 private:
  // Two rules: one for going to ALARM, one for coming from it.
  void on_alarm(AlarmState from, AlarmState to) override {
    if (to == AlarmState::alarm) disable(0);
    if (from == AlarmState::alarm) {
      ++trying_;
      wait();
    }
  }
  // An asynchronous invocation that throws is tried twice more by Lambda.
  void disable(int retries) {
    if (set(false) || retries == 2) return;
    after(retries == 0 ? 1min : 2min, [this, retries] { disable(retries + 1); });
  }
  // The state machine waits 15 s whatever its parameter says.
  void wait() {
    after(15s, [this] { attempt(); });
  }
  void attempt() {
    const auto messages = receive();
    if (messages.empty()) return wait();
    world_.invoke(1, false, [this, handle = messages.front().receipt_handle](bool ok) {
      if (!ok) {
        ++world_.counts().burnt;
        return wait();
      }
      world_.queue.remove(handle);
      --trying_;
      set(true);  // a task without a retry: refused, the execution has failed
    });
  }
};

class StepFunctionsBreaker final : public SampleBreaker {
 public:
  using SampleBreaker::SampleBreaker;

 private:
  static constexpr int kAttempts = 10;

  // Each alarm starts an execution, whether another is under way or not.
  void on_alarm(AlarmState, AlarmState to) override {
    if (to != AlarmState::alarm || !set(false)) return;
    ++trying_;
    after(10s, [this] { fetch(); });
  }
  void fetch() {
    const auto messages = receive();
    // The answer has no member Messages then, which the result selector reads: States.Runtime,
    // which no retry and no catch takes. The mapping stays off.
    if (messages.empty()) return give_up();
    attempt(messages.front().receipt_handle, 1, 10s);
  }
  // The same message again and again, with the receipt of the one receive.
  void attempt(const std::string& handle, int number, Duration time) {
    world_.invoke(1, false, [this, handle, number, time](bool ok) {
      if (ok) {
        world_.queue.remove(handle);
        return rejitter();
      }
      world_.counts().burnt += number == 1;
      if (number + 1 >= kAttempts) return give_up();
      after(2 * time, [this, handle, number, time] { attempt(handle, number + 1, 2 * time); });
    });
  }
  void give_up() { --trying_; }
  // For a minute another function sends what waits once more, to come later, and deletes it.
  void rejitter() {
    const TrueTime end = world_.now() + 1min;
    send_again(end);
    after(1min, [this] {
      --trying_;
      set(true);
    });
  }
  void send_again(TrueTime end) {
    constexpr int kEachTime = 100;
    for (const auto& message : world_.queue.receive(
             kEachTime, world_.queue.attributes().visibility_timeout, world_.now())) {
      const auto delay = std::chrono::seconds(60 + world_.random.below(119));
      world_.queue.send(world_.now(), delay, true);
      world_.queue.remove(message.receipt_handle, false);
    }
    if (world_.now() + 100ms < end) after(100ms, [this, end] { send_again(end); });
  }
};

}  // namespace

std::unique_ptr<OutsideBreaker> gerkens_breaker(MappingWorld& world) {
  return std::make_unique<GerkensBreaker>(world);
}
std::unique_ptr<OutsideBreaker> stepfunctions_breaker(MappingWorld& world) {
  return std::make_unique<StepFunctionsBreaker>(world);
}

}  // namespace switchgear::lab
