#include "aws/dynamodb.h"

#include <algorithm>
#include <utility>

#include "aws/dynamodb_codec.h"

namespace switchgear::aws {
namespace {

// Makes the callback of a raw call: errors pass, an answer goes through `read`.
template <class T, class Read>
AwsClient::Callback reading(DynamoDb::Callback<T> callback, Read read) {
  return [callback = std::move(callback), read = std::move(read)](const Result<Answer>& answer) {
    callback(answer ? read(*answer) : Result<T>(answer.error()));
  };
}

// For answers of which only the body is needed.
template <class T, class Read>
AwsClient::Callback reading_body(DynamoDb::Callback<T> callback, Read read) {
  return reading<T>(std::move(callback), [read = std::move(read)](const Answer& answer) {
    return Result<T>(read(answer.body));
  });
}

// `member` is where the item is if the service did what was asked.
auto item_in(const char* member) {
  return [member](const Answer& answer) -> Result<ItemAnswer> {
    auto item = dynamodb_codec::read_item(answer.body, answer.refused ? "Item" : member);
    if (!item) return item.error();
    return ItemAnswer{
        .item = *std::move(item), .condition_failed = answer.refused, .date = answer.date};
  };
}

ServiceCall operation(const char* name, std::string body, const DynamoDbOptions& options) {
  return {.target = std::string("DynamoDB_20120810.") + name,
          .body = std::move(body),
          .attempt_timeout = options.attempt_timeout};
}

}  // namespace

AttributeValue AttributeValue::of_text(std::string text) {
  return {.kind = Kind::text, .value = std::move(text)};
}

AttributeValue AttributeValue::of_number(std::string number) {
  return {.kind = Kind::number, .value = std::move(number)};
}

AttributeValue AttributeValue::of_number(std::int64_t number) {
  return of_number(std::to_string(number));
}

AttributeValue AttributeValue::of_set(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  texts.erase(std::ranges::unique(texts).begin(), texts.end());
  return {.kind = Kind::string_set, .set = std::move(texts)};
}

std::size_t item_bytes(const Item& item) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : item) {
    bytes += name.size();
    switch (value.kind) {
      case AttributeValue::Kind::number: {
        // One for two significant digits, one more, and one for a sign.
        const auto digits = static_cast<std::size_t>(
            std::ranges::count_if(value.value, [](char c) { return c >= '0' && c <= '9'; }));
        bytes += (digits + 1) / 2 + 1 + (value.value.starts_with('-') ? 1 : 0);
        break;
      }
      case AttributeValue::Kind::string_set:
        bytes += 3;
        for (const std::string& text : value.set) bytes += 1 + text.size();
        break;
      case AttributeValue::Kind::text:
        bytes += value.value.size();
        break;
      case AttributeValue::Kind::other:
        break;
    }
  }
  return bytes;
}

net::CallHandle DynamoDb::item_call(const char* name, std::string body, std::string accepted_code,
                                    AwsClient::Callback callback) {
  if (!options_.on_consumed) {
    ServiceCall call = operation(name, std::move(body), options_);
    call.accepted_code = std::move(accepted_code);
    return client_.call(std::move(call), std::move(callback));
  }
  ServiceCall call = operation(name, dynamodb_codec::asking_for_capacity(body), options_);
  call.accepted_code = std::move(accepted_code);
  return client_.call(std::move(call), [name, hear = options_.on_consumed,
                                        callback = std::move(callback)](Result<Answer> answer) {
    if (answer && answer->refused) {
      hear({.operation = name, .units = 0, .told = false});
    } else if (answer) {
      hear({.operation = name, .units = dynamodb_codec::read_capacity(answer->body).value_or(0)});
    }
    callback(std::move(answer));
  });
}

net::CallHandle DynamoDb::get_item(const std::string& table, const Item& key, bool consistent,
                                   Callback<ItemAnswer> callback) {
  return item_call("GetItem", dynamodb_codec::get_item_request(table, key, consistent), {},
                   reading<ItemAnswer>(std::move(callback), item_in("Item")));
}

net::CallHandle DynamoDb::update_item(const ItemUpdate& update, Callback<ItemAnswer> callback) {
  return item_call("UpdateItem", dynamodb_codec::update_item_request(update),
                   "ConditionalCheckFailedException",
                   reading<ItemAnswer>(std::move(callback), item_in("Attributes")));
}

net::CallHandle DynamoDb::delete_item(const std::string& table, const Item& key,
                                      Callback<ItemAnswer> callback) {
  return item_call("DeleteItem", dynamodb_codec::delete_item_request(table, key), {},
                   reading<ItemAnswer>(std::move(callback), item_in("Attributes")));
}

net::CallHandle DynamoDb::scan_keys(const KeyScan& scan, Callback<KeysPage> callback) {
  return item_call("Scan", dynamodb_codec::scan_keys_request(scan), {},
                   reading_body<KeysPage>(std::move(callback), [key_attribute = scan.key_attribute](
                                                                   std::string_view body) {
                     return dynamodb_codec::read_keys(body, key_attribute);
                   }));
}

net::CallHandle DynamoDb::find_items(const ItemSearch& search, Callback<ItemsPage> callback) {
  const bool whole_table = search.partition_attribute.empty();
  return client_.call(
      operation(whole_table ? "Scan" : "Query",
                whole_table ? dynamodb_codec::scan_items_request(search)
                            : dynamodb_codec::query_request(search),
                options_),
      reading<ItemsPage>(std::move(callback), [](const Answer& answer) -> Result<ItemsPage> {
        auto page = dynamodb_codec::read_items(answer.body);
        if (page) page->date = answer.date;
        return page;
      }));
}

net::CallHandle DynamoDb::create_table(const TableDefinition& table, Callback<void> callback) {
  return client_.call(
      operation("CreateTable", dynamodb_codec::create_table_request(table), options_),
      reading_body<void>(std::move(callback), &dynamodb_codec::read_done));
}

net::CallHandle DynamoDb::delete_table(const std::string& table, Callback<void> callback) {
  return client_.call(operation("DeleteTable", dynamodb_codec::table_request(table), options_),
                      reading_body<void>(std::move(callback), &dynamodb_codec::read_done));
}

net::CallHandle DynamoDb::describe_table(const std::string& table,
                                         Callback<TableDescription> callback) {
  return client_.call(
      operation("DescribeTable", dynamodb_codec::table_request(table), options_),
      reading_body<TableDescription>(std::move(callback), &dynamodb_codec::read_table));
}

net::CallHandle DynamoDb::update_time_to_live(const std::string& table,
                                              const std::string& attribute, bool enabled,
                                              Callback<void> callback) {
  return client_.call(
      operation("UpdateTimeToLive",
                dynamodb_codec::update_time_to_live_request(table, attribute, enabled), options_),
      reading_body<void>(std::move(callback), &dynamodb_codec::read_done));
}

net::CallHandle DynamoDb::describe_time_to_live(const std::string& table,
                                                Callback<TimeToLive> callback) {
  return client_.call(
      operation("DescribeTimeToLive", dynamodb_codec::table_request(table), options_),
      reading_body<TimeToLive>(std::move(callback), &dynamodb_codec::read_time_to_live));
}

}  // namespace switchgear::aws
