#include "fleet/moves.h"

#include <algorithm>
#include <utility>

#include "core/backoff.h"
#include "core/mutant.h"
#include "core/random.h"

namespace switchgear::fleet {
namespace {

// How long the dependency asked to be left alone, by what anybody heard of it.
Duration asked_pause(const Policy& policy, const Snapshot& snapshot, const Decider& decider) {
  Duration longest = decider.asked_pause;
  for (const Report& r : snapshot.reports) {
    // A report's time is its sender's estimate, which may be ahead of the store's.
    const auto until =
        std::min(r.sent, snapshot.time) + std::chrono::milliseconds{r.retry_after_ms};
    longest = std::max<Duration>(longest, until - snapshot.time);
  }
  return std::min(longest, policy.retry_after_max);
}

}  // namespace

std::int64_t next_epoch(std::int64_t epoch, StoreTime now) {
  if (core::mutant(core::Mutant::epoch_reused)) return epoch + 1;
  return std::max(epoch + 1, to_ms(now));
}

SwapOp write_over(const Record& current, const PolicyTable& table, const Decider& decider) {
  SwapOp op;
  op.expected_epoch = current.epoch;
  op.expected_revision = current.revision;
  op.next = current;
  op.next.revision = current.revision + 1;
  op.next.swap_id = core::hash2(decider.nonce, kSwapSalt);
  op.next.fingerprint = table.fingerprint();
  op.next.probes = table.policy().probes;
  return op;
}

void enter(Record& next, State state, StoreTime now, std::string reason, std::string why) {
  next.epoch = next_epoch(next.epoch, now);
  next.state = state;
  next.since = now;
  next.reason = std::move(reason);
  next.why = std::move(why);
  next.probe_ok = 0;
  next.probe_failed = 0;
}

SwapOp open_circuit(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                    const Decider& decider, std::string reason, std::string why) {
  SwapOp op = write_over(current, table, decider);
  if (current.state == State::recovering && current.recovery.slow_start_threshold > 0) {
    op.next.last_good_limit = current.recovery.slow_start_threshold;
  }
  if (current.state == State::closed) {
    // Without a recovery limit this is the best guess at the pace after the outage. The meter will
    // forget how many they are, while they make no calls.
    const FleetEstimate fleet = weigh(table, snapshot).fleet;
    op.next.recovery = {.calls_per_second = fleet.calls_per_second};
    op.next.members = fleet.members;
  }
  enter(op.next, State::open, snapshot.time, std::move(reason), std::move(why));
  op.next.opens = current.opens + 1;
  const double unit = core::to_unit(core::hash2(decider.nonce, kJitterSalt));
  const Duration open = std::max(core::open_time(table.policy(), op.next.opens, unit),
                                 asked_pause(table.policy(), snapshot, decider));
  op.next.reopen = snapshot.time + ceil_ms(open);
  return op;
}

SwapOp close_circuit(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                     const Decider& decider, std::string reason, std::string why) {
  SwapOp op = write_over(current, table, decider);
  if (current.state == State::recovering && current.recovery.slow_start_threshold > 0) {
    op.next.last_good_limit = current.recovery.slow_start_threshold;
  }
  enter(op.next, State::closed, snapshot.time, std::move(reason), std::move(why));
  op.next.opens = 0;
  op.next.reopen = StoreTime{};
  return op;
}

SwapOp begin_trials(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                    const Decider& decider, std::string why) {
  SwapOp op = write_over(current, table, decider);
  enter(op.next, State::half_open, std::max(snapshot.time, current.reopen), "open_time_ended",
        std::move(why));
  op.not_before = current.reopen;
  return op;
}

SwapOp begin_ramp(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                  const Decider& decider, double limit, Duration step, std::string reason,
                  std::string why) {
  SwapOp op = write_over(current, table, decider);
  enter(op.next, State::recovering, snapshot.time, std::move(reason), std::move(why));
  op.next.recovery = {.limit = limit};
  op.next.step = current.step + 1;
  op.next.step_at = snapshot.time + ceil_ms(step);
  op.next.members = 1;
  return op;
}

SwapOp step_ramp(const PolicyTable& table, const Record& current, const Snapshot& snapshot,
                 const Decider& decider, double limit, Duration step) {
  SwapOp op = write_over(current, table, decider);
  op.next.recovery.limit = limit;
  op.next.step = current.step + 1;
  op.next.step_at = snapshot.time + ceil_ms(step);
  return op;
}

}  // namespace switchgear::fleet
