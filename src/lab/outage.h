// An outage as a fleet of workers lives through it: a queue fills at a steady rate, the dependency
// goes down and comes back, and the workers are the shipped ones. Ends when the queue has drained.
// The same options give the same numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lab/sim_worker.h"
#include "lab/world.h"

namespace switchgear::lab {

struct OutageOptions {
  std::uint64_t seed = 1;
  bool circuit = true;  // false: the same workers without one
  Policy policy;
  worker::ConsumerOptions consumer;
  int workers = 4;
  double arrivals_per_second = 60;
  std::uint64_t backlog = 0;  // waiting at the start
  DependencyOptions dependency;
  int max_receive_count = 5;
  Duration again_after{0};  // see SimQueueOptions
  // The dependency is down from `down_at` to `up_at`; equal: never.
  TrueTime down_at{10s};
  TrueTime up_at{40s};
  bool hangs = false;  // while down it never answers, instead of answering with errors
  // A second outage, a black hole that takes calls and never answers; equal: none.
  TrueTime relapse_at{0};
  TrueTime relapse_until{0};
  // What it can bear from `up_at` to `weak_until`, if anything but its capacity.
  int weak_servers = 0;
  TrueTime weak_until{0};
  // It goes on until the queue has drained and the circuit is closed, at most until this.
  TrueTime longest{30min};
  // At the end no more messages are sent, and it goes on until the last is done, at most this long.
  Duration finish{0};
  // Stop at the drain, without waiting for the circuit to close.
  bool stop_when_drained = false;
};

// One second of it.
struct OutageSecond {
  int second = 0;  // since the start, at its end
  std::string state;
  std::size_t waiting = 0;  // messages in the queue, those in calls not counted
  int in_flight = 0;
  std::uint64_t ok = 0;  // calls in this second
  std::uint64_t failed = 0;
  std::uint64_t done = 0;  // messages since the start
  std::uint64_t dead_lettered = 0;
  std::uint64_t probes = 0;
  double limit = 0;  // 0: none in force
};

// A change of the circuit, or of the dependency (`epoch` 0).
struct OutageEvent {
  TrueTime at{0};
  std::int64_t epoch = 0;
  std::string from;
  std::string to;
  std::string reason;
  std::string why;
};

struct OutageResult {
  std::vector<OutageSecond> seconds;
  std::vector<OutageEvent> events;
  std::uint64_t sent = 0;
  std::uint64_t done = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t expired = 0;
  std::uint64_t left = 0;  // still in the queue at the end
  std::uint64_t calls = 0;
  std::uint64_t failed_calls = 0;  // timeouts included
  std::uint64_t probes = 0;
  int trips = 0;  // CLOSED or RECOVERING to OPEN
  int in_flight_at_outage = 0;
  double relapse_reopened_seconds = -1;  // from the relapse until the circuit was open; -1: never
  std::uint64_t relapse_calls = 0;       // begun in that time
  bool drained = false;
  double drain_seconds = 0;  // from the end of the outage until the queue was empty
  // The same of a fleet that uses all of the dependency's capacity from that moment on but for the
  // relapse, when there is none: (backlog + capacity * relapse) / (capacity - arrivals). It holds
  // where the relapse lies within the drain. What a cold dependency lacks is not deducted, nor is
  // the time until the circuit tries again.
  double drain_seconds_ideal = 0;
  std::uint64_t store_operations = 0;
};

// `each` sees every second and every event as it passes; may be empty.
struct OutageWatch {
  std::function<void(const OutageSecond&)> second;
  std::function<void(const OutageEvent&)> event;
};
OutageResult run_outage(const OutageOptions& options, const OutageWatch& watch = {});

}  // namespace switchgear::lab
