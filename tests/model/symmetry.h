/* Part of fleet.pml: functions on pan's state `now`.
 *
 * canonical() gives states that can no longer be told apart one form, which keeps the search
 * small: instances are alike and so are slots, so they are sorted, and what refers to them is
 * renamed; tokens, swap ids and epochs are only compared, so they are numbered anew; what can have
 * no effect any more is forgotten. */
#define P_INSTANCES 3
#define P_SLOTS 2
enum {
  kClaim = 1,
  kSettle = 2,
  kSwap = 3,
  kHalfOpen = 2,
  kHeld = 1,
  kSent = 3,
  kExpired = 2,
  kNow = 2
};

static int uses_slot(const struct Request* r) {
  return r->op == kClaim || r->op == kSettle || (r->op == kSwap && r->what == kHalfOpen);
}

static int mentioned(unsigned p, unsigned s, unsigned token) {
  const struct Held* held = &now.in[p].held[s];
  const struct Request* retry = &now.in[p].retry;
  return (held->stage && held->token == token) ||
         (uses_slot(retry) && retry->slot == s && retry->token == token) ||
         (uses_slot(&now.stray) && now.stray.from == p && now.stray.slot == s &&
          now.stray.token == token);
}

static int swap_mentioned(unsigned p, unsigned swap_id) {
  const struct Request* retry = &now.in[p].retry;
  return (retry->op == kSwap && retry->swap_id == swap_id) ||
         (now.stray.op == kSwap && now.stray.from == p && now.stray.swap_id == swap_id);
}

/* ---- What steps use ----------------------------------------------------------------------- */

static unsigned unused_token(unsigned p) {
  unsigned token = 0;
  for (unsigned s = 0; s < P_SLOTS; s++) {
    const struct Slot* slot = &now.slots[s];
    if (mentioned(p, s, token) || (slot->owned && slot->holder == p && slot->token == token)) {
      token++;
      s = ~0u; /* from the start */
    }
  }
  return token;
}

static unsigned unused_swap_id(unsigned p) {
  unsigned swap_id = 0;
  while (swap_mentioned(p, swap_id) ||
         (now.store.swapped && now.store.swapper == p && now.store.swap_id == swap_id)) {
    swap_id++;
  }
  return swap_id;
}

static struct Request take(struct Request* from) {
  const struct Request taken = *from;
  memset(from, 0, sizeof *from);
  return taken;
}
static struct Request take_retry(unsigned p) { return take(&now.in[p].retry); }
static struct Request take_stray(void) { return take(&now.stray); }
static void forget_request(void) { memset(&now.r, 0, sizeof now.r); }

/* The request under way has had its effect; so has the same one that waits to be repeated or is
 * astray. */
static void mark_as_spent(void) {
  struct Request* copies[] = {&now.r, &now.stray, &now.in[now.r.from].retry};
  for (int c = 0; c < 3; c++) {
    if (copies[c]->op == now.r.op && copies[c]->from == now.r.from &&
        copies[c]->slot == now.r.slot && copies[c]->token == now.r.token) {
      copies[c]->spent = 1;
    }
  }
}

/* The request under way takes its slot: all claims decided before it have seen another owner. */
static void mark_as_taken(void) {
  struct Request* const claims[] = {&now.stray, &now.in[0].retry, &now.in[1].retry,
                                    &now.in[2].retry};
  const struct Slot* slot = &now.slots[now.r.slot];
  const int renewed = slot->owned && slot->holder == now.r.from && slot->token == now.r.token;
  for (int c = 0; c < 4 && !renewed; c++) {
    if (claims[c]->op == kClaim && claims[c]->slot == now.r.slot) claims[c]->outrun = 1;
  }
  if (now.r.op == kClaim) mark_as_spent();
}

/* ---- One form for equal states ------------------------------------------------------------ */

static void forget_authors(void) {
  for (int s = 0; s < P_SLOTS; s++) {
    struct Slot* slot = &now.slots[s];
    if (!slot->owned || slot->left || mentioned(slot->holder, s, slot->token)) continue;
    slot->owned = slot->holder = slot->token = slot->settled = 0;
  }
  if (now.store.swapped && !swap_mentioned(now.store.swapper, now.store.swap_id)) {
    now.store.swapped = now.store.swapper = now.store.swap_id = 0;
  }
}

static int owner(int p, int s) {
  const struct Slot* slot = &now.slots[s];
  return slot->owned && !slot->settled && slot->holder == p &&
         slot->token == now.in[p].held[s].token;
}

/* What can have no effect any more: a slot that is somebody else's by now and that no call may
 * start on, or whose call has ended; all but the age of a view of a past epoch, since the store
 * refuses whatever is decided on it. */
