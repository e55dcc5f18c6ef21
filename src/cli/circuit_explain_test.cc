#include "cli/circuit_explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace switchgear::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

constexpr StoreTime kStart = store_time_ms(1'766'000'000'000);
StoreTime at(Duration d) { return kStart + floor_ms(d); }

// A circuit that goes through an outage by the fleet's own decisions.
class Explaining : public testing::Test {
 protected:
  Explaining() {
    snapshot.time = kStart;
    snapshot.record = fleet::create_record(table, snapshot, me).next;
  }
  fleet::Record& record() { return snapshot.record->value(); }
  void fail(std::uint64_t instance, std::uint32_t failures) {
    snapshot.reports.push_back({.sent = snapshot.time - 10ms,
                                .span = 400ms,
                                .instance = fleet::InstanceId{instance},
                                .failures = failures});
  }
  void swap(const std::optional<fleet::SwapOp>& op) {
    ASSERT_TRUE(op);
    const fleet::Slots slots = record().slots;
    record() = op->next;
    record().slots = slots;
    snapshot.reports.clear();
  }
  void trip() {
    for (std::uint64_t i = 1; i <= 3; ++i) fail(i, 5);
    swap(fleet::due_transition(table, snapshot, me, 0));
    ASSERT_EQ(record().state, State::open);
  }
  void probe() {
    snapshot.time = record().reopen;
    swap(fleet::half_open(table, snapshot, me, 5));
  }
  Explanation told() { return explain(table, snapshot); }
  std::string text() {
    std::ostringstream out;
    std::ostringstream err;
    Context context{.out = out, .err = err};
    print("payments-api", told(), snapshot.time, context);
    return out.str();
  }

  fleet::PolicyTable table{Policy{.failure_weight = 10,
                                  .trip_level = 100,
                                  .open_duration = 10s,
                                  .max_open_duration = 60s,
                                  .open_jitter = 0,
                                  .probe_successes = 2}};
  fleet::Decider me{.instance = fleet::InstanceId{1}, .nonce = 3};
  fleet::Snapshot snapshot;
};

auto kind(const std::string& k) { return Field("kind", &Explanation::Fact::kind, k); }

TEST_F(Explaining, ClosedTellsHowFarTheEvidenceIsFromATrip) {
  EXPECT_THAT(text(), HasSubstr("payments-api is CLOSED: calls pass\n"));
  EXPECT_THAT(text(), HasSubstr("none has been reported lately"));
  fail(1, 5);
  fail(2, 1);
  EXPECT_THAT(told().next[0].text, HasSubstr("by failure_rate now "));
  EXPECT_THAT(told().next[0].text, HasSubstr("6 failures by 2 instances"));
}

TEST_F(Explaining, OpenTellsTheRuleTheReportersTheTimesAndTheEvidence) {
  snapshot.time = at(30s);
  trip();
  snapshot.time = at(32s);
  const Explanation told = this->told();
  EXPECT_EQ(told.state, "OPEN");
  ASSERT_THAT(told.because, ElementsAre(kind("trip")));
  EXPECT_EQ(told.because[0].at, at(30s));
  EXPECT_THAT(told.because[0].text,
              HasSubstr("the rule failure_rate opened the circuit: 15 failures in 3 reports by 3 "
                        "instances within 0.4s; evidence 140 of 100 "));
  EXPECT_THAT(told.because[0].text, HasSubstr("reported by 000000000001 5, 000000000002 5, "));
  ASSERT_THAT(told.next, ElementsAre(kind("probe")));
  EXPECT_EQ(told.next[0].at, at(40s));
  EXPECT_THAT(text(), HasSubstr("2025-12-17T19:34:00.000Z (in 8.0s)  the open time ends"));
}

TEST_F(Explaining, ATripOfOneInstancesOwnWindowIsToldAsThat) {
  const auto op = fleet::due_transition(
      table, snapshot, me, 0,
      fleet::OwnTrip{.reason = "failure_rate", .why = "60 of 100", .failures = 60, .need = 50});
  swap(op);
  ASSERT_THAT(told().because, ElementsAre(kind("trip")));
  EXPECT_THAT(told().because[0].text,
              HasSubstr("60 failures in the window of one instance's own calls; 50 needed"));
}

TEST_F(Explaining, OpenPastItsTimeWaitsForACall) {
  trip();
  snapshot.time = at(11s);
  EXPECT_THAT(told().next[0].text, HasSubstr("the open time is over"));
  EXPECT_THAT(text(), HasSubstr(" (due)  "));
}

TEST_F(Explaining, HalfOpenTellsWhatTheProbesHaveSaidAndWhoHoldsOne) {
  trip();
  probe();
  record().probe_ok = 1;
  record().slots[0] =
      fleet::Slot{.holder = fleet::InstanceId{0xabc}, .token = 5, .expires = snapshot.time + 20s};
  const Explanation told = this->told();
  EXPECT_THAT(told.summary, HasSubstr("1 of 2 have succeeded"));
  EXPECT_THAT(told.because, ElementsAre(kind("trip"), kind("probing")));
  ASSERT_THAT(told.next, ElementsAre(kind("success"), kind("failure"), kind("lease_end")));
  EXPECT_THAT(told.next[0].text, HasSubstr("1 more success and a limited recovery begins"));
  EXPECT_THAT(told.next[1].text, HasSubstr("opens it again, for 20s"));
  EXPECT_THAT(told.next[2].text, HasSubstr("held by 000000000abc"));
  EXPECT_THAT(told.next[2].text, Not(HasSubstr("failed probe")));
  record().slots[0]->started = record().epoch;
  EXPECT_THAT(this->told().next[2].text, HasSubstr("so that is a failed probe"));
}

