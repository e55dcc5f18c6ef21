// How Lambda's control plane says "not now".
#pragma once

#include "core/result.h"

namespace switchgear::controller {

// It, or the account, is asked too much.
inline bool is_throttle(const Error& error) {
  return error.code == "TooManyRequestsException" || error.code == "ThrottlingException" ||
         error.code == "Throttling";
}

// What is asked about is changing.
inline bool is_in_use(const Error& error) {
  return error.code == "ResourceInUseException" || error.code == "ResourceConflictException";
}

}  // namespace switchgear::controller
