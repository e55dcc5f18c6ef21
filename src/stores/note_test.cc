// What the suite of all stores does not ask about notes: where they are kept, what others wrote
// there, and how many requests they take.
#include "stores/note.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/redis_server_for_tests.h"
#include "stores/dynamodb_note.h"
#include "stores/dynamodb_table_for_tests.h"
#include "stores/redis_store.h"
#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using aws::AttributeValue;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Result<NoteAnswer> read_note(net::Loop& loop, Store& store) {
  net::Waiting waiting(loop);
  return waiting.wait_for<NoteAnswer>("store",
                                      [&](auto done) { store.read_note("c", std::move(done)); });
}

Result<NoteAnswer> write_note(net::Loop& loop, Store& store, std::uint64_t expected,
                              const std::string& text) {
  net::Waiting waiting(loop);
  return waiting.wait_for<NoteAnswer>(
      "store", [&](auto done) { store.write_note("c", expected, text, std::move(done)); });
}

// ---- Redis ----------------------------------------------------------------------------------

class RedisNote : public ::testing::Test {
 protected:
  net::resp::Value command(std::vector<std::string> words) {
    net::Waiting waiting(loop_);
    auto answer = waiting.wait_for<net::resp::Value>(
        "redis", [&](auto done) { store_.route().command("", std::move(words), std::move(done)); });
    EXPECT_TRUE(answer) << answer.error().text();
    return answer.value_or(net::resp::Value{});
  }
  Error error_of_read() {
    const auto answer = read_note(loop_, store_);
    EXPECT_FALSE(answer);
    return answer ? Error{} : answer.error();
  }

  net::RedisServer server_;
  net::Loop loop_;
  RedisStore store_{loop_, net::redis_address(server_.url()).value()};
  const std::string key_ = store_.key("c") + ":n";
};

TEST_F(RedisNote, IsAHashWithoutAnEnd) {
  ASSERT_TRUE(write_note(loop_, store_, 0, "one"));
  ASSERT_TRUE(write_note(loop_, store_, 1, "two"));
  std::vector<std::string> fields;
  for (const auto& field : command({"HGETALL", key_}).items) fields.push_back(field.text);
  EXPECT_THAT(fields, ElementsAre("rev", "2", "note", "two"));
  EXPECT_EQ(command({"PTTL", key_}).integer, -1);
}

TEST_F(RedisNote, LeavesNoTraceWhereItIsOnlyRead) {
  ASSERT_TRUE(read_note(loop_, store_));
  EXPECT_FALSE(write_note(loop_, store_, 1, "two")->written);
  EXPECT_EQ(command({"DBSIZE"}).integer, 0);
}

TEST_F(RedisNote, CanBeReadOnAReplica) {
  ASSERT_TRUE(write_note(loop_, store_, 0, "one"));
  command({"REPLICAOF", "127.0.0.1", "1"});  // of nobody: its data stay
  EXPECT_EQ(read_note(loop_, store_)->note.text, "one");
  EXPECT_EQ(write_note(loop_, store_, 1, "two").error().code, "READONLY");
}

TEST_F(RedisNote, OfAnotherTypeIsLeftAlone) {
  command({"SET", key_, "mine"});
  EXPECT_EQ(error_of_read().code, "unreadable");
  EXPECT_THAT(error_of_read().message, HasSubstr(key_));
  EXPECT_EQ(write_note(loop_, store_, 0, "one").error().code, "unreadable");
  EXPECT_EQ(command({"GET", key_}).text, "mine");
  ASSERT_TRUE(ask_remove(loop_, store_, "c"));
  EXPECT_TRUE(write_note(loop_, store_, 0, "one")->written);
}

TEST_F(RedisNote, OfAnotherRevisionThanANumberIsLeftAlone) {
  command({"HSET", key_, "rev", "second", "note", "mine"});
  EXPECT_EQ(error_of_read().code, "unreadable");
  EXPECT_EQ(write_note(loop_, store_, 1, "two").error().code, "unreadable");
  EXPECT_EQ(command({"HGET", key_, "note"}).text, "mine");
}

