// The DynamoDB calls against real servers, and against one that answers as told.
#include "aws/dynamodb.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "aws/dynamodb_server_for_tests.h"
#include "net/clocks.h"
#include "net/scripted_server_for_tests.h"

namespace switchgear::aws {
namespace {

using Value = AttributeValue;

// A client of the server at `url`, each of whose calls waits for its answer.
struct Caller {
  net::Loop& loop;
  net::HttpClient http{loop};
  AwsClient client;
  DynamoDb db;

  Caller(net::Loop& on, const std::string& url, DynamoDbOptions options)
      : loop(on),
        client(
            loop, http,
            Endpoint{
                .url = net::parse_url(url).value(), .region = "us-east-1", .service = "dynamodb"},
            fixed_credentials({"000000000000", "secret"}), core::Random(1),
            {.attempts_max = 4, .backoff_base = 1ms, .throttling_base = 2ms}),
        db(client, std::move(options)) {}

  template <class T, class Start>
  Result<T> wait(Start start) {
    std::optional<Result<T>> answer;
    start([&](Result<T> result) { answer = std::move(result); });
    EXPECT_FALSE(answer) << "called from inside the call";
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 60s));
    return *answer;
  }
  Result<ItemAnswer> get(const std::string& table, const Item& key, bool consistent = true) {
    return wait<ItemAnswer>([&](auto done) { db.get_item(table, key, consistent, done); });
  }
  Result<ItemAnswer> update(const ItemUpdate& update) {
    return wait<ItemAnswer>([&](auto done) { db.update_item(update, done); });
  }
  Result<ItemAnswer> remove(const std::string& table, const Item& key) {
    return wait<ItemAnswer>([&](auto done) { db.delete_item(table, key, done); });
  }
  Result<KeysPage> scan(const std::string& table, const std::string& prefix, const Item& after) {
    return wait<KeysPage>([&](auto done) {
      db.scan_keys({.table = table, .key_attribute = "id", .key_prefix = prefix, .after = after},
                   done);
    });
  }
  Result<ItemsPage> find(const ItemSearch& search) {
    return wait<ItemsPage>([&](auto done) { db.find_items(search, done); });
  }
  Result<TableDescription> describe(const std::string& table) {
    return wait<TableDescription>([&](auto done) { db.describe_table(table, done); });
  }
  Result<TimeToLive> time_to_live(const std::string& table) {
    return wait<TimeToLive>([&](auto done) { db.describe_time_to_live(table, done); });
  }
  Result<void> set_time_to_live(const std::string& table, const std::string& attribute, bool on) {
    return wait<void>([&](auto done) { db.update_time_to_live(table, attribute, on, done); });
  }
  Result<void> create(const std::string& table) {
    const TableDefinition definition{.name = table, .key_attribute = "id"};
    return wait<void>([&](auto done) { db.create_table(definition, done); });
  }
  Result<void> drop(const std::string& table) {
    return wait<void>([&](auto done) { db.delete_table(table, done); });
  }
};

template <class T>
std::string code(const Result<T>& result) {
  return result ? "ok" : result.error().code;
}

Item key_of(const std::string& id) { return {{"id", Value::of_text(id)}}; }

// ---- against a server that answers as told

struct Told {
  net::Loop loop;
  net::ScriptedServer server{loop};
  Caller caller;

  explicit Told(std::deque<net::HttpResponse> told = {}, DynamoDbOptions options = {})
      : caller(loop, server.url(), std::move(options)) {
    server.answers = std::move(told);
  }
};

net::HttpResponse refusal(const std::string& code, const std::string& more = "") {
  return {.status = 400,
          .body = R"({"__type":"com.amazonaws.dynamodb.v20120810#)" + code + R"(","message":"m")" +
                  more + "}"};
}

TEST(DynamoDb, NamesItsOperations) {
  Told told;
  Caller& caller = told.caller;
  const auto sent = [](const auto& /*whatever was answered*/) {};
  sent(caller.get("t", key_of("a")));
  sent(caller.update({.table = "t", .key = key_of("a")}));
  sent(caller.remove("t", key_of("a")));
  sent(caller.scan("t", "", {}));
  sent(caller.find({.table = "t", .having = "a"}));
  sent(caller.find({.table = "t", .having = "a", .partition_attribute = "p", .partition = "x"}));
  sent(caller.create("t"));
  sent(caller.drop("t"));
  sent(caller.describe("t"));
  sent(caller.set_time_to_live("t", "ttl", true));
  sent(caller.time_to_live("t"));
  std::string targets;
  for (const auto& request : told.server.requests) {
    const std::string target(request.headers.get("X-Amz-Target").value_or(""));
    targets += target.substr(target.find('.') + 1) + " ";
    EXPECT_TRUE(target.starts_with("DynamoDB_20120810.")) << target;
    EXPECT_EQ(request.headers.get("Content-Type"), "application/x-amz-json-1.0");
  }
  EXPECT_EQ(targets,
            "GetItem UpdateItem DeleteItem Scan Scan Query CreateTable DeleteTable DescribeTable "
            "UpdateTimeToLive DescribeTimeToLive ");
}

