#include "stores/note.h"

#include "core/assert.h"

namespace switchgear::stores {

std::optional<Error> problem_with_note(const std::string& text) {
  SG_ASSERT(!text.empty());
  if (text.size() <= kNoteBytesMax) return std::nullopt;
  return Error{.code = "too_large",
               .message = "a circuit's note of " + std::to_string(text.size()) +
                          " bytes is longer than the " + std::to_string(kNoteBytesMax) +
                          " that a store keeps; nothing was written",
               .retryable = false,
               .source = "store"};
}

Error unreadable_note(const std::string& why) {
  return {.code = "unreadable",
          .message = "the circuit's note was written by somebody else: " + why +
                     "; switchgear circuits reset NAME --forget removes it with the circuit",
          .retryable = false,
          .source = "note"};
}

}  // namespace switchgear::stores