// ---- DynamoDB -------------------------------------------------------------------------------

TEST(DynamoDbNote, IsUnreadableUnlessItIsOfOurTypes) {
  const auto code = [](const aws::Item& item) {
    const auto note = note_of(item);
    return note ? "" : note.error().code;
  };
  const auto text = [](const char* value) { return AttributeValue::of_text(value); };
  const auto number = [](const char* value) { return AttributeValue::of_number(value); };
  EXPECT_EQ(code({{"rev", number("3")}, {"note", text("a")}}), "");
  EXPECT_EQ(code({{"rev", text("3")}, {"note", text("a")}}), "unreadable");
  EXPECT_EQ(code({{"rev", number("3.5")}, {"note", text("a")}}), "unreadable");
  EXPECT_EQ(code({{"rev", number("3")}, {"note", number("1")}}), "unreadable");
  EXPECT_EQ(code({{"rev", number("3")}}), "unreadable");
}

TEST(DynamoDbNote, IsNotThereWithoutARevision) {
  EXPECT_EQ(note_of(std::nullopt)->revision, 0);
  EXPECT_EQ(note_of(aws::Item{{"note", AttributeValue::of_text("a")}})->revision, 0);
}

TEST(DynamoDbNote, CountsRevisionsBeyondWhatADoubleHolds) {
  const auto update = note_update(9'007'199'254'740'992, "a");
  EXPECT_EQ(update.values.at(":expected"), AttributeValue::of_number("9007199254740992"));
  EXPECT_EQ(update.values.at(":next"), AttributeValue::of_number("9007199254740993"));
}

// On a table of its own, and what each request to it was.
class DynamoDbNoteOn : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    aws::DynamoDbServer& server = aws::DynamoDbServer::shared(GetParam());
    make_dynamodb_table(loop_, server.url(), "notes");
    store_ = std::make_unique<DynamoDbStore>(
        loop_, dynamodb_endpoint(server.url()), dynamodb_test_credentials(),
        DynamoDbStoreOptions{
            .table = "notes", .timeout = 10s, .on_consumed = [this](auto& consumed) {
              requests_.push_back(consumed.operation);
            }});
  }
  std::vector<std::string> requests() { return std::exchange(requests_, {}); }

  net::Loop loop_;
  std::vector<std::string> requests_;
  std::unique_ptr<DynamoDbStore> store_;
};

TEST_P(DynamoDbNoteOn, TakesOneRequestEachTimeAndHasNoEnd) {
  const bool shows = aws::DynamoDbServer::shared(GetParam()).returns_item_of_failed_condition();
  ASSERT_TRUE(write_note(loop_, *store_, 0, "one"));
  EXPECT_THAT(requests(), ElementsAre("UpdateItem"));
  ASSERT_TRUE(read_note(loop_, *store_));
  EXPECT_THAT(requests(), ElementsAre("GetItem"));
  EXPECT_FALSE(write_note(loop_, *store_, 0, "two")->written);
  if (shows) {
    EXPECT_THAT(requests(), ElementsAre("UpdateItem"));
  } else {
    EXPECT_THAT(requests(), ElementsAre("UpdateItem", "GetItem"));
  }
  std::optional<aws::Item> item;
  const aws::Item key = store_->key("c#note");
  store_->service().get_item("notes", key, true, [&](const auto& answer) { item = answer->item; });
  ASSERT_TRUE(loop_.run_until([&] { return item.has_value(); }, 20s));
  EXPECT_THAT(item->at(kItemKey).value, StartsWith("switchgear/")) << "the right is by this";
  EXPECT_FALSE(item->contains(kItemTtl));
  ASSERT_TRUE(ask_remove(loop_, *store_, "c"));
  EXPECT_FALSE(read_note(loop_, *store_)->note.revision);
}

INSTANTIATE_TEST_SUITE_P(Servers, DynamoDbNoteOn,
                         ::testing::ValuesIn(aws::dynamodb_server_kinds()));

}  // namespace
}  // namespace switchgear::stores
