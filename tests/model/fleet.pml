/* Slots, epochs and swaps as the code does them: three instances, one circuit, two probe slots.
 *
 * What an instance, the network, the dependency or the clock does is one atomic step each, and the
 * steps come in any order. README.md says which function of the code each inline stands for, what
 * is left out, and why steps may be taken together. With one of the BROKEN_... macros the model has
 * a defect that spin finds.
 *
 *   LOSS      replies are lost, requests are repeated
 *   STRAYS    requests arrive late or twice, one at a time
 *   CRASH     processes are killed and replaced
 *   FREEZE    processes stand still between may_start() and sending the call
 *   PROGRESS  from every state, each process alone can close the circuit
 */

#define INSTANCES 3
#define SLOTS 2      /* `probes`: slots of HALF_OPEN */
#define SUCCESSES 2  /* `probe_successes`: so many close the circuit */
#ifndef UNANSWERED_MAX
#define UNANSWERED_MAX INSTANCES  /* at a time, any number in a row */
#endif
#ifndef STEPS
#define STEPS 40     /* that a process alone may take to close the circuit, ticks included */
#endif

/* Time in ticks. A lease is 2 * timeout + 1; usable is a tick less, where usable_lease() takes off
 * 1 % and 100 ms. */
#define TIMEOUT 1
#define LEASE 3
#define USABLE 2
#define EXPIRED 2  /* ages stop here: no call may start any more */

/* States of the circuit. */
#define CLOSED 0
#define OPEN 1
#define HALF_OPEN 2

/* What a process does with a slot (HeldSlot). */
#define NONE 0
#define HELD 1    /* leased; perhaps a permit is out */
#define FROZEN 2  /* the process stands still between may_start() and sending the call */
#define SENT 3    /* the call went out; its end has not been settled */

/* Operations that change the store. */
#define CLAIM 1
#define SETTLE 2
#define SWAP 3

/* Settlements. */
#define SUCCESS 1
#define FAILURE 2
#define RETURNED 3

/* What due_transition() makes of an answer in HALF_OPEN. */
#define REOPEN 1
#define CLOSE 2

typedef Held {
  unsigned stage : 2;
  unsigned token : 3;
  unsigned epoch : 3;
  unsigned age : 2;   /* until SENT: ticks since just before the claim, by the holder's clock */
  unsigned call : 2;  /* at the dependency: ticks until the call must end, plus 1; 0: none */
}

typedef Request {
  unsigned op : 2;
  unsigned from : 2;
  unsigned slot : 1;      /* of a claim, a settlement, or a swap to HALF_OPEN */
  unsigned token : 3;     /* of the same */
  unsigned expected : 3;  /* epoch */
  unsigned what : 2;      /* SETTLE: the settlement; SWAP: the next state */
  unsigned swap_id : 2;
  unsigned age : 2;       /* ticks since it was first sent, if it takes a slot */
  unsigned outrun : 1;    /* CLAIM: the slot has another owner than when this was decided */
  unsigned spent : 1;     /* watch: this settlement has counted; this claim has taken its slot */
}

typedef Instance {
  /* The view: the record as last applied. */
  unsigned epoch : 3;
  unsigned state : 2;
  unsigned plan : 2;
  Request retry;  /* unanswered; waits to be repeated */
  Held held[SLOTS];
}

typedef Slot {
  unsigned owned : 1;
  unsigned holder : 2;
  unsigned token : 3;
  unsigned settled : 1;  /* free because it was given back, not because it expired */
  unsigned left : 2;     /* ticks of lease left by the store's clock; 0: free */
  unsigned grant : 2;    /* watch: of the newest grant, whatever the record says since */
}

typedef Store {
  unsigned epoch : 3;
  unsigned state : 2;
  unsigned ok : 2;      /* probe_ok, as far as it matters */
  unsigned failed : 1;  /* probe_failed > 0 */
  unsigned swapped : 1;
  unsigned swapper : 2;
  unsigned swap_id : 2;
}

Instance in[INSTANCES];
Slot slots[SLOTS];
Store store;
Request r;      /* of the step under way; no part of a state */
Request stray;  /* on its way, though its sender has stopped waiting for it */
byte trial;     /* 1: all but instance 0 have stopped for good; 2: over */

/* Scratch of one step: no part of a state. */
hidden byte i;
hidden byte who;
hidden byte accepted;
hidden byte steps_left;

