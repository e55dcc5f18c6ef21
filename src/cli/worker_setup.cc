#include "cli/worker_setup.h"

#include "config/environment.h"
#include "guard/identity.h"

namespace switchgear::cli {

worker::WorkerOptions worker_options(const config::WorkerSettings& settings) {
  worker::WorkerOptions options;
  options.queue_url = settings.queue;
  options.handler_url = settings.handler;
  options.circuit = settings.circuit;
  options.listen = settings.listen;
  options.start_without_store = settings.start_without_store;
  options.consumer.concurrency = settings.concurrency;
  options.consumer.handler_timeout = settings.handler_timeout;
  options.consumer.backoff = settings.backoff;
  options.consumer.retry_after_max = settings.retry_after_max;
  options.consumer.shutdown_grace = settings.shutdown_grace;
  options.consumer.receive_wait =
      std::chrono::duration_cast<std::chrono::seconds>(settings.receive_wait);
  options.consumer.receives_max = settings.receives_max;
  options.consumer.visibility_margin = settings.visibility_margin;
  return options;
}

std::optional<worker::WorkerSetup> worker_setup(net::Loop& loop, const Context& context,
                                                const config::Config& config, const AwsFlags& aws,
                                                Problems& problems) {
  for (const auto& [key, value] :
       {std::pair{"queue", config.worker.queue}, std::pair{"handler", config.worker.handler}}) {
    if (!value.empty()) continue;
    const std::string path = "worker." + std::string(key);
    problems.push_back({path, "is missing; write --" + std::string(key) + " URL, set " +
                                  config::variable_of(path) + ", or write " + key +
                                  " under worker in switchgear.yaml"});
  }
  // Without a queue, the region is not known either.
  Result<aws::Access> access = aws::Access{};
  if (!config.worker.queue.empty()) {
    access = aws::open_access(
        loop,
        {.endpoint_url = aws.endpoint_url, .region = aws.region, .queue_url = config.worker.queue},
        context.aws_environment(), guard::random_identity().seed);
    if (!access) problems.push_back({"AWS " + access.error().code, access.error().message});
  }
  worker::WorkerSetup setup;
  setup.options = worker_options(config.worker);
  if (problems.empty()) problems = setup.options.validate();
  if (!problems.empty()) return std::nullopt;
  setup.options.push = config.push;
  setup.access = std::move(*access);
  const auto policy = config.circuits.find(config.worker.circuit);
  if (policy != config.circuits.end()) setup.policy = policy->second;
  return setup;
}

}  // namespace switchgear::cli
