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

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/backoff.h"
#include "core/outcome.h"
#include "core/random.h"
#include "core/refusal.h"
#include "core/sliding_window.h"
#include "fleet/hold_clock.h"
#include "fleet/local_guard.h"
#include "fleet/store_limits.h"
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
  // The one call with which a process that stopped itself tries whether it is well again. A message
  // on its last receive is not for that.
  bool trial = false;
  friend bool operator==(const Permit&, const Permit&) = default;
};

using switchgear::Refusal;
using switchgear::RefusalReason;
using switchgear::to_string;

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
  std::uint64_t outcomes[4] = {};               // by Outcome, results that counted
  std::uint64_t late_results = 0;               // of an earlier epoch: changed nothing
  std::uint64_t refused[kRefusalReasons] = {};  // by RefusalReason
  std::uint64_t probes[4] = {};                 // by Outcome of probe calls
  std::uint64_t failures_dropped = 0;           // evidence too old to send, or of a passed epoch
  std::uint64_t reassertions = 0;
};

struct MemberOptions {
  StoreLimits limits{};
  // How long a call may wait for a first view; also how long a refresh may take before a thawed
  // process counts as blind.
  Duration store_budget = 10ms;
  // Store operations of this circuit per second, at most, whatever happens. At least 1.
  double store_operations_per_second = 100;
  // Between operations on a store that fails, and between reads or writes of one that throttles
  // them.
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
  // The dependency asked, by Retry-After, not to be called for this long. Said before the finish()
  // of the call that was told so.
  void asked_to_wait(Duration pause, const Now& now);
  // A permit that no call was made with: goes back and counts as nothing.
  void give_back(const Permit& permit, const Now& now);
  // Many calls that were admitted in CLOSED under `epoch` and succeeded without being slow.
  void count_successes(std::uint64_t count, std::int64_t epoch, const Now& now);
  // Calls are made that leave nothing to count: the view has to be kept young for them too.
  void note_demand(const Now& now) { asked_at_ = clock_.advance(now); }
  // This process makes no further calls: the slots that no call uses go back, so that others need
  // not wait for their leases to end. Go on with operations until left().
  void leave() { leaving_ = true; }
  bool left() const;
  // Whether this process has stopped itself, whatever the fleet says: calls are trials then.
  bool stopped_alone() const {
    return local_guard_.stopped() && policy().mode == Mode::enforce && !hold_obeyed();
  }

  // ---- Store ------------------------------------------------------------------------------
  // The next operation for the store, if any is due and none is under way.
  std::optional<Operation> next_operation(const Now& now);
  // What came of the operation under way. A repeated or late answer must not be given again.
  void answered(const Answer& answer, const Now& now);
  void store_failed(const Now& now, NoAnswer why = NoAnswer::lost);
  // Somebody says that the circuit has this epoch now: if that is news here, the next operation is
  // a read, at once. A hint: nothing is believed that the store has not answered. Whether it is
  // news.
  bool heard_of(std::int64_t epoch);
  bool operation_under_way() const { return in_flight_.has_value(); }
  // How long until next_operation should be asked again, at most `Duration::max()`.
  Duration until_next(const Now& now);

  // Whether nothing would be lost if this member ended: CLOSED without a hold, without trouble seen
  // here alone, with nothing taken from the store, nothing under way and nothing left to tell.
  bool forgettable() const;

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
  // The store's time, as estimated from its last answer; 1970 before the first one.
  StoreTime store_time(const Now& now) { return store_now(clock_.advance(now)); }
  bool blind(const Now& now);
  bool store_up() const { return store_up_; }
  // Whether whoever wrote the record last goes by other settings than this process.
  bool settings_differ() const {
    return record_ && !record_->fingerprint.empty() && record_->fingerprint != table_.fingerprint();
  }
  // Of this process's settings.
  const std::string& fingerprint() const { return table_.fingerprint(); }
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

 private:
  static constexpr HoldTime kNever = HoldTime::max();
  // A failure older than this is not worth reporting: the store would refuse it at 10 s.
  static constexpr Duration kFailureAgeMax = 9s;

  // Failures of one epoch that wait to be reported together.
  struct Batch {
    std::uint32_t failures = 0;
    std::uint32_t overloads = 0;
    std::uint32_t slow = 0;
    std::uint32_t thinning = 0;
    std::int64_t epoch = 0;
    HoldTime first{0};
    HoldTime last{0};
    bool empty() const { return failures + overloads + slow == 0; }
  };
  // A leased place. A probe slot serves one call, a recovery slot a stream of them.
  struct HeldSlot {
    int slot = 0;
    std::uint32_t token = 0;
    std::int64_t epoch = 0;
    HoldTime claimed{0};  // just before the claim was sent
    Duration lease{0};
    bool probe = false;
    bool in_use = false;  // probe only: its call is out
    HoldTime began{0};    // when it went out
    bool told = false;    // and the store has been told so, or is about to be
  };
  struct InFlight {
    Operation operation;
    HoldTime sent{0};        // of this attempt
    HoldTime first_sent{0};  // of the first attempt
    int attempts = 1;
    bool perhaps_done = false;  // an earlier attempt may have been carried out
    bool for_probe = false;     // a claim made in HALF_OPEN
  };