static void forget_the_past(void) {
  for (int p = 0; p < P_INSTANCES; p++) {
    struct Instance* in = &now.in[p];
    for (int s = 0; s < P_SLOTS; s++) {
      struct Held* held = &in->held[s];
      const int over = (held->stage == kHeld && held->age == kExpired) ||
                       (held->stage == kSent && held->call == 0);
      if (over && !owner(p, s)) held->stage = held->token = held->epoch = held->age = 0;
    }
    if (in->epoch != kNow) in->state = in->plan = 0;
  }
}

/* A claim astray may take the slot that it settles only then. */
static int may_come_to_count(const struct Request* settlement, unsigned p) {
  const struct Request* stray = &now.stray;
  return stray->op == kClaim && stray->from == p && stray->slot == settlement->slot &&
         stray->token == settlement->token;
}

/* Whether a request that `p` sent can have no effect, now or later, but an answer. */
static int is_void(const struct Request* q, unsigned p, int awaited) {
  const int current = q->expected == kNow;
  const struct Slot* slot = &now.slots[q->slot];
  const int ours = slot->owned && !slot->settled && slot->holder == p && slot->token == q->token;
  switch (q->op) {
    case kClaim:
#ifdef BROKEN_CLAIM_ON_AN_OLD_VIEW
      return !current && !(awaited && ours);
#else
      return (!current && !(awaited && ours)) || (q->outrun && !ours);
#endif
    case kSettle:
      return !ours && !may_come_to_count(q, p);
    case kSwap:
#ifdef BROKEN_UNFENCED_CLOSE
      if (q->what == 0) return 0;
#endif
      return !current &&
             !(awaited && q->what == kHalfOpen && q->expected + 1 == kNow && now.store.swapped &&
               now.store.swapper == p && now.store.swap_id == q->swap_id);
    default:
      return 1;
  }
}

static void forget_void_requests(void) {
  if (is_void(&now.stray, now.stray.from, 0)) memset(&now.stray, 0, sizeof now.stray);
  for (int p = 0; p < P_INSTANCES; p++) {
    struct Request* retry = &now.in[p].retry;
    if (is_void(retry, p, 1)) memset(retry, 0, sizeof *retry);
  }
}

static unsigned renamed(unsigned name, unsigned a, unsigned b) {
  return name == a ? b : name == b ? a : name;
}

static void exchange_instances(int a, int b) {
  const struct Instance moved = now.in[a];
  now.in[a] = now.in[b];
  now.in[b] = moved;
  if (now.in[a].retry.op) now.in[a].retry.from = a;
  if (now.in[b].retry.op) now.in[b].retry.from = b;
  for (int s = 0; s < P_SLOTS; s++) {
    if (now.slots[s].owned) now.slots[s].holder = renamed(now.slots[s].holder, a, b);
  }
  if (now.stray.op) now.stray.from = renamed(now.stray.from, a, b);
  if (now.store.swapped) now.store.swapper = renamed(now.store.swapper, a, b);
}

static void exchange_slots(void) {
  const struct Slot moved = now.slots[0];
  now.slots[0] = now.slots[1];
  now.slots[1] = moved;
  for (int p = 0; p < P_INSTANCES; p++) {
    struct Instance* in = &now.in[p];
    const struct Held held = in->held[0];
    in->held[0] = in->held[1];
    in->held[1] = held;
    if (uses_slot(&in->retry)) in->retry.slot ^= 1;
  }
  if (uses_slot(&now.stray)) now.stray.slot ^= 1;
}

/* Of a slot, by what does not depend on who is who. */
static unsigned rank(int s) {
  const struct Slot* slot = &now.slots[s];
  unsigned in_use = 0;
  for (int p = 0; p < P_INSTANCES; p++) {
    const struct Held* held = &now.in[p].held[s];
    in_use += (held->stage << 5 | held->call << 3 | held->age) + 1;
  }
  return in_use << 6 | slot->left << 4 | slot->grant << 2 | slot->settled << 1 | slot->owned;
}

static void in_order(int a, int b) {
  if (memcmp(&now.in[a], &now.in[b], sizeof now.in[a]) > 0) exchange_instances(a, b);
}

/* Tokens and swap ids are only compared: those of each instance are numbered as they appear. */
static void number_tokens(int p) {
  struct Instance* in = &now.in[p];
  unsigned names[8], known = 0;
  memset(names, 0xff, sizeof names);
#define NUMBERED(token) ((token) = names[token] != ~0u ? names[token] : (names[token] = known++))
  for (int s = 0; s < P_SLOTS; s++) {
    if (now.slots[s].owned && now.slots[s].holder == p) NUMBERED(now.slots[s].token);
  }
  for (int s = 0; s < P_SLOTS; s++) {
    if (in->held[s].stage) NUMBERED(in->held[s].token);
  }
  if (uses_slot(&in->retry)) NUMBERED(in->retry.token);
  if (uses_slot(&now.stray) && now.stray.from == p) NUMBERED(now.stray.token);

  memset(names, 0xff, sizeof names);
  known = 0;
  if (now.store.swapped && now.store.swapper == p) NUMBERED(now.store.swap_id);
  if (in->retry.op == kSwap) NUMBERED(in->retry.swap_id);
  if (now.stray.op == kSwap && now.stray.from == p) NUMBERED(now.stray.swap_id);
#undef NUMBERED
}

