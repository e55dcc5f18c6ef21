// For the test beside it: stdin is one JSON object {answers: [{operation, body}], errors: [{status,
// body}]}; stdout is one {requests: [{operation, body}], answers: ["" or the error's text], errors:
// [{code, retryable, throttled, message}]}. `requests` holds every kind of request that the client
// sends.
#include <boost/json.hpp>
#include <iostream>
#include <iterator>
#include <string>

#include "aws/dynamodb_codec.h"
#include "aws/error.h"

namespace {

namespace json = boost::json;
namespace codec = switchgear::aws::dynamodb_codec;
using switchgear::Result;
using switchgear::aws::Item;
using Value = switchgear::aws::AttributeValue;

json::array requests() {
  const Item key{{"id", Value::of_text("c#1")}};
  json::array out;
  const auto add = [&](const char* operation, const std::string& body) {
    out.push_back(json::object{{"operation", operation}, {"body", body}});
  };
  add("GetItem", codec::get_item_request("table", key, true));
  add("GetItem", codec::get_item_request("table", key, false));
  add("UpdateItem", codec::update_item_request({.table = "table", .key = key}));
  add("UpdateItem", codec::update_item_request({.table = "table",
                                                .key = key,
                                                .update = "SET #n = :n ADD #s :s",
                                                .condition = "#n < :n OR #t = :t",
                                                .names = {{"#n", "n"}, {"#s", "s"}, {"#t", "t"}},
                                                .values = {{":n", Value::of_number(7)},
                                                           {":s", Value::of_set({"a", "b"})},
                                                           {":t", Value::of_text("")}}}));
  add("DeleteItem", codec::delete_item_request("table", key));
  add("Scan", codec::scan_keys_request({.table = "table", .key_attribute = "id"}));
  for (std::size_t i = 0, plain = out.size(); i < plain; ++i) {
    add(out[i].at("operation").as_string().c_str(),
        codec::asking_for_capacity(std::string(out[i].at("body").as_string())));
  }
  add("Scan", codec::scan_keys_request({.table = "table",
                                        .key_attribute = "id",
                                        .key_prefix = "c#",
                                        .having = "ep",
                                        .after = key}));
  add("Scan", codec::scan_items_request({.table = "table", .having = "state", .after = key}));
  add("Query",
      codec::query_request(
          {.table = "table", .having = "state", .partition_attribute = "pk", .partition = "c#1"}));
  add("CreateTable", codec::create_table_request({.name = "table", .key_attribute = "id"}));
  add("CreateTable",
      codec::create_table_request({.name = "table", .key_attribute = "id", .tags = {{"a", "b"}}}));
  add("DeleteTable", codec::table_request("table"));
  add("DescribeTable", codec::table_request("table"));
  add("UpdateTimeToLive", codec::update_time_to_live_request("table", "ttl", true));
  add("DescribeTimeToLive", codec::table_request("table"));
  return out;
}

template <class T>
std::string error_text(const Result<T>& result) {
  return result ? std::string() : result.error().text();
}

// What the client would make of that operation's answer.
std::string read(const std::string& operation, const std::string& body) {
  if (const std::string units = error_text(codec::read_capacity(body)); !units.empty()) {
    return units;
  }
  if (operation == "GetItem") return error_text(codec::read_item(body, "Item"));
  if (operation == "UpdateItem" || operation == "DeleteItem") {
    return error_text(codec::read_item(body, "Attributes"));
  }
  if (operation == "Scan") return error_text(codec::read_keys(body, "id"));
  if (operation == "Query") return error_text(codec::read_items(body));
  if (operation == "DescribeTable") return error_text(codec::read_table(body));
  if (operation == "DescribeTimeToLive") return error_text(codec::read_time_to_live(body));
  return error_text(codec::read_done(body));
}

std::string text(const json::value& value, const char* member) {
  return std::string(value.at(member).as_string());
}

}  // namespace

int main() {
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const json::value in = json::parse(input);
  json::array answers;
  for (const json::value& answer : in.at("answers").as_array()) {
    answers.emplace_back(read(text(answer, "operation"), text(answer, "body")));
  }
  json::array errors;
  for (const json::value& error : in.at("errors").as_array()) {
    const auto refusal = switchgear::aws::read_error(
        {.status = error.at("status").to_number<int>(), .body = text(error, "body")}, "dynamodb");
    errors.push_back(json::object{{"code", refusal.error.code},
                                  {"retryable", refusal.error.retryable},
                                  {"throttled", refusal.throttled},
                                  {"message", refusal.error.message}});
  }
  std::cout << json::serialize(
                   json::object{{"requests", requests()}, {"answers", answers}, {"errors", errors}})
            << "\n";
}
