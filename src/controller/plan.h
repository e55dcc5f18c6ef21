// What the mappings of a circuit should be, and the one step that brings a mapping nearer to it.
// Pure: everything is compared anew each time, so that a crash, a lost event or a refusal only
// delays.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/ledger.h"
#include "controller/mapping.h"
#include "controller/options.h"
#include "core/state.h"

namespace switchgear::controller {

// The least that MaximumConcurrency can be.
inline constexpr int kLimitMin = 2;

// Whether the controller may receive from its source, and give to its function, in its stead: a
// queue whose filters, if any, are not for us to evaluate.
bool may_be_tried(const Mapping& mapping);

// A trial message that failed stays away for so many times the longest open time: not before others
// have been tried.
inline constexpr int kTrialRest = 2;

// How the circuit wants its mappings.
enum class Gate : unsigned char {
  as_before,  // CLOSED, held closed, observed: what a person set
  off,        // OPEN, held open; HALF_OPEN while trial messages are sent
  limited,    // HALF_OPEN, by the mapping itself
  ramp,       // RECOVERING: within the limit of the record
};
std::string_view to_string(Gate);

struct Target {
  Gate gate = Gate::as_before;
  double limit = 0;  // of Gate::ramp: calls in flight of all mappings together
  // For how long mappings have been off. One whose source will not keep its records much longer is
  // switched on with the least.
  Duration off_for{0};
  friend bool operator==(const Target&, const Target&) = default;
};

// `before` as a number: what a ramp goes up to.
int full_limit(const Settings& before, int uncapped_limit);

// The limit divided over the mappings (UUID to what it was before), those that were off left out:
// at least kLimitMin each, so one mapping after the other is switched on, in the order of `before`,
// and what is left in proportion to what they had. A mapping that is not in the answer stays off.
// A mapping never gets more than it had; one that gets all of it gets its own settings back.
std::map<std::string, Settings> ramp_shares(double limit,
                                            const std::map<std::string, Entry>& entries,
                                            int uncapped_limit);
// Where a ramp ends: with this limit every mapping is as it was.
double ramp_end(const std::map<std::string, Entry>& entries, int uncapped_limit);

// Whether a mapping that has been off for so long must run again, before its source drops what
// waits: at four fifths of rest_max().
bool must_run(SourceKind kind, Duration off_for);

// What each mapping of the ledger should be. Those that a person changed are left out, and those
// that `find` does not know.
using FindMapping = std::function<const Mapping*(const std::string& uuid)>;
std::map<std::string, Settings> wanted_settings(const Target& target, const Ledger& ledger,
                                                const FindMapping& find,
                                                const CircuitOptions& options);

// What is between a mapping and its target.
enum class Step : unsigned char {
  none,    // it is as it should be
  wait,    // it is changing: look again
  intend,  // write down what it should be, then ask for it
  ask,     // written down and not there yet: ask for it
  seen,    // it is as we asked: write down that it was seen
  person,  // it was as we asked, and now is not: a person changed it
};
Step next_step(const Mapping& mapping, const Entry& entry, const Settings& wanted);

}  // namespace switchgear::controller
