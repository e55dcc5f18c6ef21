// For how long to hide a message that goes back to its queue. Pure; whole seconds, as SQS takes
// them.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "core/backoff.h"
#include "core/random.h"
#include "core/time.h"

namespace switchgear::queue {

// SQS hides a message for at most 12 hours in all, counted from the receive, and refuses what goes
// beyond; 43,200 itself is refused soon after the receive, 43,195 works (SQS developer guide).
inline constexpr std::chrono::seconds kVisibilityMax{43'195};

// `wish` as SQS will take it: rounded up to whole seconds, in [1, min(cap, what is left of the 12
// hours)]. 0 if nothing is left of them: the message comes back by itself.
std::chrono::seconds visibility(Duration wish, Duration cap, Duration since_receive);

// The wait after a failure, by how often the message has been received.
std::chrono::seconds back_off(const core::Backoff& backoff, int receive_count,
                              Duration since_receive, core::Random& random);

// The wait of a message that could not be called because its circuit is open: at least
// `retry_after`, and up to a quarter and a second more, so that what goes back together does not
// come back together.
std::chrono::seconds hide_while_open(Duration retry_after, Duration since_receive,
                                     core::Random& random);

// The value of a Retry-After header: seconds, or an HTTP date in any of its three forms (RFC 9110
// section 10.2.3), against `now`. A date in the past is 0. Empty if it is neither.
std::optional<Duration> parse_retry_after(std::string_view value, WallTime now);

}  // namespace switchgear::queue
