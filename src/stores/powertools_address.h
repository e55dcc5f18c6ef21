// The URL of a table that AWS Powertools' circuit breaker writes:
// powertools://TABLE[?region=REGION][&key_attr=…], with the parameters of
// CircuitBreakerDynamoDBPersistence by their names there, percent-encoded.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "stores/powertools_item.h"

namespace switchgear::stores {

struct PowertoolsAddress {
  std::string table;
  std::string region = {};  // empty: by the environment
  PowertoolsNames names = {};
};

bool is_powertools_url(std::string_view url);

// Errors: "url". `url` is one of Powertools.
Result<PowertoolsAddress> powertools_address(std::string_view url);

}  // namespace switchgear::stores
