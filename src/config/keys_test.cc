// The tables, the defaults and the checks of validate() say the same.
#include "config/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "config/json_writer.h"
#include "config/schema.h"

namespace switchgear::config {
namespace {

bool blames(const Problems& problems, const std::string& field) {
  return std::ranges::any_of(problems, [&](const Problem& p) {
    return p.place == field && p.message.find("must be from") != std::string::npos;
  });
}

// Sets one key of an otherwise default target, and asks whether its range is held to be broken.
template <class T>
bool out_of_range(const Key<T>& key, const std::string& value, const std::string& field,
                  const auto& validate) {
  T target{};
  const auto error = key.set(target, value);
  EXPECT_EQ(error, std::nullopt) << key.name;
  return blames(validate(target), field);
}

// The next value below or above, in the key's own notation; empty where it has none.
std::string step(const KeyInfo& key, const std::string& bound, int direction) {
  if (key.kind == Kind::integer) return std::to_string(*read_integer(bound) + direction);
  if (key.kind == Kind::number) return write_number(*read_number(bound) + direction * 0.01);
  if (key.kind != Kind::duration) return {};
  const Duration d = *read_duration(bound) + direction * Duration(1us);
  return d < 0s ? "" : write_duration(d);
}

template <class T>
void expect_range_is_checked(const Key<T>& key, const std::string& field, const auto& validate) {
  for (const auto& [bound, direction] : {std::pair{key.min, -1}, std::pair{key.max, 1}}) {
    if (bound.empty() || key.kind == Kind::rate) continue;
    EXPECT_FALSE(out_of_range(key, bound, field, validate)) << field << " at " << bound;
    const std::string beyond = step(key, bound, direction);
    if (beyond.empty()) continue;
    EXPECT_TRUE(out_of_range(key, beyond, field, validate)) << field << " beyond " << bound;
  }
}

TEST(Keys, StateTheRangesThatPolicyChecks) {
  for (const auto& key : circuit_keys()) {
    expect_range_is_checked(key, key.name, [](const Policy& p) { return p.validate(); });
  }
}

TEST(Keys, StateTheRangesThatTheWorkersSettingsCheck) {
  for (const auto& key : root_keys()) {
    if (!key.name.starts_with("worker.")) continue;
    expect_range_is_checked(key, key.name.substr(7),
                            [](const Config& c) { return c.worker.validate(); });
  }
}

TEST(Keys, StateTheRangesThatTheControllersSettingsCheck) {
  for (const auto& key : root_keys()) {
    if (!key.name.starts_with("controller.")) continue;
    expect_range_is_checked(key, key.name.substr(11),
                            [](const Config& c) { return c.controller.validate(); });
  }
  for (const auto& key : controlled_circuit_keys()) {
    expect_range_is_checked(key, key.name, [](const ControlledCircuit& c) { return c.validate(); });
  }
}

template <class T>
void expect_each_key_is_described_and_reads_its_default(const std::vector<Key<T>>& keys) {
  for (const auto& key : keys) {
    EXPECT_TRUE(key.description.ends_with(".")) << key.name;
    T target{};
    if (!key.default_value.empty()) {
      EXPECT_EQ(key.set(target, key.default_value), std::nullopt) << key.name;
    }
    EXPECT_EQ(target, T{}) << key.name;
  }
}

TEST(Keys, AreDescribedAndReadTheirDefaults) {
  expect_each_key_is_described_and_reads_its_default(circuit_keys());
  expect_each_key_is_described_and_reads_its_default(controlled_circuit_keys());
  expect_each_key_is_described_and_reads_its_default(root_keys());
}

TEST(Keys, CoverEveryField) {
  // Grows with a new field; then it also needs a key.
  EXPECT_EQ(circuit_keys().size(), 32U);
  EXPECT_EQ(controlled_circuit_keys().size(), 11U);
}

// A value of the key that is not its default.
std::string another_value(const KeyInfo& key) {
  switch (key.kind) {
    case Kind::duration:
      return "7m";
    case Kind::rate:
      return "7%";
    case Kind::integer:
      return "7";
    case Kind::number:
      return "0.3";
    case Kind::boolean:
      return key.default_value == "true" ? "false" : "true";
    case Kind::choice:
      return key.choices.back();
    case Kind::list:
      return "a, b";
    case Kind::text:
      if (key.name == "parking_queue") return "arn:aws:sqs:eu-central-1:123456789012:parked";
      break;
    case Kind::secret_url:
      break;
  }
  return "http://127.0.0.1:7";
}

template <class T>
void expect_each_key_sets_a_field_of_its_own(const std::vector<Key<T>>& keys) {
  for (const auto& key : keys) {
    T target{};
    const std::string other = another_value(key);
    ASSERT_EQ(key.set(target, other), std::nullopt) << key.name;
    EXPECT_EQ(key.get(target), other);
    int changed = 0;
    for (const auto& any : keys) changed += any.get(target) != any.get(T{}) ? 1 : 0;
    EXPECT_EQ(changed, 1) << key.name;
  }
}

TEST(Keys, SetEachAFieldOfItsOwn) {
  expect_each_key_sets_a_field_of_its_own(circuit_keys());
  expect_each_key_sets_a_field_of_its_own(controlled_circuit_keys());
}

TEST(Keys, OfAListSetItByItsEntriesTooUnlessTheyAreWrong) {
  for (const auto& key : controlled_circuit_keys()) {
    if (key.kind != Kind::list) continue;
    ControlledCircuit circuit;
    EXPECT_TRUE(key.set_entries(circuit, {"a", "b"}).empty());
    EXPECT_EQ(key.set_entries(circuit, {"c", "c", "arn:aws:x://y"}).size(), 2U);
    EXPECT_EQ(key.get(circuit), "a, b");
  }
}

TEST(Reference, NamesEveryKeyWithItsVariable) {
  const std::string text = reference();
  for_each_section([&](const auto& section) {
    for (const auto& key : section.keys) {
      const std::string path = std::string(section.path) + ".NAME." + key.name;
      const std::string variable = "SWITCHGEAR_" + environment_name(path);
      EXPECT_NE(text.find("\n" + path + "\n"), std::string::npos) << path;
      EXPECT_NE(text.find("\n    " + variable + "\n"), std::string::npos) << variable;
    }
  });
  for (const auto& key : root_keys()) {
    EXPECT_NE(text.find("\n    SWITCHGEAR_" + environment_name(key.name) + "\n"),
              std::string::npos);
  }
}

TEST(JsonWriter, WritesNestedValuesInOrder) {
  JsonWriter json;
  json.begin_object().member("b", 1).member("a", true);
  json.key("list").begin_array().value(0.5).value("x").null().end_array();
  json.key("none").begin_array().end_array().end_object();
  EXPECT_EQ(json.text(),
            "{\n  \"b\": 1,\n  \"a\": true,\n  \"list\": [\n    0.5,\n    \"x\",\n    null\n  ],\n"
            "  \"none\": []\n}\n");
}

TEST(JsonWriter, WritesValidJsonWhateverTheTextAndNumber) {
  EXPECT_EQ(json_string("a\"\\\n\x01"), "\"a\\\"\\\\\\n\\u0001\"");
  EXPECT_EQ(json_string("\xc3\xbc\xff\xc0\xaf"),
            "\"\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(JsonWriter().value(INFINITY).text(), "null\n");
  EXPECT_EQ(JsonWriter().value(1e300).text(), "1e+300\n");
}

}  // namespace
}  // namespace switchgear::config
