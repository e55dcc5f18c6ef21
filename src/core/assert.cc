#include "core/assert.h"

#include <cstdio>
#include <cstdlib>

namespace switchgear::core {
void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "switchgear: broken invariant at %s:%d: %s\n", file, line, expression);
  std::abort();
}
}  // namespace switchgear::core
