// Why a call may not go out, and when to ask again.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/state.h"
#include "core/time.h"

namespace switchgear {

enum class RefusalReason : unsigned char {
  open,        // the circuit is open
  probing,     // half-open, and no probe slot is ours
  limit,       // recovering, and the limit is used up
  held,        // a person holds it open
  local,       // the fleet's state is not known, and this process has seen enough failures
  store,       // the fleet's state is not known, and on_store_failure is refuse
  stale_view,  // just thawed: the view is being refreshed
};
inline constexpr int kRefusalReasons = 7;

struct Refusal {
  RefusalReason reason = RefusalReason::open;
  State state = State::open;
  std::int64_t epoch = 0;   // of the circuit; grows with every change of state
  Duration retry_after{0};  // when asking again makes sense
  Duration view_age{0};     // how old this process's knowledge of the circuit is
};

// "open", "probing", … as in metrics.
constexpr std::string_view to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::open:
      return "open";
    case RefusalReason::probing:
      return "probing";
    case RefusalReason::limit:
      return "limit";
    case RefusalReason::held:
      return "held";
    case RefusalReason::local:
      return "local";
    case RefusalReason::store:
      return "store";
    case RefusalReason::stale_view:
      return "stale_view";
  }
  return "unknown";
}

}  // namespace switchgear
