// The writes that every change of a circuit is made of. Pure; each is conditioned on the record
// that it was made from.
#pragma once

#include <cstdint>
#include <string>

#include "fleet/transition.h"

namespace switchgear::fleet {

// Salts that keep the uses of one nonce apart.
enum Salt : std::uint64_t { kSwapSalt = 1, kJitterSalt, kIncarnationSalt, kSlotSalt };

// max(epoch + 1, store time in ms), so that none is ever reused.
std::int64_t next_epoch(std::int64_t epoch, StoreTime now);

// The frame of every write: what it expects, and the next revision.
SwapOp write_over(const Record& current, const PolicyTable& table, const Decider& decider);

// `next` begins an epoch in `state`.
void enter(Record& next, State state, StoreTime now, std::string reason, std::string why);

// To OPEN, for the open time of the policy or as long as the dependency asked.
SwapOp open_circuit(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                    const Decider& decider, std::string reason, std::string why);
SwapOp close_circuit(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                     const Decider& decider, std::string reason, std::string why);

// ---- By one decider ---------------------------------------------------------------------------
// For circuits whose state follows something else than the fleet's reports (an alarm, trial
// messages): one controller at a time decides, and writes it where all can see it.

// To HALF_OPEN, without a probe slot: the trials are the decider's own.
SwapOp begin_trials(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                    const Decider& decider, std::string why);
// To RECOVERING within `limit` calls in flight; the next step is due after `step`.
SwapOp begin_ramp(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                  const Decider& decider, double limit, Duration step, std::string reason,
                  std::string why);
// The next step, in the same epoch.
SwapOp step_ramp(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                 const Decider& decider, double limit, Duration step);

}  // namespace switchgear::fleet
