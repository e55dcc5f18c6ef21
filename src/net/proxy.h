// HTTP proxies, as the usual variables name them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "net/url.h"

namespace switchgear::net {

struct ProxySettings {
  std::optional<Url> for_http;  // http://[user:password@]host[:port]
  std::optional<Url> for_https;
  // What is reached without a proxy: "*"; a name, with all that ends in ".name"; an address or a
  // range of IPv4 addresses ("10.0.0.0/8"). Each but the range may have a ":port".
  std::vector<std::string> direct;
};

// https_proxy, http_proxy and no_proxy, in lower case or, where that is not set, upper case.
// `variable` answers "" for what is not set. A proxy without a scheme is one of HTTP. Error
// "proxy", without user and password.
Result<ProxySettings> proxies_of(
    const std::function<std::string(const std::string& variable)>& variable);

// The proxy on the way to `target`; nullptr: none. Never to a loopback or link-local address, or
// localhost: those are this machine's own, and what speaks there hands out credentials.
const Url* proxy_for(const ProxySettings& settings, const Url& target);

// The value of Proxy-Authorization for the user and password in the proxy's URL (Basic); empty:
// it has none.
std::string proxy_authorization(const Url& proxy);

}  // namespace switchgear::net
