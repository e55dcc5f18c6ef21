#include "guard/identity.h"

#include <sys/random.h>

#include <cerrno>

#include "core/assert.h"

namespace switchgear::guard {

Identity random_identity() {
  std::uint64_t bits[2] = {};
  ssize_t got = 0;
  // Up to 256 bytes are given whole or, before the kernel's pool is ready, interrupted.
  do got = ::getrandom(bits, sizeof bits, 0);
  while (got < 0 && errno == EINTR);
  SG_ASSERT(got == static_cast<ssize_t>(sizeof bits));
  return {.instance = {bits[0] >> 16}, .seed = bits[1]};
}

}  // namespace switchgear::guard
