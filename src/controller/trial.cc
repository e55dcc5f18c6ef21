#include "controller/trial.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"
#include "queue/sqs_event.h"
#include "queue/visibility.h"

namespace switchgear::controller {
namespace {

using std::chrono::seconds;

// Beside the function's own timeout: for the way there and back, and for a cold start.
constexpr seconds kMargin{60};
// Of it, for attempts that the function's limit refuses: the last must end while the message is
// still hidden.
constexpr Duration kThrottledFor = 30s;
constexpr Duration kRestMax = 15min;
// Refused by a limit of the account or the function, it is asked again, so often.
constexpr int kThrottledMax = 5;
constexpr core::Backoff kThrottle{.base = 1s, .cap = 8s, .jitter = core::Jitter::equal};

std::string first_of(const std::string& payload) {
  constexpr std::size_t kMost = 200;
  return payload.size() <= kMost ? payload : payload.substr(0, kMost) + "…";
}

}  // namespace

void KeptMessages::keep(queue::Message message, std::string queue_arn, MonoTime now) {
  std::erase_if(since_, [now](const auto& s) { return now - s.second > aws::kSqsVisibilityMax; });
  since_.try_emplace(message.receipt_handle, now);
  kept_.push_back({std::move(message), std::move(queue_arn), now + kHidden * 2 / 3});
}

Duration KeptMessages::kept_for(const std::string& queue_arn, MonoTime now) const {
  Duration longest{0};
  for (const Kept& kept : kept_) {
    const auto since = since_.find(kept.message.receipt_handle);
    if (kept.queue_arn != queue_arn || since == since_.end()) continue;
    longest = std::max<Duration>(longest, now - since->second);
  }
  return longest;
}

bool KeptMessages::has(const std::string& queue_arn) const {
  return std::ranges::find(kept_, queue_arn, &Kept::queue_arn) != kept_.end();
}

std::optional<queue::Message> KeptMessages::take(const std::string& queue_arn) {
  const auto found = std::ranges::find(kept_, queue_arn, &Kept::queue_arn);
  if (found == kept_.end()) return std::nullopt;
  queue::Message message = std::move(found->message);
  kept_.erase(found);
  return message;
}

std::vector<KeptMessages::Due> KeptMessages::due(MonoTime now) {
  std::vector<Due> due;
  for (Kept& kept : kept_) {
    if (now < kept.hide_at) continue;
    due.push_back({kept.message, kept.queue_arn});
    kept.hide_at = now + kHidden * 2 / 3;
  }
  return due;
}

Trial::Trial(const Mapping& mapping, queue::QueueAttributes attributes, seconds timeout,
             Duration rest, KeptMessages& kept, core::Random random)
    : mapping_(mapping),
      attributes_(std::move(attributes)),
      timeout_(timeout),
      rest_{.base = rest, .cap = std::max(rest, kRestMax), .jitter = core::Jitter::equal},
      kept_(kept),
      random_(random) {}

TrialStep Trial::start() { return ReceiveScout{timeout_ + kMargin}; }

TrialStep Trial::start_with_kept(MonoTime now, bool for_good) {
  for_good_ = for_good;
  scout_ = kept_.take(mapping_.source_arn);
  SG_ASSERT(scout_);
  return hide_kept_scout(now);
}

// It may come back at any time: it is hidden for as long as the function may run before it is
// tried.
TrialStep Trial::hide_kept_scout(MonoTime now) {
  received_at_ = now;
  hiding_kept_ = true;
  return HideScout{*scout_, timeout_ + kMargin};
}

TrialStep Trial::received(Result<std::vector<queue::Message>> messages, MonoTime now) {
  if (!messages) {
    return TrialResult{TrialResult::Kind::no_verdict,
                       "no message could be received: " + messages.error().text()};
  }
  received_at_ = now;
  if (messages->empty()) {
    // Better one that has a single receive left than none at all.
    scout_ = kept_.take(mapping_.source_arn);
    if (!scout_) return TrialResult{TrialResult::Kind::nothing, "no message waits"};
    return hide_kept_scout(now);
  }
  scout_ = std::move(messages->front());
  if (queue::on_last_receive(*scout_, attributes_) && kept_.room()) {
    kept_.keep(*scout_, mapping_.source_arn, now);
    return HideScout{*scout_, KeptMessages::kHidden};
  }
  return InvokeWithScout{*scout_};
}

TrialStep Trial::invoked(const Result<aws::Invocation>& invocation, MonoTime now) {
  if (invocation) return judge(*invocation, now);
  const Error& error = invocation.error();
  if (error.code == "TooManyRequestsException") {
    // Says nothing of the dependency, and the message has not been tried.
    const Duration pause =
        core::delay(kThrottle, static_cast<std::uint64_t>(++throttled_), random_);
    if (throttled_ <= kThrottledMax && now + pause - received_at_ < kThrottledFor) {
      return WaitForThrottle{pause};
    }
    return put_back({TrialResult::Kind::no_verdict, "the function is throttled: " + error.message},
                    now);
  }
  if (aws::may_have_run(error)) {
    // It may be running still. Nothing is deleted, and the message stays hidden for as long as it
    // may run.
    return TrialResult{TrialResult::Kind::no_verdict,
                       "the function's answer was lost: " + error.text()};
  }
  return put_back(
      {TrialResult::Kind::no_verdict, "the function could not be called: " + error.text() +
                                          "; the controller needs lambda:InvokeFunction"},
      now);
}

// Untried. On its last receive it is kept: given back, the next receive would dead-letter it.
TrialStep Trial::put_back(TrialResult result, MonoTime now) {
  if (!queue::on_last_receive(*scout_, attributes_) || !kept_.room()) {
    return hide(seconds{0}, std::move(result));
  }
  kept_.keep(*scout_, mapping_.source_arn, now);
  return hide(KeptMessages::kHidden, std::move(result));
}

TrialStep Trial::judge(const aws::Invocation& invocation, MonoTime now) {
  std::string why;
  if (!invocation.function_error.empty()) {
    why =
        "the function failed (" + invocation.function_error + "): " + first_of(invocation.payload);
  } else if (mapping_.report_batch_item_failures) {
    const auto answer = queue::read_batch_answer(invocation.payload, {*scout_});
    if (answer.all_failed) {
      why = "all of the batch failed: " + answer.why;
    } else if (answer.failed_is(scout_->id)) {
      why = "the function named the message in batchItemFailures";
    }
  }
  if (why.empty()) {
    result_ = TrialResult{TrialResult::Kind::succeeded, ""};
    return DeleteScout{*scout_};
  }
  TrialResult failed{TrialResult::Kind::failed, "trial message " + scout_->id + ": " + why};
  if (!for_good_ && queue::on_last_receive(*scout_, attributes_) && kept_.room()) {
    kept_.keep(*scout_, mapping_.source_arn, now);
    return hide(KeptMessages::kHidden, std::move(failed));
  }
  return hide(queue::back_off(rest_, scout_->receive_count, Duration{0}, random_),
              std::move(failed));
}

TrialStep Trial::hide(seconds time, TrialResult result) {
  result_ = std::move(result);
  return HideScout{*scout_, time};
}

TrialStep Trial::waited() { return InvokeWithScout{*scout_}; }

TrialStep Trial::settled(const Result<void>& done) {
  if (std::exchange(hiding_kept_, false)) {
    if (done) return InvokeWithScout{*scout_};
    // Somebody else may have it now.
    return TrialResult{TrialResult::Kind::no_verdict,
                       "a message that was kept hidden could not be "
                       "hidden for longer: " +
                           done.error().text()};
  }
  if (!result_) return start();
  result_->sent = scout_->sent;
  if (!done) result_->detail += " (and it could not be settled: " + done.error().text() + ")";
  return *result_;
}

}  // namespace switchgear::controller
