#include "controller/ledger.h"

#include <gtest/gtest.h>

#include "stores/note.h"

namespace switchgear::controller {
namespace {

Ledger some() {
  Ledger ledger{.owner = fleet::InstanceId{0xabc},
                .lease_until = store_time_ms(1'700'000'060'000),
                .nonce = 0xffff'ffff'ffff'fff1,
                .adopted_epoch = 1'700'000'000'123,
                .tags_read = true,
                .announced_epoch = 1'700'000'000'122,
                .announced_state = State::half_open};
  ledger.entries["14e0db71"] = {
      .before = {.limit = 50}, .wanted = {.enabled = false, .limit = 50}, .done = true};
  ledger.entries["25"] = {
      .before = {.enabled = false}, .wanted = {.enabled = false}, .left_alone = true};
  ledger.queues["arn:aws:sqs:eu-central-1:123456789012:orders"] = {
      .since = store_time_ms(1'700'000'000'000),
      .before = std::chrono::days(4),
      .wanted = std::chrono::days(14)};
  ledger.applied_alarms["an alarm: \"x\""] = 1'700'000'000'000;
  return ledger;
}

TEST(Ledger, SurvivesAsText) {
  Ledger parking = some();
  QueueEntry& queue = parking.queues.begin()->second;
  queue.redrive = R"({"deadLetterTargetArn":"arn:a","maxReceiveCount":3})";
  EXPECT_EQ(decode_ledger(encode(parking)).value(), parking) << "raised, and kept so";
  queue.parking = true;
  EXPECT_EQ(decode_ledger(encode(parking)).value(), parking);
  queue.redrive.clear();
  EXPECT_EQ(decode_ledger(encode(parking)).value(), parking) << "a queue without a policy";
  EXPECT_EQ(decode_ledger(encode(some())).value(), some());
  EXPECT_EQ(decode_ledger(encode(Ledger{})).value(), Ledger{});
}

TEST(Ledger, OfANewerVersionOrOfSomebodyElseIsRefused) {
  for (
      const char* text :
      {"", "[]", "{}", R"({"v":2})", R"({"v":1})",
       R"({"v":1,"owner":"000000000abc","lease_until":"x","nonce":"1","adopted_epoch":0,"tags_read":true,"announced_epoch":0,"announced_state":"CLOSED","entries":{},"queues":{},"applied_alarms":{}})",
       R"({"v":1,"owner":"000000000abc","lease_until":1,"nonce":"1","adopted_epoch":0,"tags_read":true,"announced_epoch":0,"announced_state":"CLOSED","entries":{"u":"v1:enabled=true"},"queues":{},"applied_alarms":{}})",
       R"({"v":1,"owner":"000000000abc","lease_until":1,"nonce":"1","adopted_epoch":0,"tags_read":true,"announced_epoch":0,"announced_state":"CLOSED","entries":{"u":"v1:enabled=true v1:enabled=false news"},"queues":{},"applied_alarms":{}})",
       R"({"v":1,"owner":"000000000abc","lease_until":1,"nonce":"g","adopted_epoch":0,"tags_read":true,"announced_epoch":0,"announced_state":"CLOSED","entries":{},"queues":{},"applied_alarms":{}})"}) {
    const auto ledger = decode_ledger(text);
    ASSERT_FALSE(ledger) << text;
    EXPECT_EQ(ledger.error().code, "unreadable");
  }
}

TEST(Ledger, OfQueuesInTwoRegionsSurvives) {
  Ledger ledger = some();
  ledger.queues["arn:aws:sqs:us-east-1:123456789012:orders"] = {};
  EXPECT_EQ(decode_ledger(encode(ledger)).value(), ledger);
}

TEST(Ledger, OfFiveHundredMappingsFitsIntoANote) {
  Ledger ledger = some();
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(100'000 + i);
    ledger.queues["arn:aws:sqs:eu-central-1:123456789012:orders-of-tenant-" + number] = {
        .since = store_time_ms(1'700'000'000'000)};
    ledger.entries["14e0db71-5d35-4eb5-b481-8945cf" + number] = {
        .before = {.limit = 1000}, .wanted = {.enabled = false, .limit = 1000}, .done = true};
  }
  EXPECT_LT(encode(ledger).size(), stores::kNoteBytesMax);
  EXPECT_EQ(decode_ledger(encode(ledger)).value(), ledger);
}

}  // namespace
}  // namespace switchgear::controller
