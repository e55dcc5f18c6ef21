// A member that a test steps through by hand: every answer of the store is written in the test.
// For tests only.
#pragma once

#include <gtest/gtest.h>

#include "fleet/member.h"

namespace switchgear::fleet {

inline constexpr StoreTime kStoreStart = store_time_ms(1'766'000'000'000);

inline Policy quick_policy() {
  return Policy{.failure_weight = 10,
                .trip_level = 100,
                .open_duration = 10s,
                .max_open_duration = 60s,
                .open_jitter = 0,
                .call_timeout = 2s};
}

class AMember : public testing::Test {
 protected:
  explicit AMember(Policy policy = quick_policy(), StoreLimits limits = {})
      : table(policy), options{.limits = limits} {}

  // Local clocks and the store's run together unless a test says otherwise.
  void pass(Duration d) {
    now.mono += d;
    now.boot += d;
    now.wall += d;
    store_time += floor_ms(d);
  }
  Snapshot snapshot() {
    Snapshot s;
    s.record = record;
    s.reports = reports;
    s.meter = meter;
    s.time = store_time;
    return s;
  }
  void answer(Status status = Status::ok) { member.answered({status, snapshot()}, now); }
  // Lets the member do all it wants against a store that accepts everything; returns the names of
  // the operations, joined by spaces.
  std::string settle() {
    std::string names;
    for (int i = 0; i < 20; ++i) {
      const auto op = member.next_operation(now);
      if (!op) return names;
      names += (names.empty() ? "" : " ") + std::string(name_of(*op));
      accept(*op);
      answer();
    }
    ADD_FAILURE() << "it never comes to rest: " << names;
    return names;
  }
  // Lets it make the one read that is due.
  void settle_read() {
    const auto op = member.next_operation(now);
    ASSERT_TRUE(op && std::holds_alternative<ReadOp>(*op));
    answer();
  }
  void accept(const Operation& op) {
    if (const auto* swap = std::get_if<SwapOp>(&op)) {
      const bool new_epoch = record.epoch != swap->next.epoch;
      const Slots slots = record.slots;
      record = swap->next;
      record.slots = slots;
      if (swap->claim) take(*swap->claim);
      if (new_epoch) reports.clear();
    } else if (const auto* report = std::get_if<ReportOp>(&op)) {
      if (report->report) reports.push_back(*report->report);
    } else if (const auto* claim = std::get_if<ClaimOp>(&op)) {
      take(claim->claim, claim->starts);
    } else if (const auto* settlement = std::get_if<SettleOp>(&op)) {
      record.slots[static_cast<std::size_t>(settlement->slot)].reset();
      if (settlement->epoch == record.epoch) {
        record.probe_ok += settlement->settlement == Settlement::success;
        record.probe_failed += settlement->settlement == Settlement::failure;
      }
    }
  }
  void take(const SlotClaim& claim, bool starts = false) {
    record.slots[static_cast<std::size_t>(claim.slot)] = Slot{.holder = claim.holder,
                                                              .token = claim.token,
                                                              .expires = store_time + claim.lease,
                                                              .started = starts ? record.epoch : 0};
  }
  Permit permitted() {
    const Admission a = member.admit(now);
    EXPECT_TRUE(std::holds_alternative<Permit>(a)) << "refused: " << refused_reason(a);
    return std::holds_alternative<Permit>(a) ? std::get<Permit>(a) : Permit{};
  }
  std::string refused() { return refused_reason(member.admit(now)); }
  static std::string refused_reason(const Admission& a) {
    const auto* r = std::get_if<Refusal>(&a);
    return r ? std::string(to_string(r->reason)) : "admitted";
  }
  void call(Outcome outcome, Duration duration = 10ms) {
    const Permit p = permitted();
    pass(duration);
    member.finish(p, outcome, duration, now);
  }
  void change(State state, Duration reopen_in = 0s) {
    record.state = state;
    record.epoch = std::max(record.epoch + 1, to_ms(store_time));
    record.revision++;
    record.since = store_time;
    record.reopen = store_time + floor_ms(reopen_in);
    reports.clear();
  }

  Now now{.mono = MonoTime{1h}, .boot = BootTime{2h}, .wall = WallTime{3h}};
  StoreTime store_time = kStoreStart;
  PolicyTable table;
  MemberOptions options;
  Record record = [] {
    Record r;
    r.incarnation = 1;
    r.epoch = to_ms(kStoreStart) - 1'000;
    r.revision = 1;
    r.born = kStoreStart - 1s;
    return r;
  }();
  std::vector<Report> reports;
  Meter meter;  // as if nobody added to it
  Member member{table, options, InstanceId{0xabc}, 42, now};
};

}  // namespace switchgear::fleet
