// A circuit's seat in this process: its member of the fleet, with the lock that lets threads which
// make calls and the thread that talks to the store take turns.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/time.h"
#include "fleet/member.h"
#include "fleet/transition.h"

namespace switchgear::guard {

// Reads all local clocks together. From any thread.
using Clock = std::function<Now()>;

// What stands between a member and the threads that make calls. Called with the seat's lock held:
// be quick.
class SeatListener {
 public:
  virtual ~SeatListener() = default;
  // The member was touched: publish what it says now.
  virtual void touched(fleet::Member& member, const Now& now) = 0;
  // The engine is about to give the member an answer or to ask for an operation: hand over what
  // has been counted since.
  virtual void collect(fleet::Member& member, const Now& now) = 0;
};

// Thread-safe where said. The lock is held for microseconds: never across I/O, a callback of the
// user or the user's call.
class Seat {
 public:
  // `clock` is copied. The policy of `table` is valid; circuits may share one.
  Seat(std::string name, std::shared_ptr<const fleet::PolicyTable> table,
       const fleet::MemberOptions& options, fleet::InstanceId instance, std::uint64_t seed,
       Clock clock);
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  const std::string& name() const { return name_; }
  const Policy& policy() const { return table_->policy(); }

  // Runs fn(member, now) under the lock and returns what it returns. From any thread.
  template <class Fn>
  auto touch(Fn&& fn) {
    const std::lock_guard lock(mutex_);
    return touch_locked(std::forward<Fn>(fn));
  }

  // For whoever has to wait for a change in between. `touch_locked` and `wait` need the lock.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  template <class Fn>
  auto touch_locked(Fn&& fn) {
    const Now now = clock_();
    last_ = now;
    const Finally done{*this, now};
    return std::forward<Fn>(fn)(member_, now);
  }
  // Until the engine has given the member an answer, or `limit` has passed.
  void wait(std::unique_lock<std::mutex>& lock, Duration limit);
  void answered() { changed_.notify_all(); }
  // Within a touch: what was counted beside the member goes into it.
  void collect(fleet::Member& member, const Now& now) {
    if (listener_ != nullptr) listener_->collect(member, now);
  }

  // An event that happened at `mono`, a little before now, as a reading of all clocks that lies
  // there but not before the last one the member was given. Needs the lock.
  Now reading_at(MonoTime mono, const Now& now) const;
  template <class Fn>
  void touch_at(MonoTime mono, Fn&& fn) {
    const std::lock_guard lock(mutex_);
    const Now at = reading_at(mono, clock_());
    last_ = at;
    const Finally done{*this, at};
    std::forward<Fn>(fn)(member_, at);
  }

  // True if the member wants the engine's attention sooner than the engine means to look: then
  // the caller must poke the engine. Called within a touch.
  bool wants_attention(fleet::Member& member, const Now& now);
  // When the engine will look again on its own. Called within a touch.
  void attention_planned(MonoTime at) { attention_at_ = at; }

  // The listener outlives the seat's last touch. Set before threads share the seat.
  void listen(SeatListener* listener) { listener_ = listener; }

  // Without the lock: for a process whose calls and store I/O live on one thread, and for tests.
  fleet::Member& member() { return member_; }
  Now now() const { return clock_(); }

 private:
  struct Finally {
    Seat& seat;
    const Now& now;
    ~Finally() {
      if (seat.listener_ != nullptr) seat.listener_->touched(seat.member_, now);
    }
  };

  const std::string name_;
  const Clock clock_;
  const std::shared_ptr<const fleet::PolicyTable> table_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Now last_;
  fleet::Member member_;
  MonoTime attention_at_ = MonoTime::min();  // until the engine has looked: nothing to ask for
  SeatListener* listener_ = nullptr;
};

}  // namespace switchgear::guard
