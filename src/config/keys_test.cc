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
  expect_each_key_is_described_and_reads_its_default(root_keys());
}

TEST(Keys, CoverEveryFieldOfAPolicy) {
  // Grows with a new field; then it also needs a key.
  EXPECT_EQ(circuit_keys().size(), 32U);
}

TEST(Keys, SetEachAFieldOfItsOwn) {
  for (const auto& key : circuit_keys()) {
    Policy policy;
    const std::string other = key.kind == Kind::duration  ? "7m"
                              : key.kind == Kind::rate    ? "7%"
                              : key.kind == Kind::integer ? "7"
                              : key.kind == Kind::number  ? "0.3"
                              : key.kind == Kind::boolean
                                  ? (key.get(policy) == "true" ? "false" : "true")
                                  : key.choices.back();
    ASSERT_EQ(key.set(policy, other), std::nullopt) << key.name;
    EXPECT_EQ(key.get(policy), other);
    int changed = 0;
    for (const auto& any : circuit_keys()) changed += any.get(policy) != any.get(Policy{}) ? 1 : 0;
    EXPECT_EQ(changed, 1) << key.name;
  }
}

TEST(Reference, NamesEveryKeyWithItsVariable) {
  const std::string text = reference();
  for (const auto& key : circuit_keys()) {
    EXPECT_NE(text.find("circuits.NAME." + key.name + "\n"), std::string::npos);
    EXPECT_NE(text.find("SWITCHGEAR_CIRCUITS_NAME_" + environment_name(key.name) + "\n"),
              std::string::npos);
  }
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
