#include "net/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace switchgear::net {
namespace {

constexpr std::size_t kHostCharsMax = 253;  // DNS
constexpr std::size_t kUrlCharsMax = 8192;

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return out;
}

bool is_scheme(std::string_view scheme) {
  return !scheme.empty() && is_alpha(scheme.front()) && std::ranges::all_of(scheme, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= kHostCharsMax && std::ranges::all_of(host, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

bool is_ipv6(std::string_view host) {
  in6_addr address;
  return ::inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
}

// "[::1]:80" or "name:80" into host and port; the text of the problem, or empty.
std::string read_host_port(std::string_view text, Url& url) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return "has a [ without a ]";
    const std::string_view host = text.substr(1, end - 1);
    if (!is_ipv6(host)) return "has brackets around something that is not an IPv6 address";
    url.host = to_lower(host);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return "has something other than :port after the ]";
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const auto colon = text.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
    const std::string_view host = text.substr(0, colon);
    if (host.empty()) return "names no host";
    if (!is_host_name(host)) return "has a host that is not a name or an address";
    url.host = default_port(url.scheme) != 0 ? to_lower(host) : std::string(host);
  }
  url.port = default_port(url.scheme);
  if (has_port) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (error != std::errc() || end != port.data() + port.size() || value < 1 || value > 65535) {
      return "has a port that is not a number from 1 to 65535";
    }
    url.port = static_cast<std::uint16_t>(value);
  }
  return {};
}

Error url_error(std::string_view text, std::string_view problem) {
  // Part of a password that was not encoded may have been taken for host, port or path, so the
  // message quotes nothing but the redacted text.
  std::string message = "the URL '" + redact_url(text) + "' " + std::string(problem);
  if (text.find('@') != std::string_view::npos) {
    message += "; a user or password with : / ? # @ or % in it must be percent-encoded";
  }
  return {.code = "url", .message = std::move(message), .retryable = false, .source = ""};
}

}  // namespace

bool has_scheme(std::string_view text, std::string_view scheme) {
  return text.substr(std::min(scheme.size(), text.size())).starts_with("://") &&
         to_lower(text.substr(0, scheme.size())) == scheme;
}

std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "http") return 80;
  if (scheme == "https") return 443;
  if (scheme == "redis" || scheme == "rediss") return 6379;
  if (scheme == "redis+sentinel" || scheme == "rediss+sentinel") return 26379;
  return 0;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto u = static_cast<unsigned char>(c);
      out += {'%', kHex[u >> 4], kHex[u & 15]};
    }
  }
  return out;
}

bool percent_decode(std::string_view text, std::string& decoded) {
  decoded.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return false;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

std::string redact_url(std::string_view text) {
  const auto scheme_end = text.find("://");
  const bool has_scheme =
      scheme_end != std::string_view::npos && is_scheme(text.substr(0, scheme_end));
  const std::string_view scheme = has_scheme ? text.substr(0, scheme_end + 3) : "";
  const std::string_view rest = text.substr(scheme.size());
  std::string out(scheme);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    // An @ so late may stand in a secret of the query: its rest is no host.
    const bool in_query = rest.find('?') < at;
    out.append("***").append(rest.substr(in_query ? rest.size() : at));
  } else {
    // "redis://:secret" or "redis://user:secret", where somebody forgot the host: what stands in
    // the port's place and is no port may be a password.
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    const auto colon = authority.rfind(':');
    const bool hide = colon != std::string_view::npos && authority.back() != ']' &&
                      !std::ranges::all_of(authority.substr(colon + 1), is_digit);
    out.append(rest.substr(0, hide ? colon + 1 : rest.size())).append(hide ? "***" : "");
  }
  if (const auto query = out.find('?'); query != std::string::npos && query + 1 < out.size()) {
    out.replace(query + 1, std::string::npos, "***");
  }
  for (char& c : out) {
    if (c < ' ' || c >= 0x7f) c = '?';
  }
  if (out.size() > 200) out = out.substr(0, 200) + "…";
  return out;
}

Result<Url> parse_url(std::string_view text) {
  if (text.empty()) return Error{.code = "url", .message = "the URL is empty", .source = ""};
  if (text.size() > kUrlCharsMax) return url_error(text, "is longer than 8192 characters");
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; })) {
    return url_error(text, "has a space, control or non-ASCII character; percent-encode it");
  }
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || !is_scheme(text.substr(0, scheme_end))) {
    return url_error(text, "does not start with a scheme such as https:// or redis://");
  }
  Url url;
  url.scheme = to_lower(text.substr(0, scheme_end));
  const std::string_view rest = text.substr(scheme_end + 3);
  if (rest.find('#') != std::string_view::npos) return url_error(text, "has a # in it");

  const auto authority_end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  const std::string_view tail = rest.substr(authority_end);
  const auto question = std::min(tail.find('?'), tail.size());
  url.path = tail.substr(0, question);
  url.query = tail.substr(std::min(question + 1, tail.size()));
  // In a store's URL an @ so late can only be the end of a password with a slash in it; taking
  // the password's start for a host would go on to show it in error messages.
  const bool is_store = url.scheme.starts_with("redis");
  if (is_store && tail.find('@') != std::string_view::npos) {
    return url_error(text, "has an @ after the host");
  }

  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const auto colon = user_info.find(':');
    const bool has_password = colon != std::string_view::npos;
    if (!percent_decode(user_info.substr(0, colon), url.user) ||
        !percent_decode(has_password ? user_info.substr(colon + 1) : "", url.password)) {
      return url_error(text, "has a % that is not followed by two hexadecimal digits");
    }
  }
  if (const std::string problem = read_host_port(authority, url); !problem.empty()) {
    return url_error(text, problem);
  }
  return url;
}

namespace {
std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}
}  // namespace

std::string Url::host_port() const {
  return bracketed(host) + (port == 0 ? "" : ":" + std::to_string(port));
}

std::string Url::authority() const {
  return port == default_port(scheme) ? bracketed(host) : host_port();
}

std::string Url::target() const {
  return (path.empty() ? "/" : path) + (query.empty() ? "" : "?" + query);
}

std::string Url::text() const {
  return scheme + "://" + (user.empty() && password.empty() ? "" : "***@") + authority() + path +
         (query.empty() ? "" : "?***");
}

}  // namespace switchgear::net
