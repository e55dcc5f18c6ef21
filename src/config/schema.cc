#include "config/schema.h"

#include <algorithm>
#include <type_traits>

#include "config/environment.h"
#include "config/json_writer.h"
#include "config/keys.h"

namespace switchgear::config {
namespace {

constexpr std::string_view kDurationPattern = "^(0|([0-9]+\\.?[0-9]*(ms|s|m|h|d|y))+)$";
constexpr std::string_view kRatePattern = "^[0-9]+(\\.[0-9]+)?%?$";
constexpr std::string_view kNamePattern = "^[A-Za-z0-9._:-]{1,256}(/[A-Za-z0-9._:-]{1,256})?$";

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::duration:
      return "duration";
    case Kind::rate:
      return "rate";
    case Kind::number:
      return "number";
    case Kind::integer:
      return "whole number";
    case Kind::boolean:
      return "true or false";
    case Kind::choice:
      return "word";
    case Kind::text:
      return "text";
    case Kind::list:
      return "list, or one value with commas";
    case Kind::secret_url:
      return "URL";
  }
  return "text";
}

std::string range_text(const KeyInfo& key) {
  if (!key.min.empty() && !key.max.empty()) return key.min + " to " + key.max;
  if (!key.min.empty()) return "at least " + key.min;
  if (!key.max.empty()) return "at most " + key.max;
  std::string words;
  for (const std::string& word : key.choices) words += (words.empty() ? "" : ", ") + word;
  return words;
}

// ---- JSON Schema ----------------------------------------------------------------------------

void write_number_range(JsonWriter& json, const KeyInfo& key) {
  if (const auto min = read_number(key.min)) json.member("minimum", *min);
  if (const auto max = read_number(key.max)) json.member("maximum", *max);
}

void write_kind(JsonWriter& json, const KeyInfo& key) {
  switch (key.kind) {
    case Kind::duration:
      // A bare 0 needs no unit.
      json.key("anyOf").begin_array();
      json.begin_object().member("type", "string").member("pattern", kDurationPattern);
      json.end_object();
      json.begin_object().member("const", 0).end_object();
      json.end_array();
      break;
    case Kind::rate:
      json.key("anyOf").begin_array();
      json.begin_object().member("type", "number").member("minimum", 0).member("maximum", 1);
      json.end_object();
      json.begin_object().member("type", "string").member("pattern", kRatePattern);
      json.end_object();
      json.end_array();
      break;
    case Kind::number:
      json.member("type", "number");
      write_number_range(json, key);
      break;
    case Kind::integer:
      json.member("type", "integer");
      write_number_range(json, key);
      break;
    case Kind::boolean:
      json.member("type", "boolean");
      break;
    case Kind::choice:
      json.key("enum").begin_array();
      for (const std::string& word : key.choices) json.value(word);
      json.end_array();
      break;
    case Kind::list:
      json.key("anyOf").begin_array();
      json.begin_object().member("type", "array").member("uniqueItems", true);
      json.key("items").begin_object().member("type", "string").member("minLength", 1).end_object();
      json.end_object();
      json.begin_object().member("type", "string").end_object();
      json.end_array();
      break;
    case Kind::text:
    case Kind::secret_url:
      json.member("type", "string");
      break;
  }
}

void write_default(JsonWriter& json, const KeyInfo& key) {
  if (key.kind == Kind::integer || key.kind == Kind::number) {
    json.member("default", *read_number(key.default_value));
  } else if (key.kind == Kind::boolean) {
    json.member("default", key.default_value == "true");
  } else if (key.kind == Kind::list) {
    json.key("default").begin_array();
    for (const std::string& entry : split_list(key.default_value)) json.value(entry);
    json.end_array();
  } else {
    json.member("default", key.default_value);
  }
}

void write_key(JsonWriter& json, const std::string& name, const KeyInfo& key,
               const std::string& description) {
  json.key(name).begin_object();
  json.member("description", description);
  write_kind(json, key);
  write_default(json, key);
  json.end_object();
}

