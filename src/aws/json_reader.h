// Reads the JSON of a service's answer, strictly in what is looked at: unknown members are passed
// over, null is as good as missing, and what is missing where it must be there or of the wrong type
// ends in one error that names its path. For the codecs only.
#pragma once

#include <boost/json.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/time.h"

namespace switchgear::aws {

// Keeps the first thing that does not fit; what is read after that, or in its place, is empty and
// of no use.
class JsonReader {
 public:
  using Value = boost::json::value;
  using Object = boost::json::object;
  using Array = boost::json::array;

  // Empty: everything fitted.
  const std::string& flaw() const { return flaw_; }
  void misfit(const std::string& what);

  // Nothing if it is missing or null.
  static const Value* find(const Object& fields, std::string_view member);
  // A name that is outside data too, as part of a path.
  static std::string shown(std::string_view name);

  std::string text(const Value& value, const std::string& path);
  const Object& object(const Value& value, const std::string& path);
  const Array& array(const Value& value, const std::string& path);

  // Members of `fields`, the object at `path` (empty: the answer itself). Empty if missing.
  std::string text_in(const Object& fields, const std::string& path, const char* member);
  const Object& object_in(const Object& fields, const std::string& path, const char* member);
  const Array& array_in(const Object& fields, const std::string& path, const char* member);
  bool flag_in(const Object& fields, const std::string& path, const char* member);
  // 0 if it is missing.
  double number_in(const Object& fields, const std::string& path, const char* member);
  // Whole numbers only.
  std::optional<int> integer_in(const Object& fields, const std::string& path, const char* member);
  // Seconds since 1970, with or without a fraction.
  std::optional<WallTime> time_in(const Object& fields, const std::string& path,
                                  const char* member);
  // The member that `path` ends with, which must be there.
  const Value& required(const Object& fields, const std::string& path);

 private:
  std::string flaw_;
};

struct JsonAnswer {
  std::string service;  // "DynamoDB"
  std::string source;   // of errors: "dynamodb"
  std::size_t depth_max = 32;
};

// The object that `body` is; otherwise its flaw is noted and it is empty.
JsonReader::Object parse_object(JsonReader& reader, std::string_view body, std::size_t depth_max);
// The error "protocol".
Error not_of_service(const JsonAnswer& answer, const std::string& flaw);

// What `read(reader, object)` makes of the answer's object, a Result<T>, if everything fitted.
template <class T, std::derived_from<JsonReader> Reader = JsonReader, class Read>
Result<T> read_json(const JsonAnswer& answer, std::string_view body, Read read) {
  Reader reader;
  const JsonReader::Object object = parse_object(reader, body, answer.depth_max);
  if (reader.flaw().empty()) {
    Result<T> out = read(reader, object);
    if (reader.flaw().empty()) return out;
  }
  return not_of_service(answer, reader.flaw());
}

}  // namespace switchgear::aws