TEST(DynamoDb, TakesAFailedConditionForAnAnswer) {
  Told told({refusal("ConditionalCheckFailedException", R"(,"Item":{"id":{"S":"a"}})"),
             refusal("ConditionalCheckFailedException")});
  told.server.answers[0].headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  const ItemUpdate update{.table = "t", .key = key_of("a"), .condition = "attribute_exists(x)"};
  const auto found = told.caller.update(update);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->condition_failed);
  EXPECT_EQ(found->item, key_of("a"));
  EXPECT_EQ(found->date, WallTime(std::chrono::seconds(784111777)));
  const auto none = told.caller.update(update);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->condition_failed);
  EXPECT_FALSE(none->item);
  EXPECT_EQ(told.server.requests.size(), 2u);
}

TEST(DynamoDb, RetriesWhatThrottlesAndPassesOtherErrorsOn) {
  Told told({refusal("ProvisionedThroughputExceededException"),
             refusal("ThrottlingException"),
             {.status = 200, .body = R"({"Item":{"id":{"S":"a"}}})"},
             refusal("ValidationException")});
  EXPECT_EQ(told.caller.get("t", key_of("a"))->item, key_of("a"));
  EXPECT_EQ(told.server.requests.size(), 3u);
  EXPECT_EQ(code(told.caller.get("t", key_of("a"))), "ValidationException");
  EXPECT_EQ(told.server.requests.size(), 4u);
}

TEST(DynamoDb, GivesEachAttemptItsTime) {
  Told told({{.status = 0}, {.status = 0}}, {.attempt_timeout = 50ms});
  const MonoTime begin = net::read_clocks().mono;
  EXPECT_EQ(code(told.caller.get("t", key_of("a"))), "ok");
  EXPECT_EQ(told.server.requests.size(), 3u);
  EXPECT_GE(net::read_clocks().mono - begin, 100ms);
}

TEST(DynamoDb, SaysWhatDoesNotFitInAnAnswer) {
  Told told({{.status = 200, .body = R"({"Attributes":{"id":{"S":7}}})"},
             refusal("ConditionalCheckFailedException", R"(,"Item":[])")});
  const auto update = told.caller.update({.table = "t", .key = key_of("a")});
  ASSERT_EQ(code(update), "protocol");
  EXPECT_NE(update.error().message.find(R"(Attributes["id"].S)"), std::string::npos);
  EXPECT_EQ(code(told.caller.update({.table = "t", .key = key_of("a")})), "protocol");
}

// ---- against real servers

class DynamoDbOn : public testing::TestWithParam<std::string> {
 protected:
  // A new table, ready for use.
  std::string new_table() {
    static int tables = 0;
    const std::string name = "table-" + std::to_string(++tables);
    EXPECT_EQ(code(caller.create(name)), "ok");
    wait_for_table(name);
    return name;
  }
  void wait_for_table(const std::string& name) {
    // An answer takes a while, so that this is no busy loop.
    const MonoTime end = net::read_clocks().mono + 30s;
    for (;;) {
      const auto table = caller.describe(name);
      ASSERT_TRUE(table) << table.error().text();
      if (table->status == "ACTIVE") return;
      ASSERT_LT(net::read_clocks().mono, end) << table->status;
    }
  }
  // Sets attribute "v" of the item.
  Result<ItemAnswer> set(const std::string& name, const std::string& id, const AttributeValue& v) {
    return caller.update({.table = name,
                          .key = key_of(id),
                          .update = "SET #v = :v",
                          .names = {{"#v", "v"}},
                          .values = {{":v", v}}});
  }

  DynamoDbServer& server = DynamoDbServer::shared(GetParam());
  net::Loop loop;
  Caller caller{loop, server.url(), {.attempt_timeout = 20s}};
};
INSTANTIATE_TEST_SUITE_P(Real, DynamoDbOn, testing::ValuesIn(dynamodb_server_kinds()),
                         [](const auto& param_info) { return param_info.param; });

