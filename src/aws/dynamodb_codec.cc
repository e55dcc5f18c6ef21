#include "aws/dynamodb_codec.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "aws/json_reader.h"
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

json::object search_request(const ItemSearch& search) {
  json::object request{{"TableName", search.table},
                       {"FilterExpression", "attribute_exists(#having)"},
                       {"ExpressionAttributeNames", {{"#having", search.having}}}};
  if (!search.after.empty()) request["ExclusiveStartKey"] = item_json(search.after);
  return request;
}

// ---- reading

class Reader : public JsonReader {
 public:
  AttributeValue attribute(const json::value& value, const std::string& path) {
    const json::object& fields = object(value, path);
    std::string type;
    const json::value* content = nullptr;
    for (const char* known : {"S", "N", "SS"}) {
      const json::value* found = find(fields, known);
      if (found == nullptr) continue;
      if (content != nullptr) misfit(path + " is a value of two types");
      type = known;
      content = found;
    }
    const std::string inner = path + "." + type;
    if (type == "S") return AttributeValue::of_text(text(*content, inner));
    if (type == "N") return AttributeValue::of_number(text(*content, inner));
    if (type == "SS") {
      std::vector<std::string> texts;
      for (const json::value& entry : array(*content, inner)) texts.push_back(text(entry, inner));
      return AttributeValue::of_set(std::move(texts));
    }
    for (const auto& [name, content_of_other] : fields) {
      if (content_of_other.is_null()) continue;
      return {.kind = AttributeValue::Kind::other, .value = std::string(name)};
    }
    misfit(path + " has no value");
    return {};
  }

  Item item(const json::value& value, const std::string& path) {
    Item out;
    for (const auto& [name, content] : object(value, path)) {
      out[std::string(name)] = attribute(content, path + "[" + shown(name) + "]");
    }
    return out;
  }
};

// Runs `read(reader, answer)` on the answer's object.
template <class T, class Read>
Result<T> reading(std::string_view body, Read read) {
  return read_json<T, Reader>({.service = "DynamoDB", .source = "dynamodb", .depth_max = kDepthMax},
                              body, read);
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

std::string scan_keys_request(const KeyScan& scan) {
  json::object names{{"#key", scan.key_attribute}};
  std::string filter;
  if (!scan.key_prefix.empty()) filter = "begins_with(#key, :prefix)";
  if (!scan.having.empty()) {
    names["#having"] = scan.having;
    filter += (filter.empty() ? "" : " AND ") + std::string("attribute_exists(#having)");
  }
  json::object request{{"TableName", scan.table},
                       {"ProjectionExpression", "#key"},
                       {"ExpressionAttributeNames", std::move(names)}};
  if (!filter.empty()) request["FilterExpression"] = filter;
  if (!scan.key_prefix.empty()) {
    request["ExpressionAttributeValues"] =
        item_json({{":prefix", AttributeValue::of_text(scan.key_prefix)}});
  }
  if (!scan.after.empty()) request["ExclusiveStartKey"] = item_json(scan.after);
  return json::serialize(request);
}

std::string scan_items_request(const ItemSearch& search) {
  return json::serialize(search_request(search));
}

std::string query_request(const ItemSearch& search) {
  json::object request = search_request(search);
  request["KeyConditionExpression"] = "#partition = :partition";
  request["ExpressionAttributeNames"].as_object()["#partition"] = search.partition_attribute;
  request["ExpressionAttributeValues"] =
      item_json({{":partition", AttributeValue::of_text(search.partition)}});
  return json::serialize(request);
}

std::string create_table_request(const TableDefinition& table) {
  const json::object attribute{{"AttributeName", table.key_attribute}, {"AttributeType", "S"}};
  const json::object key{{"AttributeName", table.key_attribute}, {"KeyType", "HASH"}};
  json::object request{{"TableName", table.name},
                       {"AttributeDefinitions", json::array{attribute}},
                       {"KeySchema", json::array{key}},
                       {"BillingMode", "PAY_PER_REQUEST"}};
  if (!table.tags.empty()) {
    json::array tags;
    for (const auto& [name, value] : table.tags) {
      tags.push_back(json::object{{"Key", name}, {"Value", value}});
    }
    request["Tags"] = std::move(tags);
  }
  return json::serialize(request);
}

std::string asking_for_capacity(const std::string& request) {
  json::value asking = json::parse(request);
  asking.as_object()["ReturnConsumedCapacity"] = "TOTAL";
  return json::serialize(asking);
}

Result<double> read_capacity(std::string_view body) {
  return reading<double>(body, [](Reader& reader, const json::object& answer) {
    const std::string path = "ConsumedCapacity";
    return reader.number_in(reader.object_in(answer, "", path.c_str()), path, "CapacityUnits");
  });
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
  return reading<std::optional<Item>>(body, [&](Reader& reader, const json::object& answer) {
    std::optional<Item> out;
    if (const json::value* value = Reader::find(answer, member)) {
      out = reader.item(*value, std::string(member));
    }
    // No item is empty: each has its key.
    if (out && out->empty()) out.reset();
    return out;
  });
}

Result<KeysPage> read_keys(std::string_view body, const std::string& key_attribute) {
  return reading<KeysPage>(body, [&](Reader& reader, const json::object& answer) {
    KeysPage page;
    const json::array& items = reader.array(reader.required(answer, "Items"), "Items");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string path = "Items[" + std::to_string(i) + "]";
      const json::value* value = Reader::find(reader.object(items[i], path), key_attribute);
      if (value == nullptr) {
        reader.misfit(path + " has no " + Reader::shown(key_attribute));
        continue;
      }
      const AttributeValue key =
          reader.attribute(*value, path + "[" + Reader::shown(key_attribute) + "]");
      if (key.kind == AttributeValue::Kind::text) page.keys.push_back(key.value);
    }
    if (const json::value* last = Reader::find(answer, "LastEvaluatedKey")) {
      page.last_key = reader.item(*last, "LastEvaluatedKey");
    }
    return page;
  });
}