/* An epoch is only compared with that of the record, or with the one before it (a repeated swap),
 * and never comes back: all earlier ones are the same. So the record's is always kNow, and epochs
 * need no bound. */
static unsigned relative(unsigned epoch, unsigned oldest) {
  const unsigned age = now.store.epoch - epoch;
  return age > kNow - oldest ? oldest : kNow - age;
}

static void number_epoch_of(struct Request* r) {
  if (r->op) r->expected = relative(r->expected, r->op == kSwap ? kNow - 2 : kNow - 1);
}

static void number_epochs(void) {
  for (int p = 0; p < P_INSTANCES; p++) {
    struct Instance* in = &now.in[p];
    in->epoch = relative(in->epoch, kNow - 1);
    number_epoch_of(&in->retry);
    for (int s = 0; s < P_SLOTS; s++) {
      if (in->held[s].stage) in->held[s].epoch = relative(in->held[s].epoch, kNow - 1);
    }
  }
  number_epoch_of(&now.stray);
  now.store.epoch = kNow;
}

extern int readtrail; /* pan: a trail is read back */

/* A line for each step of a trail that is read back (pan -r). */
static void describe(void) {
  static const char* const states[] = {"CLOSED", "OPEN", "HALF_OPEN"};
  static const char* const stages[] = {"", "held", "frozen", "sent"};
  static const char* const ops[] = {"", "claim", "settle", "swap"};
  static const char* const settlements[] = {"", "success", "failure", "returned"};
  const struct Request* requests[] = {&now.r, &now.in[0].retry, &now.in[1].retry, &now.in[2].retry,
                                      &now.stray};
  static const char* const names[] = {"request", "retry 0", "retry 1", "retry 2", "stray"};
  printf("%s ok=%d failed=%d;", states[now.store.state], now.store.ok, now.store.failed);
  for (int s = 0; s < P_SLOTS; s++) {
    const struct Slot* slot = &now.slots[s];
    if (!slot->owned) continue;
    printf(" slot %d: %d.%d left=%d%s;", s, slot->holder, slot->token, slot->left,
           slot->settled ? " settled" : "");
  }
  for (int p = 0; p < P_INSTANCES; p++) {
    for (int s = 0; s < P_SLOTS; s++) {
      const struct Held* held = &now.in[p].held[s];
      if (!held->stage && !held->call) continue;
      printf(" %d has %d.%d %s%s age=%d call=%d;", p, s, held->token, stages[held->stage],
             held->epoch == now.store.epoch ? "" : " (past epoch)", held->age, held->call);
    }
  }
  for (int i = 0; i < 5; i++) {
    const struct Request* r = requests[i];
    if (!r->op) continue;
    printf(" %s: %s %s by %d, slot %d token %d%s;", names[i], ops[r->op],
           r->op == kSettle ? settlements[r->what]
           : r->op == kSwap ? states[r->what]
                            : "",
           r->from, r->slot, r->token, r->expected == now.store.epoch ? "" : " (past epoch)");
  }
  printf("\n");
}

static void canonical(void) {
  if (readtrail) describe();
  forget_request();
  number_epochs();
  forget_the_past();
  forget_void_requests();
  forget_authors();
  if (rank(0) < rank(1)) exchange_slots();
  for (int p = 0; p < P_INSTANCES; p++) {
    number_tokens(p);
    now.in[p].retry.from = 0;
  }
  in_order(0, 1);
  in_order(1, 2);
  in_order(0, 1);
  for (int p = 0; p < P_INSTANCES; p++) {
    if (now.in[p].retry.op) now.in[p].retry.from = p;
  }
}

/* All but instance `p`, which becomes number 0, stop for good. The slots that they hold stay leased
 * to somebody. */
static void leave_alone(int p) {
  if (p != 0) exchange_instances(0, p);
  memset(&now.in[1], 0, (P_INSTANCES - 1) * sizeof now.in[1]);
  memset(&now.stray, 0, sizeof now.stray);
  for (int s = 0; s < P_SLOTS; s++) {
    if (!now.slots[s].owned || now.slots[s].holder == 0) continue;
    now.slots[s].holder = 1;
    now.slots[s].token = 0;
  }
  forget_authors();
  if (rank(0) < rank(1)) exchange_slots();
  number_tokens(0);
  now.trial = 1;
}

static void end_trial(void) {
  memset(now.in, 0, sizeof now.in);
  memset(now.slots, 0, sizeof now.slots);
  memset(&now.store, 0, sizeof now.store);
  now.trial = 2;
}
