// From a store's URL to the store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "aws/credentials_provider.h"
#include "aws/dynamodb.h"
#include "aws/environment.h"
#include "core/result.h"
#include "core/time.h"
#include "net/loop.h"
#include "stores/redis_store.h"
#include "stores/store.h"

namespace switchgear::stores {

struct StoreOptions {
  // Keeps several systems on one store apart: 1 to 64 of A-Z a-z 0-9 . _ : -
  std::string name_space = "switchgear";
  // An operation not answered by then ends with "timeout". 1 ms or more.
  Duration timeout = 1s;
  // Seed of the jitter between attempts to connect; should differ between processes.
  std::uint64_t seed = 0;
  // The clock of a store in memory. Empty: this machine's time of day.
  std::function<StoreTime()> memory_clock{};
  // Where a store on AWS finds profile, endpoint, region and credentials. Empty: the process's own.
  aws::Environment environment{};
  // Credentials of a store on AWS. Empty: those that the environment leads to.
  std::shared_ptr<aws::CredentialsProvider> credentials{};
  // Hears of trouble with those that the environment leads to; see aws::CredentialsProvider.
  aws::CredentialsListener on_credentials{};
  // How long an operation may wait for credentials that are not at hand; 0: as `timeout`.
  Duration credentials_timeout{0};
  // See DynamoDbStoreOptions.
  bool consistent_reads = false;
  // Hears what each request to DynamoDB consumed; see aws::DynamoDbOptions. Empty: nobody asks.
  std::function<void(const aws::Consumed&)> on_consumed{};
};

// memory: (this process only), a URL of a Redis (see net/redis_address.h), or
// dynamodb://TABLE[?region=REGION], whose endpoint, region and credentials otherwise come from the
// environment as everywhere in aws/. Opens no connection yet: that happens with the first
// operation. `loop` outlives the store. Errors: "unsupported" for a store of a later version,
// "powertools" for a table that is not Switchgear's (powertools_table.h), "profile", "region",
// "endpoint", "credentials", "proxy" and "retry" as in aws/access.h, "url" for anything else; never
// with a password.
Result<std::unique_ptr<Store>> open_store(net::Loop& loop, std::string_view url,
                                          const StoreOptions& options = {});

// The same checks without opening anything, for `config check`; powertools:// is as good as a store
// here.
Result<void> check_store_url(std::string_view url);

}  // namespace switchgear::stores
