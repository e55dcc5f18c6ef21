#include "worker/circuit_port.h"

#include "core/backoff.h"

namespace switchgear::worker {

State MemberPort::state(const Now& now) {
  if (member_.policy().mode != Mode::enforce || member_.gate(now).open) return State::closed;
  if (held_open()) return State::open;
  // Calls are trials then, as they are in HALF_OPEN.
  if (member_.stopped_alone() && member_.state() != State::open) return State::half_open;
  return member_.state();
}

Duration MemberPort::next_open_time() {
  const fleet::Record* record = member_.record();
  const int opens = record == nullptr ? 1 : record->opens + 1;
  return core::open_time(member_.policy(), opens, 1.0);
}

std::string MemberPort::cause() {
  const fleet::Record* record = member_.record();
  if (record == nullptr) return "";
  if (member_.hold_in_force() != HoldKind::none) {
    return "held by " + record->hold.who +
           (record->hold.why.empty() ? "" : ": " + record->hold.why);
  }
  if (record->state != member_.state()) return "";
  return record->reason + (record->why.empty() ? "" : ": " + record->why);
}

std::int64_t MemberPort::epoch() {
  const fleet::Record* record = member_.record();
  return record == nullptr ? 0 : record->epoch;
}

}  // namespace switchgear::worker
