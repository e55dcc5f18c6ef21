// The checker can fail: stores that are broken on purpose, each in one way that real stores have
// been, are caught within a few seeds.
#include <gtest/gtest.h>

#include <string>

#include "lab/chaos.h"

namespace switchgear::lab {
namespace {

using fleet::Answer;
using fleet::Operation;
using fleet::Status;
using stores::MemoryTable;

// The first violation within 40 seeds, "" if none.
std::string first_violation(const SimStore::Execute& broken, const std::string& property) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const std::string violation = run_chaos({.seed = seed, .broken_store = broken}).violation;
    if (violation.starts_with(property)) return violation;
  }
  return "";
}

std::int64_t stored_epoch(MemoryTable& table, const std::string& circuit, StoreTime now) {
  const auto snapshot = table.execute(circuit, fleet::ReadOp{}, now).snapshot;
  return snapshot.readable() ? snapshot.readable()->epoch : 0;
}

TEST(BrokenStores, AnUnconditionalWriteIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto* swap = std::get_if<fleet::SwapOp>(&op)) {
      const auto snapshot = table.execute(circuit, fleet::ReadOp{}, now).snapshot;
      fleet::SwapOp forced = *swap;
      if (const fleet::Record* record = snapshot.readable()) {
        forced.expected_epoch = record->epoch;
        forced.expected_revision = record->revision;
      }
      return table.execute(circuit, forced, now);
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P2"), "");
}

TEST(BrokenStores, SlotsThatAreFreedWithTheEpochAreCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    const std::int64_t before = stored_epoch(table, circuit, now);
    Answer answer = table.execute(circuit, op, now);
    if (stored_epoch(table, circuit, now) != before && table.cells().contains(circuit)) {
      const auto* swap = std::get_if<fleet::SwapOp>(&op);
      auto& slots = table.cells()[circuit].slots;
      for (std::size_t i = 0; i < slots.size(); ++i) {
        if (!swap || !swap->claim || swap->claim->slot != static_cast<int>(i)) slots[i].reset();
      }
    }
    return answer;
  };
  EXPECT_NE(first_violation(broken, "P3"), "");
}

TEST(BrokenStores, ASlotGrantedWhileItIsHeldIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto* claim = std::get_if<fleet::ClaimOp>(&op);
        claim && table.cells().contains(circuit)) {
      table.cells()[circuit].slots[static_cast<std::size_t>(claim->claim.slot)].reset();
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P3"), "");
}

TEST(BrokenStores, ARepeatedReportThatCountsTwiceIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    Answer answer = table.execute(circuit, op, now);
    if (answer.status == Status::duplicate) {
      const auto& report = std::get<fleet::ReportOp>(op).report;
      table.cells()[circuit].reports.push_back(*report);
      answer.status = Status::ok;
    }
    return answer;
  };
  EXPECT_NE(first_violation(broken, "P1"), "");
}

TEST(BrokenStores, AReportThatIsAcknowledgedAndForgottenIsCaught) {
  int reports = 0;
  const auto broken = [&](MemoryTable& table, const std::string& circuit, const Operation& op,
                          StoreTime now) {
    const auto* report = std::get_if<fleet::ReportOp>(&op);
    Answer answer = table.execute(circuit, op, now);
    if (report && report->report && answer.status == Status::ok && ++reports % 7 == 0) {
      table.cells()[circuit].reports.pop_back();
    }
    return answer;
  };
  EXPECT_NE(first_violation(broken, "P1"), "");
}

TEST(BrokenStores, EvidenceOfAnEarlierEpochIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto* report = std::get_if<fleet::ReportOp>(&op); report && report->report) {
      fleet::ReportOp forged = *report;
      forged.epoch = stored_epoch(table, circuit, now);
      return table.execute(circuit, forged, now);
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P1"), "");
}

TEST(BrokenStores, ALateProbeResultThatCountsIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto* settle = std::get_if<fleet::SettleOp>(&op)) {
      fleet::SettleOp forged = *settle;
      forged.epoch = stored_epoch(table, circuit, now);
      return table.execute(circuit, forged, now);
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P4"), "");
}

TEST(BrokenStores, ANewerRecordThatIsTakenOverIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto cell = table.cells().find(circuit); cell != table.cells().end()) {
      for (auto& [name, value] : cell->second.fields) {
        if (name == "v") value = "1";
      }
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P12"), "");
}

TEST(BrokenStores, AnEpochThatIsUsedTwiceIsCaught) {
  const auto broken = [](MemoryTable& table, const std::string& circuit, const Operation& op,
                         StoreTime now) {
    if (const auto* swap = std::get_if<fleet::SwapOp>(&op)) {
      fleet::SwapOp counted = *swap;
      if (counted.next.epoch != counted.expected_epoch) {
        counted.next.epoch = 1 + counted.expected_epoch % 3;
      }
      return table.execute(circuit, counted, now);
    }
    return table.execute(circuit, op, now);
  };
  EXPECT_NE(first_violation(broken, "P2"), "");
}

}  // namespace
}  // namespace switchgear::lab
