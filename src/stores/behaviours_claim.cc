// The behaviour of the stores: claim.
#include <algorithm>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_claim_behaviours(Behaviours& all) {
  all["TakesAFreeSlot"] = [](Trial& t) {
    t.create_record(100);
    const Answer answer = t.apply(claims(100, 2, kAnn, 42, 60s));
    t.equal(answer.status, Status::ok);
    const Slot slot = t.slot_in(answer, 2);
    t.equal(slot.owner(), (SlotOwner{.holder = kAnn, .token = 42}));
    t.at(slot.expires, answer.snapshot.time + 60s);
  };

  all["DoesNotTakeASlotThatIsHeld"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(claims(100, 0, kBob, 42)), Status::taken);
    t.equal(t.status_of(claims(100, 0, kAnn, 4)), Status::taken, "42 begins with 4");
    t.equal(t.status_of(claims(100, 0, kAnn, 421)), Status::taken);
    t.equal(t.status_of(claims(100, 1, kBob, 42)), Status::ok);
    t.equal(t.slot(0).holder, kAnn);
  };

  all["ARepeatedClaimRenewsTheLease"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42, 60s)), Status::ok);
    t.let_pass(5ms);
    const Answer answer = t.apply(claims(100, 0, kAnn, 42, 60s));
    t.equal(answer.status, Status::ok);
    t.at(t.slot_in(answer, 0).expires, answer.snapshot.time + 60s);
  };

  all["TakesASlotWhoseLeaseHasEndedByTheStoresClock"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
    t.let_pass(20ms);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
    t.equal(t.slot(0).holder, kBob);
  };

  all["TakesAFreeSlotOnlyFromWhomItWasSeenWith"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::returned)), Status::ok);
    const ClaimOp claim = claims(100, 0, kBob, 1);
    t.equal(t.status_of(claim), Status::taken, "seen when nobody had had it");
    t.equal(t.status_of(after({kBob, 42}, claim)), Status::taken);
    t.equal(t.status_of(after({kAnn, 4}, claim)), Status::taken, "42 begins with 4");
    const Answer answer = t.apply(after({kAnn, 421}, claim));
    t.equal(answer.status, Status::taken);
    t.equal(t.slot_in(answer, 0).holder, kAnn, "the answer says who had it");
    t.equal(t.status_of(after({kAnn, 42}, claim)), Status::ok);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 1, kBob, 2))), Status::taken);
  };

  all["ARenewalTakesNothingFromWhoeverHadTheSlotSince"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
    const ClaimOp renewal = after({kAnn, 42}, claims(100, 0, kAnn, 42));
    t.let_pass(20ms);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
    t.equal(t.status_of(settles(100, 0, kBob, 1, Settlement::returned)), Status::ok);
    t.equal(t.status_of(renewal), Status::taken);
  };

  all["WhoeverTakesOverTheSlotOfACallCountsAFailedProbe"] = [](Trial& t) {
    t.create_record(100);
    ClaimOp claim = claims(100, 0, kAnn, 42, 20ms);
    t.equal(t.status_of(claim), Status::ok);
    const ClaimOp starts = starting(claim);
    const Answer begun = t.apply(starts);
    t.equal(begun.status, Status::ok);
    t.equal(t.slot_in(begun, 0).started, 100);
    t.at(t.slot_in(begun, 0).expires, begun.snapshot.time + 20ms);
    t.equal(t.status_of(claim), Status::ok, "the claim arrives once more");
    t.equal(t.slot(0).started, 100, "and does not take the mark away");
    t.let_pass(20ms);
    const ClaimOp over = after({kAnn, 42}, claims(100, 0, kBob, 1));
    const Answer answer = t.apply(over);
    t.equal(answer.status, Status::ok);
    t.equal(t.record_in(answer).probe_failed, 1);
    t.equal(t.slot_in(answer, 0).started, 0);
    t.equal(t.status_of(over), Status::ok);
    t.equal(t.status_of(starts), Status::taken);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::gone);
    t.equal(t.record().probe_failed, 1, "once, whatever is repeated");
  };

  all["ASlotTakenOverWithoutACallCountsNothing"] = [](Trial& t) {
    t.create_record(100, 1);
    // Never begun; begun and settled; begun in an epoch that has passed.
    t.equal(t.status_of(claims(100, 0, kAnn, 42, 5ms)), Status::ok);
    t.equal(t.status_of(claims(100, 1, kAnn, 43, 5ms)), Status::ok);
    t.equal(t.status_of(starting(claims(100, 1, kAnn, 43, 5ms))), Status::ok);
    t.equal(t.status_of(settles(100, 1, kAnn, 43, Settlement::returned)), Status::ok);
    t.equal(t.status_of(claims(100, 31, kAnn, 44, 5ms)), Status::ok);
    t.equal(t.status_of(starting(claims(100, 31, kAnn, 44, 5ms))), Status::ok);
    t.let_pass(5ms);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
    t.equal(t.status_of(after({kAnn, 43}, claims(100, 1, kBob, 2))), Status::ok);
    t.equal(t.record().probe_failed, 0);
    t.equal(t.status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
    t.equal(t.slot(31).started, 100);
    t.equal(t.status_of(after({kAnn, 44}, claims(101, 31, kBob, 3))), Status::ok);
    t.equal(t.record().probe_failed, 0);
  };

  all["ACallBeginsOnlyInASlotOfItsOwn"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(starting(claims(100, 0, kAnn, 42))), Status::taken);
    t.equal(t.status_of(claims(100, 0, kBob, 1)), Status::ok);
    t.equal(t.status_of(starting(claims(100, 0, kAnn, 42))), Status::taken);
    t.equal(t.status_of(starting(claims(99, 0, kBob, 1))), Status::late);
    t.equal(t.status_of(settles(100, 0, kBob, 1, Settlement::returned)), Status::ok);
    t.equal(t.status_of(starting(claims(100, 0, kBob, 1))), Status::taken);
    t.equal(t.slot(0).started, 0);
  };

  all["AClaimOfAnotherEpochIsLate"] = [](Trial& t) {
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::late);
    t.create_record(100);
    t.equal(t.status_of(claims(99, 0, kAnn, 42)), Status::late);
    t.check(!t.record().slots[0]);
  };
}

}  // namespace switchgear::stores
