// The behaviour of the stores: swap.
#include <algorithm>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_swap_behaviours(Behaviours& all) {
  all["CreatesARecordAndGivesBackEveryField"] = [](Trial& t) {
    const Record next = full_record(100, 1);
    const Answer answer = t.apply(create(next));
    t.equal(answer.status, Status::ok);
    t.equal(t.record_in(answer), next);
    t.equal(t.record(), next);
  };

  all["KeepsAHoldWithAnyText"] = [](Trial& t) {
    Record next = full_record(100, 1);
    next.hold = {.kind = HoldKind::forced_open,
                 .who = "ann",
                 .why = std::string("a\0b\n", 4),
                 .until = store_time_ms(1'900'000'000'000)};
    t.equal(t.status_of(create(next)), Status::ok);
    t.equal(t.record(), next);
  };

  all["CreatesOnlyWhereThereIsNoRecord"] = [](Trial& t) {
    t.create_record();
    Record other = full_record(200, 1);
    other.swap_id = 77;
    const Answer answer = t.apply(create(other));
    t.equal(answer.status, Status::conflict);
    t.equal(t.record_in(answer).epoch, 100);
  };

  all["SwapsWhenEpochAndRevisionAreAsExpected"] = [](Trial& t) {
    t.create_record(100, 1);
    const Record next = full_record(101, 2);
    t.equal(t.status_of(swaps(100, 1, next)), Status::ok);
    t.equal(t.record(), next);
  };

  all["RefusesASwapOfAnotherEpochOrRevision"] = [](Trial& t) {
    t.create_record(100, 5);
    t.equal(t.status_of(swaps(99, 5, full_record(101, 6))), Status::conflict);
    t.equal(t.status_of(swaps(100, 4, full_record(101, 6))), Status::conflict);
    t.equal(t.status_of(swaps(100, 6, full_record(101, 6))), Status::conflict);
    t.equal(t.status_of(swaps(100, 0, full_record(101, 6))), Status::conflict);
    t.equal(t.record(), full_record(100, 5));
  };

  all["RefusesASwapOfARecordThatIsGone"] = [](Trial& t) {
    t.equal(t.status_of(swaps(100, 5, full_record(101, 6))), Status::conflict);
    t.check(!t.read().record);
  };

  all["ARepeatedSwapIsItsOwn"] = [](Trial& t) {
    t.create_record(100, 1);
    const SwapOp swap = swaps(100, 1, full_record(101, 2));
    t.equal(t.status_of(swap), Status::ok);
    t.equal(t.status_of(adds(101, t.report(1))), Status::ok);
    t.equal(t.status_of(swap), Status::ok);
    t.equal(t.read().reports.size(), 1u, "the repetition dropped evidence of the new epoch");
  };

  all["ARepeatedCreationIsItsOwn"] = [](Trial& t) {
    t.equal(t.status_of(create(full_record(100, 1))), Status::ok);
    t.equal(t.status_of(create(full_record(100, 1))), Status::ok);
  };

  all["ASwapWithAnotherIdThatLooksTheSameIsAConflict"] = [](Trial& t) {
    t.create_record(100, 1);
    Record next = full_record(101, 2);
    t.equal(t.status_of(swaps(100, 1, next)), Status::ok);
    next.swap_id += 1;  // beyond 2^53: equal as doubles
    t.equal(t.status_of(swaps(100, 1, next)), Status::conflict);
  };

  all["ASwapRepeatedAfterTheNextOneIsAConflict"] = [](Trial& t) {
    t.create_record(100, 1);
    const SwapOp first = swaps(100, 1, full_record(101, 2));
    t.equal(t.status_of(first), Status::ok);
    t.equal(t.status_of(swaps(101, 2, full_record(102, 3))), Status::ok);
    t.equal(t.status_of(first), Status::conflict);
    t.equal(t.record().epoch, 102);
  };

  all["ANewEpochStartsWithoutEvidenceAndCounts"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(adds(100, t.report(1))), Status::ok);
    t.equal(t.status_of(claims(100, 0, kAnn, 1)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
    Record next = full_record(101, 2);
    next.probe_ok = 9;  // what a writer believes of them is not stored
    t.equal(t.status_of(swaps(100, 1, next)), Status::ok);
    t.check(t.read().reports.empty());
    t.equal(t.record().probe_ok, 0);
    t.equal(t.record().probe_failed, 0);
  };

  all["TheSameEpochKeepsItsEvidenceAndCounts"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(adds(100, t.report(1))), Status::ok);
    int slot = 0;
    for (const auto outcome : {Settlement::success, Settlement::failure, Settlement::success}) {
      t.equal(t.status_of(claims(100, ++slot, kAnn, 1)), Status::ok);
      t.equal(t.status_of(settles(100, slot, kAnn, 1, outcome)), Status::ok);
    }
    t.equal(t.status_of(swaps(100, 1, full_record(100, 2))), Status::ok);
    t.equal(t.read().reports.size(), 1u);
    t.equal(t.record().probe_ok, 2);
    t.equal(t.record().probe_failed, 1);
  };

  all["SlotsOutliveEpochs"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(claims(100, 3, kAnn, 1)), Status::ok);
    t.equal(t.status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
    t.equal(t.slot(3).holder, kAnn);
    t.equal(t.status_of(claims(101, 3, kBob, 1)), Status::taken);
  };

  all["ASwapNeverWritesTheSlotsOfItsRecord"] = [](Trial& t) {
    t.create_record(100, 1);
    Record next = full_record(101, 2);
    next.slots[0] = Slot{.holder = kBob, .token = 1, .expires = store_time_ms(1)};
    t.equal(t.status_of(swaps(100, 1, next)), Status::ok);
    t.check(!t.record().slots[0]);
  };

  all["WaitsForItsTimeByTheStoresClock"] = [](Trial& t) {
    t.create_record(100, 1);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.not_before = t.now() + 1h;
    t.equal(t.status_of(swap), Status::not_due);
    t.equal(t.record().epoch, 100);
    swap.not_before = t.now() + 20ms;
    t.let_pass(20ms);
    t.equal(t.status_of(swap), Status::ok);
  };

  all["AConflictIsSaidBeforeTheTime"] = [](Trial& t) {
    t.create_record(100, 1);
    SwapOp swap = swaps(99, 1, full_record(101, 2));
    swap.not_before = t.now() + 1h;
    t.equal(t.status_of(swap), Status::conflict);
  };

  all["AProbeThatFailedStopsASwapThatWasDecidedBeforeIt"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(claims(100, 0, kAnn, 1)), Status::ok);
    t.equal(t.status_of(claims(100, 1, kBob, 2)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.unless_probe_failed = true;
    t.equal(t.status_of(settles(100, 1, kBob, 2, Settlement::failure)), Status::ok);
    const Answer refused = t.apply(swap);
    t.equal(refused.status, Status::conflict);
    t.equal(t.record_in(refused).epoch, 100);
    t.equal(t.record_in(refused).probe_failed, 1);
    swap.unless_probe_failed = false;
    t.equal(t.status_of(swap), Status::ok);
  };

  all["AProbeThatSucceededStopsNoSwap"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(claims(100, 0, kAnn, 1)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 1, Settlement::success)), Status::ok);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.unless_probe_failed = true;
    t.equal(t.status_of(swap), Status::ok);
    t.equal(t.status_of(swap), Status::ok, "this very swap, repeated");
  };

  all["SwapsAndTakesASlotTogether"] = [](Trial& t) {
    t.create_record(100, 1);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.claim = SlotClaim{.slot = 31, .holder = kAnn, .token = 4'294'967'295u, .lease = 60s};
    const Answer answer = t.apply(swap);
    t.equal(answer.status, Status::ok);
    const Slot slot = t.slot_in(answer, 31);
    t.equal(slot.owner(), (SlotOwner{.holder = kAnn, .token = 4'294'967'295u}));
    t.at(slot.expires, answer.snapshot.time + 60s);
  };

  all["RefusesASwapWhoseSlotIsTaken"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(claims(100, 0, kBob, 7)), Status::ok);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.claim = SlotClaim{.slot = 0, .holder = kAnn, .token = 1, .lease = 60s};
    t.equal(t.status_of(swap), Status::taken);
    t.equal(t.record().epoch, 100);
    t.equal(t.slot(0).holder, kBob);
  };

  all["ARepeatedSwapDoesNotTakeItsSlotAgain"] = [](Trial& t) {
    t.create_record(100, 1);
    SwapOp swap = swaps(100, 1, full_record(101, 2));
    swap.claim = SlotClaim{.slot = 0, .holder = kAnn, .token = 1, .lease = 60s};
    t.equal(t.status_of(swap), Status::ok);
    t.equal(t.status_of(settles(101, 0, kAnn, 1, Settlement::success)), Status::ok);
    t.equal(t.status_of(swap), Status::ok);
    t.check(is_free(t.record().slots[0]));
  };
}

}  // namespace switchgear::stores
