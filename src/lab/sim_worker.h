// One worker process in virtual time: the shipped consumer over the shipped member of the fleet,
// carried out on a simulated queue and dependency. The dependency answers for the handler.
#pragma once

#include <cstdint>
#include <memory>

#include "lab/process.h"
#include "lab/sim_queue.h"
#include "worker/consumer.h"

namespace switchgear::lab {

// What the calls of all workers came to.
struct CallTally {
  std::uint64_t started = 0;
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;     // answered with an error
  std::uint64_t timed_out = 0;  // given up by the caller
  int in_flight = 0;
};

class SimWorker {
 public:
  // All references outlive it. Without `guarded` there is no circuit.
  SimWorker(Scheduler& scheduler, Process& process, SimQueue& queue, Dependency& dependency,
            CallTally& tally, const worker::ConsumerOptions& options, bool guarded,
            std::uint64_t seed);

  void start();
  // To be called when the store answered this process: the circuit may have changed.
  void circuit_may_have_changed();

  worker::Consumer& consumer() { return consumer_; }
  Process& process() { return process_; }

 private:
  template <class Event>
  void happen(Event event);
  void carry_out();
  void carry_out(const worker::Action& action);
  void call(const worker::CallAction& action);

  Scheduler& scheduler_;
  Process& process_;
  SimQueue& queue_;
  Dependency& dependency_;
  CallTally& tally_;
  worker::MemberPort port_;
  worker::NoCircuit none_;
  worker::Consumer consumer_;
  std::uint64_t tick_ = 0;
  std::int64_t seen_epoch_ = -1;
  std::uint64_t seen_revision_ = 0;
  int seen_allowed_ = 0;
};

}  // namespace switchgear::lab
