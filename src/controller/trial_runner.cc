#include "controller/trial_runner.h"

#include <optional>
#include <utility>

#include "net/clocks.h"
#include "queue/sqs_event.h"

namespace switchgear::controller {
namespace {

using std::chrono::seconds;

// What may change under us is read again after this.
constexpr Duration kKnownFor = 5min;
// Lambda adds the start of an environment to the function's own time.
constexpr Duration kInvokeMargin = 20s;
// To receive the message and to settle it.
constexpr Duration kTrialMargin = 5s;
// After a kept message that could not be tried: queue, function or rights are not there now.
constexpr Duration kKeptPause = 10s;

// "orders" of "arn:aws:sqs:eu-central-1:123456789012:orders".
std::string queue_name(const std::string& arn) { return arn.substr(arn.rfind(':') + 1); }

Result<void> first(const Result<aws::BatchResult>& result) {
  if (!result) return result.error();
  if (!result->errors.empty() && result->errors.front()) return *result->errors.front();
  return {};
}

}  // namespace

struct TrialRunner::Run : std::enable_shared_from_this<Run> {
  Mapping mapping;
  Duration rest = 1min;
  Done done;
  bool with_kept = false;
  std::string url;
  std::optional<Trial> trial;
  std::chrono::seconds timeout{0};
  net::Timer pause;
};

TrialRunner::TrialRunner(net::Loop& loop, aws::Lambda& lambda, aws::Sqs& sqs, Duration run_for,
                         std::uint64_t seed)
    : loop_(loop),
      lambda_(lambda),
      sqs_(sqs),
      run_for_(run_for),
      begin_(now()),
      random_(seed),
      kept_(run_for > Duration::zero() ? 0 : KeptMessages::kMost) {}
TrialRunner::~TrialRunner() { alive_.reset(); }

MonoTime TrialRunner::now() { return net::read_clocks().mono; }

void TrialRunner::run(const Mapping& mapping, Duration rest, Done done) {
  auto run = std::make_shared<Run>();
  run->mapping = mapping;
  run->rest = rest;
  run->done = std::move(done);
  prepare(run);
}

void TrialRunner::try_kept(const Mapping& mapping) {
  if (trying_kept_ || now() < kept_not_before_ || !kept_.has(mapping.source_arn)) return;
  trying_kept_ = true;
  auto run = std::make_shared<Run>();
  run->mapping = mapping;
  run->with_kept = true;
  run->done = [this, mapping](const TrialResult& result) {
    trying_kept_ = false;
    if (result.kind == TrialResult::Kind::no_verdict) kept_not_before_ = now() + kKeptPause;
    try_kept(mapping);
  };
  prepare(run);
}

void TrialRunner::hide_kept() {
  for (const KeptMessages::Due& due : kept_.due(now())) {
    const auto queue = queues_.find(due.queue_arn);
    if (queue == queues_.end()) continue;
    sqs_.change_visibility_batch(queue->second.url,
                                 {{due.message.receipt_handle, KeptMessages::kHidden}},
                                 [](const Result<aws::BatchResult>&) {});
  }
}

void TrialRunner::release_kept(const std::string& queue_arn) {
  const auto queue = queues_.find(queue_arn);
  if (queue == queues_.end()) return;
  while (const auto message = kept_.take(queue_arn)) {
    sqs_.change_visibility_batch(queue->second.url, {{message->receipt_handle, seconds{0}}},
                                 [](const Result<aws::BatchResult>&) {});
  }
}

void TrialRunner::cannot(const RunPtr& run, const std::string& why) {
  run->done({TrialResult::Kind::no_verdict, why});
}

// ---- What has to be known of queue and function ------------------------------------------------

void TrialRunner::prepare(const RunPtr& run) {
  const std::string& arn = run->mapping.source_arn;
  const auto queue = queues_.find(arn);
  if (queue == queues_.end()) {
    sqs_.get_queue_url(queue_name(arn),
                       [this, run, alive = std::weak_ptr(alive_)](const Result<std::string>& url) {
                         if (alive.expired()) return;
                         if (!url) {
                           return cannot(run, "the queue " + run->mapping.source_arn +
                                                  " cannot be found: " + url.error().text() +
                                                  "; the controller needs sqs:GetQueueUrl");
                         }
                         read_queue(run, *url);
                       });
    return;
  }
  if (now() - queue->second.read > kKnownFor) return read_queue(run, queue->second.url);

  const std::string& function = run->mapping.function_arn;
  const auto known = functions_.find(function);
  if (known == functions_.end() || now() - known->second.read > kKnownFor) {
    lambda_.get_function_configuration(
        function,
        [this, run, alive = std::weak_ptr(alive_)](const Result<aws::FunctionSettings>& settings) {
          if (alive.expired()) return;
          if (!settings) {
            return cannot(run, "the function " + run->mapping.function_arn +
                                   " cannot be read: " + settings.error().text() +
                                   "; the controller needs lambda:GetFunctionConfiguration");
          }
          functions_[run->mapping.function_arn] = {settings->timeout, now()};
          prepare(run);
        });
    return;
  }
  run->url = queue->second.url;
  run->timeout = known->second.timeout;
  if (run_for_ > Duration::zero()) {
    const std::string may_run =
        "the function may run for " + std::to_string(run->timeout.count()) + " s";
    if (run->timeout + kTrialMargin > run_for_) {
      return run->done({TrialResult::Kind::not_so,
                        may_run + ", longer than this controller is there (--for): give it more "
                                  "time, or run it as a daemon"});
    }
    if (now() + run->timeout + kTrialMargin > begin_ + run_for_) {
      return cannot(run, may_run + ", and this controller ends before: the next one tries");
    }
  }
  begin(run);
}

void TrialRunner::read_queue(const RunPtr& run, const std::string& url) {
  sqs_.get_queue_attributes(
      url, {},
      [this, run, url,
       alive = std::weak_ptr(alive_)](const Result<std::map<std::string, std::string>>& answer) {
        if (alive.expired()) return;
        if (!answer) {
          return cannot(run, "the queue " + url + " cannot be read: " + answer.error().text() +
                                 "; the controller needs sqs:GetQueueAttributes");
        }
        auto attributes = queue::read_queue_attributes(*answer);
        if (!attributes) return cannot(run, attributes.error().text());
        queues_[run->mapping.source_arn] = {url, *std::move(attributes), now()};
        prepare(run);
      });
}

// ---- The trial ---------------------------------------------------------------------------------

void TrialRunner::begin(const RunPtr& run) {
  run->trial.emplace(run->mapping, queues_.at(run->mapping.source_arn).attributes, run->timeout,
                     run->rest, kept_, core::Random(random_.next()));
  const bool with_kept = run->with_kept || kept_.must_be_tried(run->mapping.source_arn);
  if (!with_kept) return take(run, run->trial->start());
  if (!kept_.has(run->mapping.source_arn)) return run->done({});
  take(run, run->trial->start_with_kept(now(), run->with_kept));
}

void TrialRunner::take(const RunPtr& run, const TrialStep& step) {
  const std::weak_ptr<bool> alive = alive_;
  if (const auto* receive = std::get_if<ReceiveScout>(&step)) {
    sqs_.receive(run->url,
                 {.max_messages = 1, .wait = seconds{2}, .visibility = receive->visibility},
                 [this, run, alive](Result<aws::Received> received) {
                   if (alive.expired()) return;
                   if (!received) {
                     return take(run, run->trial->received(received.error(), now()));
                   }
                   std::vector<queue::Message> messages;
                   for (aws::Message& message : received->messages) {
                     messages.push_back(queue::message_of(std::move(message)));
                   }
                   take(run, run->trial->received(std::move(messages), now()));
                 });
  } else if (const auto* invocation = std::get_if<InvokeWithScout>(&step)) {
    invoke(run, invocation->message);
  } else if (const auto* wait = std::get_if<WaitForThrottle>(&step)) {
    // Held here meanwhile, so that its timer ends with the runner.
    waiting_.insert(run);
    run->pause = loop_.call_after(wait->pause, [this, raw = run.get()] {
      const auto held = waiting_.extract(raw->shared_from_this());
      take(held.value(), held.value()->trial->waited());
    });
  } else if (const auto* remove = std::get_if<DeleteScout>(&step)) {
    sqs_.delete_batch(run->url, {remove->message.receipt_handle},
                      [this, run, alive](const Result<aws::BatchResult>& result) {
                        if (!alive.expired()) take(run, run->trial->settled(first(result)));
                      });
  } else if (const auto* hide = std::get_if<HideScout>(&step)) {
    sqs_.change_visibility_batch(run->url, {{hide->message.receipt_handle, hide->visibility}},
                                 [this, run, alive](const Result<aws::BatchResult>& result) {
                                   if (!alive.expired()) {
                                     take(run, run->trial->settled(first(result)));
                                   }
                                 });
  } else {
    run->done(std::get<TrialResult>(step));
  }
}

void TrialRunner::invoke(const RunPtr& run, const queue::Message& message) {
  lambda_.invoke(
      {.function = run->mapping.function_arn,
       .payload = queue::sqs_event({message}, run->mapping.source_arn),
       .timeout = run->timeout + kInvokeMargin},
      [this, run, alive = std::weak_ptr(alive_)](const Result<aws::Invocation>& invocation) {
        if (!alive.expired()) take(run, run->trial->invoked(invocation, now()));
      });
}

}  // namespace switchgear::controller
