// Between operations and answers on our side and words on Redis' side. Pure.
#pragma once

#include <string>
#include <vector>

#include "fleet/store_ops.h"
#include "net/resp.h"
#include "stores/note.h"
#include "stores/redis_scripts.h"

namespace switchgear::stores {

// The script that carries out an operation, and its arguments (ARGV).
struct RedisCall {
  const RedisScript* script = nullptr;
  std::vector<std::string> arguments;
};
RedisCall redis_call(const fleet::Operation& operation);

// The answer that a script gave. Error "protocol": it is no such answer. What is stored but not
// understood is no error of the answer: an unreadable record and reports are marked in the
// snapshot, unknown sums are left out.
Result<fleet::Answer> redis_answer(const net::resp::Value& value);

// That of the script for notes, `text` being what was to be written. Besides "unreadable": what is
// there is no note.
Result<NoteAnswer> redis_note_answer(const net::resp::Value& value, const std::string& text = {});

}  // namespace switchgear::stores
