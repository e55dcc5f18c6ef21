#include "aws/dynamodb_codec.h"

#include <gtest/gtest.h>

namespace switchgear::aws::dynamodb_codec {
namespace {

using Value = AttributeValue;
const Item kKey{{"id", Value::of_text("c#1")}};

// What the error says does not fit; "" for no error or another one.
template <class T>
std::string misfit(const Result<T>& result) {
  if (result || result.error().code != "protocol") return {};
  const std::string& message = result.error().message;
  const auto open = message.find('(');
  return message.substr(open + 1, message.rfind(')') - open - 1);
}

TEST(DynamoDbRequests, AreTheJsonOfTheOperation) {
  EXPECT_EQ(get_item_request("t", kKey, true),
            R"({"TableName":"t","Key":{"id":{"S":"c#1"}},"ConsistentRead":true})");
  EXPECT_EQ(delete_item_request("t", kKey),
            R"({"TableName":"t","Key":{"id":{"S":"c#1"}},"ReturnValues":"ALL_OLD"})");
  EXPECT_EQ(table_request("t"), R"({"TableName":"t"})");
  EXPECT_EQ(create_table_request({.name = "t", .key_attribute = "id"}),
            R"({"TableName":"t","AttributeDefinitions":[{"AttributeName":"id",)"
            R"("AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],)"
            R"("BillingMode":"PAY_PER_REQUEST"})");
  EXPECT_EQ(update_time_to_live_request("t", "ttl", true),
            R"({"TableName":"t","TimeToLiveSpecification":{"Enabled":true,)"
            R"("AttributeName":"ttl"}})");
}

TEST(DynamoDbRequests, UpdateAnItemOnAConditionAndAskForTheOldOne) {
  EXPECT_EQ(update_item_request({.table = "t",
                                 .key = kKey,
                                 .update = "SET #ep = :ep",
                                 .condition = "#ep < :ep",
                                 .names = {{"#ep", "ep"}},
                                 .values = {{":ep", Value::of_number(-3)},
                                            {":s", Value::of_set({"b", "a", "b"})},
                                            {":t", Value::of_text("say \"hi\"\n")}}}),
            R"({"TableName":"t","Key":{"id":{"S":"c#1"}},"UpdateExpression":"SET #ep = :ep",)"
            R"("ConditionExpression":"#ep < :ep",)"
            R"("ReturnValuesOnConditionCheckFailure":"ALL_OLD",)"
            R"("ExpressionAttributeNames":{"#ep":"ep"},"ExpressionAttributeValues":{)"
            R"(":ep":{"N":"-3"},":s":{"SS":["a","b"]},":t":{"S":"say \"hi\"\n"}},)"
            R"("ReturnValues":"ALL_NEW"})");
}

