#include "worker/worker.h"

#include <algorithm>
#include <csignal>

#include "net/clocks.h"
#include "worker/handler_request.h"

namespace switchgear::worker {

// The circuit as the consumer asks it. The member is touched on the loop's thread only; the engine
// looks at it once all that an event brought has been decided.
class Worker::Port : public MemberPort {
 public:
  Port(Worker& worker, fleet::Member& member) : MemberPort(member), worker_(worker) {}
  fleet::Admission admit(const Now& now) override {
    worker_.port_used_ = true;
    return MemberPort::admit(now);
  }
  void finish(const fleet::Permit& permit, Outcome outcome, Duration duration,
              const Now& now) override {
    worker_.port_used_ = true;
    MemberPort::finish(permit, outcome, duration, now);
  }
  void give_back(const fleet::Permit& permit, const Now& now) override {
    worker_.port_used_ = true;
    MemberPort::give_back(permit, now);
  }

 private:
  Worker& worker_;
};

namespace {

net::HttpClientOptions handler_client(const WorkerOptions& options) {
  net::HttpClientOptions client;
  // Every call in flight has a connection; none waits for another.
  client.connections_max = static_cast<std::size_t>(options.consumer.concurrency);
  client.connect_timeout = std::min<Duration>(5s, options.consumer.handler_timeout);
  client.user_agent = "aws-sqsd/3.0 (switchgear)";
  return client;
}

// Like handler_url, valid by the setup's contract; an empty URL fails at the first call.
net::Url url_of(const std::string& text) {
  const auto url = net::parse_url(text);
  return url ? *url : net::Url{};
}

ops::LogLevel level_of(Notice::Level level) {
  switch (level) {
    case Notice::Level::info:
      return ops::LogLevel::info;
    case Notice::Level::warn:
      return ops::LogLevel::warn;
    case Notice::Level::error:
      return ops::LogLevel::error;
  }
  return ops::LogLevel::error;
}

Result<std::vector<EntryFailure>> failures_of(const Result<aws::BatchResult>& result) {
  if (!result) return result.error();
  std::vector<EntryFailure> failures;
  for (std::size_t i = 0; i < result->errors.size(); i++) {
    if (const auto& error = result->errors[i]) {
      failures.push_back({i, error->code, error->message, error->retryable});
    }
  }
  return failures;
}

HandlerAnswer answer_of(const Result<net::HttpResponse>& response) {
  HandlerAnswer answer;
  if (response) {
    answer.status = response->status;
    answer.retry_after = std::string(response->headers.get("Retry-After").value_or(""));
    return answer;
  }
  answer.detail = response.error().text();
  if (response.error().code == "timeout") {
    answer.kind = HandlerAnswer::Kind::timeout;
  } else if (response.error().code == "invalid_request") {
    answer.kind = HandlerAnswer::Kind::unsendable;
  } else {
    answer.kind = HandlerAnswer::Kind::connection;
  }
  return answer;
}

}  // namespace

Worker::Worker(net::Loop& loop, WorkerSetup setup, ops::Log& log)
    : loop_(loop),
      log_(log),
      options_(std::move(setup.options)),
      policy_(setup.policy),
      handler_(url_of(options_.handler_url)),
      queue_name_(queue_name_of(url_of(options_.queue_url))),
      aws_http_(loop, std::move(setup.access.http)),
      handler_http_(loop, handler_client(options_)),
      aws_(loop, aws_http_, std::move(setup.access.endpoint), std::move(setup.access.credentials),
           core::Random(guard::random_identity().seed), std::move(setup.access.client)),
      sqs_(aws_),
      store_(std::move(setup.store)) {
  policy_.call_timeout = options_.consumer.handler_timeout;
}

Worker::~Worker() { alive_.reset(); }

Now Worker::now() const { return net::read_clocks(); }

// ---- Start and end --------------------------------------------------------------------------

int Worker::run() {
  loop_.on_stop_signal([this](int signal) {
    if (signal_ == 0) signal_ = signal;
    stop();
  });
  const auto failure = start();
  if (!failure) {
    while (!finished()) loop_.run_until([this] { return finished(); }, 1h);
    flush_store();
  }
  loop_.on_stop_signal([](int) {});
  if (signal_ != 0) {
    if (failure) log_.write(ops::LogLevel::info, "stopped before the start: nothing was received");
    return signal_ == SIGINT ? kExitInterrupted : kExitDone;
  }
  if (!failure) return kExitDone;
  log_.write(ops::LogLevel::error, failure->error.text());
  return failure->exit_code;
}

std::optional<Worker::StartFailure> Worker::start() {
  if (auto failure = serve_ops()) return failure;
  if (auto failure = check_queue()) return failure;
  if (!options_.circuit.empty()) {
    if (auto failure = check_store()) return failure;
  } else {
    port_ = std::make_unique<NoCircuit>();
  }
  if (signal_ != 0) return told_to_stop();

  consumer_ = std::make_unique<Consumer>(options_.consumer, *port_, guard::random_identity().seed);
  consumer_->queue_attributes(first_attributes_, now());
  log_.write(ops::LogLevel::info, "worker started",
             {{"queue", queue_name_},
              {"handler", handler_.text()},
              {"circuit", options_.circuit.empty() ? "none" : options_.circuit},
              {"store", engine_ ? engine_->store().backend() : "none"},
              {"instance",
               engine_ ? fleet::to_string(engine_->member(options_.circuit).instance()) : "none"},
              {"concurrency", std::to_string(options_.consumer.concurrency)},
              {"metrics", ops_url() + "/metrics"}});
  pump();
  return std::nullopt;
}

Worker::StartFailure Worker::told_to_stop() const {
  return {signal_ == SIGINT ? kExitInterrupted : kExitDone,
          Error{"interrupted", "told to stop before the start", false, "worker"}};
}

std::optional<Worker::StartFailure> Worker::serve_ops() {
  auto server = ops::OpsServer::start(
      loop_, options_.listen,
      {.metrics = [this] { return metrics_.text(); },
       .healthy = [] { return ops::Health{}; },
       .ready =
           [this] {
             if (!consumer_) return ops::Health{false, "starting"};
             if (consumer_->stopping()) return ops::Health{false, "stopping"};
             return ops::Health{true, consumer_->paused() ? "paused by the circuit" : "receiving"};
           }});
  if (!server) {
    Error error = server.error();
    error.message += " (--listen, or `listen` under worker)";
    return StartFailure{error.code == "address" ? kExitUsage : kExitFailed, error};
  }
  ops_ = std::move(*server);
  metrics_.add([this](ops::MetricsText& text) {
    if (engine_) circuit_metrics_.collect(*engine_, text);
    if (consumer_) collect(text);
  });
  return std::nullopt;
}

std::optional<Worker::StartFailure> Worker::check_queue() {
  // Shared, as an answer may still come after a signal.
  const auto answer = std::make_shared<std::optional<Result<std::map<std::string, std::string>>>>();
  sqs_.get_queue_attributes(
      options_.queue_url, {},
      [answer](Result<std::map<std::string, std::string>> result) { *answer = std::move(result); });
  loop_.run_until([&] { return answer->has_value() || signal_ != 0; }, 2min);
  if (signal_ != 0) return told_to_stop();
  if (!*answer || !**answer) {
    Error error = *answer ? (*answer)->error() : Error{"timeout", "no answer", true, "sqs"};
    error.message = "cannot read the queue " + options_.queue_url + ": " + error.message;
    if (aws_.endpoint().custom) {
      error.message += "; asked " + aws_.endpoint().url.text() +
                       ", which --endpoint-url, AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL names";
    } else if (error.retryable) {
      error.message += "; check the region and the network, or name an endpoint: --endpoint-url";
    }
    return StartFailure{kExitFailed, error};
  }
  const auto attributes = queue::read_queue_attributes(***answer);
  if (!attributes) return StartFailure{kExitFailed, attributes.error()};
  if (attributes->fifo) {
    return StartFailure{
        kExitUsage,
        Error{"fifo",
              options_.queue_url + " is a FIFO queue; this version keeps no order within a "
                                   "message group, so it takes standard queues only",
              false, "worker"}};
  }
  first_attributes_ = *attributes;
  return std::nullopt;
}

std::optional<Worker::StartFailure> Worker::check_store() {
  // A first read of its own, so that the error is the store's and not a guess from a missing view.
  struct Attempt {
    std::optional<Result<fleet::Answer>> answer;
  };
  std::optional<Error> error;
  const MonoTime give_up = now().mono + options_.store_patience;
  while (true) {
    const auto attempt = std::make_shared<Attempt>();
    store_->execute(options_.circuit, fleet::ReadOp{}, [attempt](Result<fleet::Answer> answer) {
      attempt->answer = std::move(answer);
    });
    loop_.run_until([&] { return attempt->answer.has_value() || signal_ != 0; },
                    std::max<Duration>(give_up - now().mono, 1ms));
    if (signal_ != 0) return told_to_stop();
    if (attempt->answer && *attempt->answer) {
      error.reset();
      break;
    }
    // Of an attempt cut short, what the one before it said is worth more.
    if (attempt->answer) error = attempt->answer->error();
    if (!error) error = Error{"timeout", "no answer", true, store_->backend()};
    if (!error->retryable || now().mono >= give_up) break;
    loop_.run_until([this] { return signal_ != 0; }, 200ms);
  }
  if (error) {
    if (!options_.start_without_store) {
      error->message = "the store cannot be used for the circuit " + options_.circuit + ": " +
                       error->message +
                       "; check its URL (--store or `store:`) and that it runs, or start with "
                       "--start-without-store to work under the local guard until it does";
      return StartFailure{kExitStoreUnreachable, *error};
    }
    store_failing_ = true;
    log_.write(ops::LogLevel::error,
               "the store cannot be used, so this worker does not share its circuit: it works "
               "under the local guard and keeps trying: " +
                   error->text());
  }
  guard::EngineOptions engine_options;
  engine_options.push = options_.push;
  engine_ = std::make_unique<guard::Engine>(
      loop_, std::move(store_), std::move(engine_options),
      guard::EngineEvents{
          .transition = [this](const std::string& circuit,
                               const fleet::Transition& t) { on_transition(circuit, t); },
          .store_result = [this](const guard::StoreResult& result) { on_store_result(result); },
          .remark =
              [this](const std::string& circuit, const guard::RecordRemark& remark) {
                log_.write(remark.bad ? ops::LogLevel::warn : ops::LogLevel::info, remark.text,
                           {{"circuit", circuit}});
              }});
  const auto member = engine_->add(options_.circuit, policy_);
  if (!member) return StartFailure{kExitUsage, member.error()};
  port_ = std::make_unique<Port>(*this, **member);
  return std::nullopt;
}

void Worker::stop() {
  if (!consumer_) return;
  consumer_->stop(now());
  pump();
}

// The last results and returned slots are worth a moment: without them a slot stays taken until
// its lease ends.
void Worker::flush_store() {
  if (!engine_) return;
  fleet::Member& member = engine_->member(options_.circuit);
  member.leave();
  engine_->poke(options_.circuit);
  loop_.run_until(
      [&] {
        return member.left() && !member.operation_under_way() &&
               member.until_next(now()) > Duration::zero();
      },
      1s);
}

// ---- Carrying out ---------------------------------------------------------------------------

void Worker::pump() {
  if (pumping_ || !consumer_) return;
  pumping_ = true;
  for (const Action& action : consumer_->take_actions()) carry_out(action);
  for (const Notice& notice : consumer_->take_notices()) {
    ops::LogFields fields{{"queue", queue_name_}};
    if (notice.kind == Notice::Kind::paused || notice.kind == Notice::Kind::resumed) {
      fields.emplace_back("circuit", options_.circuit);
    }
    fields.insert(fields.end(), notice.fields.begin(), notice.fields.end());
    log_.write(level_of(notice.level), notice.text, fields);
  }
  if (std::exchange(port_used_, false) && engine_) engine_->poke(options_.circuit);
  if (!consumer_->finished()) {
    timer_ = loop_.call_after(consumer_->until_tick(now()), [this] {
      consumer_->tick(now());
      pump();
    });
  }
  pumping_ = false;
}

void Worker::carry_out(const Action& action) {
  if (const auto* a = std::get_if<ReceiveAction>(&action)) {
    receive(*a);
  } else if (const auto* b = std::get_if<CancelReceiveAction>(&action)) {
    if (const auto found = receives_.find(b->id); found != receives_.end()) found->second.cancel();
  } else if (const auto* c = std::get_if<CallAction>(&action)) {
    call(*c);
  } else if (const auto* d = std::get_if<CancelCallAction>(&action)) {
    if (const auto found = calls_.find(d->id); found != calls_.end()) found->second.cancel();
  } else if (const auto* e = std::get_if<DeleteAction>(&action)) {
    delete_messages(*e);
  } else if (const auto* f = std::get_if<VisibilityAction>(&action)) {
    change_visibility(*f);
  } else {
    read_attributes();
  }
}

void Worker::receive(const ReceiveAction& action) {
  receives_[action.id] = sqs_.receive(
      options_.queue_url,
      {.max_messages = action.max, .wait = action.wait, .visibility = action.visibility},
      [this, id = action.id, visibility = action.visibility](Result<aws::Received> result) {
        receives_.erase(id);
        if (!result) {
          consumer_->received(id, result.error(), now());
        } else {
          for (const aws::CorruptMessage& corrupt : result->corrupt) {
            corrupt_++;
            log_.write(
                ops::LogLevel::warn,
                "a message arrived damaged and comes again by itself: " + corrupt.error.text(),
                {{"queue", queue_name_}, {"message", corrupt.id}});
          }
          std::vector<queue::Message> messages;
          messages.reserve(result->messages.size());
          for (aws::Message& message : result->messages) {
            messages.push_back(queue::message_of(std::move(message)));
            // From the answer on, not from the request: a receive may wait for its messages.
            ages_.received(messages.back(), now().mono + visibility);
          }
          consumer_->received(id, std::move(messages), now());
        }
        pump();
      });
}

void Worker::call(const CallAction& action) {
  HandlerRequest built = handler_request(handler_, queue_name_, action.message);
  if (built.attributes_left_out > 0) {
    if (attributes_left_out_ == 0) {
      log_.write(ops::LogLevel::warn,
                 "message attributes that no header can carry are left out; the metric "
                 "switchgear_worker_attributes_left_out_total counts them",
                 {{"queue", queue_name_}, {"message", action.message.id}});
    }
    attributes_left_out_ += static_cast<std::uint64_t>(built.attributes_left_out);
  }
  const MonoTime started = now().mono;
  calls_[action.id] =
      handler_http_.send(handler_, std::move(built.request), {.timeout = action.timeout},
                         [this, id = action.id, started](const Result<net::HttpResponse>& r) {
                           calls_.erase(id);
                           const Now at = now();
                           circuit_metrics_.call(options_.circuit, at.mono - started);
                           consumer_->handled(id, answer_of(r), at);
                           pump();
                         });
}

void Worker::delete_messages(const DeleteAction& action) {
  std::vector<std::string> handles;
  for (const DeleteEntry& entry : action.entries) handles.push_back(entry.receipt_handle);
  sqs_.delete_batch(options_.queue_url, handles,
                    [this, id = action.id, handles](const Result<aws::BatchResult>& result) {
                      if (result) {
                        for (std::size_t i = 0; i < handles.size(); i++) {
                          if (i >= result->errors.size() || !result->errors[i]) {
                            ages_.deleted(handles[i]);
                          }
                        }
                      }
                      consumer_->deleted(id, failures_of(result), now());
                      pump();
                    });
}

void Worker::change_visibility(const VisibilityAction& action) {
  std::vector<aws::VisibilityChange> changes;
  for (const VisibilityEntry& entry : action.entries) {
    changes.push_back({entry.receipt_handle, entry.visibility});
    ages_.hidden(entry.receipt_handle, now().mono + entry.visibility);
  }
  sqs_.change_visibility_batch(options_.queue_url, changes,
                               [this, id = action.id](const Result<aws::BatchResult>& result) {
                                 consumer_->visibility_changed(id, failures_of(result), now());
                                 pump();
                               });
}

void Worker::read_attributes() {
  sqs_.get_queue_attributes(
      options_.queue_url, {}, [this](const Result<std::map<std::string, std::string>>& result) {
        if (result) {
          consumer_->queue_attributes(queue::read_queue_attributes(*result), now());
        } else {
          consumer_->queue_attributes(result.error(), now());
        }
        pump();
      });
}

// ---- What the circuit and its store say -----------------------------------------------------

// The engine calls from inside a poke, so the consumer hears of it a moment later, once.
void Worker::circuit_changed() {
  if (std::exchange(change_posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    change_posted_ = false;
    if (!consumer_) return;
    consumer_->circuit_changed(now());
    pump();
  });
}

void Worker::on_transition(const std::string& circuit, const fleet::Transition& transition) {
  circuit_metrics_.transition(circuit, transition);
  const bool bad = transition.to == State::open;
  log_.write(bad ? ops::LogLevel::warn : ops::LogLevel::info,
             "circuit " + std::string(to_string(transition.from)) + " -> " +
                 std::string(to_string(transition.to)),
             {{"circuit", circuit},
              {"reason", transition.reason},
              {"why", transition.why},
              {"hold", transition.hold == HoldKind::none ? "none"
                                                         : std::string(to_string(transition.hold))},
              {"epoch", std::to_string(transition.epoch)}});
  circuit_changed();
}

void Worker::on_store_result(const guard::StoreResult& result) {
  circuit_metrics_.store_result(result);
  if (!result.up && !store_failing_) {
    log_.write(ops::LogLevel::warn,
               "the store does not answer; working on under the last view and the local guard: " +
                   result.error->text());
  } else if (result.up && store_failing_) {
    log_.write(ops::LogLevel::info, "the store answers again");
  }
  store_failing_ = !result.up;
  circuit_changed();
}

}  // namespace switchgear::worker
