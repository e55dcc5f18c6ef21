// Times of day as text.
#pragma once

#include <string>

#include "core/time.h"

namespace switchgear::queue {

// "2026-11-22T13:05:09Z": ISO 8601, UTC, whole seconds.
std::string utc_text(WallTime time);

}  // namespace switchgear::queue
