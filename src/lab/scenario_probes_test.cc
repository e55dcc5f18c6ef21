// Scenarios of probes and permits whose end comes late, twice, or never.
#include <gtest/gtest.h>

#include "lab/outage.h"
#include "lab/scenario_for_tests.h"

namespace switchgear::lab {
namespace {

Policy two_probes() {
  Policy policy;
  policy.probes = 2;
  policy.open_duration = 1s;
  policy.max_open_duration = 1s;
  return policy;
}

TEST(Scenario07CrossRoundResult, AProbeOfAnEarlierRoundCountsInNoLaterOne) {
  for (const Outcome late : {Outcome::success, Outcome::failure, Outcome::overload}) {
    Fleet fleet(4, two_probes());
    fleet.trip();
    fleet.world.run_for(900ms);
    // Round one: one probe fails at once, the other is still out when round two begins.
    const auto quick = fleet.probe();
    const auto slow = fleet.probe();
    Process& late_prober = fleet.process(slow.process);
    fleet.finish(quick.process, quick.permit, Outcome::failure, 5ms);
    ASSERT_TRUE(fleet.reaches(State::open, 1s));
    const auto next = fleet.probe();
    ASSERT_EQ(fleet.state(), State::half_open);
    ASSERT_NE(next.permit.epoch, slow.permit.epoch);
    // Round two has only the place that round one gave back.
    EXPECT_NE(next.permit.slot, slow.permit.slot);
    const std::int64_t epoch = fleet.stored().epoch;
    const fleet::MemberCounters before = late_prober.member().counters();

    fleet.finish(slow.process, slow.permit, late, 2s);
    fleet.world.run_for(500ms);
    EXPECT_EQ(fleet.stored().epoch, epoch);
    EXPECT_EQ(fleet.state(), State::half_open);
    EXPECT_EQ(fleet.stored().probe_ok, 0);
    EXPECT_EQ(fleet.stored().probe_failed, 0);
    EXPECT_EQ(late_prober.member().counters().late_results, before.late_results + 1);
    EXPECT_EQ(late_prober.member().counters().probes[static_cast<int>(late)],
              before.probes[static_cast<int>(late)]);
    // Its place is free again, for this round.
    EXPECT_EQ(fleet.probe().permit.slot, slow.permit.slot);
  }
}

// Loses the reply to the first operation that `wanted` picks, after it was carried out.
struct LoseOneReply {
  LoseOneReply(SimStore& store, std::function<bool(const fleet::Operation&)> wanted)
      : store_(store) {
    store.loses_reply = [this, wanted = std::move(wanted)](int, const fleet::Operation& op) {
      if (lost || !wanted(op)) return false;
      lost = true;
      return true;
    };
  }
  ~LoseOneReply() { store_.loses_reply = nullptr; }
  bool lost = false;