TEST_P(DynamoDbOn, MakesDescribesAndRemovesATable) {
  const std::string name = new_table();
  const auto table = caller.describe(name);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->key_attribute, "id");
  EXPECT_EQ(table->key_type, "S");
  EXPECT_EQ(table->sort_key, "");
  if (server.tells_billing_mode()) EXPECT_EQ(table->billing_mode, "PAY_PER_REQUEST");
  EXPECT_EQ(table->item_count, 0);
  EXPECT_NE(table->arn.find(name), std::string::npos);
  EXPECT_EQ(code(caller.create(name)), "ResourceInUseException");
  EXPECT_EQ(code(caller.drop(name)), "ok");
}

TEST_P(DynamoDbOn, SwitchesTimeToLiveOn) {
  const std::string name = new_table();
  EXPECT_EQ(caller.time_to_live(name)->status, "DISABLED");
  const auto done = caller.set_time_to_live(name, "ttl", true);
  if (!server.knows_time_to_live()) {
    EXPECT_EQ(code(done), "UnknownOperationException");
    return;
  }
  EXPECT_EQ(code(done), "ok");
  const auto now = caller.time_to_live(name);
  EXPECT_TRUE(now->status == "ENABLED" || now->status == "ENABLING") << now->status;
  EXPECT_EQ(now->attribute, "ttl");
}

TEST_P(DynamoDbOn, SaysHowToMakeATableThatIsMissing) {
  const std::string name = "no-such-table";
  const auto got = caller.get(name, key_of("a"));
  ASSERT_EQ(code(got), "ResourceNotFoundException");
  EXPECT_NE(got.error().message.find("switchgear init dynamodb"), std::string::npos);
  EXPECT_FALSE(got.error().retryable);
  EXPECT_EQ(code(set(name, "a", Value::of_number(1))), "ResourceNotFoundException");
  EXPECT_EQ(code(caller.scan(name, "", {})), "ResourceNotFoundException");
  EXPECT_EQ(code(caller.describe(name)), "ResourceNotFoundException");
}

TEST_P(DynamoDbOn, KeepsWhatItIsGiven) {
  const std::string name = new_table();
  EXPECT_FALSE(caller.get(name, key_of("a"))->item);
  const Item whole{{"id", Value::of_text("a")},
                   {"n", Value::of_number("12345678901234567890123456789")},
                   {"s", Value::of_set({"y", "x", "ä"})},
                   {"t", Value::of_text("say \"ö\"\n")}};
  const auto updated = caller.update(
      {.table = name,
       .key = key_of("a"),
       .update = "SET n = :n, s = :s, t = :t",
       .values = {{":n", whole.at("n")}, {":s", whole.at("s")}, {":t", whole.at("t")}}});
  ASSERT_TRUE(updated) << updated.error().text();
  EXPECT_FALSE(updated->condition_failed);
  EXPECT_EQ(updated->item, whole);
  EXPECT_EQ(caller.get(name, key_of("a"), true)->item, whole);
  EXPECT_EQ(caller.get(name, key_of("a"), false)->item, whole);
  EXPECT_EQ(caller.remove(name, key_of("a"))->item, whole);
  const auto again = caller.remove(name, key_of("a"));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_FALSE(again->item);
  EXPECT_FALSE(caller.get(name, key_of("a"))->item);
}

TEST_P(DynamoDbOn, FindsTheItemsThatHaveAnAttribute) {
  const std::string name = new_table();
  EXPECT_EQ(code(set(name, "a", Value::of_number(1))), "ok");
  EXPECT_EQ(code(caller.update({.table = name,
                                .key = key_of("b"),
                                .update = "SET w = :w",
                                .values = {{":w", Value::of_text("other")}}})),
            "ok");
  for (const char* partition : {"", "a"}) {
    ItemSearch search{.table = name, .having = "v"};
    if (*partition != '\0') {
      search.partition_attribute = "id";
      search.partition = partition;
    }
    const auto page = caller.find(search);
    ASSERT_TRUE(page) << page.error().text();
    ASSERT_EQ(page->items.size(), 1u);
    EXPECT_EQ(page->items[0], (Item{{"id", Value::of_text("a")}, {"v", Value::of_number(1)}}));
    EXPECT_TRUE(page->last_key.empty());
    EXPECT_TRUE(page->date);
  }
}

