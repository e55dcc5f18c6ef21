// The behaviour of the stores: reading, and circuits beside each other.
#include <algorithm>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_circuit_behaviours(Behaviours& all) {
  all["ReadsNothingOfAnUnknownCircuit"] = [](Trial& t) {
    const Answer answer = t.apply(ReadOp{});
    t.equal(answer.status, Status::ok);
    t.check(!answer.snapshot.record);
    t.check(answer.snapshot.reports.empty());
    t.check(answer.snapshot.steps.empty());
    t.equal(answer.snapshot.meter.current.calls, 0);
    t.equal(answer.snapshot.meter.current.minute, minute_of(answer.snapshot.time));
    t.check(answer.snapshot.time > store_time_ms(1'600'000'000'000));
  };

  all["NamesItsBackend"] = [](Trial& t) { t.equal(t.backend(), t.traits().backend); };

  all["KeepsCircuitsApart"] = [](Trial& t) {
    t.create_record(100);
    t.circuit += "/eu";
    t.check(!t.read().record);
    t.create_record(200);
    t.equal(t.record().epoch, 200);
  };

  all["ListsTheCircuitsThatHaveARecord"] = [](Trial& t) {
    const std::string name = t.circuit;
    for (const char* suffix : {"/b", "/a", ":r"}) {
      t.circuit = name + suffix;
      t.create_record();
    }
    t.circuit = name + "-no-record";
    t.apply(heartbeat({.calls = 1, .active_ms = 0, .members = 0, .hellos = 0}));
    const std::vector<std::string> names = t.names();
    t.check(std::ranges::is_sorted(names));
    std::vector<std::string> ours;
    for (const std::string& found : names) {
      if (found.starts_with(name)) ours.push_back(found);
    }
    t.equal(ours, std::vector{name + "/a", name + "/b", name + ":r"});
  };

  all["RemovesACircuitWithAllThatBelongsToIt"] = [](Trial& t) {
    t.create_record(100);
    t.equal(t.status_of(adds(100, t.report(1))), Status::ok);
    t.apply(heartbeat({.calls = 1, .active_ms = 0, .members = 0, .hellos = 0},
                      StepDelta{.step = 9, .sums = {.ok = 1}}));
    t.equal(t.status_of(claims(100, 0, kAnn, 42)), Status::ok);
    t.remove();
    t.remove();
    const Snapshot snapshot = t.read();
    t.check(!snapshot.record);
    t.check(snapshot.reports.empty());
    t.check(snapshot.steps.empty());
    t.equal(snapshot.meter.current.calls + snapshot.meter.previous.calls, 0);
    t.create_record(100);
    t.check(!t.record().slots[0]);
  };

  all["CallsNobodyAfterItsEnd"] = [](Trial& t) { t.check(!t.answers_after_its_end(ReadOp{})); };
}

}  // namespace switchgear::stores
