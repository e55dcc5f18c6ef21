// The part of a diagnosis that looks at one Redis or Valkey server; see redis_diagnosis.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/redis_client.h"
#include "stores/diagnosis.h"
#include "stores/redis_store.h"

namespace switchgear::stores {

struct RedisNode {
  std::shared_ptr<net::RedisClient> client;
  std::string circuit;  // a throw-away one, which this server keeps
  std::string user;     // who we are there; empty: not known
  bool of_cluster = false;

  Result<net::resp::Value> ask(Examination& examination,
                               const std::vector<std::string>& words) const;
};

// Version, eviction, memory, role, rights and clock of a server that answers.
void examine(Examination& examination, RedisStore& store, const RedisNode& node);

// Whether a server refused a command of ours, or one in a script, since its user may not.
bool lacks_a_right(const Error& error);

// The value of a line "field:value" of INFO; empty if there is none.
std::string info_value(std::string_view info, std::string_view field);

}  // namespace switchgear::stores
