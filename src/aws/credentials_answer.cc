#include "aws/credentials_answer.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <sstream>
#include <utility>

namespace switchgear::aws {
namespace {

namespace json = boost::json;

constexpr std::size_t kWordMax = 100;

// A word such as an error code, if it is one.
std::string tame_word(std::string_view text) {
  const bool plain = text.size() <= kWordMax && std::ranges::all_of(text, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                     });
  return plain ? std::string(text) : "";
}

Result<json::object> object_of(std::string_view text) {
  boost::system::error_code bad;
  const json::value value = json::parse(text, bad);
  if (bad) return credentials_error("the answer is not JSON", true);
  if (!value.is_object()) return credentials_error("the answer is no JSON object", true);
  return value.get_object();
}

std::string text_of(const json::object& object, const char* key) {
  const auto* text = object.if_contains(key);
  if (text == nullptr || !text->is_string()) return {};
  return {text->get_string().data(), text->get_string().size()};
}

// Whole credentials, or what is missing or wrong by its name.
Result<Credentials> checked(Credentials credentials, const std::string& expiration) {
  struct Field {
    const char* name;
    const std::string& value;
    bool needed;
  };
  for (const Field& field : {Field{"AccessKeyId", credentials.access_key_id, true},
                             Field{"SecretAccessKey", credentials.secret_access_key, true},
                             Field{"the session token", credentials.session_token, false}}) {
    if (field.needed && field.value.empty()) {
      return credentials_error("the answer has no " + std::string(field.name), true);
    }
    if (!is_credential_text(field.value)) {
      return credentials_error(
          std::string(field.name) + " of the answer has a character that no AWS credential has",
          true);
    }
  }
  if (!expiration.empty()) {
    credentials.expires = parse_iso_time(expiration);
    if (!credentials.expires) {
      return credentials_error("Expiration of the answer is no time such as 2030-01-31T12:00:00Z",
                               true);
    }
  }
  return credentials;
}

Result<Credentials> credentials_of(const json::object& object, const char* token) {
  return checked({.access_key_id = text_of(object, "AccessKeyId"),
                  .secret_access_key = text_of(object, "SecretAccessKey"),
                  .session_token = text_of(object, token)},
                 text_of(object, "Expiration"));
}

// A number of `size` digits; -1 if it is none.
int digits(std::string_view text, std::size_t at, std::size_t size) {
  int value = 0;
  for (const char c : text.substr(at, size)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

Result<Credentials> read_endpoint_credentials(std::string_view text) {
  const auto object = object_of(text);
  if (!object) return object.error();
  const std::string code = text_of(*object, "Code");
  if (!code.empty() && code != "Success") {
    const std::string word = tame_word(code);
    return credentials_error("the endpoint refused: " + (word.empty() ? "no reason given" : word),
                             true);
  }
  return credentials_of(*object, "Token");
}

Result<Credentials> read_process_credentials(std::string_view text) {
  const auto object = object_of(text);
  if (!object) return object.error();
  const auto* version = object->if_contains("Version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != 1) {
    return credentials_error("the answer has no \"Version\": 1");
  }
  return credentials_of(*object, "SessionToken");
}

Result<Credentials> read_sts_credentials(std::string_view xml, const std::string& action) {
  namespace pt = boost::property_tree;
  pt::ptree tree;
  try {
    std::istringstream stream{std::string(xml)};
    pt::read_xml(stream, tree);
  } catch (const pt::ptree_error&) {
    return credentials_error("the answer is not XML", true, "sts");
  }
  const auto found = tree.get_child_optional(action + "Response." + action + "Result.Credentials");
  if (!found) return credentials_error("the answer has no Credentials", true, "sts");
  const auto text = [&](const char* name) { return found->get<std::string>(name, ""); };
  auto credentials = checked({.access_key_id = text("AccessKeyId"),
                              .secret_access_key = text("SecretAccessKey"),
                              .session_token = text("SessionToken")},
                             text("Expiration"));
  if (!credentials) {
    Error error = credentials.error();
    error.source = "sts";
    return error;
  }
  return credentials;
}

std::optional<WallTime> parse_iso_time(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const year_month_day date{year(digits(text, 0, 4)),
                            month(static_cast<unsigned>(digits(text, 5, 2))),
                            day(static_cast<unsigned>(digits(text, 8, 2)))};
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (digits(text, 0, 4) < 1970 || digits(text, 0, 4) > 2200 || !date.ok() || hour < 0 ||
      hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return std::nullopt;
  }
  text.remove_prefix(19);
  if (text.front() == '.') {
    const auto end = text.find_first_not_of("0123456789", 1);
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    text.remove_prefix(end);
  }
  Duration offset{0};
  if (text != "Z") {
    const bool colon = text.size() == 6 && text[3] == ':';
    if ((text[0] != '+' && text[0] != '-') || (text.size() != 5 && !colon)) return std::nullopt;
    const int hours_east = digits(text, 1, 2);
    const int minutes_east = digits(text, colon ? 4 : 3, 2);
    if (hours_east < 0 || hours_east > 23 || minutes_east < 0 || minutes_east > 59) {
      return std::nullopt;
    }
    offset = hours(hours_east) + minutes(minutes_east);
    if (text[0] == '-') offset = -offset;
  }
  const sys_seconds time = sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
  return WallTime(time.time_since_epoch()) - offset;
}

}  // namespace switchgear::aws