c_code {
#include "symmetry.h"
}
/* Ends every step: equal states get one form. */
#define END c_code { canonical(); }

#include "store.pml"

/* ---- A process and the store: member_store.cc ---------------------------------------------- */

#define H(p, s) in[p].held[s]
#define RUNS(p) (H(p, 0).stage != FROZEN && H(p, 1).stage != FROZEN)
/* next_operation() may choose a new one: one is under way at a time. */
#define CHOOSES(p) (RUNS(p) && in[p].retry.op == 0)

#ifdef BROKEN_LEASE_NOT_CHECKED
#define COVERS(held_for) true
#else
#define COVERS(held_for) ((held_for) + TIMEOUT <= USABLE)
#endif

#define PLAN                                                 \
  (store.state != HALF_OPEN -> 0 : (store.failed -> REOPEN : \
   (store.ok == SUCCESSES -> CLOSE : 0)))

/* Every answer shows the record. */
inline apply(p) {
  assert(P2_no_epoch_below_one_seen(p));
  assert(P2_one_state_an_epoch(p));
  in[p].epoch = store.epoch;
  in[p].state = store.state;
  in[p].plan = PLAN
}

#define MAY_read(p)                                                      \
  (CHOOSES(p) && (in[p].epoch != store.epoch || in[p].state != store.state || \
                  in[p].plan != PLAN))
#define read apply

inline ask(p, op_asked, s, what_asked) {
  r.op = op_asked;
  r.from = p;
  r.slot = s;
  r.expected = in[p].epoch;
  r.what = what_asked;
  if
  :: op_asked == SWAP -> new_swap_id(p)
  :: else
  fi
}

/* As good as a random one: nothing refers to it. */
inline new_token(p) {
  who = p;
  c_code { now.r.token = unused_token(who); }
}

inline new_swap_id(p) {
  who = p;
  c_code { now.r.swap_id = unused_swap_id(who); }
}

/* Evidence is left out: any process may find at any time that the rules trip. */
#define MAY_trip(p) (CHOOSES(p) && in[p].state == CLOSED)
inline trip(p) {
  ask(p, SWAP, 0, OPEN)
}

/* The reopen time has always passed. */
#define MAY_half_open(p, s) (CHOOSES(p) && in[p].state == OPEN && H(p, s).stage == NONE)
inline half_open(p, s) {
  ask(p, SWAP, s, HALF_OPEN);
  new_token(p)
}

#define MAY_end_probing(p) (CHOOSES(p) && in[p].plan != 0)
inline end_probing(p) {
  ask(p, SWAP, 0, (in[p].plan == REOPEN -> OPEN : CLOSED))
}

#define MAY_claim(p, s) \
  (CHOOSES(p) && in[p].state == HALF_OPEN && in[p].plan == 0 && H(p, s).stage == NONE)
inline claim(p, s) {
  ask(p, CLAIM, s, 0);
  new_token(p)
}

/* finish(), give_back() or expire_probes(), and the settlement is sent: a call's result; a slot
 * given back; a permit that lay about until the lease was over. */
#define MAY_settle(p, s, settlement)                                                  \
  (CHOOSES(p) &&                                                                      \
   ((H(p, s).stage == SENT && H(p, s).call == 0) ||                                   \
    (H(p, s).stage == HELD && settlement == RETURNED) ||                              \
    (H(p, s).stage == HELD && settlement == FAILURE && H(p, s).age == EXPIRED)))
inline settle(p, s, settlement) {
  ask(p, SETTLE, s, settlement);
  r.expected = H(p, s).epoch;
  r.token = H(p, s).token;
  let_go(p, s)
}

inline let_go(p, s) {
  H(p, s).stage = NONE;
  H(p, s).token = 0;
  H(p, s).epoch = 0;
  H(p, s).age = 0
}

/* A claim is repeated as long as its lease would be of use. */
#define MAY_repeat(p) \
  (RUNS(p) && in[p].retry.op != 0 && (in[p].retry.op != CLAIM || COVERS(in[p].retry.age)))
inline repeat(p) {
  who = p;
  c_code { now.r = take_retry(who); }
}

/* It makes no sense any more. A claim may have been granted: it goes back, when there is time. */
#define MAY_give_up(p) (RUNS(p) && in[p].retry.op != 0)
inline give_up(p) {
  who = p;
  c_code { now.r = take_retry(who); };
  if
  :: r.op == CLAIM ->
       H(p, r.slot).stage = HELD;
       H(p, r.slot).token = r.token;
       H(p, r.slot).epoch = r.expected;
       H(p, r.slot).age = EXPIRED
  :: else
  fi;
  c_code { forget_request(); }
}

