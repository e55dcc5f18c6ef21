/* The store, as src/stores/memory_store.cc has it, and what must hold. Part of fleet.pml.
 *
 * `r` is the request that is carried out; `accepted` says how it went.
 */

/* ---- Properties --------------------------------------------------------------------------- */

#define P2_epoch_grows(next) ((next) > store.epoch)
#define P2_over_the_record_it_was_decided_on(seen) ((seen) == store.epoch)
#define P2_one_state_follows_the_other(a, b)                            \
  (((a) == CLOSED && (b) == OPEN) || ((a) == OPEN && (b) == HALF_OPEN) || \
   ((a) == HALF_OPEN && (b) != HALF_OPEN))
#define P2_no_epoch_below_one_seen(p) (store.epoch >= in[p].epoch)
#define P2_one_state_an_epoch(p) (store.epoch != in[p].epoch || store.state == in[p].state)

#define CALLS(p) ((in[p].held[0].call > 0) + (in[p].held[1].call > 0))
#define P3_one_grant_a_slot (slots[r.slot].grant == 0 || OURS(r.from, r.slot, r.token))
#define P3_calls_at_most_probes (CALLS(0) + CALLS(1) + CALLS(2) <= SLOTS)
#define P3_lease_covers_the_call(p, s) \
  (OURS(p, s, H(p, s).token) && slots[s].left > TIMEOUT && H(p, s).call == 0)

#define P4_counts_in_its_own_epoch (r.expected == store.epoch)
#define P1_counts_once (!r.spent)
#define P1_claim_takes_its_slot_once (r.op != CLAIM || !r.spent || OURS_ALREADY)
#define P4_moved_by_results_of_this_epoch                             \
  (store.state != HALF_OPEN || (r.what == OPEN && store.failed) ||    \
   (r.what == CLOSED && store.ok == SUCCESSES && !store.failed))

#define P7_one_process_alone_closes (steps_left > 0)

/* ---- The store: MemoryTable --------------------------------------------------------------- */

#define OURS(p, s, t) (slots[s].owned && slots[s].holder == (p) && slots[s].token == (t))
#define OURS_ALREADY OURS(r.from, r.slot, r.token)
#define FREE(s) (slots[s].left == 0)

inline lease() {
  assert(P3_one_grant_a_slot);
  assert(P1_claim_takes_its_slot_once);
  c_code { mark_as_taken(); };
  slots[r.slot].owned = 1;
  slots[r.slot].holder = r.from;
  slots[r.slot].token = r.token;
  slots[r.slot].settled = 0;
  slots[r.slot].left = LEASE;
  slots[r.slot].grant = LEASE
}

#ifdef BROKEN_CLAIM_ON_AN_OLD_VIEW
#define AS_SEEN true
#else
#define AS_SEEN (!r.outrun)
#endif

inline carry_out_claim() {
  accepted = (store.epoch == r.expected &&
              (OURS_ALREADY -> !slots[r.slot].settled : FREE(r.slot) && AS_SEEN));
  if
  :: accepted -> lease()
  :: else
  fi
}

#ifdef BROKEN_LATE_RESULT_COUNTS
#define IN_TIME true
#else
#define IN_TIME (store.epoch == r.expected)
#endif

inline carry_out_settle() {
  accepted = (OURS_ALREADY && !slots[r.slot].settled);
  if
  :: accepted ->
       slots[r.slot].settled = 1;
       slots[r.slot].left = 0;
       slots[r.slot].grant = 0
  :: else
  fi;
  if
  :: accepted && IN_TIME && r.what != RETURNED ->
       assert(P4_counts_in_its_own_epoch);
       assert(P1_counts_once);
       c_code { mark_as_spent(); };
       if
       :: r.what == FAILURE -> store.failed = 1
       :: r.what == SUCCESS && store.ok < SUCCESSES -> store.ok++
       :: else
       fi
  :: else
  fi
}

#ifdef BROKEN_UNFENCED_CLOSE
#define FENCE (r.what == CLOSED || store.epoch == r.expected)
#else
#define FENCE (store.epoch == r.expected)
#endif
/* Settlements change no revision: one that comes after the decision to close is seen here. */
#ifdef BROKEN_CLOSE_BESIDE_A_FAILURE
#define NO_PROBE_FAILED true
#else
#define NO_PROBE_FAILED (r.what != CLOSED || !store.failed)
#endif
/* This very swap has been made already. */
#define REPEATED                                               \
  (store.swapped && store.swapper == r.from && store.swap_id == r.swap_id && \
   store.epoch == r.expected + 1)

/* To the epoch after the expected one. To HALF_OPEN it takes a slot along. */
inline carry_out_swap() {
  accepted = (REPEATED || (FENCE && NO_PROBE_FAILED && (r.what != HALF_OPEN || FREE(r.slot))));
  if
  :: accepted && !REPEATED ->
       assert(P2_epoch_grows(r.expected + 1));
       assert(P2_over_the_record_it_was_decided_on(r.expected));
       assert(P2_one_state_follows_the_other(store.state, r.what));
       assert(P4_moved_by_results_of_this_epoch);
       store.epoch = r.expected + 1;
       store.state = r.what;
       store.ok = 0;
       store.failed = 0;
       store.swapped = 1;
       store.swapper = r.from;
       store.swap_id = r.swap_id;
#ifdef BROKEN_SLOTS_DIE_WITH_THEIR_EPOCH
       for (i : 0 .. SLOTS - 1) {
         slots[i].owned = 0;
         slots[i].left = 0
       };
#endif
       if
       :: r.what == HALF_OPEN -> lease()
       :: else
       fi
  :: else
  fi
}

inline carry_out() {
  if
  :: r.op == CLAIM -> carry_out_claim()
  :: r.op == SETTLE -> carry_out_settle()
  :: r.op == SWAP -> carry_out_swap()
  fi
}
