// A dependency of limited capacity: so many calls at once, the rest in a queue, first come first
// served. It knows nothing of its callers' timeouts and finishes what they have abandoned, which
// is what makes real ones collapse.
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
  // Calls that wait for a server; one more is refused at once, as overload. Below 0: no end.
  int queue_max = -1;
  // Its share of its speed right after it was down, and the calls it must serve to have all of it.
  double cold_speed = 1;
  int warm_after_calls = 1'000;
  // Slows down once as many calls wait as are served: by this share for as many again.
  double thrash = 0;
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
  double slowness() const;

  Scheduler& scheduler_;
  core::Random& random_;
  DependencyOptions options_;
  Down down_ = Down::no;
  std::uint64_t life_ = 0;  // grows when it goes down: what was being served before is lost
  int serving_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t served_ = 0;
  std::uint64_t cold_from_ = 0;  // what it had served when it was last down
  bool has_been_down_ = false;
  std::deque<Reply> queue_;
};

}  // namespace switchgear::lab
