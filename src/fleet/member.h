// A member of the fleet: one circuit as one process sees it and takes part in it.
//
// Sans-I/O: time and answers come in, decisions and store operations go out. The same object runs
// in production (under guard/) and in simulation (under lab/). It never waits and never throws;
// it is not thread-safe, and all of it costs microseconds at most.
//
//   admit(now) -> Permit or Refusal            a call wants to go out
//   may_start(permit, now)                     asked again right before it is sent
//   finish(permit, outcome, duration, now)     it ended
//   next_operation(now) -> operation           something for the store; one at a time
//   answered(answer, now) / store_failed(now)  what came of it
//   wake_at(now)                               when to ask next_operation again at the latest
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/outcome.h"
#include "core/random.h"
#include "core/trip_rule.h"
#include "fleet/hold_clock.h"
#include "fleet/store_ops.h"
#include "fleet/transition.h"

namespace switchgear::fleet {

enum class PermitKind : unsigned char {
  normal,      // CLOSED, held closed, observed
  probe,       // HALF_OPEN, with a leased slot
  recovering,  // within the recovery limit
  local,       // while the fleet's state is not known
};

// Leave for one call. Carries the epoch, so that a late result changes nothing.
struct Permit {
  PermitKind kind = PermitKind::normal;
  int slot = -1;            // probe only
  std::uint32_t token = 0;  // probe only
  std::int64_t epoch = 0;
  HoldTime acquired{0};
  friend bool operator==(const Permit&, const Permit&) = default;
};

enum class RefusalReason : unsigned char {
  open,         // the circuit is open
  probing,      // half-open, and no probe slot is ours
  limit,        // recovering, and the limit is used up
  held,         // a person holds it open
  local,        // blind, and the local guard says no
  store,        // blind, and on_store_failure is refuse
  stale_view,   // just thawed: the view is being refreshed
};
std::string_view to_string(RefusalReason);

struct Refusal {
  RefusalReason reason = RefusalReason::open;
  State state = State::open;
  std::int64_t epoch = 0;
  Duration retry_after{0};  // when asking again makes sense
  Duration view_age{0};
};

using Admission = std::variant<Permit, Refusal>;

// A change of state or hold as this process saw it. Identified by circuit and epoch.
struct Transition {
  std::int64_t epoch = 0;
  State from = State::closed;
  State to = State::closed;
  HoldKind hold = HoldKind::none;
  std::string reason;
  std::string why;
  StoreTime at;
};

// Counts since the start, for metrics. Never reset.
struct MemberCounters {
  std::uint64_t outcomes[4] = {};          // by Outcome, results that counted
  std::uint64_t late_results = 0;          // of an earlier epoch: changed nothing
  std::uint64_t refused[7] = {};           // by RefusalReason
  std::uint64_t probes[4] = {};            // by Outcome of probe calls
  std::uint64_t failures_dropped = 0;      // evidence too old to send, or of a passed epoch
  std::uint64_t reassertions = 0;
};

struct MemberOptions {
  // Failures above this fleet rate are thinned, so that one record bears any traffic. Calls/s.
  double thinning_rate = 5'000;
  // How long a call may wait for a first view; also how long a refresh may take before a thawed
  // process counts as blind.
  Duration store_budget = 10ms;
  // Back-off between operations on a store that fails.
  core::Backoff store_backoff{.base = 100ms, .cap = 5s, .jitter = core::Jitter::equal};
};

class Member {
 public:
  // `table` outlives the member. `seed` must differ between processes.
  Member(const PolicyTable& table, const MemberOptions& options, InstanceId instance,
         std::uint64_t seed, const Now& now);

  // ---- Calls ------------------------------------------------------------------------------
  // Whether a call may go out. Marks demand: probes and slots are only taken where calls wait.
  Admission admit(const Now& now);
  // Whether the call may still start: false when a probe's lease cannot cover it any more.
  bool may_start(const Permit& permit, const Now& now);
  // The end of a call. An ignored outcome returns the permit and is evidence of nothing.
  void finish(const Permit& permit, Outcome outcome, Duration duration, const Now& now);
  // Many calls that were admitted in CLOSED under `epoch` and succeeded without being slow.
  void count_successes(std::uint64_t count, std::int64_t epoch, const Now& now);

  // ---- Store ------------------------------------------------------------------------------
  // The next operation for the store, if any is due and none is under way.
  std::optional<Operation> next_operation(const Now& now);
  // What came of the operation under way. A repeated or late answer must not be given again.
  void answered(const Answer& answer, const Now& now);
  void store_failed(const Now& now);
  bool operation_under_way() const { return in_flight_.has_value(); }
  // How long until next_operation should be asked again, at most `Duration::max()`.
  Duration until_next(const Now& now);

  // ---- View -------------------------------------------------------------------------------
  // The state that decides here and now; OPEN while this process has seen a trip not yet written.
  State state() const;
  HoldKind hold_in_force() const;
  // The newest record applied, if any.
  const Record* record() const { return record_ ? &*record_ : nullptr; }
  // While this holds for a call (CLOSED or held closed, view young enough), admit() grants a
  // normal permit of `epoch` without looking further: what a lock-free gate needs to know.
  struct OpenGate {
    bool open = false;
    std::int64_t epoch = 0;
    Duration valid_for{0};  // from `now` on, by any local clock
  };
  OpenGate gate(const Now& now);
  Duration view_age(const Now& now);
  bool blind(const Now& now);
  bool store_up() const { return store_up_; }
  // "" or why the record cannot be used (newer schema, garbage): hands off, and say so.
  const std::string& unreadable() const { return unreadable_; }
  // Evidence over trip level, 0 to about 1.
  double evidence_ratio() const { return evidence_ratio_; }
  FleetEstimate fleet() const { return fleet_; }
  // Calls in flight that this process may have while RECOVERING.
  int allowed_in_flight(const Now& now);
  int in_flight_recovering() const { return in_flight_recovering_; }
  int slots_held() const;
  // When a call should next be tried while it is refused, from now on.
  Duration retry_after(const Now& now);
  const MemberCounters& counters() const { return counters_; }
  // Transitions seen since the last call, oldest first.
  std::vector<Transition> take_transitions();
  InstanceId instance() const { return instance_; }
  const Policy& policy() const { return table_.policy(); }
