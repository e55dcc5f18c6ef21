// Writes JSON for people and for programs: members in the order they are given, two spaces of
// indentation, numbers as short as they read back, text as valid JSON whatever its bytes.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchgear::config {

// json.begin_object(); json.member("name", "x"); json.key("list"); json.begin_array(); …
// The caller keeps begin and end in balance.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);  // null where JSON has no such number
  JsonWriter& value(std::same_as<bool> auto b) { return raw(b ? "true" : "false"); }
  JsonWriter& value(std::integral auto n)
    requires(!std::same_as<decltype(n), bool>)
  {
    return raw(std::to_string(n));
  }
  JsonWriter& null() { return raw("null"); }

  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

  // The document, with a final newline.
  std::string text() const { return text_ + "\n"; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& raw(std::string_view text);
  void before_value();
  void new_line();

  std::string text_;
  std::vector<bool> has_members_;  // of each open object or array
  bool after_key_ = false;
};

// The text as JSON has it, in quotation marks. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace switchgear::config
