// What always holds, checked after every simulated step: P1 to P4, P9 and P12 of the design, and
// that nobody spins. The checker keeps books of its own and shares no code with what it checks.
//
//   P1  an acknowledged report is in the evidence of its epoch exactly once; a claim takes its slot
//       once, and its settlement counts once
//   P2  a state changes only by a conditional write, in the order of the design, with the probe
//       results that the step needs; an epoch has one content and is never reused; no process goes
//       back behind an epoch it has seen; whoever made a write is told so
//   P3  no slot is granted while it is held, nor changed by what was refused; while OPEN or
//       HALF_OPEN no call goes out without one; never more probes in flight than there are slots,
//       but for processes stopped between check and start, and calls beyond their timeout
//   P4  a late result changes nothing: no evidence, no count, no state
//   P9  a hold once seen is obeyed until its end
//   P12 a record of a newer schema, and its evidence, stay as they are; only a slot may be given
//   back
//       by its token
//
// A store that loses acknowledged writes (flushed, rolled back) cannot keep P1 and P3 for what it
// lost; the rest holds all the same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lab/world.h"

namespace switchgear::lab {

class Properties : public Observer {
 public:
  // Watches `world` from now on; must be there before its processes. `world` outlives it.
  explicit Properties(World& world);

  // "" or the first thing that was wrong. The world stops there.
  const std::string& violation() const { return violation_; }

  // Tell it what the store's own books cannot: that it lost writes, that a person acted, that a
  // process of another version wrote.
  void store_lost();
  void person_acted();
  void another_version_wrote() { look_again(); }

  // What the store holds, as of its last operation.
  const fleet::Record* stored() const { return before_.readable(); }
  // States entered, as written in the store.
  int entered(State state) const { return entered_[static_cast<std::size_t>(state)]; }
  // Reports that were added to the evidence of their epoch.
  std::size_t reports_counted() const { return applied_.size(); }
  int probes_started() const { return probes_started_; }
  // Slots that were taken over and counted, since their owners made a call and never said more.
  int lost_probes() const { return lost_probes_; }
  int probes_at_once_max() const { return probes_at_once_max_; }

  void admitted(Process&, const fleet::Admission&) override;
  void call_started(Process&, const SimCall&) override;
  void call_left_dependency(const SimCall&) override;
  void call_finished(Process&, const SimCall&, Outcome) override;
  void ran(Process&, bool spins) override;
  void sent(Process&, const fleet::Operation&) override;
  void answered(Process&, const fleet::Operation&, const fleet::Answer*) override;

 private:
  using Holder = std::pair<fleet::InstanceId, std::uint32_t>;  // and token
  using Slotted = std::tuple<int, fleet::InstanceId, std::uint32_t>;
  using ReportId = std::pair<fleet::InstanceId, std::uint32_t>;
  struct Seen {
    std::int64_t epoch = 0;
    fleet::Hold hold;
    std::int64_t second = 0;  // of true time, and the operations sent in it
    int operations = 0;
  };
  struct Probe {
    std::uint64_t call;
    TrueTime started;
    bool excused;
  };

  void fail(const std::string& property, const std::string& what);
  void look_again();
  void store_stepped(int process, const fleet::Operation&, const fleet::Answer&);
  void check_report(const fleet::ReportOp&, fleet::Status);
  void check_evidence(const fleet::Snapshot& after);
  void check_record(int process, const fleet::Operation&, fleet::Status,
                    const fleet::Record& after);
  void note_probes();
  void check_step(int process, const fleet::Record& before, const fleet::Record& after);
  static bool may_change_slot(const fleet::Operation&, fleet::Status, int slot);
  void check_slots(const fleet::Operation&, fleet::Status, const fleet::Record& after);
  void check_hands_off(const fleet::Operation&);
  void check_owners(const fleet::Operation&, const fleet::Record& after);
  void check_probe_counts(const fleet::Operation&, fleet::Status, const fleet::Record& after);
  bool check_lost_probe(const fleet::Operation&, const fleet::Record& before,
                        const fleet::Record& after);
  void check_content(const fleet::Record& after);
  bool lost_lately() const;

  World& world_;
  std::string violation_;
  fleet::Snapshot before_;
  std::optional<stores::MemoryTable::Cell> foreign_;  // what is stored, if it is of a newer schema
  std::vector<fleet::Report> evidence_;
  std::set<ReportId> applied_;
  std::map<std::int64_t, std::string> contents_;
  // What has been known of the probes of a round, by epoch, though the store may have gone back
  // behind it since.
  struct Round {
    int ok = 0;
    int failed = 0;
  };
  std::map<std::int64_t, Round> rounds_;
  std::map<std::pair<fleet::InstanceId, std::int64_t>, double> failed_;    // finished, by epoch
  std::map<std::pair<fleet::InstanceId, std::int64_t>, double> reported_;  // in the store, by epoch
  std::set<Holder> settled_;
  std::set<Slotted> done_;  // who has had which slot and has it no more
  std::map<Holder, Outcome> probe_results_;
  std::map<Holder, std::int64_t> probed_;  // permits for probes, and their epoch
  std::vector<Probe> probes_;
  std::map<int, Seen> seen_;
  std::int64_t person_epoch_ = 0;
  TrueTime lost_at_{-1h};
  int entered_[4] = {};
  int probes_started_ = 0;
  int lost_probes_ = 0;
  int probes_at_once_max_ = 0;
};

// "report 3 failures (ok)": for traces.
std::string describe(const fleet::Operation&);

}  // namespace switchgear::lab
