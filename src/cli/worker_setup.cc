#include "cli/worker_setup.h"

#include "config/environment.h"

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

std::optional<worker::WorkerSetup> worker_setup(const Context& context,
                                                const config::Config& config, const AwsFlags& aws,
                                                Problems& problems) {
  for (const auto& [key, value] :
       {std::pair{"queue", config.worker.queue}, std::pair{"handler", config.worker.handler}}) {
    if (!value.empty()) continue;
    const std::string path = "worker." + std::string(key);
    problems.push_back({path, "is missing; write --" + std::string(key) + " URL, set " +
                                  config::variable_of_root_key(path) + ", or write " + key +
                                  " under worker in switchgear.yaml"});
  }
  const aws::Environment environment = context.aws_environment();
  auto credentials = aws::credentials_from_environment(environment);
  if (!credentials) problems.push_back({"AWS credentials", credentials.error().message});
  // Without a queue, the region is not known either.
  Result<aws::Endpoint> endpoint = aws::Endpoint{};
  if (!config.worker.queue.empty()) {
    endpoint = aws::resolve_endpoint(
        {.endpoint_url = aws.endpoint_url, .region = aws.region, .queue_url = config.worker.queue},
        environment);
    if (!endpoint) problems.push_back({"AWS " + endpoint.error().code, endpoint.error().message});
  }
  worker::WorkerSetup setup;
  setup.options = worker_options(config.worker);
  if (problems.empty()) problems = setup.options.validate();
  if (!problems.empty()) return std::nullopt;
  setup.options.push = config.push;
  setup.endpoint = std::move(*endpoint);
  setup.credentials = aws::fixed_credentials(std::move(*credentials));
  const auto policy = config.circuits.find(config.worker.circuit);
  if (policy != config.circuits.end()) setup.policy = policy->second;
  return setup;
}

}  // namespace switchgear::cli
