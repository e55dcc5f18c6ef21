// Carries out trials: one queue, one function, one message at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "aws/lambda.h"
#include "aws/sqs.h"
#include "controller/trial.h"
#include "core/random.h"
#include "net/loop.h"

namespace switchgear::controller {

// On the loop's thread. Callbacks never come after its end.
class TrialRunner {
 public:
  using Done = std::function<void(const TrialResult&)>;

  // All outlive it. `run_for` is how long it will be there; 0: no end. No trial begins that could
  // not end by then.
  TrialRunner(net::Loop& loop, aws::Lambda& lambda, aws::Sqs& sqs, Duration run_for,
              std::uint64_t seed);
  ~TrialRunner();
  TrialRunner(const TrialRunner&) = delete;
  TrialRunner& operator=(const TrialRunner&) = delete;

  // Each mapping once at a time. `rest` is how long a scout that fails stays away at first.
  void run(const Mapping& mapping, Duration rest, Done done);
  // The dependency is well: what was kept from this mapping's queue is tried, one after another.
  void try_kept(const Mapping& mapping);
  // What is kept from this queue is visible again at once, and not kept any more.
  void release_kept(const std::string& queue_arn);
  // Hides anew what is kept. To be called every minute or so while there is some.
  void hide_kept();
  Duration kept_for(const std::string& queue_arn) const { return kept_.kept_for(queue_arn, now()); }
  bool keeps_some() const { return !kept_.empty(); }
  std::size_t kept() const { return kept_.size(); }

 private:
  // What is known of a queue and of a function, for a while.
  struct Queue {
    std::string url;
    queue::QueueAttributes attributes;
    MonoTime read{};
  };
  struct Function {
    std::chrono::seconds timeout{0};
    MonoTime read{};
  };
  struct Run;
  using RunPtr = std::shared_ptr<Run>;

  void prepare(const RunPtr& run);
  void read_queue(const RunPtr& run, const std::string& url);
  void begin(const RunPtr& run);
  void take(const RunPtr& run, const TrialStep& step);
  void invoke(const RunPtr& run, const queue::Message& message);
  static void cannot(const RunPtr& run, const std::string& why);
  static MonoTime now();

  net::Loop& loop_;
  aws::Lambda& lambda_;
  aws::Sqs& sqs_;
  const Duration run_for_;
  const MonoTime begin_;
  core::Random random_;
  KeptMessages kept_;
  std::map<std::string, Queue> queues_;        // by ARN
  std::map<std::string, Function> functions_;  // by ARN
  bool trying_kept_ = false;
  MonoTime kept_not_before_{};
  std::set<RunPtr> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace switchgear::controller
