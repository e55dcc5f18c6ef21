#include "stores/note.h"

namespace switchgear::stores {

std::optional<Error> problem_with_note(const std::string& text) {
  if (text.size() <= kNoteBytesMax) return std::nullopt;
  return Error{.code = "too_large",
               .message = "a circuit's note of " + std::to_string(text.size()) +
                          " bytes is longer than the " + std::to_string(kNoteBytesMax) +
                          " that a store keeps; nothing was written",
               .retryable = false,
               .source = "store"};
}

}  // namespace switchgear::stores
