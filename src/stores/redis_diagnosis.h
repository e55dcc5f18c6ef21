// The part of a diagnosis that is Redis's or Valkey's own; see diagnosis.h.
#pragma once

#include <string>
#include <string_view>

#include "stores/diagnosis.h"
#include "stores/redis_store.h"

namespace switchgear::stores {

void examine(Examination& examination, RedisStore& store);

// The value of a line "field:value" of INFO; empty if there is none.
std::string info_value(std::string_view info, std::string_view field);

}  // namespace switchgear::stores
