// Defects planted on purpose, to see that the simulation finds each of them. They exist only in
// programs compiled with SWITCHGEAR_MUTANTS, which test; anywhere else mutant() is the constant
// false and the compiler drops what it guards. Use it in .cc files only, one line a defect, so that
// objects compiled with and without it can be linked into one program.
#pragma once

namespace switchgear::core {

// Most are defects of published circuit breakers; src/lab/mutants/ says whose.
enum class Mutant : unsigned char {
  none,
  // The store's conditions.
  unconditional_write,         // a whole-record write needs no expected epoch and revision
  unfenced_close,              // one that closes the circuit needs none
  unfenced_trip,               // nor does one that opens it
  report_in_any_epoch,         // evidence is added whatever epoch it is of
  report_counted_twice,        // the same report again is a second report
  evidence_outlives_epoch,     // a new epoch begins with the evidence of the last
  results_outlive_epoch,       // and with the successes of its probes
  result_of_another_round,     // a probe of a passed round counts in this one
  settle_without_token,        // whoever gives a slot back need not hold it
  settle_counted_twice,        // a repeated settlement counts again
  slots_die_with_epoch,        // a new epoch frees all slots, with calls still on them
  claim_of_a_held_slot,        // a slot can be taken while it is held
  claim_of_a_changed_slot,     // a free slot can be taken by a claim from before another had it
  lease_never_ends,            // a slot whose holder died stays taken
  lost_probe_forgotten,        // a probe whose process died in its call counts for nothing
  probe_without_call_counted,  // a slot that was never used counts as a failed probe
  refused_claim_renews,        // a refused claim prolongs the lease that refused it
  own_write_not_recognised,    // a write whose reply was lost is refused when it is repeated
  reopen_by_local_time,        // the open time ends by the clock of whoever wants to probe
  // Epochs and views.
  epoch_reused,              // epochs are counted only, so a store that went back repeats them
  older_epoch_applied,       // a record older than the one seen is believed
  missing_is_closed,         // a record that has gone means CLOSED
  made_up_state_persisted,   // a store that cannot be read is taken for CLOSED, and that is written
  stale_view_served,         // a view is good however old it is
  any_schema_read,           // a record of a newer schema is read as if it were ours
  hold_forgotten_blind,      // a person's hold is obeyed only while the store answers
  push_unheard,              // what the store pushes brings no read
  push_believed,             // or is believed without one
  push_heard_forever,        // or brings one read after the other
  strict_on_an_old_view,     // strict or not, one call goes out on a view that is too old
  strict_waits_for_nothing,  // and calls go out while the view is refreshed
  // Calls and leases.
  late_result_counted,       // a result counts in whatever epoch it arrives
  probe_without_lease,       // in HALF_OPEN everybody probes
  lease_not_rechecked,       // a probe starts although its lease ended while the process stood
  lease_by_wall_clock,       // time held is what the wall clock says
  lease_by_monotonic_clock,  // time held is what the monotonic clock says
  local_guard_missing,       // no process stops itself
  // Evidence.
  share_bound_missing,       // one instance may supply all the evidence
  share_bound_absolute,      // an instance may supply 25 units, whatever is needed
  evidence_of_one_instance,  // failures of different instances do not add up
  batch_without_span,        // failures gathered over some time count as of one moment
  report_by_local_time,      // a report carries the time of its sender's wall clock
  hello_counted_twice,       // the call that a hello announces is in the next sums as well
  thinning_not_undone,       // a report that stands for many counts as one
  // The classic rule.
  window_outlives_epoch,     // the calls of before the outage are in the window after it
  window_without_minimum,    // a rate counts however few calls it is of
  window_never_moves,        // a window by time never forgets
  successes_not_in_window,   // calls that a gate counted are not in the window
  own_window_trips_a_fleet,  // what one instance's own window holds opens the circuit of all
  // Recovery.
  full_speed_after_probes,  // the circuit closes at once when the probes have succeeded
  limit_never_cut,          // the recovery limit grows whatever the calls meet
  joiner_has_a_quota,       // whoever joined after the step has a share of it
  joiner_counts_itself,     // and by its own count of the fleet when it came
  count,
};

#ifdef SWITCHGEAR_MUTANTS
inline Mutant active_mutant = Mutant::none;
inline bool mutant(Mutant m) { return active_mutant == m; }
#else
constexpr bool mutant(Mutant) { return false; }
#endif

}  // namespace switchgear::core
