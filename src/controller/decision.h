// Whether the state of a circuit that follows alarms or trial messages changes now. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "controller/ledger.h"
#include "controller/options.h"
#include "controller/plan.h"
#include "core/state.h"
#include "fleet/store_ops.h"
#include "fleet/transition.h"

namespace switchgear::controller {

// One alarm, as it was last read.
struct AlarmView {
  enum class State : unsigned char {
    ok,
    alarm,
    insufficient_data,
    missing,  // there is none of this name: trials decide
    unknown,  // it could not be read: trials decide
  };
  State state = State::unknown;
  std::int64_t since_ms = 0;  // when it went there, by CloudWatch's clock, since 1970
  std::string reason;         // as CloudWatch words it
  friend bool operator==(const AlarmView&, const AlarmView&) = default;
};
using Alarms = std::map<std::string, AlarmView>;

// What trials have shown since the circuit was last opened or stepped.
struct Trials {
  int succeeded = 0;  // in a row
  bool failed = false;
  std::string failure;  // of the last one that failed, for a person
  // Every queue that can be tried was found empty.
  bool nothing_to_try = false;
  // No mapping of the circuit may get trial messages, or `half_open` says so.
  bool impossible = false;
};

struct Facts {
  const fleet::Snapshot* snapshot = nullptr;  // with a readable record
  const Alarms* alarms = nullptr;             // of all names of the options
  const Ledger* ledger = nullptr;
  Trials trials;
  // Whether every mapping is as the present state wants it. A state whose mappings are still on
  // their way has shown nothing yet.
  bool settled = false;
};

// The write that is due, if any.
std::optional<fleet::SwapOp> decide(const CircuitOptions& options, const fleet::PolicyTable& table,
                                    const Facts& facts, const fleet::Decider& decider);

// While the circuit is OPEN, an alarm in ALARM is the one that opened it, or came to the same end:
// ledger.applied_alarms with those. It never opens the circuit again before it has left ALARM.
std::map<std::string, std::int64_t> applied_alarms(const fleet::Record& record,
                                                   const Alarms& alarms, const Ledger& ledger);

// How the circuit wants its mappings, by its record at the store's time.
Target target_of(const CircuitOptions& options, const Policy& policy, const fleet::Record& record,
                 StoreTime now, bool trials_impossible);

// Whether a trial is wanted now: HALF_OPEN, or a ramp that no alarm can judge.
bool wants_trial(const CircuitOptions& options, const Policy& policy, const fleet::Record& record,
                 const Alarms& alarms, const Ledger& ledger, StoreTime now);

}  // namespace switchgear::controller
