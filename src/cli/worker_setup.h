// From the configuration to what a worker is made of.
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "config/config.h"
#include "worker/worker.h"

namespace switchgear::cli {

struct AwsFlags {
  std::string endpoint_url;
  std::string region;
};

worker::WorkerOptions worker_options(const config::WorkerSettings& settings);

// All but the store. Nothing, with every problem in `problems`, if something is missing or wrong.
// `loop` outlives what comes back.
std::optional<worker::WorkerSetup> worker_setup(net::Loop& loop, const Context& context,
                                                const config::Config& config, const AwsFlags& aws,
                                                Problems& problems);

}  // namespace switchgear::cli