TEST_P(DynamoDbOn, RefusesAnUpdateWhoseConditionFailsAndShowsTheItem) {
  const std::string name = new_table();
  ItemUpdate update{.table = name,
                    .key = key_of("a"),
                    .update = "SET #ep = :new ADD members :me",
                    .condition = "attribute_not_exists(id) OR #ep = :old",
                    .names = {{"#ep", "ep"}},
                    .values = {{":new", Value::of_number(2)},
                               {":old", Value::of_number(1)},
                               {":me", Value::of_set({"m1"})}}};
  const Item item{
      {"id", Value::of_text("a")}, {"ep", Value::of_number(2)}, {"members", Value::of_set({"m1"})}};
  EXPECT_EQ(caller.update(update)->item, item);
  const auto refused = caller.update(update);
  ASSERT_TRUE(refused) << refused.error().text();
  EXPECT_TRUE(refused->condition_failed);
  if (server.returns_item_of_failed_condition()) {
    EXPECT_EQ(refused->item, item);
  } else {
    EXPECT_FALSE(refused->item);
  }
  update.key = key_of("b");
  update.condition = "attribute_exists(id)";
  update.values.erase(":old");
  const auto missing = caller.update(update);
  ASSERT_TRUE(missing) << missing.error().text();
  EXPECT_TRUE(missing->condition_failed);
  EXPECT_FALSE(missing->item);
  EXPECT_FALSE(caller.get(name, key_of("b"))->item);
}

TEST_P(DynamoDbOn, LetsOneOfManyWin) {
  const std::string name = new_table();
  const ItemUpdate update{.table = name,
                          .key = key_of("a"),
                          .update = "SET taken = :v",
                          .condition = "attribute_not_exists(taken)",
                          .values = {{":v", Value::of_number(1)}}};
  int answers = 0;
  int wins = 0;
  for (int i = 0; i < 20; ++i) {
    caller.db.update_item(update, [&](const Result<ItemAnswer>& answer) {
      ++answers;
      wins += answer && !answer->condition_failed ? 1 : 0;
    });
  }
  ASSERT_TRUE(loop.run_until([&] { return answers == 20; }, 60s));
  EXPECT_EQ(wins, 1);
}

TEST_P(DynamoDbOn, ScansTheKeysOfAPrefixPageByPage) {
  const std::string name = new_table();
  // More than the megabyte that a page is made of.
  const Value much = Value::of_text(std::string(300'000, 'x'));
  std::set<std::string> wanted;
  for (const char* id : {"c#1", "c#2", "c#3", "c#4", "d#1"}) {
    EXPECT_EQ(code(set(name, id, much)), "ok");
    if (*id == 'c') wanted.insert(id);
  }
  std::set<std::string> found;
  Item after;
  int pages = 0;
  do {
    const auto page = caller.scan(name, "c#", after);
    ASSERT_TRUE(page) << page.error().text();
    found.insert(page->keys.begin(), page->keys.end());
    after = page->last_key;
    ++pages;
  } while (!after.empty() && pages < 10);
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(pages, server.cuts_pages() ? 2 : 1);
  EXPECT_EQ(caller.scan(name, "x#", {})->keys, std::vector<std::string>{});
}

TEST_P(DynamoDbOn, DatesItsAnswersByTheSecondTheyWereGiven) {
  const std::string name = new_table();
  for (int i = 0; i < 20; ++i) {
    const Now before = net::read_clocks();
    const auto answer = caller.get(name, key_of("a"));
    const Now after = net::read_clocks();
    ASSERT_TRUE(answer);
    ASSERT_TRUE(answer->date);
    // The server shares this machine's clock, and cuts the fraction of a second off. Node renews
    // its date by a timer, which may be late.
    EXPECT_GT(*answer->date, before.wall - 2s);
    EXPECT_LE(*answer->date, after.wall);
  }
}

TEST(ItemBytes, CountNamesAndValuesAsAwsDoes) {
  EXPECT_EQ(item_bytes({}), 0U);
  EXPECT_EQ(item_bytes({{"circuit", AttributeValue::of_text("a/b")}}), 7U + 3);
  EXPECT_EQ(item_bytes({{"n", AttributeValue::of_number(std::int64_t{0})}}), 1U + 2);
  EXPECT_EQ(item_bytes({{"n", AttributeValue::of_number(std::int64_t{12345})}}), 1U + 4);
  EXPECT_EQ(item_bytes({{"n", AttributeValue::of_number(std::int64_t{-12})}}), 1U + 3);
  EXPECT_EQ(item_bytes({{"set", AttributeValue::of_set({"ab", "c"})}}), 3U + 3 + 3 + 2);
}

}  // namespace
}  // namespace switchgear::aws
