// The Lua scripts under redis/, one per operation and one for notes, built into the library.
#pragma once

#include <string>

namespace switchgear::stores {

struct RedisScript {
  std::string text;  // with the prelude
  std::string sha1;  // of the text, in hexadecimal: how Redis calls a script that it knows
};

struct RedisScripts {
  RedisScript read;
  RedisScript report;
  RedisScript claim;
  RedisScript settle;
  RedisScript swap;
  RedisScript note;  // reads and writes
};

// Made at the first call. From any thread.
const RedisScripts& redis_scripts();

}  // namespace switchgear::stores
