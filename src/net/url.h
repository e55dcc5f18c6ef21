// URLs as people write them into configuration: http, https, redis, rediss and the like.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace switchgear::net {

struct Url {
  std::string scheme;      // lower case: "https"
  std::string user;        // percent-decoded
  std::string password;    // percent-decoded; text() never shows it
  std::string host;        // without brackets; lower case for the schemes of default_port()
  std::uint16_t port = 0;  // as written, else default_port(scheme)
  std::string path;        // as written: "" or "/…"
  std::string query;       // as written, without the question mark

  // Whether the scheme means TLS: https, rediss and rediss+sentinel.
  bool tls() const { return scheme == "https" || scheme.starts_with("rediss"); }
  // "host:port" for people and for telling endpoints apart; IPv6 hosts in brackets.
  std::string host_port() const;
  // The same without the scheme's default port: the value of a Host header.
  std::string authority() const;
  // What an HTTP request line needs: path and query, at least "/".
  std::string target() const;
  // For people: user, password and query, which may hold a key, as ***.
  std::string text() const;

  friend bool operator==(const Url&, const Url&) = default;
};

// Reads scheme://[user[:password]@]host[:port][/path][?query]. User and password may be
// percent-encoded; the last @ before the path ends them. A #fragment is refused. The error (code
// "url") says what is wrong and never shows a user or password.
Result<Url> parse_url(std::string_view text);

// Whether the text begins with this scheme and "://". Schemes know no upper case (RFC 3986 §3.1):
// `scheme` is in lower case.
bool has_scheme(std::string_view text, std::string_view scheme);

// 80, 443, 6379 (redis, rediss), 26379 (their +sentinel forms); 0 for a scheme that is not known
// here.
std::uint16_t default_port(std::string_view scheme);

// The text with anything that may be a user or password replaced by ***, whether or not it is a
// well-formed URL. For messages about URLs that could not be read.
std::string redact_url(std::string_view text);

// All but A-Z a-z 0-9 - _ . ~ as %XX.
std::string percent_encode(std::string_view text);
// The reverse; false if a % is not followed by two hexadecimal digits. '+' stays '+'.
bool percent_decode(std::string_view text, std::string& decoded);

}  // namespace switchgear::net