TEST(DynamoDbRequests, LeaveOutWhatIsEmpty) {
  EXPECT_EQ(update_item_request({.table = "t", .key = kKey}),
            R"({"TableName":"t","Key":{"id":{"S":"c#1"}},"ReturnValues":"ALL_NEW"})");
  EXPECT_EQ(scan_keys_request({.table = "t", .key_attribute = "id"}),
            R"({"TableName":"t","ProjectionExpression":"#key",)"
            R"("ExpressionAttributeNames":{"#key":"id"}})");
}

TEST(DynamoDbRequests, SearchForItemsThatHaveAnAttribute) {
  ItemSearch search{.table = "t", .having = "state", .after = kKey};
  EXPECT_EQ(scan_items_request(search),
            R"x({"TableName":"t","FilterExpression":"attribute_exists(#having)",)x"
            R"("ExpressionAttributeNames":{"#having":"state"},)"
            R"("ExclusiveStartKey":{"id":{"S":"c#1"}}})");
  search.partition_attribute = "pk";
  search.partition = "p#1";
  search.after = {};
  EXPECT_EQ(query_request(search),
            R"x({"TableName":"t","FilterExpression":"attribute_exists(#having)",)x"
            R"("ExpressionAttributeNames":{"#having":"state","#partition":"pk"},)"
            R"("KeyConditionExpression":"#partition = :partition",)"
            R"("ExpressionAttributeValues":{":partition":{"S":"p#1"}}})");
}

TEST(DynamoDbRequests, ScanForKeysOfAPrefixFromWhereThePageBeforeEnded) {
  EXPECT_EQ(
      scan_keys_request(
          {.table = "t", .key_attribute = "id", .key_prefix = "c#", .having = "ep", .after = kKey}),
      R"({"TableName":"t","ProjectionExpression":"#key",)"
      R"("ExpressionAttributeNames":{"#key":"id","#having":"ep"},)"
      R"j("FilterExpression":"begins_with(#key, :prefix) AND attribute_exists(#having)",)j"
      R"("ExpressionAttributeValues":{":prefix":{"S":"c#"}},)"
      R"("ExclusiveStartKey":{"id":{"S":"c#1"}}})");
}

TEST(DynamoDbRequests, AssertWhatTheServiceWouldRefuse) {
  EXPECT_DEATH(get_item_request("t", {}, false), "broken invariant");
  EXPECT_DEATH(get_item_request("t", {{"id", Value::of_set({})}}, false), "broken invariant");
  EXPECT_DEATH(get_item_request("t", {{"id", {.kind = Value::Kind::other, .value = "M"}}}, false),
               "broken invariant");
}

TEST(DynamoDbItems, AreReadWithAllTheyHold) {
  const auto item =
      read_item(R"({"Item":{"id":{"S":"ä"},"n":{"N":"1.50"},"s":{"SS":["b","a"]},"e":{"S":""},)"
                R"("x":{"M":{"a":{"L":[]}}},"y":{"BOOL":true},"z":{"NULL":true},"new":{"Q":1}},)"
                R"("ConsumedCapacity":null,"More":[1]})",
                "Item");
  ASSERT_TRUE(item);
  const auto other = [](const char* type) {
    return Value{.kind = Value::Kind::other, .value = type};
  };
  EXPECT_EQ(*item, (Item{{"id", Value::of_text("ä")},
                         {"n", Value::of_number("1.50")},
                         {"s", Value::of_set({"a", "b"})},
                         {"e", Value::of_text("")},
                         {"x", other("M")},
                         {"y", other("BOOL")},
                         {"z", other("NULL")},
                         {"new", other("Q")}}));
}

TEST(DynamoDbItems, MayNest32LevelsDeep) {
  std::string nested;
  for (int level = 0; level < 31; ++level) nested += R"({"M":{"a":)";
  nested += R"({"S":"v"})";
  for (int level = 0; level < 31; ++level) nested += "}}";
  EXPECT_TRUE(read_item(R"({"Item":{"x":)" + nested + "}}", "Item"));
  EXPECT_EQ(misfit(read_item(R"({"Item":)" + std::string(100'000, '['), "Item")), "too deep");
}

TEST(DynamoDbItems, AreNoneWhereTheAnswerHasNone) {
  for (const char* body : {"{}", R"({"Item":null})", R"({"Item":{}})",
                           R"({"__type":"ConditionalCheckFailedException","message":"m"})"}) {
    const auto item = read_item(body, "Item");
    ASSERT_TRUE(item) << body;
    EXPECT_FALSE(*item) << body;
  }
}

TEST(DynamoDbItems, KnowTheTypeWhateverElseIsSaidOfAValue) {
  const auto item = read_item(R"({"Item":{"id":{"S":null,"N":"5","Later":{}}}})", "Item");
  ASSERT_TRUE(item);
  EXPECT_EQ(**item, (Item{{"id", Value::of_number("5")}}));
}

TEST(DynamoDbItems, ThatDoNotFitAreErrorsThatNameThePlace) {
  const auto flaw = [](const std::string& value) {
    return misfit(read_item(R"({"Item":{"a":)" + value + "}}", "Item"));
  };
  EXPECT_EQ(flaw("7"), R"(Item["a"] is no object)");
  EXPECT_EQ(flaw("null"), R"(Item["a"] is no object)");
  EXPECT_EQ(flaw("{}"), R"(Item["a"] has no value)");
  EXPECT_EQ(flaw(R"({"S":null})"), R"(Item["a"] has no value)");
  EXPECT_EQ(flaw(R"({"S":7})"), R"(Item["a"].S is no text)");
  EXPECT_EQ(flaw(R"({"N":7})"), R"(Item["a"].N is no text)");
  EXPECT_EQ(flaw(R"({"SS":"x"})"), R"(Item["a"].SS is no array)");
  EXPECT_EQ(flaw(R"({"SS":["x",null]})"), R"(Item["a"].SS is no text)");
  EXPECT_EQ(flaw(R"({"S":"x","N":"1"})"), R"(Item["a"] is a value of two types)");
  EXPECT_EQ(misfit(read_item(R"({"Item":[]})", "Item")), "Item is no object");
}

TEST(DynamoDbKeys, AreReadPageByPage) {
  const auto page = read_keys(R"({"Items":[{"id":{"S":"a"}},{"id":{"S":"b"}},{"id":{"N":"1"}}],)"
                              R"("Count":3,"LastEvaluatedKey":{"id":{"S":"b"}}})",
                              "id");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(page->last_key, (Item{{"id", Value::of_text("b")}}));

  for (const char* body : {R"({"Items":[]})", R"({"Items":[],"LastEvaluatedKey":null})"}) {
    const auto last = read_keys(body, "id");
    ASSERT_TRUE(last) << body;
    EXPECT_TRUE(last->keys.empty() && last->last_key.empty());
  }
}

TEST(DynamoDbKeys, ThatDoNotFitAreErrors) {
  EXPECT_EQ(misfit(read_keys("{}", "id")), "Items is missing");
  EXPECT_EQ(misfit(read_keys(R"({"Items":{}})", "id")), "Items is no array");
  EXPECT_EQ(misfit(read_keys(R"({"Items":[7]})", "id")), "Items[0] is no object");
  EXPECT_EQ(misfit(read_keys(R"({"Items":[{"a.b":{"S":"x"}},{}]})", "a.b")),
            R"(Items[1] has no "a.b")");
  EXPECT_EQ(misfit(read_keys(R"({"Items":[],"LastEvaluatedKey":7})", "id")),
            "LastEvaluatedKey is no object");
}

TEST(DynamoDbTables, AreDescribed) {
  const auto table = read_table(
      R"({"Table":{"TableName":"t","TableStatus":"ACTIVE","TableArn":"arn","ItemCount":12,)"
      R"("KeySchema":[{"AttributeName":"id","KeyType":"HASH"},)"
      R"({"AttributeName":"at","KeyType":"RANGE"}],"CreationDateTime":1.5e9,)"
      R"("AttributeDefinitions":[{"AttributeName":"at","AttributeType":"N"},)"
      R"({"AttributeName":"id","AttributeType":"S"}],)"
      R"("BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"}}})");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->status, "ACTIVE");
  EXPECT_EQ(table->key_attribute, "id");
  EXPECT_EQ(table->key_type, "S");
  EXPECT_EQ(table->sort_key, "at");
  EXPECT_EQ(table->billing_mode, "PAY_PER_REQUEST");
  EXPECT_EQ(table->arn, "arn");
  EXPECT_EQ(table->item_count, 12);
}

TEST(DynamoDbTables, ThatAreBeingDeletedHaveLittleMoreThanAStatus) {
  const auto table = read_table(R"({"Table":{"TableStatus":"DELETING","KeySchema":null}})");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->status, "DELETING");
  EXPECT_EQ(table->key_attribute, "");
  EXPECT_EQ(table->billing_mode, "PROVISIONED");
  EXPECT_EQ(table->item_count, 0);
}

TEST(DynamoDbTables, ThatDoNotFitAreErrorsThatNameThePlace) {
  const auto flaw = [](const std::string& field) {
    return misfit(read_table(R"({"Table":{"TableStatus":"ACTIVE",)" + field + "}}"));
  };
  EXPECT_EQ(misfit(read_table("{}")), "Table is missing");
  EXPECT_EQ(misfit(read_table(R"({"Table":"t"})")), "Table is no object");
  EXPECT_EQ(misfit(read_table(R"({"Table":{}})")), "Table.TableStatus is missing");
  EXPECT_EQ(misfit(read_table(R"({"Table":{"TableStatus":1}})")), "Table.TableStatus is no text");
  EXPECT_EQ(flaw(R"("KeySchema":{})"), "Table.KeySchema is no array");
  EXPECT_EQ(flaw(R"("KeySchema":[1])"), "Table.KeySchema[] is no object");
  EXPECT_EQ(flaw(R"("KeySchema":[{"KeyType":1}])"), "Table.KeySchema[].KeyType is no text");
  EXPECT_EQ(flaw(R"("AttributeDefinitions":[{"AttributeType":[]}])"),
            "Table.AttributeDefinitions[].AttributeType is no text");
  EXPECT_EQ(flaw(R"("BillingModeSummary":[])"), "Table.BillingModeSummary is no object");
  EXPECT_EQ(flaw(R"("ItemCount":"12")"), "Table.ItemCount is no whole number");
  EXPECT_EQ(flaw(R"("ItemCount":1.5)"), "Table.ItemCount is no whole number");
  EXPECT_EQ(flaw(R"("ItemCount":1e99)"), "Table.ItemCount is no whole number");
}

TEST(DynamoDbItems, AreReadWithWhateverTheyHold) {
  const auto page = read_items(R"({"Items":[{"id":{"S":"a"},"n":{"N":"1"}},{"id":{"B":"eA=="}}],)"
                               R"("LastEvaluatedKey":{"id":{"B":"eA=="}}})");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 2u);
  EXPECT_EQ(page->items[0].at("n"), Value::of_number(1));
  EXPECT_EQ(page->items[1].at("id").kind, Value::Kind::other);
  EXPECT_EQ(page->last_key.at("id").kind, Value::Kind::other);
  EXPECT_EQ(misfit(read_items("{}")), "Items is missing");
  EXPECT_EQ(misfit(read_items(R"({"Items":[7]})")), "Items[0] is no object");
}

TEST(DynamoDbTimeToLive, IsReadOnAndOff) {
  const auto on = read_time_to_live(
      R"({"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}})");
  ASSERT_TRUE(on);
  EXPECT_EQ(on->status, "ENABLED");
  EXPECT_EQ(on->attribute, "ttl");
  const auto off =
      read_time_to_live(R"({"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}})");
  ASSERT_TRUE(off);
  EXPECT_EQ(off->attribute, "");
  EXPECT_EQ(misfit(read_time_to_live("{}")), "TimeToLiveDescription is missing");
  EXPECT_EQ(misfit(read_time_to_live(R"({"TimeToLiveDescription":{}})")),
            "TimeToLiveDescription.TimeToLiveStatus is missing");
}

TEST(DynamoDbAnswers, ThatAreNoneAreErrors) {
  for (const char* body : {"", "null", "[]", "<html>", "{", "\xff", "{\"Item\":\"\xff\"}"}) {
    EXPECT_NE(misfit(read_item(body, "Item")), "") << body;
    EXPECT_NE(misfit(read_keys(body, "id")), "") << body;
    EXPECT_NE(misfit(read_items(body)), "") << body;
    EXPECT_NE(misfit(read_table(body)), "") << body;
    EXPECT_NE(misfit(read_time_to_live(body)), "") << body;
    EXPECT_NE(misfit(read_done(body)), "") << body;
  }
  EXPECT_TRUE(read_done(R"({"TableDescription":{}})"));
}

}  // namespace
}  // namespace switchgear::aws::dynamodb_codec
