#include "controller/controller.h"

#include <csignal>
#include <memory>
#include <ostream>
#include <tuple>

#include "cli/app.h"
#include "cli/controller_lambda.h"
#include "cli/settings.h"
#include "cli/worker_setup.h"
#include "guard/identity.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

struct ControllerFlags {
  SettingsOptions settings;
  AwsFlags aws;
  Duration run_for{0};
  ops::LogFormat log_format = ops::LogFormat::text;
  bool lambda = false;
};

// The words of the configuration stand in the controller's order.
template <class To, class From>
constexpr To same_as(From value) {
  return static_cast<To>(value);
}
static_assert(same_as<controller::Evidence>(config::Evidence::alarm) ==
              controller::Evidence::alarm);
static_assert(same_as<controller::Evidence>(config::Evidence::trial) ==
              controller::Evidence::trial);
static_assert(same_as<controller::Evidence>(config::Evidence::circuit) ==
              controller::Evidence::circuit);
static_assert(same_as<controller::HalfOpen>(config::HalfOpen::trial) ==
              controller::HalfOpen::trial);
static_assert(same_as<controller::HalfOpen>(config::HalfOpen::limited) ==
              controller::HalfOpen::limited);

controller::CircuitOptions circuit_options(const std::string& name,
                                           const config::ControlledCircuit& settings) {
  controller::CircuitOptions options{.name = name,
                                     .evidence = same_as<controller::Evidence>(settings.evidence),
                                     .alarms = settings.alarms,
                                     .half_open = same_as<controller::HalfOpen>(settings.half_open),
                                     .ramp_step = settings.ramp_step,
                                     .accept_loss = settings.accept_loss,
                                     .raise_retention = settings.raise_retention,
                                     .parking_queue = settings.parking_queue,
                                     .uncapped_limit = settings.uncapped_limit,
                                     .alarm_interval = settings.alarm_interval,
                                     .mapping_interval = settings.mapping_interval};
  for (const std::string& text : settings.mappings) {
    options.mappings.push_back(controller::selector_of(text));
  }
  return options;
}

// All services that it needs, with one set of credentials.
bool open_services(net::Loop& loop, const Context& context, const AwsFlags& flags,
                   const config::Config& config, controller::ControllerSetup& setup,
                   Problems& problems) {
  const std::uint64_t seed = guard::random_identity().seed;
  std::shared_ptr<aws::CredentialsProvider> credentials;
  const auto open = [&](const char* service) {
    auto opened = aws::open_access(
        loop, {.service = service, .endpoint_url = flags.endpoint_url, .region = flags.region},
        context.aws_environment(), seed, credentials);
    if (opened) {
      credentials = opened->credentials;
    } else {
      problems.push_back({"AWS " + opened.error().code, opened.error().message});
    }
    return opened;
  };
  for (const auto& [service, access] :
       {std::pair{"lambda", &setup.lambda}, std::pair{"monitoring", &setup.cloudwatch},
        std::pair{"sqs", &setup.sqs}}) {
    auto opened = open(service);
    if (!opened) return false;
    *access = *std::move(opened);
  }
  const config::ControllerSettings& wanted = config.controller;
  setup.announcer = {
      .event_bus = wanted.event_bus, .sns_topic = wanted.sns_topic, .webhook = wanted.webhook};
  for (const auto& [service, place, access] :
       {std::tuple{"events", &wanted.event_bus, &setup.announcer.events},
        std::tuple{"sns", &wanted.sns_topic, &setup.announcer.sns}}) {
    if (place->empty()) continue;
    auto opened = open(service);
    if (!opened) return false;
    *access = *std::move(opened);
  }
  return true;
}