std::string full_description(const KeyInfo& key) {
  const std::string range = key.kind == Kind::choice ? "" : range_text(key);
  return key.description + (range.empty() ? "" : " Range: " + range + ".");
}

// Those right below `group`.
void write_sections(JsonWriter& json, const std::string& group);

// The keys below `group`, and the groups and sections below it.
template <class T>
void write_group(JsonWriter& json, const std::vector<Key<T>>& keys, const std::string& group) {
  std::vector<std::string> seen;
  for (const Key<T>& key : keys) {
    if (!key.name.starts_with(group)) continue;
    const std::string rest = key.name.substr(group.size());
    const auto dot = rest.find('.');
    if (dot == std::string::npos) {
      write_key(json, rest, key, full_description(key));
      for (const std::string& synonym : key.synonyms) {
        write_key(json, synonym, key, "Synonym of " + key.name + ". " + full_description(key));
      }
      continue;
    }
    const std::string child = rest.substr(0, dot);
    if (std::ranges::find(seen, child) != seen.end()) continue;
    seen.push_back(child);
    json.key(child).begin_object();
    json.member("description", "Settings of the " + child + ".");
    json.key("type").begin_array().value("object").value("null").end_array();
    json.member("additionalProperties", false);
    json.key("properties").begin_object();
    write_group(json, keys, group + child + ".");
    json.end_object().end_object();
  }
  if constexpr (std::is_same_v<T, Config>) write_sections(json, group);
}

void write_sections(JsonWriter& json, const std::string& group) {
  for_each_section([&](const auto& section) {
    const auto name = name_below(section.path, group);
    if (!name) return;
    json.key(*name).begin_object();
    json.member("description", section.description);
    json.key("type").begin_array().value("object").value("null").end_array();
    json.key("propertyNames").begin_object().member("pattern", kNamePattern).end_object();
    json.key("additionalProperties").begin_object();
    json.member("description", "Settings of one circuit.");
    json.key("type").begin_array().value("object").value("null").end_array();
    json.member("additionalProperties", false);
    json.key("properties").begin_object();
    write_group(json, section.keys, "");
    json.end_object().end_object().end_object();
  });
}

// ---- The reference --------------------------------------------------------------------------

// `text` in lines of at most `width`, each after `indent`.
std::string wrapped(std::string_view text, const std::string& indent, std::size_t width) {
  std::string out;
  std::size_t column = width + 1;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (column + 1 + word.size() > width) {
      out += (out.empty() ? "" : "\n") + indent;
      column = indent.size();
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return out + "\n";
}

void add_reference(std::string& out, const std::string& path, const KeyInfo& key) {
  out += path + "\n";
  std::string facts(name_of(key.kind));
  if (const std::string range = range_text(key); !range.empty()) facts += ": " + range;
  facts += key.default_value.empty() ? "; not set by default" : "; default " + key.default_value;
  out += "    " + facts + "\n    " + variable_of(path) + "\n";
  out += wrapped(key.description, "    ", 90);
  for (const std::string& synonym : key.synonyms) out += "    Synonym: " + synonym + "\n";
  out += "\n";
}

}  // namespace

std::string json_schema() {
  JsonWriter json;
  json.begin_object();
  json.member("$schema", "http://json-schema.org/draft-07/schema#");
  json.member("title", "switchgear.yaml");
  json.member("description", "Configuration of Switchgear.");
  json.member("type", "object");
  json.member("additionalProperties", false);
  json.key("properties").begin_object();
  write_group(json, root_keys(), "");
  json.end_object().end_object();
  return json.text();
}

std::string reference() {
  std::string out;
  for (const auto& key : root_keys()) add_reference(out, key.name, key);
  for_each_section([&](const auto& section) {
    for (const auto& key : section.keys) {
      add_reference(out, std::string(section.path) + ".NAME." + key.name, key);
    }
  });
  return out;
}

}  // namespace switchgear::config
