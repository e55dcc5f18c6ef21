// The part of a diagnosis that is Redis's or Valkey's own; see diagnosis.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "stores/diagnosis.h"
#include "stores/redis_store.h"

namespace switchgear::stores {

// Every server that takes our writes: the one, the primary that Sentinels name, each primary of a
// cluster.
void examine(Examination& examination, RedisStore& store);

// What was found on several servers, told in one list: what is the same on some of them is one
// finding that names them, and what is well in each case, but not the same, is shown for one.
using FindingsOfServer = std::pair<std::string, std::vector<Finding>>;  // behind the server's name
std::vector<Finding> joined_findings(const std::vector<FindingsOfServer>& servers);

}  // namespace switchgear::stores
