#include "guard/seat.h"

#include <algorithm>

namespace switchgear::guard {

Seat::Seat(std::string name, std::shared_ptr<const fleet::PolicyTable> table,
           const fleet::MemberOptions& options, fleet::InstanceId instance, std::uint64_t seed,
           Clock clock)
    : name_(std::move(name)),
      clock_(std::move(clock)),
      table_(std::move(table)),
      last_(clock_()),
      member_(*table_, options, instance, seed, last_) {}

void Seat::wait(std::unique_lock<std::mutex>& lock, Duration limit) {
  changed_.wait_for(lock, limit);
}

Now Seat::reading_at(MonoTime mono, const Now& now) const {
  const Duration back = std::max(now.mono - mono, Duration::zero());
  return {.mono = std::max(now.mono - back, last_.mono),
          .boot = std::max(now.boot - back, last_.boot),
          .wall = std::max(now.wall - back, last_.wall)};
}

bool Seat::wants_attention(fleet::Member& member, const Now& now) {
  const Duration until = member.until_next(now);
  if (until == Duration::max()) return false;
  const MonoTime due = now.mono + until;
  // Less than a millisecond earlier is not worth a wake.
  if (due + 1ms >= attention_at_) return false;
  attention_at_ = due;
  return true;
}

}  // namespace switchgear::guard
