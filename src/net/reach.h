// How far one gets towards a host: for telling people which of the steps to a server fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "net/loop.h"

namespace switchgear::net {

// Looks the host up and opens a TCP connection, which is closed at once. `done` gets the address
// that was reached, "127.0.0.1:6379", or the error: "dns" (nobody knows the host), "refused"
// (nobody listens there), "timeout" (packets go astray, or somebody drops them), "connect"
// (anything else). Called once, on the loop, after `limit` at the latest. `loop` outlives the call.
void reach(Loop& loop, const std::string& host, std::uint16_t port, Duration limit,
           std::function<void(Result<std::string>)> done);

}  // namespace switchgear::net
