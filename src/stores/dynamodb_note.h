// A circuit's note in an item of its own, beside that of the circuit. Pure. Its attributes:
//
//   circuit (S)  the key: "<namespace>/<name>#note"; no circuit's name holds a #
//   rev (N)      the revision
//   note (S)     the text
//
// It has no "ttl": what it says of things outside must not go while nobody looks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "aws/dynamodb.h"
#include "stores/note.h"

namespace switchgear::stores {

inline constexpr char kNoteKeySuffix[] = "#note";

// What an item says, without the time; revision 0 where there is none. Error "unreadable".
Result<Note> note_of(const std::optional<aws::Item>& item);

// What replaces the note, under its condition. Neither table nor key are filled in.
aws::ItemUpdate note_update(std::uint64_t expected, const std::string& text);

}  // namespace switchgear::stores
