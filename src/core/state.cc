#include "core/state.h"

#include <string>

namespace switchgear {
namespace {

// Upper case, with '-' and ' ' as '_'.
std::string normalised(std::string_view word) {
  std::string text(word);
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-' || c == ' ') c = '_';
  }
  return text;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::closed:
      return "CLOSED";
    case State::open:
      return "OPEN";
    case State::half_open:
      return "HALF_OPEN";
    case State::recovering:
      return "RECOVERING";
  }
  return "UNKNOWN";
}

std::optional<State> state_from_string(std::string_view word) {
  const std::string text = normalised(word);
  for (const State state : kStates) {
    if (to_string(state) == text) return state;
  }
  if (text == "HALFOPEN") return State::half_open;
  return std::nullopt;
}

std::string_view to_string(HoldKind hold) {
  switch (hold) {
    case HoldKind::none:
      return "";
    case HoldKind::forced_open:
      return "FORCED_OPEN";
    case HoldKind::forced_closed:
      return "FORCED_CLOSED";
    case HoldKind::metrics_only:
      return "METRICS_ONLY";
  }
  return "UNKNOWN";
}

std::optional<HoldKind> hold_from_string(std::string_view word) {
  const std::string text = normalised(word);
  for (const HoldKind hold :
       {HoldKind::none, HoldKind::forced_open, HoldKind::forced_closed, HoldKind::metrics_only}) {
    if (to_string(hold) == text) return hold;
  }
  if (text == "DISABLED") return HoldKind::forced_closed;  // resilience4j's word
  return std::nullopt;
}

}  // namespace switchgear
