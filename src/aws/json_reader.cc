#include "aws/json_reader.h"

#include <cmath>
#include <limits>
#include <utility>

namespace switchgear::aws {
namespace {

namespace json = boost::json;

// The latest time of day that fits into WallTime is in 2262; a service means none beyond this.
constexpr double kSecondsMax = 8e9;

std::string joined(const std::string& path, const char* member) {
  return path.empty() ? member : path + "." + member;
}

}  // namespace

void JsonReader::misfit(const std::string& what) {
  if (flaw_.empty()) flaw_ = what;
}

const JsonReader::Value* JsonReader::find(const Object& fields, std::string_view member) {
  const Value* value = fields.if_contains(member);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonReader::shown(std::string_view name) {
  return json::serialize(json::string(name.substr(0, 50)));
}

std::string JsonReader::text(const Value& value, const std::string& path) {
  if (value.is_string()) return std::string(value.get_string());
  misfit(path + " is no text");
  return {};
}

const JsonReader::Object& JsonReader::object(const Value& value, const std::string& path) {
  static const Object empty;
  if (value.is_object()) return value.get_object();
  misfit(path + " is no object");
  return empty;
}

const JsonReader::Array& JsonReader::array(const Value& value, const std::string& path) {
  static const Array empty;
  if (value.is_array()) return value.get_array();
  misfit(path + " is no array");
  return empty;
}

std::string JsonReader::text_in(const Object& fields, const std::string& path, const char* member) {
  const Value* value = find(fields, member);
  return value == nullptr ? std::string() : text(*value, joined(path, member));
}

const JsonReader::Object& JsonReader::object_in(const Object& fields, const std::string& path,
                                                const char* member) {
  static const Value empty(json::object_kind);
  const Value* value = find(fields, member);
  return object(value == nullptr ? empty : *value, joined(path, member));
}

const JsonReader::Array& JsonReader::array_in(const Object& fields, const std::string& path,
                                              const char* member) {
  static const Value empty(json::array_kind);
  const Value* value = find(fields, member);
  return array(value == nullptr ? empty : *value, joined(path, member));
}

double JsonReader::number_in(const Object& fields, const std::string& path, const char* member) {
  const Value* value = find(fields, member);
  if (value == nullptr) return 0;
  boost::system::error_code bad;
  const double number = value->is_number() ? value->to_number<double>(bad) : 0;
  if (!value->is_number() || bad) misfit(joined(path, member) + " is no number");
  return number;
}

std::optional<int> JsonReader::integer_in(const Object& fields, const std::string& path,
                                          const char* member) {
  const Value* value = find(fields, member);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code bad;
  const int number = value->is_number() ? value->to_number<int>(bad) : 0;
  if (value->is_number() && !bad) return number;
  misfit(joined(path, member) + " is no whole number");
  return std::nullopt;
}

std::optional<WallTime> JsonReader::time_in(const Object& fields, const std::string& path,
                                            const char* member) {
  if (find(fields, member) == nullptr) return std::nullopt;
  const double seconds = number_in(fields, path, member);
  if (!(seconds >= 0 && seconds <= kSecondsMax)) {
    misfit(joined(path, member) + " is no time");
    return std::nullopt;
  }
  // Services give milliseconds at best; more digits of a double are noise.
  return WallTime(std::chrono::milliseconds(std::llround(seconds * 1000)));
}

bool JsonReader::flag_in(const Object& fields, const std::string& path, const char* member) {
  const Value* value = find(fields, member);
  if (value == nullptr) return false;
  if (!value->is_bool()) misfit(joined(path, member) + " is neither true nor false");
  return value->is_bool() && value->get_bool();
}

const JsonReader::Value& JsonReader::required(const Object& fields, const std::string& path) {
  static const Value none;
  const Value* value = find(fields, path.substr(path.rfind('.') + 1));
  if (value != nullptr) return *value;
  misfit(path + " is missing");
  return none;
}

JsonReader::Object parse_object(JsonReader& reader, std::string_view body, std::size_t depth_max) {
  json::parse_options options;
  options.max_depth = depth_max;
  boost::system::error_code bad;
  json::value answer = json::parse(json::string_view(body.data(), body.size()), bad, {}, options);
  if (bad) {
    reader.misfit(bad.message());
  } else if (!answer.is_object()) {
    reader.misfit("no JSON object");
  } else {
    return std::move(answer.get_object());
  }
  return {};
}

Error not_of_service(const JsonAnswer& answer, const std::string& flaw) {
  return {.code = "protocol",
          .message =
              "the answer is not one of " + answer.service + " (" + flaw + "); check the endpoint",
          .retryable = false,
          .source = answer.source};
}

}  // namespace switchgear::aws
