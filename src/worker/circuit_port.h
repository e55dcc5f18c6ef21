// What the consumer of a queue asks of a circuit. In production over guard/, in the demo and the
// simulator over a bare fleet::Member. One thread; nothing here waits.
#pragma once

#include <string>

#include "core/outcome.h"
#include "core/state.h"
#include "fleet/member.h"

namespace switchgear::worker {

class CircuitPort {
 public:
  virtual ~CircuitPort() = default;

  virtual fleet::Admission admit(const Now& now) = 0;
  // Asked again right before a call whose permit was taken earlier.
  virtual bool may_start(const fleet::Permit& permit, const Now& now) = 0;
  // Every permit is finished exactly once; an unused one as ignored.
  virtual void finish(const fleet::Permit& permit, Outcome outcome, Duration duration,
                      const Now& now) = 0;

  // The dependency asked not to be called for this long. Said before finish().
  virtual void asked_to_wait(Duration pause, const Now& now) = 0;
  // A permit that no call was made with.
  virtual void give_back(const fleet::Permit& permit, const Now& now) = 0;

  // The state that decides here and now, holds and modes included: OPEN while held open, CLOSED
  // while held closed or only observed, HALF_OPEN while this process has stopped itself.
  virtual State state(const Now& now) = 0;
  // Whether it is OPEN because a person holds it so.
  virtual bool held_open() = 0;
  // When a call should next be tried while calls are refused.
  virtual Duration retry_after(const Now& now) = 0;
  // The longest time that the circuit can stay open if the next probe fails.
  virtual Duration next_open_time() = 0;
  // Why the circuit is in this state, for a person. Empty while that is not settled: a trip that
  // this process has seen is not written yet.
  virtual std::string cause() = 0;
  // Of the record that cause() speaks of.
  virtual std::int64_t epoch() = 0;
};

// Over a member on the same thread, which outlives the port.
class MemberPort : public CircuitPort {
 public:
  explicit MemberPort(fleet::Member& member) : member_(member) {}
  fleet::Admission admit(const Now& now) override { return member_.admit(now); }
  bool may_start(const fleet::Permit& permit, const Now& now) override {
    return member_.may_start(permit, now);
  }
  void finish(const fleet::Permit& permit, Outcome outcome, Duration duration,
              const Now& now) override {
    member_.finish(permit, outcome, duration, now);
  }
  void asked_to_wait(Duration pause, const Now& now) override { member_.asked_to_wait(pause, now); }
  void give_back(const fleet::Permit& permit, const Now& now) override {
    member_.give_back(permit, now);
  }
  State state(const Now& now) override;
  bool held_open() override { return member_.hold_in_force() == HoldKind::forced_open; }
  Duration retry_after(const Now& now) override { return member_.retry_after(now); }
  Duration next_open_time() override;
  std::string cause() override;
  std::int64_t epoch() override;

 private:
  fleet::Member& member_;
};

// No circuit at all: every call goes out.
class NoCircuit : public CircuitPort {
 public:
  fleet::Admission admit(const Now&) override { return fleet::Permit{}; }
  bool may_start(const fleet::Permit&, const Now&) override { return true; }
  void finish(const fleet::Permit&, Outcome, Duration, const Now&) override {}
  void asked_to_wait(Duration, const Now&) override {}
  void give_back(const fleet::Permit&, const Now&) override {}
  State state(const Now&) override { return State::closed; }
  bool held_open() override { return false; }
  Duration retry_after(const Now&) override { return Duration::zero(); }
  Duration next_open_time() override { return Duration::zero(); }
  std::string cause() override { return ""; }
  std::int64_t epoch() override { return 0; }
};

}  // namespace switchgear::worker
