#include "lab/recovery_figures.h"

#include "core/assert.h"

namespace switchgear::lab {

std::string_view to_string(Profile profile) {
  switch (profile) {
    case Profile::shed:
      return "shed";
    case Profile::abrupt:
      return "abrupt";
    case Profile::fifo:
      return "fifo";
    case Profile::cold:
      return "cold";
    case Profile::thrash:
      return "thrash";
  }
  SG_ASSERT(false);
}

OutageOptions recovery_options(Profile profile, const RecoveryFleet& fleet, std::uint64_t backlog,
                               std::uint64_t seed) {
  OutageOptions o;
  o.seed = seed;
  o.workers = fleet.workers;
  o.consumer.concurrency = fleet.concurrency;
  o.consumer.handler_timeout = 2s;
  o.consumer.backoff = {.base = 1s, .cap = 20s, .jitter = core::Jitter::equal};
  o.max_receive_count = 1'000;  // the limit is judged here, not what the queue does with messages
  o.backlog = backlog;
  o.policy.view_refresh_in_trouble = 5s;
  o.dependency = {.servers = 20, .service_mean = 200ms, .failure_rate = 0.005};
  if (profile == Profile::shed) o.dependency.queue_max = 20;
  if (profile == Profile::abrupt) o.dependency.queue_max = 0;
  if (profile == Profile::cold) {
    o.dependency.cold_speed = 1.0 / 3;
    o.dependency.warm_after_calls = 2'000;
  }
  if (profile == Profile::thrash) o.dependency.thrash = 1;
  o.down_at = 1s;
  o.up_at = 20s;
  o.longest = 3h;
  o.stop_when_drained = true;
  return o;
}

OutageOptions relapse_options(Profile profile, const RecoveryFleet& fleet, std::uint64_t backlog,
                              std::uint64_t seed) {
  OutageOptions o = recovery_options(profile, fleet, backlog, seed);
  o.relapse_at = 200s;
  o.relapse_until = 500s;
  return o;
}

}  // namespace switchgear::lab
