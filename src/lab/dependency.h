// A dependency of limited capacity: so many calls at once, the rest in a queue, first come first
// served. It may turn calls away, thrash under load, and be slow while cold. It knows nothing of
// its callers' timeouts and finishes what they have abandoned, which is what makes real ones
// collapse.
#pragma once

#include <deque>
#include <functional>

#include "core/outcome.h"
#include "core/random.h"
#include "lab/scheduler.h"

namespace switchgear::lab {

struct DependencyOptions {
  int servers = 20;
  Duration service_mean = 200ms;
  bool exponential = true;  // otherwise each call takes the mean
  double failure_rate = 0;  // of calls that were served
  // Calls that may wait; those beyond are turned away at once, as overload. -1: any number.
  int queue_max = -1;
  // Thrash: every `servers` calls that wait make service this much of the mean longer.
  double thrash = 0;
  // Cold start: back from being down it serves at this share of its speed, rising to all of it
  // within `warm_up`.
  double cold_share = 1;
  Duration warm_up{0};
};

// How it is while it is down.
enum class Down : unsigned char {
  no,
  refusing,    // errors at once
  black_hole,  // takes calls and never answers
};

// Not thread-safe. `scheduler` and `random` outlive it.
class Dependency {
 public:
  // Called when the dependency answers, if ever; it may be long after the caller has gone.
  using Reply = std::function<void(Outcome)>;

  Dependency(Scheduler& scheduler, core::Random& random, const DependencyOptions& options)
      : scheduler_(scheduler), random_(random), options_(options) {}

  void call(Reply reply);

  // Going down loses what is queued and what is being served; callers hear nothing of it.
  void set_down(Down down);
  Down down() const { return down_; }

  int serving() const { return serving_; }
  int queued() const { return static_cast<int>(queue_.size()); }
  std::uint64_t received() const { return received_; }
  std::uint64_t served() const { return served_; }
  DependencyOptions& options() { return options_; }

 private:
  void serve();
  Duration service_time();

  Scheduler& scheduler_;
  core::Random& random_;
  DependencyOptions options_;
  Down down_ = Down::no;
  std::uint64_t life_ = 0;  // grows when it goes down: what was being served before is lost
  TrueTime back_at_{0};
  int serving_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t served_ = 0;
  std::deque<Reply> queue_;
};

}  // namespace switchgear::lab
