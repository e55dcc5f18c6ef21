#include "stores/open.h"

#include <algorithm>
#include <utility>

#include "aws/access.h"
#include "net/clocks.h"
#include "net/url.h"
#include "stores/dynamodb_store.h"
#include "stores/memory_store.h"
#include "stores/powertools_address.h"
#include "stores/table_name.h"

namespace switchgear::stores {
namespace {

constexpr std::string_view kSupported =
    "this version knows memory: (one process), redis://[user:password@]host[:port][/database] "
    "(with TLS rediss://), redis+sentinel://[user:password@]host[:port]/PRIMARY and "
    "dynamodb://TABLE[?region=REGION]";

Error error(std::string code, std::string message) {
  return Error{.code = std::move(code),
               .message = std::move(message),
               .retryable = false,
               .source = "store"};
}

bool is_memory(std::string_view url) { return url == "memory:" || url == "memory://"; }

bool is_name_space(std::string_view text) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<net::RedisAddress> address_of(std::string_view url) {
  if (url.starts_with("momento://")) {
    return error("unsupported",
                 "a momento:// store is not in this version; " + std::string(kSupported));
  }
  if (url.empty()) return error("url", "the store's URL is empty; " + std::string(kSupported));
  if (!net::is_redis_url(url)) {
    return error("url",
                 "'" + net::redact_url(url) + "' names no store; " + std::string(kSupported));
  }
  return net::redis_address(url);
}

struct DynamoDbAddress {
  std::string table;
  std::string region;  // empty: by the environment
};

bool is_dynamodb(std::string_view url) { return net::has_scheme(url, "dynamodb"); }

Result<DynamoDbAddress> dynamodb_address(std::string_view url) {
  const auto refused = [](const std::string& what) {
    return error("url", what + "; write dynamodb://TABLE or dynamodb://TABLE?region=REGION");
  };
  const auto parsed = net::parse_url(url);
  if (!parsed) return refused("'" + net::redact_url(url) + "' names no table");
  if (!parsed->user.empty() || !parsed->password.empty()) {
    return refused(
        "the URL of a DynamoDB table holds no user or password: credentials come from the "
        "environment");
  }
  if (parsed->port != 0 || (!parsed->path.empty() && parsed->path != "/")) {
    return refused(
        "a DynamoDB table has no port and no path; another endpoint is given by "
        "AWS_ENDPOINT_URL_DYNAMODB");
  }
  if (!is_table_name(parsed->host)) {
    return refused("'" + parsed->host.substr(0, 80) +
                   "' is no name of a DynamoDB table: " + kTableNameRule);
  }
  DynamoDbAddress address{.table = parsed->host, .region = {}};
  std::string_view query = parsed->query;
  if (query.empty()) return address;
  constexpr std::string_view kRegion = "region=";
  if (!query.starts_with(kRegion) || query.find('&') != std::string_view::npos ||
      query.size() == kRegion.size()) {
    return refused("after the question mark only region=REGION is known");
  }
  address.region = query.substr(kRegion.size());
  return address;
}

Result<std::unique_ptr<Store>> open_dynamodb(net::Loop& loop, std::string_view url,
                                             const StoreOptions& options) {
  const auto address = dynamodb_address(url);
  if (!address) return address.error();
  const aws::Environment environment =
      options.environment ? options.environment : aws::process_environment();
  auto access = aws::open_access(loop, {.service = "dynamodb", .region = address->region},
                                 environment, options.seed, options.credentials);
  if (!access) return access.error();
  if (!options.credentials) access->credentials->listen(options.on_credentials);
  return std::unique_ptr<Store>(std::make_unique<DynamoDbStore>(
      loop, access->endpoint, std::move(access->credentials),
      DynamoDbStoreOptions{.table = address->table,
                           .name_space = options.name_space,
                           .timeout = options.timeout,
                           .seed = options.seed,
                           .credentials_timeout = options.credentials_timeout,
                           .http = std::move(access->http),
                           .consistent_reads = options.consistent_reads,
                           .on_consumed = options.on_consumed}));
}

// Tokens of IAM as the password, where the URL asks for them; else nothing.
Result<net::RedisPasswordSource> password_source(net::Loop& loop, const net::RedisAddress& address,
                                                 const StoreOptions& options) {
  if (address.iam_cache.empty()) return net::RedisPasswordSource{};
  const aws::Environment environment =
      options.environment ? options.environment : aws::process_environment();
  // NAME-xxxxxx.serverless.euc1.cache.amazonaws.com
  const bool serverless = address.hosts[0].host.find(".serverless.") != std::string::npos;
  return aws::open_elasticache_tokens(loop,
                                      {.cache = address.iam_cache,
                                       .user = address.user,
                                       .region = address.region,
                                       .serverless = serverless},
                                      environment, options.seed, options.credentials,
                                      options.on_credentials);
}

StoreTime machine_time() { return StoreTime{floor_ms(net::read_clocks().wall.time_since_epoch())}; }

}  // namespace

Result<void> check_store_url(std::string_view url) {
  if (is_memory(url)) return {};
  if (is_dynamodb(url)) {
    if (const auto address = dynamodb_address(url); !address) return address.error();
    return {};
  }
  if (is_powertools_url(url)) {
    if (const auto address = powertools_address(url); !address) return address.error();
    return {};
  }
  if (const auto address = address_of(url); !address) return address.error();
  return {};
}

Result<std::unique_ptr<Store>> open_store(net::Loop& loop, std::string_view url,
                                          const StoreOptions& options) {
  if (!is_name_space(options.name_space)) {
    return error("namespace", "the namespace '" + options.name_space.substr(0, 80) +
                                  "' must be 1 to 64 characters of A-Z a-z 0-9 . _ : -");
  }
  if (is_memory(url)) {
    return std::unique_ptr<Store>(std::make_unique<MemoryStore>(
        loop, options.memory_clock ? options.memory_clock : machine_time));
  }
  if (is_dynamodb(url)) return open_dynamodb(loop, url, options);
  if (is_powertools_url(url)) {
    return error(
        "powertools",
        "powertools:// is the table of AWS Powertools' circuit breaker, which `switchgear "
        "circuits` shows and holds; circuits of Switchgear need a store of their own, such "
        "as dynamodb://TABLE");
  }
  auto address = address_of(url);
  if (!address) return address.error();
  auto password = password_source(loop, *address, options);
  if (!password) return password.error();
  const RedisStoreOptions redis{
      .name_space = options.name_space,
      .redis = {.command_timeout = options.timeout,
                // It covers getting a token.
                .connect_timeout = address->iam_cache.empty()
                                       ? options.timeout
                                       : std::max(options.timeout, options.credentials_timeout),
                .seed = options.seed,
                .password_source = *std::move(password)}};
  return std::unique_ptr<Store>(std::make_unique<RedisStore>(loop, std::move(*address), redis));
}

}  // namespace switchgear::stores
