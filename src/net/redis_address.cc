#include "net/redis_address.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "core/suggest.h"
#include "net/url.h"

namespace switchgear::net {
namespace {

constexpr std::size_t kHostsMax = 64;
constexpr std::string_view kPlain = "redis";
constexpr std::string_view kTls = "rediss";
constexpr std::string_view kSentinel = "redis+sentinel";
constexpr std::string_view kSentinelTls = "rediss+sentinel";

using Options = std::map<std::string, std::string>;

Error problem(std::string_view url, const std::string& what) {
  return Error{.code = "url",
               .message = "the URL '" + redact_url(url) + "' " + what,
               .retryable = false,
               .source = "redis"};
}

std::string list_of(const std::vector<RedisHost>& hosts) {
  std::string text;
  for (const RedisHost& host : hosts) text += (text.empty() ? "" : ",") + host.text();
  return text;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string> known_options(bool tls, bool sentinel) {
  std::vector<std::string> known;
  if (sentinel) known.insert(known.end(), {"sentinel_user", "sentinel_password"});
  if (tls) known.insert(known.end(), {"ca_file", "cert_file", "key_file"});
  if (tls && !sentinel) known.insert(known.end(), {"iam_cache", "region"});
  return known;
}

// What is wrong with the option's name, for a person.
std::string unknown_option(const std::string& name, bool tls, bool sentinel) {
  const std::vector<std::string> all = known_options(true, true);
  if (std::ranges::find(all, name) != all.end() || name == "iam_cache" || name == "region") {
    const bool of_sentinel = name.starts_with("sentinel_");
    if (of_sentinel) {
      return "has the option " + name +
             ", which only redis+sentinel:// and rediss+sentinel:// know";
    }
    if (!tls) {
      return "has the option " + name + ", which is for TLS: begin it with rediss" +
             std::string(sentinel ? "+sentinel" : "") + "://";
    }
    return "has the option " + name + ", which is for ElastiCache, where there is no Sentinel";
  }
  std::string text =
      "has an unknown option" + core::did_you_mean(name, known_options(tls, sentinel));
  std::string names;
  for (const std::string& known : known_options(tls, sentinel)) {
    names += (names.empty() ? "" : ", ") + known;
  }
  text += names.empty() ? "; there are none without TLS" : "; there are " + names;
  if (tls) text += ". A certificate is always verified: for one of a private CA give ca_file";
  return text;
}

// The text of the problem, or empty.
std::string read_options(std::string_view query, bool tls, bool sentinel, Options& options) {
  const std::vector<std::string> known = known_options(tls, sentinel);
  for (const std::string_view part :
       query.empty() ? std::vector<std::string_view>{} : split(query, '&')) {
    const auto equals = part.find('=');
    const std::string name(part.substr(0, equals));
    if (std::ranges::find(known, name) == known.end()) return unknown_option(name, tls, sentinel);
    if (equals == std::string_view::npos) return "has the option " + name + " without =value";
    std::string value;
    if (!percent_decode(part.substr(equals + 1), value)) {
      return "has a % in " + name + " that is not followed by two hexadecimal digits";
    }
    if (value.empty() && !name.starts_with("sentinel_")) return "has an empty " + name;
    if (!options.emplace(name, std::move(value)).second) return "has the option " + name + " twice";
  }
  return {};
}

std::string take(Options& options, const std::string& name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

// "/PRIMARY/0" or "/0". The text of the problem, or empty.
std::string read_path(std::string_view path, bool sentinel, RedisAddress& address) {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (sentinel) {
    const auto end = path.find('/');
    if (!percent_decode(path.substr(0, end), address.primary_name) ||
        address.primary_name.empty()) {
      return "must name the primary that the Sentinels watch after the hosts, as in "
             "redis+sentinel://host:26379/mymaster";
    }
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  if (path.empty()) return {};
  const char* end = path.data() + path.size();
  const auto number = std::from_chars(path.data(), end, address.database);
  if (number.ec != std::errc{} || number.ptr != end || address.database < 0) {
    return "must end in a database number, such as /0, or in nothing";
  }
  return {};
}

std::string iam_problem(const RedisAddress& address) {
  if (address.iam_cache.empty()) {
    return address.region.empty() ? "" : "has a region, which goes with iam_cache";
  }
  if (address.user.empty()) {
    return "has iam_cache but no user; write rediss://USER@HOST:PORT?iam_cache=NAME";
  }
  if (!address.password.empty()) {
    return "has both a password and iam_cache, whose tokens are the password; leave one out";
  }
  return {};
}

// The text of the problem, or empty.
std::string use_options(Options& options, bool tls, bool sentinel, RedisAddress& address) {
  if (tls) {
    address.tls = TlsFiles{.ca_file = take(options, "ca_file"),
                           .cert_file = take(options, "cert_file"),
                           .key_file = take(options, "key_file")};
    if (address.tls->cert_file.empty() != address.tls->key_file.empty()) {
      return "needs both cert_file and key_file, or neither";
    }
  }
  if (sentinel) {
    const bool own = options.contains("sentinel_password") || options.contains("sentinel_user");
    address.sentinel_user = own ? take(options, "sentinel_user") : address.user;
    address.sentinel_password = own ? take(options, "sentinel_password") : address.password;
    if (!address.sentinel_user.empty() && address.sentinel_password.empty()) {
      return "has a sentinel_user but no sentinel_password";
    }
  }
  address.iam_cache = take(options, "iam_cache");
  address.region = take(options, "region");
  if (std::string what = iam_problem(address); !what.empty()) return what;
  if (!address.user.empty() && address.password.empty() && address.iam_cache.empty()) {
    return "has a user but no password; write redis://user:password@host or, for a password "
           "alone, redis://:password@host";
  }
  return {};
}

}  // namespace

std::string RedisHost::text() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string RedisAddress::name() const {
  if (primary_name.empty()) return "redis " + list_of(hosts);
  return "redis " + primary_name + " (Sentinels " + list_of(hosts) + ")";
}

RedisAddress RedisAddress::at(RedisHost one) const {
  RedisAddress address = *this;
  address.hosts = {std::move(one)};
  address.primary_name.clear();
  address.sentinel_user.clear();
  address.sentinel_password.clear();
  return address;
}

RedisAddress RedisAddress::at_sentinel(RedisHost one) const {
  return {.hosts = {std::move(one)},
          .user = sentinel_user,
          .password = sentinel_password,
          .database = 0,
          .tls = tls,
          .primary_name = {},
          .sentinel_user = {},
          .sentinel_password = {},
          .iam_cache = {},
          .region = {}};
}

bool is_redis_url(std::string_view url) {
  return has_scheme(url, kPlain) || has_scheme(url, kTls) || has_scheme(url, kSentinel) ||
         has_scheme(url, kSentinelTls);
}

Result<RedisAddress> redis_address(std::string_view text) {
  // The hosts, without what stands before the first and after the last.
  const auto scheme_end = text.find("://");
  const auto from = scheme_end == std::string_view::npos ? text.size() : scheme_end + 3;
  const auto end = std::min(text.find_first_of("/?", from), text.size());
  const auto at = text.substr(from, end - from).rfind('@');
  const auto first = at == std::string_view::npos ? from : from + at + 1;
  const std::vector<std::string_view> pieces = split(text.substr(first, end - first), ',');

  const auto url =
      parse_url(std::string(text.substr(0, first)).append(pieces[0]).append(text.substr(end)));
  if (!url) return url.error();
  const bool sentinel = url->scheme == kSentinel || url->scheme == kSentinelTls;
  if (!sentinel && url->scheme != kPlain && url->scheme != kTls) {
    return problem(text,
                   "is not one of a Redis: it must begin with redis://, rediss://, "
                   "redis+sentinel:// or rediss+sentinel://");
  }
  RedisAddress address{.hosts = {{.host = url->host, .port = url->port}},
                       .user = url->user,
                       .password = url->password};
  if (pieces.size() > kHostsMax) {
    return problem(text, "names more than " + std::to_string(kHostsMax) + " hosts");
  }
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const auto more = parse_url(url->scheme + "://" + std::string(pieces[i]));
    if (!more) return more.error();
    address.hosts.push_back({.host = more->host, .port = more->port});
  }
  Options options;
  std::string what = read_options(url->query, url->tls(), sentinel, options);
  if (what.empty()) what = read_path(url->path, sentinel, address);
  if (what.empty()) what = use_options(options, url->tls(), sentinel, address);
  if (!what.empty()) return problem(text, what);
  return address;
}

}  // namespace switchgear::net
