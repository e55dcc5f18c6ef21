// The configuration: switchgear.yaml, overridden by SWITCHGEAR_… variables, overridden by flags.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/backoff.h"
#include "core/policy.h"
#include "core/problem.h"
#include "core/result.h"

namespace switchgear::config {

struct WorkerSettings {
  std::string queue;    // URL of the queue; empty: not set
  std::string handler;  // URL that gets one POST per message; empty: not set
  std::string circuit;  // name of the circuit that guards the handler; empty: none
  int concurrency = 50;
  Duration handler_timeout = 30s;
  core::Backoff backoff;
  Duration retry_after_max = 1h;
  Duration shutdown_grace = 20s;
  Duration receive_wait = 20s;
  int receives_max = 4;
  Duration visibility_margin = 30s;
  bool start_without_store = false;
  std::string listen = "127.0.0.1:0";  // for /metrics and /healthz; port 0: any free one

  // Every problem, each with the field as place ("backoff.base"). Empty: valid.
  Problems validate() const;
  friend bool operator==(const WorkerSettings&, const WorkerSettings&) = default;
};

// Whom a circuit's state follows.
enum class Evidence : unsigned char {
  alarm,    // CloudWatch alarms open it and tell when to try again
  trial,    // alarms open it, trial messages alone close it
  circuit,  // the fleet that calls the dependency: library, worker, extension
};

// How to find out whether the dependency is well while the mappings are off.
enum class HalfOpen : unsigned char {
  trial,    // one message at a time, received and given to the function by the controller
  limited,  // the mapping itself, on for a while with the least that it can be limited to
};

// A circuit that the controller enforces on event source mappings. Its policy is in
// Config::circuits, under the same name.
struct ControlledCircuit {
  Evidence evidence = Evidence::alarm;
  std::vector<std::string> alarms;  // names; any in ALARM opens. None with Evidence::circuit
  // At least one: a UUID, the ARN of a source, the name or ARN of a function.
  std::vector<std::string> mappings;
  HalfOpen half_open = HalfOpen::trial;
  // Between two steps of the ramp, and how long the limited half-open lasts. 1 s to 1 h.
  Duration ramp_step = 2min;
  // Switch a mapping off although records are lost by it.
  bool accept_loss = false;
  // Raise a queue's retention while its mappings are off.
  bool raise_retention = true;
  std::string parking_queue;  // ARN; empty: no message is parked
  // A mapping without a cap of its own counts as this while ramped up. 2 to 1,000.
  int uncapped_limit = 100;
  Duration alarm_interval = 10s;     // between two looks at the alarms. 1 s to 10 min
  Duration mapping_interval = 1min;  // between two looks at the mappings. 1 s to 1 h

  // Every problem, each with the field as place. Empty: valid.
  Problems validate() const;
  friend bool operator==(const ControlledCircuit&, const ControlledCircuit&) = default;
};

struct ControllerSettings {
  double calls_per_second = 3;  // of Lambda's control plane, at most. 0.1 to 15
  // One controller per circuit: another takes over when this has passed without a renewal. 10 s to
  // 10 min.
  Duration lease = 1min;
  std::string listen = "127.0.0.1:0";  // for /metrics and /healthz; port 0: any free one
  // Where changes are told besides the log; empty: not there.
  std::string event_bus;  // of EventBridge: name or ARN
  std::string sns_topic;  // ARN
  std::string webhook;    // URL; may hold a secret
  std::map<std::string, ControlledCircuit> circuits;

  // Every problem of this and of its circuits ("circuits.payments-api.alarms"). Empty: valid.
  Problems validate() const;
  friend bool operator==(const ControllerSettings&, const ControllerSettings&) = default;
};

struct Config {
  std::string store = "memory:";
  bool push = true;  // listen to the store's push, where it has one
  // Every circuit that the file names, there or under controller.circuits, and worker.circuit.
  std::map<std::string, Policy> circuits;
  WorkerSettings worker;
  ControllerSettings controller;
  friend bool operator==(const Config&, const Config&) = default;
};

// One value from outside the file: "worker.concurrency", "80", "--concurrency".
struct Override {
  std::string key;  // as in the file, levels separated by dots; not of a circuit
  std::string value;
  std::string source;  // how the person knows it, for messages
};

// All that the configuration is made of, as text; reading it touches nothing else.
struct Input {
  std::string file_name;  // for messages
  std::string file_text;  // empty: no file
  // Names and values. Those that do not begin with SWITCHGEAR_ are left alone.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<Override> overrides;
};

struct Loaded {
  Config config;      // valid if there are no problems
  Problems problems;  // all of them, in the order of the file; then the environment's, the flags'
  Problems warnings;  // what was ignored
};

// Reads and checks everything. Never fails on the first problem: each is reported, with its place
// (file:line:column: key, or variable, or flag). Values that may hold a password never show.
Loaded read(const Input& input);

// A configuration file's bytes. Errors: "config", with the fix.
Result<std::string> read_file(const std::string& path);

// "place: message", one per line.
std::string text(const Problems& problems);

// The part of the environment variable's name that stands for a key or circuit: upper case, all
// but letters and digits as _.
std::string environment_name(std::string_view key);

}  // namespace switchgear::config
