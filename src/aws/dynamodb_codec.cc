#include "aws/dynamodb_codec.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "core/assert.h"

namespace switchgear::aws::dynamodb_codec {
namespace {

namespace json = boost::json;

// An attribute may nest 32 levels deep, each of which takes two of JSON.
constexpr std::size_t kDepthMax = 80;

// ---- writing

json::object value_json(const AttributeValue& value) {
  switch (value.kind) {
    case AttributeValue::Kind::text:
      return {{"S", value.value}};
    case AttributeValue::Kind::number:
      return {{"N", value.value}};
    case AttributeValue::Kind::string_set: {
      SG_ASSERT(!value.set.empty());
      return {{"SS", json::array(value.set.begin(), value.set.end())}};
    }
    case AttributeValue::Kind::other:
      break;
  }
  SG_ASSERT(value.kind != AttributeValue::Kind::other);
  return {};
}

json::object item_json(const Item& item) {
  json::object out;
  for (const auto& [name, value] : item) out[name] = value_json(value);
  return out;
}

json::object key_request(const std::string& table, const Item& key) {
  SG_ASSERT(!key.empty());
  return {{"TableName", table}, {"Key", item_json(key)}};
}

// ---- reading. What does not fit is thrown inside this file and becomes the error "protocol".

struct Misfit {
  std::string what;
};

const json::value* find(const json::object& object, std::string_view member) {
  const json::value* value = object.if_contains(member);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::value& required(const json::object& object, const std::string& path,
                            std::string_view member) {
  const json::value* value = find(object, member);
  if (value == nullptr) throw Misfit{path + std::string(member) + " is missing"};
  return *value;
}

std::string text(const json::value& value, const std::string& path) {
  if (!value.is_string()) throw Misfit{path + " is no text"};
  return std::string(value.get_string());
}

const json::object& object(const json::value& value, const std::string& path) {
  if (!value.is_object()) throw Misfit{path + " is no object"};
  return value.get_object();
}

const json::array& array(const json::value& value, const std::string& path) {
  if (!value.is_array()) throw Misfit{path + " is no array"};
  return value.get_array();
}

std::string optional_text(const json::object& fields, const std::string& path,
                          std::string_view member) {
  const json::value* value = find(fields, member);
  return value == nullptr ? std::string() : text(*value, path + std::string(member));
}

// Names of attributes are outside data too.
std::string shown(std::string_view name) {
  return json::serialize(json::string(name.substr(0, 50)));
}

AttributeValue attribute(const json::value& value, const std::string& path) {
  const json::object& fields = object(value, path);
  if (fields.size() != 1) throw Misfit{path + " is no value of one type"};
  const auto& [key, content] = *fields.begin();
  const std::string type(key);
  const std::string inner = path + "." + (type.size() <= 4 ? type : "…");
  if (type == "S") return AttributeValue::of_text(text(content, inner));
  if (type == "N") return AttributeValue::of_number(text(content, inner));
  if (type != "SS") return {.kind = AttributeValue::Kind::other, .value = type};
  std::vector<std::string> texts;
  for (const json::value& entry : array(content, inner)) texts.push_back(text(entry, inner));
  return AttributeValue::of_set(std::move(texts));
}

Item item(const json::value& value, const std::string& path) {
  Item out;
  for (const auto& [name, content] : object(value, path)) {
    out[std::string(name)] = attribute(content, path + "[" + shown(name) + "]");
  }
  return out;
}

// Runs `read` on the answer's object.
template <class T, class Read>
Result<T> reading(std::string_view body, Read read) {
  const auto misfit = [](const std::string& what) {
    return Error{.code = "protocol",
                 .message = "the answer is not one of DynamoDB (" + what + "); check the endpoint",
                 .retryable = false,
                 .source = "dynamodb"};
  };
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code bad;
  const json::value answer =
      json::parse(json::string_view(body.data(), body.size()), bad, {}, options);
  if (bad) return misfit(bad.message());
  if (!answer.is_object()) return misfit("no JSON object");
  try {
    return read(answer.get_object());
  } catch (const Misfit& e) {
    return misfit(e.what);
  }
}

}  // namespace

std::string get_item_request(const std::string& table, const Item& key, bool consistent) {
  json::object request = key_request(table, key);
  request["ConsistentRead"] = consistent;
  return json::serialize(request);
}

std::string update_item_request(const ItemUpdate& update) {
  json::object request = key_request(update.table, update.key);
  if (!update.update.empty()) request["UpdateExpression"] = update.update;
  if (!update.condition.empty()) {
    request["ConditionExpression"] = update.condition;
    request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD";
  }
  if (!update.names.empty()) {
    json::object names;
    for (const auto& [placeholder, name] : update.names) names[placeholder] = name;
    request["ExpressionAttributeNames"] = std::move(names);
  }
  if (!update.values.empty()) request["ExpressionAttributeValues"] = item_json(update.values);
  request["ReturnValues"] = "ALL_NEW";
  return json::serialize(request);
}

std::string delete_item_request(const std::string& table, const Item& key) {
  json::object request = key_request(table, key);
  request["ReturnValues"] = "ALL_OLD";
  return json::serialize(request);
}

std::string scan_keys_request(const std::string& table, const std::string& key_attribute,
                              const std::string& key_prefix, const Item& after) {
  json::object request{{"TableName", table},
                       {"ProjectionExpression", "#key"},
                       {"ExpressionAttributeNames", {{"#key", key_attribute}}}};
  if (!key_prefix.empty()) {
    request["FilterExpression"] = "begins_with(#key, :prefix)";
    request["ExpressionAttributeValues"] =
        item_json({{":prefix", AttributeValue::of_text(key_prefix)}});
  }
  if (!after.empty()) request["ExclusiveStartKey"] = item_json(after);
  return json::serialize(request);
}

std::string create_table_request(const TableDefinition& table) {
  const json::object attribute{{"AttributeName", table.key_attribute}, {"AttributeType", "S"}};
  const json::object key{{"AttributeName", table.key_attribute}, {"KeyType", "HASH"}};
  return json::serialize(json::object{{"TableName", table.name},
                                      {"AttributeDefinitions", json::array{attribute}},
                                      {"KeySchema", json::array{key}},
                                      {"BillingMode", "PAY_PER_REQUEST"}});
}

std::string table_request(const std::string& table) {
  return json::serialize(json::object{{"TableName", table}});
}

std::string update_time_to_live_request(const std::string& table, const std::string& attribute,
                                        bool enabled) {
  return json::serialize(json::object{
      {"TableName", table},
      {"TimeToLiveSpecification", {{"Enabled", enabled}, {"AttributeName", attribute}}}});
}

Result<std::optional<Item>> read_item(std::string_view body, std::string_view member) {
  return reading<std::optional<Item>>(body, [&](const json::object& answer) {
    const json::value* value = find(answer, member);
    std::optional<Item> out;
    // No item is empty: each has its key.
    if (value != nullptr) out = item(*value, std::string(member));
    if (out && out->empty()) out.reset();
    return out;
  });
}

Result<KeysPage> read_keys(std::string_view body, const std::string& key_attribute) {
  return reading<KeysPage>(body, [&](const json::object& answer) {
    KeysPage page;
    const json::array& items = array(required(answer, "", "Items"), "Items");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string path = "Items[" + std::to_string(i) + "]";
      const json::object& fields = object(items[i], path);
      const AttributeValue key = attribute(required(fields, path + ".", key_attribute), path);
      if (key.kind == AttributeValue::Kind::text) page.keys.push_back(key.value);
    }
    if (const json::value* last = find(answer, "LastEvaluatedKey")) {
      page.last_key = item(*last, "LastEvaluatedKey");
    }
    return page;
  });
}

Result<TableDescription> read_table(std::string_view body) {
  return reading<TableDescription>(body, [](const json::object& answer) {
    const json::object& table = object(required(answer, "", "Table"), "Table");
    TableDescription out{.status = text(required(table, "Table.", "TableStatus"), "TableStatus"),
                         .key_attribute = {},
                         .key_type = {},
                         .billing_mode = "PROVISIONED",
                         .arn = optional_text(table, "Table.", "TableArn")};
    // Of a table that is being deleted the rest may be missing.
    if (const json::value* keys = find(table, "KeySchema")) {
      for (const json::value& value : array(*keys, "Table.KeySchema")) {
        const json::object& key = object(value, "Table.KeySchema[]");
        const std::string name = optional_text(key, "Table.KeySchema[].", "AttributeName");
        const std::string type = optional_text(key, "Table.KeySchema[].", "KeyType");
        if (type == "HASH") out.key_attribute = name;
        if (type == "RANGE") out.sort_key = name;
      }
    }
    if (const json::value* attributes = find(table, "AttributeDefinitions")) {
      for (const json::value& value : array(*attributes, "Table.AttributeDefinitions")) {
        const std::string path = "Table.AttributeDefinitions[].";
        const json::object& definition = object(value, "Table.AttributeDefinitions[]");
        if (optional_text(definition, path, "AttributeName") == out.key_attribute) {
          out.key_type = optional_text(definition, path, "AttributeType");
        }
      }
    }
    if (const json::value* billing = find(table, "BillingModeSummary")) {
      const std::string mode = optional_text(object(*billing, "Table.BillingModeSummary"),
                                             "Table.BillingModeSummary.", "BillingMode");
      if (!mode.empty()) out.billing_mode = mode;
    }
    if (const json::value* count = find(table, "ItemCount")) {
      boost::system::error_code bad;
      out.item_count = count->is_number() ? count->to_number<std::int64_t>(bad) : -1;
      if (bad || out.item_count < 0) throw Misfit{"Table.ItemCount is no count"};
    }
    return out;
  });
}

Result<TimeToLive> read_time_to_live(std::string_view body) {
  return reading<TimeToLive>(body, [](const json::object& answer) {
    const std::string member = "TimeToLiveDescription";
    const json::object& fields = object(required(answer, "", member), member);
    return TimeToLive{
        .status = text(required(fields, member + ".", "TimeToLiveStatus"), "TimeToLiveStatus"),
        .attribute = optional_text(fields, member + ".", "AttributeName")};
  });
}

Result<void> read_done(std::string_view body) {
  return reading<void>(body, [](const json::object&) { return Result<void>{}; });
}

}  // namespace switchgear::aws::dynamodb_codec
