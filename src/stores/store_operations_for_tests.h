// Random operations for every backend, from a seed.
#pragma once

#include <optional>

#include "core/random.h"
#include "fleet/store_ops.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {

// Makes operations that often fit what is stored, and often just do not. `coarse`: none of which a
// few seconds decide, for a store whose time is not known better.
class Generator {
 public:
  explicit Generator(std::uint64_t seed, bool coarse = false) : random_(seed), coarse_(coarse) {}

  fleet::Operation next(const fleet::Snapshot& seen) {
    switch (random_.below(10)) {
      case 0:
        return fleet::ReadOp{};
      case 1:
      case 2:
      case 3:
        return report(seen);
      case 4:
      case 5:
        return claim_op(seen);
      case 6:
      case 7:
        return settle(seen);
      default:
        return swap(seen);
    }
  }
  bool chance(double p) { return random_.chance(p); }
  std::uint64_t below(std::uint64_t n) { return random_.below(n); }

 private:
  std::int64_t epoch(const fleet::Snapshot& seen) {
    const std::int64_t stored = seen.readable() ? seen.readable()->epoch : 0;
    return random_.chance(0.85) ? stored : stored + static_cast<std::int64_t>(below(3)) - 1;
  }
  fleet::InstanceId instance() {
    return fleet::InstanceId{below(3) == 0 ? 0xffffffffffff : below(3)};
  }
  std::uint32_t token() { return static_cast<std::uint32_t>(below(3)); }
  int slot() { return below(4) == 0 ? 31 : static_cast<int>(below(2)); }
  // Sums of fractions of two, so that the order of additions does not show.
  double amount() { return random_.chance(0.3) ? 0 : static_cast<double>(below(4'000)) / 4; }

  fleet::SlotClaim claim() {
    // Some leases end while the test runs.
    std::chrono::milliseconds lease{random_.chance(0.5) ? below(4) : 60'000};
    if (coarse_ && lease < 4ms) lease = -60'000ms;
    return {.slot = slot(), .holder = instance(), .token = token(), .lease = lease};
  }

  fleet::ClaimOp claim_op(const fleet::Snapshot& seen) {
    fleet::ClaimOp op{.epoch = epoch(seen), .claim = claim()};
    const fleet::Record* record = seen.readable();
    if (record) op.seen = fleet::owner_of(record->slots[static_cast<std::size_t>(op.claim.slot)]);
    if (op.seen && random_.chance(0.3)) {  // of whoever has it
      op.claim.holder = op.seen->holder;
      op.claim.token = op.seen->token;
      op.starts = random_.chance(0.5);
    }
    if (random_.chance(0.2)) op.seen = fleet::SlotOwner{.holder = instance(), .token = token()};
    return op;
  }

  fleet::SettleOp settle(const fleet::Snapshot& seen) {
    fleet::SettleOp op{.epoch = epoch(seen),
                       .slot = slot(),
                       .holder = instance(),
                       .token = token(),
                       .settlement = static_cast<fleet::Settlement>(below(3))};
    const fleet::Record* record = seen.readable();
    if (record && random_.chance(0.7)) {
      if (const auto& held = record->slots[static_cast<std::size_t>(op.slot)]) {
        op.holder = held->holder;
        op.token = held->token;
      }
    }
    return op;
  }

  fleet::ReportOp report(const fleet::Snapshot& seen) {
    fleet::ReportOp op{
        .epoch = epoch(seen), .report = std::nullopt, .meter = {}, .step = std::nullopt};
    if (random_.chance(0.8)) {
      // Mostly in range, sometimes far out; never so near a bound that a millisecond decides.
      const std::int64_t ago = random_.chance(0.9)   ? static_cast<std::int64_t>(below(9'000)) - 500
                               : random_.chance(0.5) ? 30'000
                                                     : -30'000;
      const std::int64_t in_doubt = coarse_ && ago < 9'000 && ago > -1'000 ? ago * 3 / 4 : ago;
      op.report = fleet::Report{.sent = seen.time - std::chrono::milliseconds{in_doubt},
                                .span = std::chrono::milliseconds{below(100)},
                                .instance = instance(),
                                .seq = static_cast<std::uint32_t>(below(1'000)),
                                .failures = static_cast<std::uint32_t>(below(5)),
                                .overloads = static_cast<std::uint32_t>(below(5)),
                                .slow = static_cast<std::uint32_t>(below(5)),
                                .thinning = static_cast<std::uint32_t>(below(3))};
      if (!seen.reports.empty() && random_.chance(0.1)) {
        op.report = seen.reports[below(seen.reports.size())];
      }
    }
    if (random_.chance(0.5)) {
      op.meter = {
          .calls = amount(), .active_ms = amount(), .members = amount(), .hellos = amount()};
    }
    if (random_.chance(0.5)) {
      op.step = fleet::StepDelta{.step = static_cast<std::uint32_t>(below(6)),
                                 .sums = {.ok = amount(),
                                          .overload = amount(),
                                          .failure = amount(),
                                          .rtt_sum_ms = amount(),
                                          .rtt_count = amount(),
                                          .busy_ms = amount(),
                                          .refused = amount(),
                                          .members = amount()}};
    }
    if (coarse_ && op.step && seen.readable()) {  // steps only ever grow
      const std::uint32_t step = seen.readable()->step;
      op.step->step = step - std::min(step, static_cast<std::uint32_t>(below(2)));
    }
    return op;
  }

  fleet::SwapOp swap(const fleet::Snapshot& seen) {
    const fleet::Record* stored = seen.readable();
    fleet::Record next = full_record(stored ? stored->epoch : 1, stored ? stored->revision + 1 : 1);
    if (random_.chance(0.1)) next.epoch += 1;
    next.state = kStates[below(kStates.size())];
    next.swap_id = random_.next();
    next.step = static_cast<std::uint32_t>(below(6));
    if (coarse_) next.step = stored ? stored->step + static_cast<std::uint32_t>(below(2)) : 6;
    next.hold.kind = static_cast<HoldKind>(below(4));
    next.probe_ok = static_cast<int>(below(3));
    next.slots[0] = fleet::Slot{.holder = instance(), .token = 9, .expires = seen.time};
    fleet::SwapOp op{
        .expected_epoch = epoch(seen),
        .expected_revision = stored ? stored->revision + (random_.chance(0.1) ? 1 : 0) : 0,
        .next = next,
        .not_before = std::nullopt,
        .claim = std::nullopt};
    if (random_.chance(0.3)) {
      op.not_before = seen.time + (random_.chance(0.3) ? std::chrono::milliseconds{60'000}
                                                       : std::chrono::milliseconds{below(6)} - 3ms);
      if (coarse_ && *op.not_before < seen.time + 10ms) *op.not_before -= 10s;
    }
    if (random_.chance(0.3)) op.claim = claim();
    op.unless_probe_failed = random_.chance(0.2);
    return op;
  }

  core::Random random_;
  bool coarse_;
};

}  // namespace switchgear::stores