 private:
  SimStore& store_;
};

int slots_taken(const fleet::Record& record, StoreTime now) {
  return static_cast<int>(std::count_if(record.slots.begin(), record.slots.end(),
                                        [&](const auto& s) { return s && s->expires > now; }));
}

TEST(Scenario17LostAcknowledgement, AReportThatIsSentAgainCountsOnce) {
  Fleet fleet(4, Policy{});
  fleet.world.dependency.set_down(Down::refusing);
  const LoseOneReply fault(fleet.world.store, [](const auto& op) {
    const auto* report = std::get_if<fleet::ReportOp>(&op);
    return report && report->report;
  });
  int duplicates = 0;
  fleet.world.store.on_step = [&, check = fleet.world.store.on_step](int p, const auto& op,
                                                                     const auto& answer) {
    duplicates += answer.status == fleet::Status::duplicate;
    check(p, op, answer);
  };
  EXPECT_TRUE(fleet.call(0));
  fleet.world.run_for(5s);
  EXPECT_TRUE(fault.lost);
  EXPECT_EQ(duplicates, 1);
  EXPECT_EQ(fleet.properties.reports_counted(), 1u);
  EXPECT_EQ(fleet.world.store.snapshot().reports.size(), 1u);
  EXPECT_EQ(fleet.process(0).member().counters().failures_dropped, 0u);
}

TEST(Scenario17LostAcknowledgement, AProberRecognisesItsOwnSlotAfterALostReply) {
  // OPEN to HALF_OPEN with the first slot, and a slot of a round that has begun already.
  for (const bool first : {true, false}) {
    Policy policy = two_probes();
    policy.probe_successes = 100;
    Fleet fleet(2, policy);
    fleet.trip();
    if (!first) (void)fleet.probe();
    const LoseOneReply fault(fleet.world.store, [](const auto& op) {
      const auto* swap = std::get_if<fleet::SwapOp>(&op);
      return std::holds_alternative<fleet::ClaimOp>(op) || (swap && swap->claim);
    });
    ASSERT_TRUE(fleet.world.run_until([&] { return fault.lost; }, 5s));
    const std::uint64_t epoch = static_cast<std::uint64_t>(fleet.stored().epoch);
    const auto granted = fleet.stored().slots;
    const auto probe = fleet.probe();
    const auto& slot = fleet.stored().slots[static_cast<std::size_t>(probe.permit.slot)];
    ASSERT_TRUE(slot);
    EXPECT_EQ(slot->holder, fleet.process(probe.process).member().instance());
    EXPECT_EQ(slot->token, probe.permit.token);
    EXPECT_EQ(static_cast<std::uint64_t>(fleet.stored().epoch), epoch);  // one round, not two
    // Whoever lost the reply has the place it was granted, by the token it was granted under.
    fleet.world.run_for(2s);
    for (std::size_t i = 0; i < granted.size(); ++i) {
      if (!granted[i]) continue;
      ASSERT_TRUE(fleet.stored().slots[i]);
      EXPECT_EQ(fleet.stored().slots[i]->holder, granted[i]->holder);
      EXPECT_EQ(fleet.stored().slots[i]->token, granted[i]->token);
    }
    EXPECT_EQ(fleet.process(0).member().slots_held() + fleet.process(1).member().slots_held(),
              slots_taken(fleet.stored(), fleet.world.store.time()));
  }
}

TEST(Scenario17LostAcknowledgement, AProbesResultThatIsSentAgainCountsOnce) {
  Policy policy = two_probes();
  policy.probe_successes = 100;
  Fleet fleet(2, policy);
  fleet.trip();
  fleet.world.dependency.set_down(Down::no);
  const LoseOneReply fault(fleet.world.store, [](const auto& op) {
    return std::holds_alternative<fleet::SettleOp>(op);
  });
  const auto probe = fleet.probe();
  Process& prober = fleet.process(probe.process);
  prober.run([&] { prober.start(probe.permit, [](Outcome) {}); });
  fleet.world.run_for(3s);
  EXPECT_TRUE(fault.lost);
  EXPECT_EQ(fleet.stored().probe_ok, 1);
  EXPECT_EQ(prober.member().counters().probes[static_cast<int>(Outcome::success)], 1u);
}

TEST(Scenario17LostAcknowledgement, AClaimThatArrivesAgainTakesNoSlotThatAnotherHasHadSince) {
  Policy policy;
  policy.open_duration = 1s;
  policy.probe_successes = 100;
  Fleet fleet(2, policy);
  std::optional<fleet::ClaimOp> claim;
  std::optional<fleet::SettleOp> settled;
  bool astray = false;
  SimStore& store = fleet.world.store;
  store.on_step = [&, check = store.on_step](int p, const auto& op, const auto& answer) {
    check(p, op, answer);
    if (astray || answer.status != fleet::Status::ok) return;
    const auto* taking = std::get_if<fleet::ClaimOp>(&op);
    if (taking && !claim) claim = *taking;
    const auto* freeing = std::get_if<fleet::SettleOp>(&op);
    if (!freeing || !claim) return;
    if (freeing->token == claim->claim.token) {
      settled = *freeing;
    } else if (settled) {
      astray = true;
      EXPECT_EQ(store.execute(p, *claim).status, fleet::Status::taken);
      EXPECT_EQ(store.execute(p, *settled).status, fleet::Status::gone);
      EXPECT_EQ(fleet.stored().probe_ok, answer.snapshot.readable()->probe_ok);
    }
  };
  fleet.trip();
  fleet.world.dependency.set_down(Down::no);
  fleet.call_steadily(20);
  EXPECT_TRUE(fleet.world.run_until([&] { return astray; }, 10s));
}

TEST(Scenario29HandlerTimeout, AProbeThatNeverEndsIsAFailureWhenItsLeaseEnds) {
  Policy policy;
  policy.open_duration = 1s;
  policy.max_open_duration = 30s;
  policy.call_timeout = 2s;
  Fleet fleet(3, policy);
  fleet.trip();
  const auto probe = fleet.probe();  // and nobody ever says how it went
  const TrueTime began = fleet.world.scheduler.now();
  ASSERT_TRUE(fleet.reaches(State::open, 10s));
  EXPECT_EQ(fleet.stored().reason, "probe_failed");
  const Duration lease = fleet::probe_lease(policy.call_timeout);
  // A little before the store would give the slot away.
  EXPECT_LE(fleet.world.scheduler.now() - began, lease);
  EXPECT_GE(fleet.world.scheduler.now() - began, fleet::usable_lease(lease) - 100ms);
  EXPECT_EQ(slots_taken(fleet.stored(), fleet.world.store.time()), 0);
  EXPECT_EQ(fleet.process(probe.process).member().slots_held(), 0);
}

// All living processes ask again and again until the circuit is in that state.
bool asked_until(Fleet& fleet, State wanted, Duration within) {
  const TrueTime end = fleet.world.scheduler.now() + within;
  while (fleet.state() != wanted && fleet.world.scheduler.now() < end) {
    for (const Process* p : fleet.world.living()) (void)fleet.ask(p->index());
    fleet.world.run_for(5ms);
  }
  return fleet.state() == wanted;
}

TEST(Scenario29HandlerTimeout, AProbeWhoseProcessDiedInItsCallIsAFailureWhenItsLeaseEnds) {
  Policy policy;
  policy.open_duration = 1s;
  policy.max_open_duration = 100s;
  policy.call_timeout = 2s;
  Fleet fleet(3, policy);
  fleet.trip();
  ASSERT_EQ(fleet.stored().opens, 1);
  const auto dead = fleet.probe();
  const TrueTime began = fleet.world.scheduler.now();
  fleet.world.run_for(120ms);  // time enough to say that the call has begun
  fleet.process(dead.process).kill();
  ASSERT_TRUE(asked_until(fleet, State::open, 20s));
  const Duration lease = fleet::probe_lease(policy.call_timeout);
  EXPECT_GE(fleet.world.scheduler.now() - began, lease - 100ms);
  EXPECT_LE(fleet.world.scheduler.now() - began, lease + 2 * policy.view_refresh_in_trouble);
  EXPECT_EQ(fleet.stored().reason, "probe_failed");
  EXPECT_EQ(fleet.stored().opens, 2);
  EXPECT_GE(fleet.stored().reopen - fleet.stored().since, 1'800ms);  // 2 s, less the jitter
  EXPECT_EQ(fleet.properties.lost_probes(), 1);
  // Nobody made a call on the slot that was taken over, and it went back.
  fleet.world.run_for(1s);
  EXPECT_EQ(slots_taken(fleet.stored(), fleet.world.store.time()), 0);
}

TEST(Scenario29HandlerTimeout, AProberThatDiedBeforeItsCallOnlyLosesItsSlot) {
  Policy policy;
  policy.open_duration = 1s;
  policy.call_timeout = 2s;
  Fleet fleet(3, policy);
  fleet.trip();
  // One of those that were refused takes the slot for its next call.
  ASSERT_TRUE(fleet.reaches(State::half_open, 5s));
  const TrueTime began = fleet.world.scheduler.now();
  const auto& slots = fleet.stored().slots;
  const auto held = std::ranges::find_if(slots, [](const auto& slot) { return slot.has_value(); });
  ASSERT_NE(held, slots.end());
  const auto holder = std::ranges::find_if(fleet.world.processes, [&](const auto& p) {
    return p->member().instance() == (*held)->holder;
  });
  ASSERT_NE(holder, fleet.world.processes.end());
  fleet.world.run_for(20ms);
  (*holder)->kill();
  const auto next = fleet.probe(20s);
  EXPECT_NE(next.process, (*holder)->index());
  const Duration lease = fleet::probe_lease(policy.call_timeout);
  EXPECT_GE(fleet.world.scheduler.now() - began, lease - 100ms);
  EXPECT_LE(fleet.world.scheduler.now() - began, lease + 2 * policy.view_refresh_in_trouble);
  EXPECT_EQ(fleet.state(), State::half_open);
  EXPECT_EQ(fleet.stored().opens, 1);
  EXPECT_EQ(fleet.stored().probe_failed, 0);
  EXPECT_EQ(fleet.properties.lost_probes(), 0);
}

// When an environment that was frozen between its calls stands still again.
enum class Frozen { after_waiting_for_a_slot, as_soon_as_its_call_has_ended };

// As Lambda does: an environment lives on only while it has a call to make. It takes its slot for
// the next call, and cannot use it when that comes. Until the circuit is closed, or 300 s.
void serve_by_turns(Fleet& fleet, Frozen frozen) {
  fleet.trip();
  fleet.world.dependency.set_down(Down::no);
  core::Random random(3);
  const TrueTime began = fleet.world.scheduler.now();
  for (int turn = 0; fleet.state() != State::closed && fleet.world.scheduler.now() - began < 300s;
       ++turn) {
    Process& p = fleet.process(turn % 12);
    if (!p.stopped()) {
      bool called = false;
      bool done = false;
      p.run([&] {
        called = !p.try_call([&done](Outcome) { done = true; }).has_value();
        done = done || !called;
      });
      (void)fleet.world.run_until([&] { return done; }, 5s);
      // And claims in this time.
      if (!called || frozen == Frozen::after_waiting_for_a_slot) fleet.world.run_for(15ms);
      p.stop(Standstill::local, 500ms + std::chrono::duration_cast<Duration>(5s * random.unit()));
    }
    fleet.world.run_for(50ms);
  }
}

Policy policy_of_environments() {
  Policy policy;
  policy.open_duration = 1s;
  policy.max_open_duration = 5s;
  policy.call_timeout = 1s;
  return policy;
}

// Slots that were never used say nothing of the dependency.
TEST(Scenario29HandlerTimeout, ProcessesThatAreFrozenBeforeTheirCallKeepNoCircuitOpen) {
  Fleet fleet(12, policy_of_environments());
  serve_by_turns(fleet, Frozen::after_waiting_for_a_slot);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.properties.lost_probes(), 0);
  EXPECT_EQ(fleet.changed_to(State::open, "probe_failed"), 0);
}

// The dependency answers sooner than the store: word of the call's beginning must not hold up that
// of its end, or each success would look like a lost probe.
TEST(Scenario29HandlerTimeout, ProcessesThatAreFrozenRightAfterAShortCallLoseNoProbe) {
  Fleet fleet(12,
              Fleet::options(policy_of_environments(), {.servers = 1'000, .service_mean = 1ms}));
  fleet.world.store.network.latency_mean = 5ms;
  serve_by_turns(fleet, Frozen::as_soon_as_its_call_has_ended);
  EXPECT_EQ(fleet.state(), State::closed);
  EXPECT_EQ(fleet.properties.lost_probes(), 0);
  EXPECT_EQ(fleet.changed_to(State::open, "probe_failed"), 0);
}

TEST(Scenario29HandlerTimeout, CallsThatHangAreFailuresAtTheirTimeoutAndLeaveNoPlaceTaken) {
  OutageOptions o;
  o.workers = 3;
  o.consumer.concurrency = 10;
  o.consumer.handler_timeout = 1s;
  o.arrivals_per_second = 30;
  o.dependency = {.servers = 50, .service_mean = 50ms};
  o.policy.open_duration = 1s;
  o.policy.max_open_duration = 3s;
  o.consumer.backoff = {.base = 1s, .cap = 5s, .jitter = core::Jitter::equal};
  o.down_at = 10s;
  o.up_at = 30s;
  o.hangs = true;
  o.finish = 60s;
  const OutageResult r = run_outage(o);
  EXPECT_EQ(r.trips, 1);
  EXPECT_TRUE(r.drained);
  EXPECT_EQ(r.done, r.sent);
  EXPECT_EQ(r.dead_lettered, 0u);
  EXPECT_EQ(r.seconds.back().in_flight, 0);
}

}  // namespace
}  // namespace switchgear::lab
