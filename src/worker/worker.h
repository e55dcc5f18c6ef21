// The carrying-out half of the worker: one queue, one handler, one circuit, on one event loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "aws/access.h"
#include "aws/sqs.h"
#include "core/policy.h"
#include "guard/engine.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "ops/circuit_metrics.h"
#include "ops/http.h"
#include "ops/log.h"
#include "ops/metrics.h"
#include "stores/store.h"
#include "worker/consumer.h"
#include "worker/message_ages.h"
#include "worker/options.h"

namespace switchgear::worker {

// All that a worker is made of. Valid: whoever makes it has asked validate().
struct WorkerSetup {
  WorkerOptions options;
  // Of options.circuit. Its call_timeout becomes the handler's timeout.
  Policy policy;
  // Unused, and may be empty, if options.circuit is.
  std::unique_ptr<stores::Store> store;
  aws::Access access;  // of SQS
};

// Exit codes of the design.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitStoreUnreachable = 4;
inline constexpr int kExitInterrupted = 130;

class Worker {
 public:
  // `loop` and `log` outlive the worker.
  Worker(net::Loop& loop, WorkerSetup setup, ops::Log& log);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Checks queue and store, works until told to stop, and answers the exit code. Runs the loop
  // and takes SIGINT and SIGTERM: the first ends with grace, the second at once. What went wrong
  // is in the log, with what to do.
  int run();

  // The steps of run(), for whoever runs the loop otherwise. start() runs the loop until queue
  // and store have answered; an error means that nothing was received.
  struct StartFailure {
    int exit_code = kExitFailed;
    Error error;
  };
  std::optional<StartFailure> start();
  void stop();
  bool finished() const { return consumer_ && consumer_->finished(); }

  const Consumer& consumer() const { return *consumer_; }
  // Where /metrics is; empty before start().
  std::string ops_url() const { return ops_ ? ops_->url() : ""; }
  std::string metrics_text() const { return metrics_.text(); }

 private:
  class Port;

  StartFailure told_to_stop() const;
  std::optional<StartFailure> check_queue();
  std::optional<StartFailure> check_store();
  std::optional<StartFailure> serve_ops();
  void flush_store();

  void pump();
  void carry_out(const Action& action);
  void receive(const ReceiveAction& action);
  void call(const CallAction& action);
  void delete_messages(const DeleteAction& action);
  void change_visibility(const VisibilityAction& action);
  void read_attributes();
  void circuit_changed();
  void on_transition(const std::string& circuit, const fleet::Transition& transition);
  void on_store_result(const guard::StoreResult& result);
  void collect(ops::MetricsText& text);
  Now now() const;

  net::Loop& loop_;
  ops::Log& log_;
  WorkerOptions options_;
  Policy policy_;
  net::Url handler_;
  std::string queue_name_;

  net::HttpClient aws_http_;
  net::HttpClient handler_http_;
  aws::AwsClient aws_;
  aws::Sqs sqs_;

  ops::CircuitMetrics circuit_metrics_;
  ops::Metrics metrics_;
  std::unique_ptr<stores::Store> store_;   // until the engine has it
  std::unique_ptr<guard::Engine> engine_;  // none without a circuit
  std::unique_ptr<CircuitPort> port_;
  bool port_used_ = false;  // the member may want something of the store
  bool change_posted_ = false;
  bool store_failing_ = false;

  queue::QueueAttributes first_attributes_;
  std::unique_ptr<Consumer> consumer_;
  std::map<ReceiveId, net::CallHandle> receives_;
  std::map<CallId, net::CallHandle> calls_;
  MessageAges ages_;
  std::uint64_t attributes_left_out_ = 0;
  std::uint64_t corrupt_ = 0;
  net::Timer timer_;
  bool pumping_ = false;
  int signal_ = 0;

  std::unique_ptr<ops::OpsServer> ops_;
  // Callbacks that arrive after the end find nobody.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace switchgear::worker
