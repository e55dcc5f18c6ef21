// A text beside a circuit's record: what one controller keeps there, such as its lease and how
// things were before it touched them. It is replaced by compare-and-set only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/time.h"

namespace switchgear::stores {

inline constexpr std::size_t kNoteBytesMax = 256 << 10;

struct Note {
  std::uint64_t revision = 0;  // 0: there is none
  std::string text;
  // The store's clock when it answered, or a little before (on DynamoDB a second and the way of the
  // answer), never after: who waits for a time until this says so has waited long enough. Who must
  // be through by a time counts from before asking, by a clock of its own.
  StoreTime time{};
};

struct NoteAnswer {
  bool written = false;  // of write_note(): ours is there
  Note note;             // as it is now
};

using NoteCallback = std::function<void(Result<NoteAnswer>)>;

// What is wrong with a note that is to be written, "too_large"; empty if nothing is.
std::optional<Error> problem_with_note(const std::string& text);

// Error "unreadable"; what is there was written by somebody else.
Error unreadable_note(const std::string& why);

}  // namespace switchgear::stores
