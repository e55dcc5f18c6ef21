// "Did you mean": the known word that is closest to what a person wrote.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchgear::core {

// The closest of `known`, if close enough to be a slip: at most a third of the letters, and at
// least one, inserted, left out, replaced or swapped with a neighbour. Case and the difference
// between `-`, `_` and nothing do not count, so that `openDuration` finds `open_duration`. Failing
// that, the shortest that begins like the word, if that has three letters: `que` finds `queue`.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean `probes`?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace switchgear::core