#define TAKES_SLOT (r.op == CLAIM || (r.op == SWAP && r.what == HALF_OPEN))

/* answered() */
inline conclude(p) {
  if
  :: TAKES_SLOT && accepted ->
       assert(H(p, r.slot).stage == NONE);
       H(p, r.slot).stage = HELD;
       H(p, r.slot).token = r.token;
       H(p, r.slot).epoch = r.expected + (r.op == SWAP -> 1 : 0);
#ifndef BROKEN_LEASE_COUNTED_FROM_THE_ANSWER
       H(p, r.slot).age = r.age
#endif
  :: else
  fi;
  apply(p)
}

/* store_failed() */
inline repeat_later(p) {
  who = p;
  c_code { now.in[who].retry = now.r; }
}

/* ---- A process and its calls: member.cc ---------------------------------------------------- */

/* admit() and may_start(), and the call goes out at once. */
#define MAY_start(p, s) (RUNS(p) && H(p, s).stage == HELD && COVERS(H(p, s).age))
inline start(p, s) {
  assert(P3_lease_covers_the_call(p, s));
  H(p, s).stage = SENT;
  H(p, s).age = 0;
  H(p, s).call = TIMEOUT + 1;
  assert(P3_calls_at_most_probes)
}

/* admit() and may_start(), and then the process stands still. */
#define MAY_freeze(p, s) MAY_start(p, s)
inline freeze(p, s) {
  H(p, s).stage = FROZEN
}

/* The call goes out however late: the exception that P3 states. A call that may_start() would
 * refuse by now is not counted, and the slot may be settled at once. */
#define MAY_thaw(p, s) (H(p, s).stage == FROZEN)
inline thaw(p, s) {
  if
  :: COVERS(H(p, s).age) -> start(p, s)
  :: else ->
       H(p, s).stage = SENT;
       H(p, s).age = 0
  fi
}

/* At the dependency. The process may hear of it much later. */
#define MAY_call_ends(p, s) (H(p, s).call > 0)
inline call_ends(p, s) {
  H(p, s).call = 0
}

/* Killed; another process comes in its place and reads. Calls go on at the dependency. */
#define MAY_crash(p) (in[p].retry.op != 0 || H(p, 0).stage != NONE || H(p, 1).stage != NONE)
inline crash(p) {
  who = p;
  c_code { now.r = take_retry(who); };
  let_go(p, 0);
  let_go(p, 1);
  apply(p)
}

/* ---- The network and the clock ------------------------------------------------------------- */

/* A request meets its fate: carried out and answered; carried out, but the answer is lost, and it
 * will be repeated as it is; believed lost, to be repeated, but arriving some time. A refusal that
 * is lost is as good as a request never sent. */
#define UNANSWERED ((in[0].retry.op != 0) + (in[1].retry.op != 0) + (in[2].retry.op != 0))
inline send(p) {
  if
  :: d_step { true -> carry_out(); conclude(p); END }
#ifdef LOSS
  :: d_step {
       UNANSWERED < UNANSWERED_MAX ->
       carry_out();
       if
       :: accepted -> repeat_later(p)
       :: else
       fi;
       END
     }
#endif
#ifdef STRAYS
  :: d_step {
       stray.op == 0 && UNANSWERED < UNANSWERED_MAX ->
       repeat_later(p);
       c_code { now.stray = now.r; };
       END
     }
#endif
  fi
}

#define MAY_stray_arrives() (stray.op != 0)
inline stray_arrives() {
  c_code { now.r = take_stray(); };
  carry_out()
}

#define MAY_stray_lost() (stray.op != 0)
inline stray_lost() {
  c_code { now.r = take_stray(); }
}

#define MUST_END(p) (H(p, 0).call == 1 || H(p, 1).call == 1)

#define MAY_tick() (!MUST_END(0) && !MUST_END(1) && !MUST_END(2))
inline tick() {
  for (i : 0 .. SLOTS - 1) {
#ifndef BROKEN_CLAIM_WITHOUT_EXPIRY
    slots[i].left = (slots[i].left > 0 -> slots[i].left - 1 : 0);
#endif
    slots[i].grant = (slots[i].grant > 0 -> slots[i].grant - 1 : 0)
  };
  tick_of(0);
  tick_of(1);
  tick_of(2)
}

