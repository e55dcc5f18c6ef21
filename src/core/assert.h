// SG_ASSERT: an invariant of our own code. Checked in release builds too; a failure aborts the
// process with the place, since a broken invariant must not go on deciding for a fleet.
// Never for bad input: that is a Result.
#pragma once

namespace switchgear::core {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define SG_ASSERT(expression) \
  ((expression) ? void(0) : ::switchgear::core::assertion_failed(#expression, __FILE__, __LINE__))
