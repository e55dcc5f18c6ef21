#include "queue/parking.h"

#include <gtest/gtest.h>

namespace switchgear::queue {
namespace {

using namespace std::chrono_literals;

constexpr const char* kOrders = "arn:aws:sqs:eu-central-1:123456789012:orders";
constexpr const char* kParkedOrders = "arn:aws:sqs:eu-central-1:123456789012:orders-parked";
const WallTime kNow{1'700'000'000s};

Message message(const std::string& id, Duration age, int receive_count = 1) {
  return {.id = id,
          .receipt_handle = "receipt-" + id,
          .body = "body of " + id,
          .system_attributes = {{"AWSTraceHeader", "Root=1"}, {"MessageGroupId", "tenant-1"}},
          .attributes = {{"kind", {"String", "order"}}, {"raw", {"Binary", {"\0\1", 2}}}},
          .receive_count = receive_count,
          .sent = kNow - age};
}

ParkingRule rule() {
  return {.circuit = "payments",
          .queue_arn = kOrders,
          .parking_arn = kParkedOrders,
          .sent_before = kNow - 1h};
}

TEST(Parking, CarriesAllThatAMessageHas) {
  const auto copy = parked_copy(message("a", 2h), rule());
  ASSERT_TRUE(copy && *copy);
  EXPECT_EQ((*copy)->queue_arn, kParkedOrders);
  const aws::OutgoingMessage& sent = (*copy)->message;
  EXPECT_EQ(sent.body, "body of a");
  EXPECT_EQ(sent.trace_header, "Root=1");
  EXPECT_EQ(sent.group_id, "tenant-1");
  EXPECT_EQ(sent.attributes.at("kind"), (aws::MessageAttribute{"String", "order"}));
  EXPECT_EQ(sent.attributes.at("raw"), (aws::MessageAttribute{"Binary", {"\0\1", 2}}));
  const auto mark = decode_parked(sent.attributes.at(std::string(kParkedAttribute)).value);
  ASSERT_TRUE(mark);
  EXPECT_EQ(*mark, (Parked{"a", kNow - 2h, 1, kOrders, "payments"}));
}

TEST(Parking, TakesWhatIsOldAndNothingElse) {
  EXPECT_TRUE(parked_copy(message("a", 61min), rule()).value());
  EXPECT_FALSE(parked_copy(message("a", 59min), rule()).value());
  Message timeless = message("a", 1min);
  timeless.sent.reset();
  EXPECT_TRUE(parked_copy(timeless, rule()).value());
}

TEST(Parking, BringsAMessageBackAndKeepsWhatItWasAtFirst) {
  const auto there = parked_copy(message("a", 2h, 3), rule());
  Message in_parking = message("b", 1min, 1);
  in_parking.attributes[std::string(kParkedAttribute)] = {
      "String", (*there)->message.attributes.at(std::string(kParkedAttribute)).value};
  const auto back = returned_copy(in_parking, "payments");
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->queue_arn, kOrders);
  EXPECT_EQ((*back)->message.body, "body of b");

  // And parked once more it is still the first.
  Message again = message("c", 2h, 2);
  again.attributes[std::string(kParkedAttribute)] = {
      "String", (*back)->message.attributes.at(std::string(kParkedAttribute)).value};
  const auto twice = parked_copy(again, rule());
  const auto mark =
      decode_parked((*twice)->message.attributes.at(std::string(kParkedAttribute)).value);
  EXPECT_EQ(*mark, (Parked{"a", kNow - 2h, 5, kOrders, "payments"}));
}

TEST(Parking, LeavesWhatDoesNotFit) {
  Message many = message("a", 2h);
  for (int i = 0; i < 8; ++i) many.attributes["n" + std::to_string(i)] = {"String", "v"};
  const auto ten = parked_copy(many, rule());
  ASSERT_FALSE(ten);
  EXPECT_EQ(ten.error().code, "does_not_fit");
  EXPECT_NE(ten.error().message.find("10 attributes"), std::string::npos);

  Message large = message("a", 2h);
  large.body = std::string(1000, 'x');
  ParkingRule small = rule();
  small.size_max = 1100;
  const auto bytes = parked_copy(large, small);
  ASSERT_FALSE(bytes);
  EXPECT_NE(bytes.error().message.find("takes 1100"), std::string::npos) << bytes.error().message;
  small.size_max = 1300;
  EXPECT_TRUE(parked_copy(large, small).value());
}

TEST(Parking, ReturnsNothingThatItHasNotParked) {
  EXPECT_EQ(returned_copy(message("a", 1h), "payments").error().code, "not_parked");
  Message of_another = message("a", 1h);
  of_another.attributes[std::string(kParkedAttribute)] = {
      "String", encode(Parked{"a", kNow, 1, kOrders, "search"})};
  const auto error = returned_copy(of_another, "payments").error();
  EXPECT_NE(error.message.find("but by search"), std::string::npos) << error.message;
}

TEST(Parking, ReadsNoMarkThatIsNoneOfOurs) {
  for (const char* text :
       {"", "[]", "{}", R"({"sent":1})", R"({"sent":-1,"receive_count":1,"queue":"arn:a"})",
        R"({"sent":99999999999999,"receive_count":1,"queue":"arn:a"})",
        R"({"sent":1,"receive_count":-1,"queue":"arn:a"})",
        R"({"sent":1,"receive_count":1,"queue":"orders"})"}) {
    EXPECT_FALSE(decode_parked(text)) << text;
  }
}

// ---- One batch

Move parking() {
  return Move([](const Message& m) { return parked_copy(m, rule()); });
}
aws::SendBatchResult confirmed(std::size_t n) {
  return {.message_ids = std::vector<Result<std::string>>(n, "id")};
}

TEST(Move, DeletesOnlyWhatTheQueueHasConfirmed) {
  Move move = parking();
  const auto step =
      move.received(std::vector{message("a", 2h), message("b", 2h), message("c", 1s)});
  ASSERT_EQ(std::get<Move::Send>(step).messages.size(), 2u);
  aws::SendBatchResult sent = confirmed(2);
  sent.message_ids[0] = Error{"checksum", "not confirmed", true, "sqs"};
  const auto remove = move.sent(sent);
  EXPECT_EQ(std::get<Move::Delete>(remove).receipt_handles, std::vector<std::string>{"receipt-b"});
  const auto result = std::get<MoveResult>(move.deleted(aws::BatchResult{{std::nullopt}}));
  EXPECT_EQ(result.received, 3);
  EXPECT_EQ(result.moved, 1);
  EXPECT_EQ(result.stayed, 1);
  EXPECT_EQ(result.oldest_left, kNow - 2h);
  EXPECT_NE(result.trouble.find("message a could not be sent"), std::string::npos);
}

TEST(Move, DeletesNothingWhereTheSendingFailed) {
  Move move = parking();
  (void)move.received(std::vector{message("a", 2h)});
  const auto end = move.sent(Error{"timeout", "lost", true, "sqs"});
  ASSERT_TRUE(std::holds_alternative<MoveResult>(end));
  EXPECT_EQ(std::get<MoveResult>(end).moved, 0);
}

TEST(Move, CountsWhatCouldNotBeDeletedAsThereTwice) {
  Move move = parking();
  (void)move.received(std::vector{message("a", 2h)});
  (void)move.sent(confirmed(1));
  const auto result = std::get<MoveResult>(move.deleted(Error{"timeout", "lost", true, "sqs"}));
  EXPECT_EQ(result.moved, 0);
  EXPECT_EQ(result.twice, 1);
  EXPECT_EQ(result.oldest_left, kNow - 2h);
}

TEST(Move, SendsInAsManyCallsAsQueuesAndSizesNeed) {
  Move move([](const Message& m) {
    return Result<std::optional<Copy>>(
        Copy{m.id < "c" ? kOrders : kParkedOrders, {.body = m.body}});
  });
  Message large = message("b", 2h);
  large.body = std::string(262'140, 'x');
  auto step = move.received(std::vector{message("a", 2h), large, message("c", 2h)});
  std::vector<std::string> bodies;
  int calls = 0;
  while (!std::holds_alternative<MoveResult>(step)) {
    const auto& send = std::get<Move::Send>(step);
    ++calls;
    ASSERT_EQ(send.messages.size(), 1u);
    bodies.push_back(send.messages[0].body.substr(0, 9));
    (void)move.sent(confirmed(1));
    step = move.deleted(aws::BatchResult{{std::nullopt}});
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(bodies, (std::vector<std::string>{"body of a", "xxxxxxxxx", "body of c"}));
  EXPECT_EQ(std::get<MoveResult>(step).moved, 3);
}

TEST(Move, TellsOfMessagesThatCannotBeTrusted) {
  Move move = parking();
  const auto result = std::get<MoveResult>(move.received(std::vector<Message>{}, 2));
  EXPECT_EQ(result.received, 2);
  EXPECT_EQ(result.unfit, 2);
  EXPECT_NE(result.trouble.find("checksums"), std::string::npos);
}

}  // namespace
}  // namespace switchgear::queue