  // member.cc: calls
  Admission decide(HoldTime h);
  Admission decide_by_state(HoldTime h);
  bool waits_for_refresh(HoldTime h);
  Admission decide_blind(HoldTime h);
  Admission local_permit(HoldTime h);
  Permit grant(PermitKind kind, HoldTime h);
  Permit grant_by_guard(PermitKind kind, HoldTime h);
  Refusal refuse(RefusalReason reason, HoldTime h);
  int allowed(HoldTime h) const;
  bool eligible() const;
  bool asks_seldom() const;
  bool drawn_by_lot(HoldTime h);
  bool still_has_place(const Permit& permit, HoldTime h) const;
  bool hold_obeyed() const;
  StoreTime store_now_at_least() const;
  bool is_blind(HoldTime h) const;
  bool too_old(HoldTime h) const;
  Duration retry_after_at(HoldTime h) const;
  bool demanded(HoldTime h) const;

  // member_outcomes.cc: what becomes of them
  void start_clock(HoldTime h);
  void note_call(HoldTime h, std::uint64_t calls);
  void read_soon(HoldTime h);
  void note_evidence(const Permit& permit, Outcome outcome, bool slow, HoldTime h);
  template <class Feed>
  void feed_window(Feed feed, HoldTime h);
  int thinning() const;
  void drop_batch();
  void release(const Permit& permit);
  void hold_back(HoldTime acquired, HoldTime h);
  void free_held_back(HoldTime h);
  void settle_probe(const Permit& permit, Settlement settlement);
  void expire_probes(HoldTime h);

  // member_store.cc: operations for the store
  std::optional<Operation> choose(HoldTime h);
  std::optional<Operation> choose_slot_work(HoldTime h);
  std::optional<Operation> choose_record_write(HoldTime h);
  std::optional<Operation> choose_claim(HoldTime h);
  HoldTime due_start(const HeldSlot& s) const;
  std::optional<SettleOp> slot_to_leave(HoldTime h);
  bool has_last_words(HoldTime h) const;
  ReportOp make_report(HoldTime h);
  ReportOp make_hello(HoldTime h);
  ReportOp make_heartbeat(HoldTime h);
  ReportOp make_step_delta();
  ClaimOp make_claim(int slot, std::uint32_t token, bool probe) const;
  ClaimOp make_renewal(const HeldSlot& held) const;
  void add_meter(ReportOp& op, HoldTime h);
  bool may_spend(HoldTime h);
  ReadOp make_read(HoldTime h);

  // member_failures.cc: what comes of those without an answer
  void throttled(bool read, HoldTime h);
  bool retry_makes_sense(const InFlight& op, HoldTime h) const;
  bool is_in_vain(const SwapOp& op) const;
  void add_batch(InFlight& op, HoldTime h);
  void give_up(const InFlight& op);

  // member_answers.cc: what comes of them
  void apply(const Snapshot& snapshot, HoldTime sent, HoldTime h);
  void apply_record(const Record& next, HoldTime h);
  bool fell_back(const Record& stored) const;
  // What of our last view goes back over what the store has now.
  enum class Reassert : unsigned char { nothing, record, hold };
  Reassert reassertion(const Record* stored, HoldTime h) const;
  void plan(HoldTime h);
  bool too_short(const Weighing& weighing);
  void conclude(const InFlight& done, const Answer& answer, HoldTime h);
  void conclude_claim(const InFlight& done, const ClaimOp& op, Status status, HoldTime h);
  bool is_free_at(int slot) const;
  void conclude_swap(const InFlight& done, const SwapOp& op, Status status, HoldTime h);

  // member_due.cc: when one is due
  HoldTime due_batch() const;
  HoldTime due_refresh(HoldTime h) const;
  HoldTime due_usual_refresh(HoldTime h) const;
  HoldTime due_read(HoldTime h) const;
  HoldTime due_read_instead(HoldTime h) const;
  bool reads_instead(HoldTime h) const;
  HoldTime due_plan() const;
  HoldTime due_claim(HoldTime h) const;
  HoldTime due_renewal(HoldTime h) const;
  HoldTime due_step_delta(HoldTime h) const;
  HoldTime due_heartbeat() const;
  HoldTime due_slot_expiry() const;
  HoldTime due_allowance() const;
  Duration gap() const;
  Duration bearable_pause() const;
  Duration claim_spread();
  Duration reopen_spread();
  double fleet_size() const;
  Duration lease_of(bool probe) const;
  bool usable_view(HoldTime h) const;
  bool handing_out_slots() const;
  bool surplus_slot() const;
  bool may_take_more_slots(HoldTime h) const;
  double step_share() const;
  bool chosen_for_step() const;
  bool active_in_step() const;
  int recovery_slots() const;
  int recovery_slots_held() const;
  bool sampled() const;
  double sample_share() const;
  Decider decider(HoldTime h);
  StoreTime store_now(HoldTime h) const;
  HoldTime hold_of(StoreTime t) const;

