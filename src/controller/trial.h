// One trial message: received, given to the function as its mapping would, and judged. Sans-I/O:
// facts in, the next step out. A trial that is cut off anywhere loses nothing: the message comes
// back when its visibility timeout ends.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "aws/lambda.h"
#include "controller/actions.h"
#include "core/backoff.h"
#include "core/random.h"
#include "core/result.h"
#include "queue/message.h"
#include "queue/queue_attributes.h"

namespace switchgear::controller {

// ---- What a trial wants
struct ReceiveScout {
  std::chrono::seconds visibility{30};
};
struct InvokeWithScout {
  queue::Message message;
};
struct DeleteScout {
  queue::Message message;
};
// Hides the message from now on for so long.
struct HideScout {
  queue::Message message;
  std::chrono::seconds visibility{0};
};
struct WaitForThrottle {
  Duration pause{0};
};
using TrialStep = std::variant<ReceiveScout, InvokeWithScout, DeleteScout, HideScout,
                               WaitForThrottle, TrialResult>;

// Messages on their last receive, kept hidden until the dependency is well: given back now, the
// next receive would dead-letter them untried. Held across trials.
class KeptMessages {
 public:
  // More than so many are not kept: they are tried. 0 for a controller that ends before long, since
  // a message can be kept by the process only that has received it.
  static constexpr std::size_t kMost = 10;
  explicit KeptMessages(std::size_t most = kMost) : most_(most) {}
  // Each is hidden for this long at a time, and hidden anew in good time.
  static constexpr std::chrono::seconds kHidden{900};

  bool room() const { return kept_.size() < most_; }
  bool empty() const { return kept_.empty(); }
  std::size_t size() const { return kept_.size(); }
  void keep(queue::Message message, std::string queue_arn, MonoTime now);
  // How long ago the first of this queue that is still kept was received.
  Duration kept_for(const std::string& queue_arn, MonoTime now) const;
  bool has(const std::string& queue_arn) const;
  // No other may be received, as there would be no room for it.
  bool must_be_tried(const std::string& queue_arn) const { return !room() && has(queue_arn); }
  // One to try, of this queue.
  std::optional<queue::Message> take(const std::string& queue_arn);
  // Those to be hidden again now.
  struct Due {
    queue::Message message;
    std::string queue_arn;
  };
  std::vector<Due> due(MonoTime now);

 private:
  struct Kept {
    queue::Message message;
    std::string queue_arn;
    MonoTime hide_at;
  };
  std::size_t most_;
  std::vector<Kept> kept_;
  std::map<std::string, MonoTime> since_;  // by receipt: it is taken to be tried, and kept again
};

// Not thread-safe. `kept` outlives it.
class Trial {
 public:
  // `timeout` is the function's own. A scout that failed stays away for `rest`, and longer each
  // time: other messages are tried meanwhile, so that none spends its receives.
  Trial(const Mapping& mapping, queue::QueueAttributes attributes, std::chrono::seconds timeout,
        Duration rest, KeptMessages& kept, core::Random random);

  // The first step; then the next after each answer. A TrialResult is the last.
  TrialStep start();
  // With a message that was kept, instead of one of the queue; there is one. `for_good`: the
  // dependency is well, so that a message that fails does so for its own sake, and goes back.
  TrialStep start_with_kept(MonoTime now, bool for_good = false);
  TrialStep received(Result<std::vector<queue::Message>> messages, MonoTime now);
  TrialStep invoked(const Result<aws::Invocation>& invocation, MonoTime now);
  TrialStep waited();
  // Of the deletion or the hiding. A message that could not be deleted is done all the same, and
  // comes again.
  TrialStep settled(const Result<void>& done);

 private:
  TrialStep judge(const aws::Invocation& invocation, MonoTime now);
  TrialStep hide(std::chrono::seconds time, TrialResult result);
  TrialStep put_back(TrialResult result, MonoTime now);
  TrialStep hide_kept_scout(MonoTime now);

  const Mapping mapping_;
  const queue::QueueAttributes attributes_;
  const std::chrono::seconds timeout_;
  const core::Backoff rest_;
  KeptMessages& kept_;
  core::Random random_;
  std::optional<queue::Message> scout_;
  MonoTime received_at_{};
  int throttled_ = 0;
  bool hiding_kept_ = false;
  bool for_good_ = false;
  // What comes of it once the message is settled; none: another message is received.
  std::optional<TrialResult> result_;
};

}  // namespace switchgear::controller
