// The deciding half of a fleet's circuit: from what the store holds to the write that is due.
// Pure functions; every instance computes the same from the same snapshot.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/policy.h"
#include "fleet/evidence.h"
#include "fleet/meter.h"
#include "fleet/store_ops.h"

namespace switchgear::fleet {

// Who is deciding, for what may differ between instances without harm: jitter and identities.
struct Decider {
  InstanceId instance;
  std::uint64_t nonce = 0;  // random per decision: swap ids, jitter
  Duration asked_pause{0};  // for how long from now the dependency asked this process to wait
};

// A policy with its rules for every decade of the fleet's rate. Immutable; cheap to share.
class PolicyTable {
 public:
  explicit PolicyTable(const Policy& policy);
  const Policy& policy() const { return policy_; }
  const core::CompiledPolicy& at(double calls_per_second) const;
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  Policy policy_;
  std::string fingerprint_;
  std::array<core::CompiledPolicy, 6> by_decade_;  // 10, 100, … 1e6 calls/s
};

// What the trip rules say of a snapshot right now.
struct Weighing {
  std::optional<Window> failures;  // the closest window of the rules that apply in this state
  std::string rule;                // of that window: "failure_rate", "slow_call_rate", "overload"
  FleetEstimate fleet;
  // Reports older than this decide nothing, whatever is reported later. Nothing: not known.
  std::optional<std::chrono::milliseconds> evidence_age;
  bool trips() const { return failures && failures->trips; }
};
// Below so many estimated members a process is alone. Under the classic rule it then judges its
// own calls exactly, and reports open nothing.
inline constexpr double kAloneBelow = 1.5;
Weighing weigh(const PolicyTable& table, const Snapshot& snapshot);
// What the record keeps of a window: needs one.
Trip trip_of(const Weighing& weighing, StoreTime at);

// What the sliding window of a process over its own calls found (rule: classic).
struct OwnTrip {
  std::string reason;  // "failure_rate" or "slow_call_rate"
  std::string why;
  double failures = 0;  // or slow calls
  double need = 0;
};
OwnTrip own_trip(const core::WindowTrip& trip, const core::WindowRule& rule);

// The write that the snapshot calls for, without any demand by a caller: a trip, the end of a
// probe round, a step of the recovery limit, the end of a recovery, the end of a hold. `jitter` in
// [0, 1) spreads the instances over one second when a recovery step is due. Empty: nothing is due.
// The next epoch is max(epoch + 1, store time in ms), so that none is ever reused. `own` opens a
// closed circuit if the decider is alone.
std::optional<SwapOp> due_transition(const PolicyTable& table, const Snapshot& snapshot,
                                     const Decider& decider, double jitter,
                                     const std::optional<OwnTrip>& own = std::nullopt);

// OPEN to HALF_OPEN together with a probe slot, for a caller that wants to probe. Conditioned on
// the reopen time by the store's clock. Empty if the state is not OPEN, held, or no slot is free
// as far as the snapshot shows.
std::optional<SwapOp> half_open(const PolicyTable& table, const Snapshot& snapshot,
                                const Decider& decider, std::uint32_t token);

// Creates the record, CLOSED, where there is none.
SwapOp create_record(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider);

// Puts `seen`, the newest record this process has lived under, back in front of a store that went
// back behind it or lost it (reason "reassert").
SwapOp reassert(const Record& seen, const Snapshot& snapshot, const Decider& decider);

// A person's hand. `reset` closes the circuit and forgets its evidence. Each creates the record
// where there is none.
SwapOp set_hold(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
                Hold hold);
SwapOp release_hold(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
                    const std::string& who);
SwapOp reset(const PolicyTable& table, const Snapshot& snapshot, const Decider& decider,
             const std::string& who);

// The slot below `count` of a probe whose call began in `epoch` and whose lease has ended at `now`
// without a settlement: whoever claims it counts a failed probe; -1: none.
int lost_probe(const Slots& slots, int count, std::int64_t epoch, StoreTime now);

// A free slot below `count` (random first), as far as the slots show at `now`; -1: none.
int free_slot(const Slots& slots, int count, StoreTime now, std::uint64_t random);

}  // namespace switchgear::fleet