  const PolicyTable& table_;
  MemberOptions options_;
  InstanceId instance_;
  core::Random random_;
  HoldClock clock_;

  // What the store last said.
  std::optional<Snapshot> snapshot_;  // reports, meter and steps as last applied
  std::optional<Record> record_;
  HoldTime view_at_{0};            // when the request that brought the view was sent
  HoldTime refreshed_at_{0};       // the same of the last answer, usable or not
  HoldTime answered_at_{0};        // when the last answer came
  Duration answered_at_least_{0};  // the same by the slowest clock
  std::int64_t seen_epoch_ = 0;
  HoldTime revision_seen_at_{0};  // when the record's revision was first seen here
  bool missing_ = false;          // the last answer had no record
  std::string unreadable_;
  FleetEstimate fleet_;
  double evidence_ratio_ = 0;
  std::optional<std::chrono::milliseconds> evidence_age_;

  // Store operations.
  std::optional<InFlight> in_flight_;
  std::optional<InFlight> retry_;
  HoldTime store_retry_at_{0};
  std::uint64_t store_failures_ = 0;  // in a row
  bool store_up_ = true;
  // A store that throttles one kind of operation may take the other meanwhile.
  struct Throttle {
    std::uint64_t in_a_row = 0;
    HoldTime until{0};  // nothing of the kind before
  };
  Throttle reads_throttled_;
  Throttle writes_throttled_;
  bool read_instead_ = false;  // of a write that was throttled
  bool read_again_ = false;    // the last one was throttled, and nothing has been answered since
  std::deque<SettleOp> settles_;
  std::optional<SwapOp> planned_;
  bool reassert_due_ = false;  // the store fell behind what this process has seen
  HoldTime write_after_{0};    // earliest time to create or reassert a record
  HoldTime plan_after_{0};     // earliest time to look again whether a write is due
  bool replan_ = false;        // a look was put off until plan_blocked_until_
  HoldTime plan_blocked_until_{0};
  int swap_conflicts_ = 0;           // in a row
  std::int64_t stopped_epoch_ = -1;  // epoch in which a trip is planned but not yet written

  double allowance_ = 0;  // store operations that may be made now
  HoldTime allowance_at_{0};
  HoldTime asked_pause_until_{0};
  // The outage that the evidence speaks of, for minimum_outage.
  StoreTime outage_from_{};
  StoreTime outage_until_{};
  bool outage_pending_ = false;  // not long enough to open yet

  // Evidence and meter.
  Batch batch_;
  HoldTime last_report_{-1h};
  std::int64_t heard_epoch_ = 0;  // since the last read began
  // Since when something has been seen here that no report will bring an answer to.
  std::optional<HoldTime> read_soon_since_;
  HoldTime read_soon_at_{-1h};  // when it last read for that
  std::uint32_t seq_ = 0;
  bool clock_started_ = false;
  HoldTime joined_at_{0};  // since when it has made calls, with no longer pause
  bool hello_due_ = false;
  std::uint64_t announced_ = 0;  // calls that the hello counts
  HoldTime last_call_{0};
  HoldTime meter_from_{0};
  std::uint64_t meter_calls_ = 0;
  std::int64_t member_minute_ = -1;  // in which this instance was last counted
  double phase_ = 0;                 // of the heartbeat within a minute, [0, 1)

  // Admission.
  HoldTime asked_at_{-1h};
  HoldTime asked_before_{-1h};  // the time before that
  HoldTime limit_refused_at_{-1h};
  bool stale_used_ = false;
  HoldTime stale_since_{-1h};  // when the refresh of a stale view was asked for
  LocalGuard local_guard_;
  HoldTime next_trial_{0};
  std::optional<HoldTime> trial_out_;  // since when a blind trial has been out

  // The classic rule, where this process is alone.
  std::optional<core::SlidingWindow> window_;  // of this process's calls in this epoch
  std::optional<OwnTrip> own_trip_;
  HoldTime own_trip_at_{0};

  // Slots and the recovery limit.
  bool leaving_ = false;
  std::vector<HeldSlot> held_;
  HoldTime claim_after_{0};
  std::int64_t looked_in_epoch_ = 0;  // whether somebody probes already
  bool claimed_on_old_view_ = false;  // the last claim was refused only for what it had seen
  int in_flight_recovering_ = 0;
  HoldTime slots_again_at_{-1h};  // when the limit was last seen to go from quotas to slots
  int quota_before_ = 0;          // what it had then
  // Places whose call was turned away early, and until when each stays taken.
  std::vector<HoldTime> held_back_;
  int in_flight_peak_ = 0;         // in this step
  int in_flight_peak_before_ = 0;  // in the one before
  core::StepSums sums_;
  std::uint32_t delta_sent_for_ = 0;  // step for which this instance sent its sums
  double step_jitter_ = 0;

  MemberCounters counters_;
  std::vector<Transition> transitions_;
};

}  // namespace switchgear::fleet
