#include "worker/worker.h"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/settings.h"
#include "cli/worker_setup.h"
#include "guard/identity.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

struct WorkerFlags {
  SettingsOptions settings;
  AwsFlags aws;
  ops::LogFormat log_format = ops::LogFormat::text;
};

// Told to stop before there is anything to stop. SIGINT is taken by main.
extern "C" void nothing_to_stop(int) { std::_Exit(kDone); }

// The loop gives the signals back as it ends, and a second one would turn an orderly end into
// another exit code.
void hear_no_more_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int work(Context& context, const WorkerFlags& flags) {
  std::signal(SIGTERM, nothing_to_stop);
  const auto settings = load_settings(context, flags.settings);
  if (!settings) return kUsage;
  Problems problems;
  net::Loop loop;
  auto setup = worker_setup(loop, context, settings->config, flags.aws, problems);
  if (!setup) {
    context.err << "switchgear worker: cannot start:\n" << config::text(problems);
    return kUsage;
  }

  ops::Log log(
      {.format = flags.log_format, .least = ops::LogLevel::info, .colour = context.colour_on_err});
  setup->access.credentials->listen([&log](const aws::CredentialsNews& news) {
    const bool good = news.kind == aws::CredentialsNews::Kind::renewed;
    log.write(good ? ops::LogLevel::info : ops::LogLevel::warn, news.text());
  });
  if (!setup->options.circuit.empty()) {
    auto store = stores::open_store(loop, settings->config.store,
                                    {.seed = guard::random_identity().seed,
                                     .environment = context.aws_environment(),
                                     .credentials = setup->access.credentials});
    if (!store) {
      context.err << "switchgear worker: " << store.error().text() << '\n';
      return kUsage;
    }
    setup->store = std::move(*store);
    if (setup->store->backend() == "memory") {
      log.write(ops::LogLevel::warn,
                "the circuit is this process's own; to share it with other workers, name a store: "
                "--store redis://HOST:PORT");
    }
  }
  const int code = worker::Worker(loop, std::move(*setup), log).run();
  hear_no_more_signals();
  return code;
}

void add_aws_flags(CLI::App& command, AwsFlags& aws) {
  command
      .add_option("--endpoint-url", aws.endpoint_url,
                  "Where SQS is, for an emulator or a VPC endpoint (default: the region's own)")
      ->type_name("URL");
  command.add_option("--region", aws.region, "AWS region of the queue")->type_name("REGION");
}

}  // namespace

void add_worker(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(
      parent, "worker", "take messages from a queue and call a handler, guarded by a circuit",
      {"switchgear worker --queue https://sqs.eu-central-1.amazonaws.com/123456789012/orders \\",
       "    --handler http://127.0.0.1:8080/orders --circuit payments-api \\",
       "    --store redis://127.0.0.1:6379",
       "switchgear worker                             # all of it from switchgear.yaml",
       "switchgear worker --endpoint-url http://127.0.0.1:4566 --region us-east-1  # an emulator"});
  const auto flags = std::make_shared<WorkerFlags>();
  const auto over = [&](const char* name, const char* key, const char* type,
                        const char* description) {
    add_override(*command, flags->settings, name, key, type, description);
  };
  over("--queue", "worker.queue", "URL", "The SQS queue");
  over("--handler", "worker.handler", "URL", "Gets one POST per message");
  over("--circuit", "worker.circuit", "NAME", "The circuit that guards the handler");
  over("--concurrency", "worker.concurrency", "N", "Messages handled at a time (default 50)");
  over("--handler-timeout", "worker.handler_timeout", "DURATION",
       "A call of the handler takes no longer (default 30s)");
  over("--shutdown-grace", "worker.shutdown_grace", "DURATION",
       "Time for calls in flight after SIGTERM (default 20s)");
  over("--listen", "worker.listen", "ADDRESS:PORT",
       "For /metrics and /healthz (default 127.0.0.1:0, a free port)");
  add_settings_options(*command, flags->settings);
  command->add_flag_callback(
      "--start-without-store",
      [flags] {
        flags->settings.overrides.push_back({.key = "worker.start_without_store",
                                             .value = "true",
                                             .source = "--start-without-store"});
      },
      "Start even if the store does not answer, under a local guard until it does");
  add_aws_flags(*command, flags->aws);
  add_log_format_option(*command, flags->log_format);
  command->callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return work(context, *flags); }; });
}

}  // namespace switchgear::cli
