#include "lab/mutants/defects.h"

#include <array>

namespace switchgear::lab {

namespace {

constexpr std::string_view kClassicAlone = "AProcessAlone.OpensAtExactly*";

#define DEFECT(name, peers, attack) \
  Defect { core::Mutant::name, #name, peers, attack }

// Who has it, by reading their code or running it. cb-lambda: gunnargrosch/circuitbreaker-lambda
// 1.0.1; Powertools: AWS Lambda Powertools for Python; gobreaker: v2 on Redis; interlock: 2.7;
// stoplight: 5.3 and later; "all": every breaker with shared state that was looked at.
constexpr std::array kTable{
    DEFECT(unconditional_write, "cb-lambda, pybreaker", kChaos),
    DEFECT(unfenced_close, "Powertools", kChaos),
    DEFECT(unfenced_trip, "Powertools, interlock", kChaos),
    DEFECT(report_in_any_epoch, "Powertools, stoplight", kChaos),
    DEFECT(report_counted_twice, "all shared counters", kChaos),
    DEFECT(evidence_outlives_epoch, "cb-lambda", kChaos),
    DEFECT(results_outlive_epoch, "Powertools", kChaos),
    DEFECT(result_of_another_round, "interlock, Powertools", kChaos),
    DEFECT(settle_without_token, "Powertools, stoplight", kChaos),
    DEFECT(settle_counted_twice, "", kChaos),
    DEFECT(slots_die_with_epoch, "gobreaker", kChaos),
    DEFECT(claim_of_a_held_slot, "cb-lambda, ganesha", kChaos),
    DEFECT(claim_of_a_changed_slot, "", "Scenario17LostAcknowledgement.AClaim*"),
    DEFECT(lease_never_ends, "Powertools, litellm-rs (fixed)", kChaos),
    DEFECT(lost_probe_forgotten, "all", "Scenario29HandlerTimeout.AProbeWhoseProcessDied*"),
    DEFECT(probe_without_call_counted, "", kChaos),
    DEFECT(refused_claim_renews, "interlock", kChaos),
    DEFECT(own_write_not_recognised, "Powertools, interlock", kChaos),
    DEFECT(reopen_by_local_time, "Powertools, gobreaker, ganesha", "clocks_step"),
    DEFECT(epoch_reused, "all on Redis", kChaos),
    DEFECT(older_epoch_applied, "all on Redis", "store_falls_back"),
    DEFECT(missing_is_closed, "all but gobreaker", "record_lost"),
    DEFECT(made_up_state_persisted, "cb-lambda", kChaos),
    DEFECT(stale_view_served, "interlock", "Scenario08StaleViewAfterThaw.*"),
    DEFECT(any_schema_read, "cb-lambda", kChaos),
    DEFECT(hold_forgotten_blind, "", kChaos),
    DEFECT(push_unheard, "", "pushes"),
    DEFECT(push_believed, "", "pushes"),
    DEFECT(push_heard_forever, "", "pushes"),
    DEFECT(strict_on_an_old_view, "interlock", "strict_views"),
    DEFECT(strict_waits_for_nothing, "", "strict_views"),
    DEFECT(late_result_counted, "cb-lambda, stoplight", kChaos),
    DEFECT(probe_without_lease, "cb-lambda, faulty", kChaos),
    DEFECT(lease_not_rechecked, "Powertools", "frozen_before_the_probe"),
    DEFECT(lease_by_wall_clock, "Powertools", "frozen_before_the_probe"),
    DEFECT(lease_by_monotonic_clock, "", "frozen_before_the_probe"),
    DEFECT(local_guard_missing, "cb-lambda, Powertools", "blind_half"),
    DEFECT(share_bound_missing, "Powertools, interlock", "sick_caller"),
    DEFECT(share_bound_absolute, "", "all_fail"),
    DEFECT(evidence_of_one_instance, "Powertools, interlock", "all_fail"),
    DEFECT(batch_without_span, "", "store_pauses"),
    DEFECT(report_by_local_time, "ganesha, faulty", "wrong_clocks"),
    DEFECT(hello_counted_twice, "", "thin_traffic"),
    DEFECT(thinning_not_undone, "", "thinned_reports"),
    DEFECT(window_outlives_epoch, "", "classic_relapse"),
    DEFECT(window_without_minimum, "", kClassicAlone),
    DEFECT(window_never_moves, "", kClassicAlone),
    DEFECT(successes_not_in_window, "", kClassicAlone),
    DEFECT(own_window_trips_a_fleet, "Powertools, interlock",
           "*ClassicFleetWithOneSick.*/4FastByCount"),
    DEFECT(full_speed_after_probes, "all", "Recovery.DrainsABacklog*"),
    DEFECT(limit_never_cut, "", "weak_comeback"),
    DEFECT(joiner_has_a_quota, "", "many_join"),
    DEFECT(joiner_counts_itself, "", "many_join"),
};

#undef DEFECT

}  // namespace

const std::span<const Defect> kDefects = kTable;

const char* name_of(core::Mutant mutant) {
  for (const Defect& d : kTable) {
    if (d.mutant == mutant) return d.name;
  }
  return "none";
}

bool plant(std::string_view name) {
  for (const Defect& d : kTable) {
    if (name != d.name) continue;
    core::active_mutant = d.mutant;
    return true;
  }
  return name == "none";
}

}  // namespace switchgear::lab
