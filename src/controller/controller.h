// The carrying-out half of the controller: its circuits, one store and three services of AWS, on
// one event loop.
#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aws/access.h"
#include "aws/cloudwatch.h"
#include "aws/lambda.h"
#include "aws/sqs.h"
#include "controller/announcer.h"
#include "controller/call_budget.h"
#include "controller/mover.h"
#include "controller/options.h"
#include "controller/reconciler.h"
#include "controller/trial_runner.h"
#include "core/policy.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "ops/http.h"
#include "ops/log.h"
#include "ops/metrics.h"
#include "stores/store.h"

namespace switchgear::controller {

// All that a controller is made of.
struct ControllerSetup {
  ControllerOptions options;
  std::map<std::string, Policy> policies;  // of each circuit; missing: the default
  std::unique_ptr<stores::Store> store;
  aws::Access lambda;
  aws::Access cloudwatch;
  aws::Access sqs;
  AnnouncerOptions announcer;
  // Ends by itself after so long, for a scheduled function; 0: never.
  Duration run_for{0};
  // Ends before that where every circuit is quiet: for a function that alarms start as well.
  bool end_when_quiet = false;
  std::string listen = "127.0.0.1:0";  // for /metrics and /healthz
};

class Controller {
 public:
  // `loop` and `log` outlive the controller.
  Controller(net::Loop& loop, ControllerSetup setup, ops::Log& log);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Works until told to stop, gives its leases up and answers the exit code. Runs the loop and
  // takes SIGINT and SIGTERM.
  int run();

 private:
  // A client and what it stands on.
  struct Service {
    Service(net::Loop& loop, aws::Access access, std::uint64_t seed, int attempts_max);
    net::HttpClient http;
    aws::AwsClient client;
  };
  struct Circuit {
    explicit Circuit(const Policy& policy) : table(policy) {}
    fleet::PolicyTable table;
    std::unique_ptr<Reconciler> reconciler;
    State last_state = State::closed;
  };

  bool serve_ops();
  void collect(ops::MetricsText& text);
  void pump();
  bool quiet() const;
  void tell(Circuit& circuit);
  void after_recovery(Circuit& circuit);
  void carry_out(Reconciler& to, const Action& action);
  void carry_out(Reconciler& to, const CircuitAction& action);
  void carry_out(Reconciler& to, const ReadNoteAction& action);
  void carry_out(Reconciler& to, const WriteNoteAction& action);
  void carry_out(Reconciler& to, const ReadAlarmsAction& action);
  void carry_out(Reconciler& to, const ListMappingsAction& action);
  void carry_out(Reconciler& to, const GetMappingAction& action);
  void carry_out(Reconciler& to, const UpdateMappingAction& action);
  void carry_out(Reconciler& to, const ReadTagsAction& action);
  void carry_out(Reconciler& to, const TagAction& action);
  void carry_out(Reconciler& to, const UntagAction& action);
  void carry_out(Reconciler& to, const LookAtQueueAction& action);
  void carry_out(Reconciler& to, const SetRetentionAction& action);
  void carry_out(Reconciler& to, const SetRedriveAction& action);
  void carry_out(Reconciler& to, const ParkAction& action);
  void carry_out(Reconciler& to, const ReturnParkedAction& action);
  void set_queue_attribute(Reconciler& to, const std::string& arn, const std::string& name,
                           const std::string& value,
                           void (Reconciler::*done)(const Result<void>&, const Now&));
  void carry_out(Reconciler& to, const TrialAction& action);
  void with_queue_url(const std::string& arn, std::function<void(const Result<std::string>&)> use);
  void list_page(Reconciler& to, aws::ListMappings which, std::vector<Mapping> so_far);
  void next_page(Reconciler& to, aws::ListMappings which, std::vector<Mapping> so_far);
  // `fn` on the loop, then whatever is due; not after the end.
  template <class Fn>
  auto answer(Fn fn);
  void stop(int signal);
  Now now() const;

  net::Loop& loop_;
  ops::Log& log_;
  const ControllerOptions options_;
  const Duration run_for_;
  const bool end_when_quiet_;
  const std::string listen_;
  std::unique_ptr<stores::Store> store_;
  std::unique_ptr<Service> lambda_service_;
  std::unique_ptr<Service> cloudwatch_service_;
  std::unique_ptr<Service> sqs_service_;
  aws::Lambda lambda_;
  aws::CloudWatch cloudwatch_;
  aws::Sqs sqs_;
  TrialRunner trials_;
  Mover mover_;
  CallBudget budget_;
  std::map<std::string, std::unique_ptr<Circuit>> circuits_;
  Turns<Circuit> turns_;
  Announcer announcer_;                            // ends before the circuits that it tells
  std::map<std::string, std::string> queue_urls_;  // by ARN
  std::uint64_t calls_ = 0;                        // of the control plane
  net::Timer timer_;
  std::map<std::string, net::Timer> page_timers_;  // by circuit
  bool pumping_ = false;
  bool pump_again_ = false;
  bool stopping_ = false;
  int signal_ = 0;
  ops::Metrics metrics_;
  std::unique_ptr<ops::OpsServer> ops_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Why records would be lost while the mapping is off, or limited; empty: none would.
std::string losses_of(const aws::EventSourceMapping& from);
// A mapping as the service describes it.
Mapping mapping_of(const aws::EventSourceMapping& from);
AlarmView alarm_view(const aws::Alarm& from);

}  // namespace switchgear::controller
