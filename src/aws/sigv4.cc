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
  for (const auto& [key, value] : pairs) {
    out.append(out.empty() ? "" : "&").append(key).append("=").append(value);
  }
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

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

struct Stamp {
  std::string time;   // as X-Amz-Date
  std::string scope;  // "20150830/us-east-1/sqs/aws4_request"
};

Stamp stamp_of(const SigningScope& scope, WallTime time) {
  std::string text = amz_date(time);
  std::string day = text.substr(0, 8);
  return {.time = std::move(text),
          .scope = std::move(day) + "/" + scope.region + "/" + scope.service + "/aws4_request"};
}

std::string names_of(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

std::string canonical_request(const std::string& method, std::string_view target,
                              const std::map<std::string, std::string>& headers,
                              const std::string& body_hash) {
  const auto question = std::min(target.find('?'), target.size());
  std::string text = method + "\n" + canonical_path(target.substr(0, question)) + "\n";
  text += canonical_query(target.substr(std::min(question + 1, target.size()))) + "\n";
  for (const auto& [name, value] : headers) {
    text.append(name).append(":").append(value).append("\n");
  }
  return text + "\n" + names_of(headers) + "\n" + body_hash;
}

std::string string_to_sign(const Stamp& stamp, const std::string& canonical) {
  return std::string(kAlgorithm) + "\n" + stamp.time + "\n" + stamp.scope + "\n" +
         to_hex(sha256(canonical));
}

std::string seal(const Credentials& credentials, const SigningScope& scope, const Stamp& stamp,
                 const std::string& text) {
  std::string key = hmac_sha256("AWS4" + credentials.secret_access_key, stamp.time.substr(0, 8));
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  key = hmac_sha256(key, "aws4_request");
  return to_hex(hmac_sha256(key, text));
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
  const Stamp stamp = stamp_of(scope, time);
  Signature signature;
  signature.headers.set("X-Amz-Date", stamp.time);
  if (!credentials.session_token.empty()) {
    signature.headers.set("X-Amz-Security-Token", credentials.session_token);
  }
  net::Headers all = request.headers;
  all.remove("X-Amz-Security-Token");
  for (const auto& [name, value] : signature.headers) all.set(name, value);
  const auto headers = headers_to_sign(all);
  const auto given_hash = all.get("X-Amz-Content-SHA256");

  signature.canonical_request =
      canonical_request(request.method, request.target, headers,
                        given_hash ? std::string(*given_hash) : to_hex(sha256(request.body)));
  signature.string_to_sign = string_to_sign(stamp, signature.canonical_request);
  signature.headers.set("Authorization",
                        std::string(kAlgorithm) + " Credential=" + credentials.access_key_id + "/" +
                            stamp.scope + ", SignedHeaders=" + names_of(headers) + ", Signature=" +
                            seal(credentials, scope, stamp, signature.string_to_sign));
  return signature;
}

std::string presign(const net::HttpRequest& request, const Credentials& credentials,
                    const SigningScope& scope, WallTime time, std::chrono::seconds validity) {
  const auto host = request.headers.get("Host");
  SG_ASSERT(host.has_value());
  const Stamp stamp = stamp_of(scope, time);
  const auto headers = headers_to_sign({{"Host", std::string(*host)}});

  std::string target = request.target;
  const auto add = [&](std::string_view name, std::string_view value) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += name;
    target += '=';
    target += net::percent_encode(value);
  };
  add("X-Amz-Algorithm", kAlgorithm);
  add("X-Amz-Credential", credentials.access_key_id + "/" + stamp.scope);
  add("X-Amz-Date", stamp.time);
  add("X-Amz-Expires", std::to_string(validity.count()));
  add("X-Amz-SignedHeaders", names_of(headers));
  if (!credentials.session_token.empty()) add("X-Amz-Security-Token", credentials.session_token);
  const std::string canonical =
      canonical_request(request.method, target, headers, to_hex(sha256("")));
  add("X-Amz-Signature", seal(credentials, scope, stamp, string_to_sign(stamp, canonical)));
  return target;
}

}  // namespace switchgear::aws
