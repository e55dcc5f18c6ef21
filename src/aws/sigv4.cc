#include "aws/sigv4.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string_view>
#include <vector>

#include "aws/digest.h"
#include "core/assert.h"
#include "net/url.h"

namespace switchgear::aws {
namespace {

// Headers that a proxy or the HTTP client itself may add, drop or change on the way (botocore's
// list), and the signature's own.
constexpr std::array<std::string_view, 12> kNotSigned{"authorization",
                                                      "connection",
                                                      "expect",
                                                      "keep-alive",
                                                      "proxy-authenticate",
                                                      "te",
                                                      "trailer",
                                                      "transfer-encoding",
                                                      "upgrade",
                                                      "proxy-authorization",
                                                      "user-agent",
                                                      "x-amzn-trace-id"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Without white space at the ends, runs of it inside as one space.
std::string trim_all(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    if (is_space(c)) {
      gap = !out.empty();
    } else {
      if (std::exchange(gap, false)) out += ' ';
      out += c;
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// RFC 3986, 5.2.4, and runs of slashes as one; then each byte that is not unreserved encoded, so
// that what was encoded in the request line is encoded twice.
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view segment : kept) out += "/" + net::percent_encode(segment);
  if (kept.empty() || path.ends_with('/')) out += "/";
  return out;
}

// Decoded and encoded anew, so that each character is written one way; sorted by key, then value.
std::string canonical_query(std::string_view query) {
  const auto recode = [](std::string_view text) {
    std::string decoded;
    // A stray % can only mean itself.
    return net::percent_encode(net::percent_decode(text, decoded) ? decoded : text);
  };
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string_view part : split(query, '&')) {
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    pairs.emplace_back(recode(part.substr(0, equals)),
                       recode(part.substr(std::min(equals + 1, part.size()))));
  }
  std::ranges::sort(pairs);
  std::string out;
  for (const auto& [key, value] : pairs) out += (out.empty() ? "" : "&") + key + "=" + value;
  return out;
}

// Lower-case names in order; the values of a repeated name in the order they came.
std::map<std::string, std::string> headers_to_sign(const net::Headers& headers) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : headers) {
    const std::string key = lower(name);
    if (std::ranges::find(kNotSigned, key) != kNotSigned.end()) continue;
    const auto [it, first] = out.try_emplace(key);
    it->second += (first ? "" : ",") + trim_all(value);
  }
  return out;
}

}  // namespace

std::string amz_date(WallTime time) {
  using namespace std::chrono;
  const auto since_epoch = floor<seconds>(time.time_since_epoch());
  const sys_seconds utc{since_epoch};
  const auto day = floor<days>(utc);
  const year_month_day date(day);
  const hh_mm_ss clock(utc - day);
  std::array<char, 32> text;
  const int size = std::snprintf(
      text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

Signature sign(const net::HttpRequest& request, const Credentials& credentials,
               const SigningScope& scope, WallTime time) {
  SG_ASSERT(request.headers.has("Host"));
  const std::string timestamp = amz_date(time);
  const std::string date = timestamp.substr(0, 8);

  Signature signature;
  signature.headers.set("X-Amz-Date", timestamp);
  if (!credentials.session_token.empty()) {
    signature.headers.set("X-Amz-Security-Token", credentials.session_token);
  }
  net::Headers all = request.headers;
  all.remove("X-Amz-Security-Token");
  for (const auto& [name, value] : signature.headers) all.set(name, value);

  std::string header_lines;
  std::string signed_names;
  for (const auto& [name, value] : headers_to_sign(all)) {
    header_lines += name + ":" + value + "\n";
    signed_names += (signed_names.empty() ? "" : ";") + name;
  }
  const auto question = std::min(request.target.find('?'), request.target.size());
  const std::string_view target = request.target;
  const auto given_hash = all.get("X-Amz-Content-SHA256");
  std::string canonical = request.method + "\n";
  canonical += canonical_path(target.substr(0, question)) + "\n";
  canonical += canonical_query(target.substr(std::min(question + 1, target.size()))) + "\n";
  canonical += header_lines + "\n" + signed_names + "\n";
  canonical += given_hash ? std::string(*given_hash) : to_hex(sha256(request.body));

  const std::string scope_text = date + "/" + scope.region + "/" + scope.service + "/aws4_request";
  signature.string_to_sign =
      "AWS4-HMAC-SHA256\n" + timestamp + "\n" + scope_text + "\n" + to_hex(sha256(canonical));
  signature.canonical_request = std::move(canonical);

  std::string key = hmac_sha256("AWS4" + credentials.secret_access_key, date);
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  key = hmac_sha256(key, "aws4_request");
  signature.headers.set("Authorization",
                        "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" +
                            scope_text + ", SignedHeaders=" + signed_names +
                            ", Signature=" + to_hex(hmac_sha256(key, signature.string_to_sign)));
  return signature;
}

}  // namespace switchgear::aws
