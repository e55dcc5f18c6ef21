// All that a worker is told. Aggregates with defaults; immutable once validated.
#pragma once

#include <cstddef>
#include <string>

#include "core/backoff.h"
#include "core/policy.h"
#include "core/problem.h"
#include "core/time.h"

namespace switchgear::worker {

// For the half that decides.
struct ConsumerOptions {
  // Calls of the handler in flight at a time, in this process. 1 to 10,000.
  int concurrency = 50;
  // No call of the handler takes longer; a call that does is an overload. Becomes the circuit's
  // call_timeout. 100 ms to 11 h.
  Duration handler_timeout = 30s;
  // The wait of a message after a failure, by how often it has been received.
  core::Backoff backoff;
  // A handler's Retry-After is honoured up to this.
  Duration retry_after_max = 1h;
  // How long calls in flight may go on after the worker was told to stop.
  Duration shutdown_grace = 20s;
  // How long a receive waits for the first message while the circuit is closed. 0 to 20 s.
  std::chrono::seconds receive_wait{20};
  // Receives under way at a time. 1 to 100.
  int receives_max = 4;
  // A message stays hidden for the handler's timeout and this much more, for all that comes
  // before and after the call. 5 s to 10 min.
  Duration visibility_margin = 30s;
  // How long a done message waits for others to be deleted with it.
  Duration batch_linger = 50ms;
  // Between two looks at the queue's attributes.
  Duration attributes_interval = 5min;

  Problems validate() const;
  friend bool operator==(const ConsumerOptions&, const ConsumerOptions&) = default;
};

struct WorkerOptions {
  // https://sqs.eu-central-1.amazonaws.com/123456789012/orders
  std::string queue_url;
  // Gets one POST per message. http or https.
  std::string handler_url;
  // The circuit that guards the handler. Empty: none.
  std::string circuit;
  ConsumerOptions consumer;
  // Where /metrics, /healthz and /readyz are served. Port 0: a free one, named in the log.
  std::string listen = "127.0.0.1:0";
  // How long start-up waits for the store's first answer.
  Duration store_patience = 5s;
  // Start although the store does not answer: under the local guard, until it does.
  bool start_without_store = false;
  // Listen to the store's push, where it has one.
  bool push = true;

  Problems validate() const;
  friend bool operator==(const WorkerOptions&, const WorkerOptions&) = default;
};

}  // namespace switchgear::worker