#define AGES(p, s) (H(p, s).stage == HELD || H(p, s).stage == FROZEN)
inline tick_of(p) {
  if
  :: in[p].retry.age < EXPIRED &&
     (in[p].retry.op == CLAIM || (in[p].retry.op == SWAP && in[p].retry.what == HALF_OPEN)) ->
       in[p].retry.age++
  :: else
  fi;
  for (i : 0 .. SLOTS - 1) {
    H(p, i).age = H(p, i).age + (AGES(p, i) && H(p, i).age < EXPIRED -> 1 : 0);
    H(p, i).call = (H(p, i).call > 0 -> H(p, i).call - 1 : 0)
  }
}

/* ---- All together -------------------------------------------------------------------------- */

#define CAN(step, ...) :: MAY_##step(__VA_ARGS__) -> step(__VA_ARGS__)
#define ASK(step, ...) :: d_step { MAY_##step(__VA_ARGS__) -> step(__VA_ARGS__) }
#define DO(step, ...) :: d_step { MAY_##step(__VA_ARGS__) -> step(__VA_ARGS__); END }

active [INSTANCES] proctype Process() provided (trial == 0) {
end:
  do
  :: atomic {
       if
       ASK(trip, _pid)
       ASK(end_probing, _pid)
       ASK(half_open, _pid, 0)
       ASK(half_open, _pid, 1)
       ASK(claim, _pid, 0)
       ASK(claim, _pid, 1)
       ASK(settle, _pid, 0, SUCCESS)
       ASK(settle, _pid, 1, SUCCESS)
       ASK(settle, _pid, 0, FAILURE)
       ASK(settle, _pid, 1, FAILURE)
       ASK(settle, _pid, 0, RETURNED)
       ASK(settle, _pid, 1, RETURNED)
#ifdef LOSS
       ASK(repeat, _pid)
#endif
       fi;
       send(_pid)
     }
  DO(read, _pid)
  DO(start, _pid, 0)
  DO(start, _pid, 1)
  DO(call_ends, _pid, 0)
  DO(call_ends, _pid, 1)
#ifdef LOSS
  DO(give_up, _pid)
#endif
#ifdef FREEZE
  DO(freeze, _pid, 0)
  DO(freeze, _pid, 1)
  DO(thaw, _pid, 0)
  DO(thaw, _pid, 1)
#endif
#ifdef CRASH
  DO(crash, _pid)
#endif
#ifdef PROGRESS
  :: d_step { true -> who = _pid; c_code { leave_alone(who); } }
#endif
  od
}

active proctype World() provided (trial == 0) {
end:
  do
  DO(tick)
#ifdef STRAYS
  DO(stray_arrives)
  DO(stray_lost)
#endif
  od
}

#ifdef PROGRESS
/* Not wedged: whatever has happened, each process can bring the circuit to CLOSED on its own though
 * all others have stopped for good, with only time to free the slots that they hold. The dependency
 * is healthy and the store answers. One order of steps is enough: of those that can be made, the
 * first is. */
active proctype Trial() provided (trial > 0) {
end:
  d_step {
    trial == 1 ->
    steps_left = STEPS;
    do
    :: store.state == CLOSED -> break
    :: else ->
         assert(P7_one_process_alone_closes);
         steps_left--;
         if
         CAN(thaw, 0, 0)
         CAN(thaw, 0, 1)
         CAN(call_ends, 0, 0)
         CAN(call_ends, 0, 1)
         CAN(repeat, 0)
         CAN(give_up, 0)
         CAN(settle, 0, 0, SUCCESS)
         CAN(settle, 0, 1, SUCCESS)
         CAN(start, 0, 0)
         CAN(start, 0, 1)
         CAN(settle, 0, 0, RETURNED)
         CAN(settle, 0, 1, RETURNED)
         CAN(read, 0)
         CAN(end_probing, 0)
         :: FREE(0) && MAY_half_open(0, 0) -> half_open(0, 0)
         :: FREE(1) && MAY_half_open(0, 1) -> half_open(0, 1)
         :: FREE(0) && MAY_claim(0, 0) -> claim(0, 0)
         :: FREE(1) && MAY_claim(0, 1) -> claim(0, 1)
         CAN(tick)
         fi;
         if
         :: r.op != 0 -> carry_out(); conclude(0); c_code { forget_request(); }
         :: else
         fi
    od;
    c_code { end_trial(); }
  }
}
#endif
