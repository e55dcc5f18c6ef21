// The behaviour of the stores: report.
#include <algorithm>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_report_behaviours(Behaviours& all) {
  all["AddsAReport"] = [](Trial& t) {
    t.create_record(100);
    const Report sent = t.report(1);
    const Answer answer = t.apply(adds(100, sent));
    t.equal(answer.status, Status::ok);
    t.equal(answer.snapshot.reports, std::vector{sent});
    t.equal(t.read().reports, std::vector{sent});
  };

  all["ARepeatedReportChangesNothing"] = [](Trial& t) {
    t.create_record(100);
    ReportOp op = adds(100, t.report(1));
    op.meter = {.calls = 10, .active_ms = 20, .members = 1, .hellos = 0};
    op.step = StepDelta{.step = 9, .sums = {.ok = 5}};
    t.equal(t.status_of(op), Status::ok);
    const std::string before = describe(t.read());
    t.equal(t.status_of(op), Status::duplicate);
    t.equal(describe(t.read()), before);
  };

  all["AReportOfAnotherEpochIsLateAndAddsNothing"] = [](Trial& t) {
    t.create_record(100);
    for (const std::int64_t epoch : {99, 101, 0}) {
      ReportOp op = adds(epoch, t.report(1));
      op.meter = {.calls = 10, .active_ms = 20, .members = 1, .hellos = 0};
      op.step = StepDelta{.step = 9, .sums = {.ok = 5}};
      const Answer answer = t.apply(op);
      t.equal(answer.status, Status::late);
      t.check(answer.snapshot.reports.empty());
      t.check(answer.snapshot.steps.empty());
      t.equal(answer.snapshot.meter.current.calls + answer.snapshot.meter.previous.calls, 0);
      t.equal(t.record_in(answer).epoch, 100, "a loser need not read");
    }
  };

  all["AReportWithoutARecordIsLate"] = [](Trial& t) {
    t.equal(t.status_of(adds(100, t.report(1))), Status::late);
  };

  all["RefusesAReportFarFromTheStoresTime"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(adds(100, t.report(1, kReportAgeMax + 100ms))), Status::out_of_range);
    t.equal(t.status_of(adds(100, t.report(2, -kReportAheadMax - 5s))), Status::out_of_range);
    t.check(t.read().reports.empty());
    t.equal(t.status_of(adds(100, t.report(3, kReportAgeMax - 2s))), Status::ok);
    t.equal(t.status_of(adds(100, t.report(4, -kReportAheadMax))), Status::ok);
  };

  all["KeepsTheNewestReportsByTheirTime"] = [](Trial& t) {
    t.create_record(100);
    // Every other one comes late. None by its age in the test: a store may be far away.
    std::vector<Report> sent;
    StoreTime now = t.now();
    for (std::uint32_t i = 0; i < kReportsMax + 10; ++i) {
      Report one = t.report(i);
      one.sent = i % 2 == 0 ? now - 2s - std::chrono::milliseconds{i} : now;
      sent.push_back(one);
      const Answer answer = t.apply(adds(100, one));
      t.equal(answer.status, Status::ok);
      now = answer.snapshot.time;
    }
    const auto newer = [](const Report& a, const Report& b) {
      return a.sent != b.sent ? a.sent > b.sent : a.encode() > b.encode();
    };
    std::ranges::sort(sent, newer);
    sent.resize(kReportsMax);
    std::vector<Report> kept = t.read().reports;
    std::ranges::sort(kept, newer);
    t.equal(kept, sent);
  };

  all["AHeartbeatNeedsNoRecord"] = [](Trial& t) {
    const Answer answer =
        t.apply(heartbeat({.calls = 1, .active_ms = 2, .members = 3, .hellos = 4}));
    t.equal(answer.status, Status::ok);
    const MeterMinute& minute = answer.snapshot.meter.current;
    t.equal(minute, (MeterMinute{.minute = minute_of(answer.snapshot.time),
                                 .calls = 1,
                                 .active_ms = 2,
                                 .members = 3,
                                 .hellos = 4}));
    t.check(!answer.snapshot.record);
  };

  all["SumsFractions"] = [](Trial& t) {
    t.apply(heartbeat({.calls = 0.25, .active_ms = 1.5, .members = 12.5, .hellos = 1}));
    const Meter meter =
        t.apply(heartbeat({.calls = 1e9, .active_ms = 1.5, .members = 0, .hellos = 1}))
            .snapshot.meter;
    t.equal(meter.current.calls + meter.previous.calls, 1e9 + 0.25);
    t.equal(meter.current.active_ms + meter.previous.active_ms, 3);
    t.equal(meter.current.members + meter.previous.members, 12.5);
    t.equal(meter.current.hellos + meter.previous.hellos, 2);
  };

  all["SumsTheStepsOfTheRecoveryLimit"] = [](Trial& t) {
    t.create_record(100);
    const core::StepSums sums{.ok = 1,
                              .overload = 2,
                              .failure = 3,
                              .rtt_sum_ms = 4.5,
                              .rtt_count = 5,
                              .busy_ms = 6,
                              .refused = 7,
                              .members = 8};
    t.apply(heartbeat({}, StepDelta{.step = 8, .sums = {.ok = 1}}));
    t.apply(heartbeat({}, StepDelta{.step = 9, .sums = sums}));
    t.apply(heartbeat({}, StepDelta{.step = 9, .sums = sums}));
    core::StepSums twice = sums;
    twice += sums;
    t.equal(t.read().steps, std::vector{StepDelta{.step = 8, .sums = {.ok = 1}},
                                        StepDelta{.step = 9, .sums = twice}});
  };

  all["KeepsTheTwoNewestStepsOnly"] = [](Trial& t) {
    for (const std::uint32_t step : {7u, 9u, 8u, 4'294'967'295u, 3u}) {
      t.apply(heartbeat({}, StepDelta{.step = step, .sums = {.ok = 1}}));
    }
    t.equal(t.read().steps, std::vector{StepDelta{.step = 9, .sums = {.ok = 1}},
                                        StepDelta{.step = 4'294'967'295u, .sums = {.ok = 1}}});
  };

  all["ASwapDropsTheSumsOfOtherSteps"] = [](Trial& t) {
    t.create_record(100, 1);
    t.apply(heartbeat({}, StepDelta{.step = 8, .sums = {.ok = 1}}));
    t.apply(heartbeat({}, StepDelta{.step = 9, .sums = {.ok = 2}}));
    Record next = full_record(100, 2);
    next.step = 10;
    t.equal(t.apply(swaps(100, 1, next)).snapshot.steps,
            std::vector{StepDelta{.step = 9, .sums = {.ok = 2}}});
    next = full_record(101, 3);
    next.step = 0;
    t.check(t.apply(swaps(100, 2, next)).snapshot.steps.empty());
  };

  all["MetersOutliveEpochs"] = [](Trial& t) {
    t.create_record(100, 1);
    t.apply(heartbeat({.calls = 5, .active_ms = 0, .members = 0, .hellos = 0}));
    const Meter meter = t.apply(swaps(100, 1, full_record(101, 2))).snapshot.meter;
    t.equal(meter.current.calls + meter.previous.calls, 5);
  };
}

}  // namespace switchgear::stores