TEST_F(Explaining, AFailedProbeIsTheReasonForTheNextOpenTime) {
  trip();
  probe();
  record().probe_failed = 1;
  EXPECT_THAT(told().next, Contains(kind("reopen")));
  swap(fleet::due_transition(table, snapshot, me, 0));
  EXPECT_THAT(told().because, ElementsAre(kind("trip"), kind("reopened")));
  EXPECT_THAT(told().summary, HasSubstr("2nd time in a row"));
  EXPECT_EQ(told().next[0].at, snapshot.time + 20s);
}

TEST_F(Explaining, RecoveringTellsTheLimitTheNextStepAndWhenItCloses) {
  trip();
  probe();
  record().probe_ok = 2;
  swap(fleet::due_transition(table, snapshot, me, 0));
  const Explanation told = this->told();
  EXPECT_THAT(told.summary, HasSubstr("RECOVERING: 2 calls in flight allowed"));
  EXPECT_THAT(told.because, ElementsAre(kind("trip"), kind("probed")));
  ASSERT_THAT(told.next, ElementsAre(kind("step"), kind("close"), kind("reopen")));
  EXPECT_EQ(told.next[0].at, record().step_at);
  EXPECT_THAT(told.next[1].text, HasSubstr("has not bound for 1m; so far 0.0s"));
}

TEST_F(Explaining, AHoldComesFirstAndTheMachineBelowIsStillTold) {
  trip();
  for (const HoldKind held :
       {HoldKind::forced_open, HoldKind::forced_closed, HoldKind::metrics_only}) {
    swap(fleet::set_hold(
        table, snapshot, me,
        {.kind = held, .who = "ann", .why = "repairs", .until = snapshot.time + 60s}));
    const Explanation told = this->told();
    EXPECT_EQ(told.state, "OPEN");
    EXPECT_THAT(told.summary, HasSubstr("for another 1m"));
    EXPECT_THAT(told.because, Contains(kind("hold")));
    ASSERT_THAT(told.next, ElementsAre(kind("hold_end")));
    EXPECT_EQ(told.next[0].at, snapshot.time + 60s);
    EXPECT_THAT(told.notes, Contains(HasSubstr("below the hold the circuit is OPEN")));
  }
}

TEST_F(Explaining, AHoldWithoutAnEndWaitsForItsRelease) {
  swap(fleet::set_hold(table, snapshot, me, {.kind = HoldKind::forced_open, .who = "ann"}));
  ASSERT_THAT(told().next, ElementsAre(kind("release")));
  EXPECT_EQ(told().next[0].at, std::nullopt);
}

TEST_F(Explaining, AHoldThatRanOutIsSaidToHaveDoneSo) {
  swap(fleet::set_hold(table, snapshot, me,
                       {.kind = HoldKind::forced_open, .who = "ann", .until = at(5s)}));
  snapshot.time = at(6s);
  EXPECT_THAT(told().notes, Contains(HasSubstr("the hold by ann has run out")));
  EXPECT_THAT(told().next, ElementsAre(kind("trip")));
}

TEST_F(Explaining, EveryReasonOfTheRecordHasWords) {
  for (const char* reason : {"created", "recovered", "probes_succeeded", "operator", "hold_ended",
                             "reassert", "open_time_ended", "something new"}) {
    record().reason = reason;
    record().why = "because";
    EXPECT_THAT(told().because.back().text, HasSubstr("because")) << reason;
  }
}

TEST_F(Explaining, SettingsThatAreNotTheFleetsAreSaidToBe) {
  record().fingerprint = "another";
  EXPECT_THAT(told().notes, Contains(HasSubstr("are not the fleet's")));
}

TEST_F(Explaining, ARecordThatCannotBeReadIsLeftAlone) {
  snapshot.record = Error{.code = "unreadable", .message = "schema 9", .source = "record"};
  EXPECT_EQ(told().state, "UNREADABLE");
  EXPECT_THAT(text(), HasSubstr("schema 9"));
  EXPECT_THAT(told().next, ElementsAre(kind("none")));
}

TEST_F(Explaining, ProgramsGetTheTripAndTheEvidenceAsNumbers) {
  trip();
  config::JsonWriter json;
  write("payments-api", told(), table, snapshot, json);
  EXPECT_THAT(json.text(), HasSubstr("\"rule\": \"failure_rate\""));
  EXPECT_THAT(json.text(), HasSubstr("\"reporters\": 3"));
  EXPECT_THAT(json.text(), HasSubstr("\"instance\": \"000000000001\""));
  EXPECT_THAT(json.text(), HasSubstr("\"in_ms\": 10000"));
}

}  // namespace
}  // namespace switchgear::cli
