// One circuit as the threads of a process use it: the gate in front, the member behind.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/outcome.h"
#include "core/refusal.h"
#include "guard/gate.h"
#include "guard/leave.h"
#include "guard/seat.h"

namespace switchgear::guard {

class CircuitCore;

// The end of a call that the gate admitted and that is more than a plain success.
struct Note {
  CircuitCore* circuit = nullptr;
  std::int64_t epoch = 0;
  MonoTime ended;
  Duration duration{0};  // 0: was not timed
  Outcome outcome = Outcome::ignored;
};

// What a circuit needs of the thread that does its I/O. Every function from any thread, without
// waiting and without a callback into the circuit.
class Background {
 public:
  virtual ~Background() = default;
  // Soon: asks the member for its next operation.
  virtual void poke(CircuitCore& circuit) = 0;
  // Soon: begins to sweep the gate of a circuit that was asleep, and pokes.
  virtual void wake(CircuitCore& circuit) = 0;
  // Takes a note without blocking; false if there is no room.
  virtual bool note(const Note& note) = 0;
  virtual double ns_per_tick() const = 0;
};

// Counts since the start. Every call that was admitted ends in exactly one of outcomes, probes,
// late and dropped.
struct CircuitCounts {
  std::uint64_t outcomes[4] = {};               // by Outcome, results that counted
  std::uint64_t probes[4] = {};                 // by Outcome
  std::uint64_t late = 0;                       // of an earlier epoch: changed nothing
  std::uint64_t dropped = 0;                    // there was no room for the result
  std::uint64_t refused[kRefusalReasons] = {};  // by RefusalReason
  std::uint64_t evidence_dropped = 0;           // counted here, but too old for the fleet
};

// admit(), finish() and may_start() from any thread; the rest as said. Nothing here throws.
class CircuitCore final : public SeatListener {
 public:
  struct Options {
    // How long a call may wait for the first view of the circuit, or for a new one after the
    // process was frozen or long idle. 0: not at all.
    Duration first_view_wait = 10ms;
  };

  // Guards nothing: every call passes and nothing is counted.
  explicit CircuitCore(std::string name);
  // `background` outlives the circuit.
  CircuitCore(std::shared_ptr<Seat> seat, Background& background, const Options& options);
  ~CircuitCore() override;

  const std::string& name() const { return name_; }
  // Whether it is one of many under a parent, and may be forgotten.
  bool keyed() const { return keyed_; }

  // ---- The path of a call ---------------------------------------------------------------------
  // Whether a call may go out: fills in the one or the other.
  [[gnu::always_inline]] bool admit(Leave& leave, Refusal& refusal) {
    if (!timed_) [[likely]] {
      if (const std::uint64_t word = gate_.enter(); word != 0) [[likely]] {
        leave.way = Leave::Way::gate;
        leave.timing = Leave::Timing::none;
        leave.word = word;
        return true;
      }
    } else if (enter_timed(leave)) {
      return true;
    }
    return admit_by_member(leave, refusal);
  }
  // The end of a call; once per leave.
  [[gnu::always_inline]] void finish(const Leave& leave, Outcome outcome) {
    if (leave.way == Leave::Way::gate && leave.timing == Leave::Timing::none &&
        outcome == Outcome::success && gate_.count_success(leave.word)) [[likely]] {
      return;
    }
    finish_otherwise(leave, outcome);
  }
  // Asked right before a call is sent that has waited since it was admitted.
  bool may_start(const Leave& leave);
  // The dependency asked not to be called for this long. Said before the finish() of that call.
  void asked_to_wait(Duration pause);

  // ---- The background thread ------------------------------------------------------------------
  // Hands a note to the member.
  void take(const Note& note);
  // One round of sweeping; false when no call has come for two rounds: the gate is asleep then,
  // and the first call wakes it.
  bool sweep();
  // From now on every call passes and nothing is counted. From any thread.
  void retire();
  // Whether nothing would be lost if this circuit were gone, provided that nobody has a handle on
  // it. From any thread.
  bool forgettable();

  // Of all calls so far. From any thread.
  CircuitCounts counts();
  // Null if the circuit guards nothing.
  Seat* seat() { return seat_.get(); }
  const std::shared_ptr<Seat>& shared_seat() const { return seat_; }
  // Whether the gate is in use. Within a touch of the seat.
  bool awake() const { return gate_.awake(); }
  bool in_batch = false;  // the background thread's mark

 private:
  struct Attempt;

  void touched(fleet::Member& member, const Now& now) override;
  void collect(fleet::Member& member, const Now& now) override;

  bool enter_timed(Leave& leave);
  bool admit_by_member(Leave& leave, Refusal& refusal);
  Attempt ask(fleet::Member& member, const Now& now);
  bool should_wait(const Attempt& attempt);
  void finish_otherwise(const Leave& leave, Outcome outcome);
  void finish_by_member(const Leave& leave, Outcome outcome);
  Duration duration_of(const Leave& leave) const;
  fleet::Permit permit_of(const Leave& leave) const;

  // Sharded counts of what never reaches the member.
  enum Aside : unsigned { kIgnored, kRefusedOpen, kRefusedHeld };

  // Read by every call.
  Gate gate_;
  const bool timed_;
  const Duration slow_;  // 0: no such rule
  const bool in_order_;  // successes must be handed over before the failure that followed them
  Background* const background_;

  const std::string name_;
  const bool keyed_;
  const std::shared_ptr<Seat> seat_;
  const Options options_;
  std::atomic<bool> passes_;
  SuccessCounters aside_;
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint32_t> notes_out_{0};  // given to the background thread, not yet taken

  // With the seat's lock held.
  MonoTime first_view_until_ = MonoTime::min();
  std::uint64_t moved_ = 0;  // calls seen since the last round of sweeping
  int quiet_rounds_ = 0;
  std::uint64_t aside_totals_[3] = {};
};

}  // namespace switchgear::guard