Result<ItemsPage> read_items(std::string_view body) {
  return reading<ItemsPage>(body, [](Reader& reader, const json::object& answer) {
    ItemsPage page;
    const json::array& items = reader.array(reader.required(answer, "Items"), "Items");
    for (std::size_t i = 0; i < items.size(); ++i) {
      page.items.push_back(reader.item(items[i], "Items[" + std::to_string(i) + "]"));
    }
    if (const json::value* last = Reader::find(answer, "LastEvaluatedKey")) {
      page.last_key = reader.item(*last, "LastEvaluatedKey");
    }
    return page;
  });
}

Result<TableDescription> read_table(std::string_view body) {
  return reading<TableDescription>(body, [](Reader& reader, const json::object& answer) {
    const std::string path = "Table";
    const json::object& table = reader.object(reader.required(answer, path), path);
    TableDescription out;
    out.status = reader.text(reader.required(table, "Table.TableStatus"), "Table.TableStatus");
    out.arn = reader.text_in(table, path, "TableArn");
    // Of a table that is being deleted the rest may be missing.
    for (const json::value& value : reader.array_in(table, path, "KeySchema")) {
      const json::object& key = reader.object(value, "Table.KeySchema[]");
      const std::string name = reader.text_in(key, "Table.KeySchema[]", "AttributeName");
      const std::string type = reader.text_in(key, "Table.KeySchema[]", "KeyType");
      if (type == "HASH") out.key_attribute = name;
      if (type == "RANGE") out.sort_key = name;
    }
    for (const json::value& value : reader.array_in(table, path, "AttributeDefinitions")) {
      const std::string inner = "Table.AttributeDefinitions[]";
      const json::object& definition = reader.object(value, inner);
      const std::string type = reader.text_in(definition, inner, "AttributeType");
      if (reader.text_in(definition, inner, "AttributeName") == out.key_attribute) {
        out.key_type = type;
      }
    }
    // It has a summary only if it is, or once was, on demand.
    out.billing_mode = reader.text_in(reader.object_in(table, path, "BillingModeSummary"),
                                      "Table.BillingModeSummary", "BillingMode");
    if (out.billing_mode.empty()) out.billing_mode = "PROVISIONED";
    const std::string units = path + ".ProvisionedThroughput";
    const json::object& throughput = reader.object_in(table, path, "ProvisionedThroughput");
    out.read_units = std::llround(reader.number_in(throughput, units, "ReadCapacityUnits"));
    out.write_units = std::llround(reader.number_in(throughput, units, "WriteCapacityUnits"));
    if (const json::value* count = Reader::find(table, "ItemCount")) {
      boost::system::error_code bad;
      if (count->is_number()) out.item_count = count->to_number<std::int64_t>(bad);
      if (!count->is_number() || bad) reader.misfit("Table.ItemCount is no whole number");
    }
    return out;
  });
}

Result<TimeToLive> read_time_to_live(std::string_view body) {
  return reading<TimeToLive>(body, [](Reader& reader, const json::object& answer) {
    const std::string path = "TimeToLiveDescription";
    const std::string status = path + ".TimeToLiveStatus";
    const json::object& fields = reader.object(reader.required(answer, path), path);
    return TimeToLive{.status = reader.text(reader.required(fields, status), status),
                      .attribute = reader.text_in(fields, path, "AttributeName")};
  });
}

Result<void> read_done(std::string_view body) {
  return reading<void>(body, [](Reader&, const json::object&) { return Result<void>{}; });
}

}  // namespace switchgear::aws::dynamodb_codec
