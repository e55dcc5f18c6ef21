// The behaviour of the stores: settle.
#include <algorithm>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_settle_behaviours(Behaviours& all) {
  all["GivesASlotBackAndCounts"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    const Answer answer = t.apply(settles(100, 0, kAnn, 42, Settlement::success));
    t.equal(answer.status, Status::ok);
    t.check(is_free(t.record_in(answer).slots[0]));
    t.equal(t.record_in(answer).probe_ok, 1);
    t.equal(t.record_in(answer).probe_failed, 0);
    t.equal(t.record_in(answer).revision, 1u);
  };

  all["ARepeatedSettlementCountsOnce"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::failure)), Status::gone);
    t.equal(t.record().probe_failed, 1);
  };

  all["AClaimRepeatedAfterItsSettlementTakesNothing"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::ok);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::taken);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
    t.equal(t.record().probe_ok, 1);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kAnn, 43))), Status::ok,
            "a new claim of the same holder");
  };

  all["AClaimAstrayTakesNothingBackOnceAnotherHasHadTheSlot"] = [](Trial& t) {
    t.create_record(100);
    const ClaimOp astray = claims(100, 0, kAnn, 42);
    const SettleOp repeated = settles(100, 0, kAnn, 42, Settlement::success);
    t.equal(t.status_of(astray), Status::ok);
    t.equal(t.status_of(repeated), Status::ok);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
    t.equal(t.status_of(settles(100, 0, kBob, 1, Settlement::success)), Status::ok);
    t.equal(t.status_of(astray), Status::taken);
    t.equal(t.status_of(repeated), Status::gone);
    t.equal(t.record().probe_ok, 2);
  };

  all["ASlotReturnedUnusedCountsNothing"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::returned)), Status::ok);
    t.check(is_free(t.record().slots[0]));
    t.equal(t.record().probe_ok + t.record().probe_failed, 0);
  };

  all["SettlesNothingThatIsNotItsOwn"] = [](Trial& t) {
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
    t.create_record(100);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(settles(100, 0, kBob, 42, Settlement::success)), Status::gone);
    t.equal(t.status_of(settles(100, 0, kAnn, 4, Settlement::success)), Status::gone);
    t.equal(t.status_of(settles(100, 1, kAnn, 42, Settlement::success)), Status::gone);
    t.check(t.record().slots[0].has_value());
    t.equal(t.record().probe_ok, 0);
  };

  all["AZombieSettlesNothingOnceItsSlotIsTakenOver"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(claims(100, 0, kAnn, 42, 20ms)), Status::ok);
    t.let_pass(20ms);
    t.equal(t.status_of(after({kAnn, 42}, claims(100, 0, kBob, 1))), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::gone);
    t.equal(t.slot(0).holder, kBob);
    t.equal(t.record().probe_ok, 0);
  };

  all["ASettlementAfterItsEpochFreesTheSlotAndIsNotCounted"] = [](Trial& t) {
    t.create_record(100, 1);
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.equal(t.status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
    t.equal(t.status_of(settles(100, 0, kAnn, 42, Settlement::success)), Status::late);
    t.check(is_free(t.record().slots[0]));
    t.equal(t.record().probe_ok, 0);
  };
}

}  // namespace switchgear::stores