int control(Context& context, const ControllerFlags& flags) {
  const auto settings = load_settings(context, flags.settings);
  if (!settings) return kUsage;
  const config::ControllerSettings& wanted = settings->config.controller;
  Problems problems;
  if (wanted.circuits.empty()) {
    problems.push_back({"controller.circuits",
                        "is empty, so there is nothing to control; name a circuit with its alarms "
                        "and mappings under controller, circuits in switchgear.yaml"});
  }
  net::Loop loop;
  controller::ControllerSetup setup;
  setup.options.calls_per_second = wanted.calls_per_second;
  setup.options.lease = wanted.lease;
  setup.listen = wanted.listen;
  setup.run_for = flags.run_for;
  setup.end_when_quiet = flags.lambda;
  for (const auto& [name, circuit] : wanted.circuits) {
    setup.options.circuits.push_back(circuit_options(name, circuit));
  }
  setup.policies = settings->config.circuits;
  if (!problems.empty() ||
      !open_services(loop, context, flags.aws, settings->config, setup, problems)) {
    context.err << "switchgear controller: cannot start:\n" << config::text(problems);
    return kUsage;
  }
  ops::Log log(
      {.format = flags.log_format, .least = ops::LogLevel::info, .colour = context.colour_on_err});
  auto store = stores::open_store(loop, settings->config.store,
                                  {.seed = guard::random_identity().seed,
                                   .environment = context.aws_environment(),
                                   .credentials = setup.lambda.credentials});
  if (!store) {
    context.err << "switchgear controller: " << store.error().text() << '\n';
    return kUsage;
  }
  setup.store = std::move(*store);
  if (setup.store->backend() == "memory") {
    log.write(
        ops::LogLevel::warn,
        "the store is this process's memory: when it ends, only the tags of the mappings tell "
        "what it had switched off; name a store: --store dynamodb://TABLE or "
        "redis://HOST:PORT");
  }
  return controller::Controller(loop, std::move(setup), log).run();
}

// As a function of its own: a turn for each start, until the environment ends.
int control_as_lambda(Context& context, const ControllerFlags& flags) {
  if (lambda_runtime_api(context).empty()) {
    context.err << "switchgear controller: --lambda is for a function of Lambda, which sets "
                   "AWS_LAMBDA_RUNTIME_API; leave it out elsewhere\n";
    return kUsage;
  }
  const bool limited = flags.run_for > Duration::zero() && flags.run_for < kLambdaTurnMax;
  return serve_lambda(context, limited ? flags.run_for : kLambdaTurnMax, [&](Duration run_for) {
    ControllerFlags turn = flags;
    turn.run_for = run_for;
    turn.log_format = ops::LogFormat::json;
    return control(context, turn);
  });
}

}  // namespace

void add_controller(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(
      parent, "controller", "guard event source mappings from outside, without touching functions",
      {"switchgear controller --store dynamodb://switchgear     # what is under controller in",
       "                                                        # switchgear.yaml",
       "switchgear controller --for 55s                         # one turn of a scheduled function",
       "switchgear controller --endpoint-url http://127.0.0.1:4566 --region us-east-1"});
  const auto flags = std::make_shared<ControllerFlags>();
  add_settings_options(*command, flags->settings);
  add_override(*command, flags->settings, "--listen", "controller.listen", "ADDRESS:PORT",
               "For /metrics and /healthz (default 127.0.0.1:0, a free port)");
  command
      ->add_option("--endpoint-url", flags->aws.endpoint_url,
                   "Where Lambda, CloudWatch and SQS are, for an emulator (default: the region's "
                   "own)")
      ->type_name("URL");
  command->add_option("--region", flags->aws.region, "AWS region of the mappings")
      ->type_name("REGION");
  add_duration_option(*command, "--for", flags->run_for,
                      "End after so long and give the leases up (default: run until stopped)");
  command->add_flag("--lambda", flags->lambda,
                    "Serve a function's Runtime API, a turn for each start; given by itself where "
                    "the program is a function's `bootstrap`");
  add_log_format_option(*command, flags->log_format);
  command->callback([&chosen, flags] {
    chosen = [flags](Context& context) {
      return flags->lambda ? control_as_lambda(context, *flags) : control(context, *flags);
    };
  });
}

}  // namespace switchgear::cli
