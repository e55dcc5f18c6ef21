// The states of a circuit, and the holds that a person may lay over them.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace switchgear {

enum class State : unsigned char { closed, open, half_open, recovering };

// A person's hand. While a hold is in force the machine below keeps its own state.
enum class HoldKind : unsigned char { none, forced_open, forced_closed, metrics_only };

inline constexpr std::array kStates{State::closed, State::open, State::half_open,
                                    State::recovering};

// "CLOSED", "OPEN", "HALF_OPEN", "RECOVERING".
std::string_view to_string(State);
// Also reads the field's synonyms ("HALF-OPEN", lower case). Empty for an unknown word.
std::optional<State> state_from_string(std::string_view);

// "", "FORCED_OPEN", "FORCED_CLOSED", "METRICS_ONLY".
std::string_view to_string(HoldKind);
std::optional<HoldKind> hold_from_string(std::string_view);

}  // namespace switchgear
