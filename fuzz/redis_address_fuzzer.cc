// Any text as the address of a Redis. One that can be read must be of use: hosts to connect to, and
// credentials that go together. An error must not show what stands before an @ or behind a ?.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/assert.h"
#include "net/redis_address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchgear;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto address = net::redis_address(text);
  if (!address) {
    SG_ASSERT(address.error().code == "url");
    SG_ASSERT(!address.error().retryable);
    return 0;
  }
  SG_ASSERT(net::is_redis_url(text));
  SG_ASSERT(!address->hosts.empty() && address->database >= 0);
  for (const net::RedisHost& host : address->hosts) {
    SG_ASSERT(!host.host.empty() && host.port != 0);
    // By its own text a host is the same one.
    const auto again = net::redis_address("redis://" + host.text());
    SG_ASSERT(again && again->hosts == std::vector<net::RedisHost>{host});
    SG_ASSERT(address->at(host).primary_name.empty());
    SG_ASSERT(address->at_sentinel(host).hosts.size() == 1);
  }
  SG_ASSERT(address->user.empty() || !address->password.empty() || !address->iam_cache.empty());
  SG_ASSERT(address->iam_cache.empty() || (address->tls && !address->user.empty()));
  if (address->tls) SG_ASSERT(address->tls->cert_file.empty() == address->tls->key_file.empty());
  // The same with a password that is a word found nowhere else.
  const auto begin = text.find("://") + 3;
  if (text.find("QQQ") == std::string::npos && text.find('@') == std::string::npos) {
    const std::string broken =
        text.substr(0, begin) + ":QQQ@" + text.substr(begin) + "/QQQ?QQQ=QQQ";
    const auto refused = net::redis_address(broken);
    if (refused) return 0;
    const std::string told = refused.error().text();
    const auto first = told.find(":QQQ@");
    SG_ASSERT(first == std::string::npos);
  }
  return 0;
}
