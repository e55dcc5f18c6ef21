// Stores that are wrong on purpose, each in one way that a shared breaker has been wrong before.
// A checker that accepts the history of one of them checks nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/redis_client.h"
#include "stores/store.h"

namespace switchgear::linearizability {

struct Defect {
  std::string_view name;  // of --broken
  std::string_view what;
};
const std::vector<Defect>& defects();

// The Redis store with one defect: its scripts with a condition taken out, or wrong on our side.
// `loop` outlives the store; `defect` is one of defects().
std::unique_ptr<stores::Store> broken_store(net::Loop& loop, const net::RedisAddress& address,
                                            const std::string& name_space,
                                            const net::RedisOptions& options,
                                            std::string_view defect, std::uint64_t seed);

}  // namespace switchgear::linearizability
