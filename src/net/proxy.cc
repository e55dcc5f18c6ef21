#include "net/proxy.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace switchgear::net {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Result<std::optional<Url>> proxy_of(const std::string& name, const std::string& text) {
  if (text.empty()) return std::optional<Url>();
  const auto refused = [&](const std::string& why) {
    return Error{.code = "proxy",
                 .message = name + ": " + why + "; write http://[user:password@]host:port",
                 .retryable = false,
                 .source = ""};
  };
  const bool has_scheme = text.find("://") != std::string::npos;
  auto url = parse_url(has_scheme ? text : "http://" + text);
  if (!url) return refused(url.error().message);
  if (url->scheme != "http") {
    return refused("a proxy is spoken to over plain HTTP here, not over " + url->scheme +
                   " (what goes through it to AWS is encrypted all the same)");
  }
  return std::optional<Url>(*std::move(url));
}

std::optional<std::uint32_t> ipv4(const std::string& text) {
  in_addr address;
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

bool in_range(std::uint32_t address, std::uint32_t network, unsigned bits) {
  const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
  return (address & mask) == (network & mask);
}

bool is_own(const std::string& host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  if (const auto address = ipv4(host)) {
    return in_range(*address, 0x7f000000, 8) || in_range(*address, 0xa9fe0000, 16);
  }
  in6_addr address;
  if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return false;
  // fd00:ec2::/32 is where EC2 and EKS have their endpoints.
  const std::uint8_t* b = address.s6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_LINKLOCAL(&address) ||
         (b[0] == 0xfd && b[1] == 0x00 && b[2] == 0x0e && b[3] == 0xc2);
}

// The number after `at` in `text`; nothing if it is none up to `most`.
std::optional<unsigned> number_after(std::string_view text, std::size_t at, unsigned most) {
  unsigned number = 0;
  const char* begin = text.data() + at + 1;
  const char* end = text.data() + text.size();
  const auto [stop, bad] = std::from_chars(begin, end, number);
  if (bad != std::errc() || stop != end || number > most) return std::nullopt;
  return number;
}

bool matches(const std::string& entry, const Url& target) {
  if (entry == "*") return true;
  if (const auto slash = entry.find('/'); slash != std::string::npos) {
    const auto network = ipv4(entry.substr(0, slash));
    const auto bits = number_after(entry, slash, 32);
    const auto address = ipv4(target.host);
    return network && bits && address && in_range(*address, *network, *bits);
  }
  std::string name = entry;
  // An IPv6 address in brackets, or a bare one, whose colons are no ports.
  if (name.starts_with('[')) {
    const auto close = std::min(name.find(']'), name.size());
    const std::string rest = name.substr(std::min(close + 1, name.size()));
    name = name.substr(1, close - 1);
    if (rest.starts_with(':') && number_after(rest, 0, 65535) != target.port) return false;
  } else if (std::ranges::count(name, ':') == 1) {
    const auto colon = name.find(':');
    if (number_after(name, colon, 65535) != target.port) return false;
    name = name.substr(0, colon);
  }
  name.erase(0, std::min(name.find_first_not_of('.'), name.size()));
  return !name.empty() && (target.host == name || target.host.ends_with("." + name));
}

}  // namespace

Result<ProxySettings> proxies_of(
    const std::function<std::string(const std::string& variable)>& variable) {
  const auto either = [&](const std::string& low, const std::string& high) {
    std::string text = variable(low);
    return text.empty() ? std::pair(high, variable(high)) : std::pair(low, std::move(text));
  };
  ProxySettings settings;
  const auto [http_name, http_text] = either("http_proxy", "HTTP_PROXY");
  auto http = proxy_of(http_name, http_text);
  if (!http) return http.error();
  settings.for_http = *std::move(http);
  const auto [https_name, https_text] = either("https_proxy", "HTTPS_PROXY");
  auto https = proxy_of(https_name, https_text);
  if (!https) return https.error();
  settings.for_https = *std::move(https);

  std::string entry;
  for (const char c : lower(either("no_proxy", "NO_PROXY").second) + ",") {
    if (c != ',' && c != ' ' && c != '\t') {
      entry += c;
    } else if (!entry.empty()) {
      settings.direct.push_back(std::exchange(entry, {}));
    }
  }
  return settings;
}

const Url* proxy_for(const ProxySettings& settings, const Url& target) {
  const auto& proxy = target.tls() ? settings.for_https : settings.for_http;
  if (!proxy || is_own(target.host)) return nullptr;
  const bool direct = std::ranges::any_of(
      settings.direct, [&](const std::string& entry) { return matches(entry, target); });
  return direct ? nullptr : &*proxy;
}

std::string proxy_authorization(const Url& proxy) {
  if (proxy.user.empty() && proxy.password.empty()) return {};
  const std::string plain = proxy.user + ":" + proxy.password;
  std::vector<unsigned char> encoded((plain.size() + 2) / 3 * 4 + 1);
  const int size =
      ::EVP_EncodeBlock(encoded.data(), reinterpret_cast<const unsigned char*>(plain.data()),
                        static_cast<int>(plain.size()));
  return "Basic " + std::string(encoded.begin(), encoded.begin() + size);
}

}  // namespace switchgear::net
