#include "stores/open.h"

#include <utility>

#include "net/clocks.h"
#include "net/url.h"
#include "stores/memory_store.h"

namespace switchgear::stores {
namespace {

constexpr std::string_view kSupported =
    "this version knows memory: (one process) and redis://[user:password@]host[:port][/database]";

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
  for (const std::string_view scheme : {"rediss", "dynamodb", "momento"}) {
    if (!url.starts_with(std::string(scheme) + "://")) continue;
    return error("unsupported", "a " + std::string(scheme) + ":// store is not in this version; " +
                                    std::string(kSupported));
  }
  if (url.empty()) return error("url", "the store's URL is empty; " + std::string(kSupported));
  if (!url.starts_with("redis://")) {
    return error("url",
                 "'" + net::redact_url(url) + "' names no store; " + std::string(kSupported));
  }
  return net::redis_address(url);
}

StoreTime machine_time() { return StoreTime{floor_ms(net::read_clocks().wall.time_since_epoch())}; }

}  // namespace

Result<void> check_store_url(std::string_view url) {
  if (is_memory(url)) return {};
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
  auto address = address_of(url);
  if (!address) return address.error();
  const RedisStoreOptions redis{.name_space = options.name_space,
                                .redis = {.command_timeout = options.timeout,
                                          .connect_timeout = options.timeout,
                                          .seed = options.seed}};
  return std::unique_ptr<Store>(std::make_unique<RedisStore>(loop, std::move(*address), redis));
}

}  // namespace switchgear::stores
