#include "stores/dynamodb_item.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stores/store_suite_for_tests.h"

namespace switchgear::stores {
namespace {

using aws::AttributeValue;
using aws::Item;
using aws::ItemUpdate;
using fleet::Status;
using ::testing::HasSubstr;

constexpr StoreTime kNow = store_time_ms(1'766'000'000'500);
constexpr DynamoDbClock::Bounds kTime{.at_least = kNow, .at_most = kNow + 800ms};
constexpr fleet::InstanceId kAnn{0xa1};

Item item_of(const fleet::Record& record) {
  Item item{{kItemKey, AttributeValue::of_text("switchgear/payments-api")}};
  for (const auto& [name, value] : fleet::encode_fields(record)) {
    const bool counts = name == "pok" || name == "pfail";
    item[name] = counts ? AttributeValue::of_number(value) : AttributeValue::of_text(value);
  }
  return item;
}

fleet::Report report(std::uint32_t seq) {
  return {.sent = kNow, .span = 5ms, .instance = kAnn, .seq = seq, .failures = 2};
}
fleet::ReportOp adds(std::uint32_t seq) {
  return {.epoch = 100, .report = report(seq), .meter = {}, .step = std::nullopt};
}

ItemUpdate write_of(const fleet::Operation& op, const Item& item) {
  const FoundItem found{item};
  ItemStep step = step_of(op, &found, true, kTime);
  EXPECT_TRUE(std::holds_alternative<ItemUpdate>(step));
  return std::get<ItemUpdate>(step);
}

// The placeholder of an attribute; empty if the update does not name it.
std::string placeholder(const ItemUpdate& update, const std::string& attribute) {
  for (const auto& [name, known] : update.names) {
    if (known == attribute) return name;
  }
  return {};
}

// As DynamoDB counts: names and values in bytes.
std::size_t size_of(const Item& item) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : item) {
    bytes += name.size();
    bytes += value.kind == AttributeValue::Kind::number ? value.value.size() / 2 + 1
                                                        : value.value.size();
    for (const std::string& one : value.set) bytes += one.size();
  }
  return bytes;
}

TEST(DynamoDbItem, ReportsRenewItsTimeToLive) {
  Item item = item_of(full_record(100, 1));
  const auto renews = [&] { return !placeholder(write_of(adds(1), item), kItemTtl).empty(); };
  EXPECT_TRUE(renews()) << "it has none";
  item[kItemTtl] = AttributeValue::of_number(to_ms(kNow) / 1'000 + 518'400);  // 6 days
  EXPECT_TRUE(renews()) << "less than half of it is left";
  item[kItemTtl] = AttributeValue::of_number(to_ms(kNow) / 1'000 + 691'200);  // 8 days
  EXPECT_FALSE(renews()) << "more than half of it is left";
  item[kItemTtl] = AttributeValue::of_number(to_ms(kNow) / 1'000 + 60);
  item["hold"] = AttributeValue::of_text("FORCED_OPEN");
  EXPECT_FALSE(renews()) << "a hold has no end";
}

TEST(DynamoDbItem, BeginsANewSetWhenOneIsFullAndKeepsTheLastTwo) {
  Item item = item_of(full_record(100, 1));
  std::vector<std::string> full;
  for (std::uint32_t i = 0; i < 32; ++i) full.push_back(report(i).encode());
  item["e100.3"] = AttributeValue::of_set(full);
  item["e100.2"] = AttributeValue::of_set({report(90).encode()});
  item["e99.7"] = AttributeValue::of_set({report(91).encode()});
  const ItemUpdate update = write_of(adds(50), item);
  const std::string added = placeholder(update, "e100.4");
  ASSERT_NE(added, "");
  EXPECT_THAT(update.update, HasSubstr("ADD " + added + " "));
  const auto removes = [&](const std::string& name) {
    const auto at = update.update.find("REMOVE ");
    const std::string held = placeholder(update, name);
    return at != std::string::npos && !held.empty() &&
           update.update.find(held, at) != std::string::npos;
  };
  EXPECT_TRUE(removes("e100.2"));
  EXPECT_TRUE(removes("e99.7"));
  EXPECT_FALSE(removes("e100.3"));
}

TEST(DynamoDbItem, LeasesUntilTheLatestThatItCanBe) {
  const fleet::ClaimOp claim{.epoch = 100,
                             .claim = {.slot = 3, .holder = kAnn, .token = 7, .lease = 5s}};
  const ItemUpdate update = write_of(claim, item_of(full_record(100, 1)));
  const AttributeValue until = AttributeValue::of_number(to_ms(kTime.at_most + 5s));
  EXPECT_TRUE(std::ranges::any_of(update.values, [&](const auto& v) { return v.second == until; }));
}

TEST(DynamoDbItem, ASlotWithoutAnExpiryIsNobodysToTake) {
  Item item = item_of(full_record(100, 1));
  item["s3"] = AttributeValue::of_text("0000000000b0.1");
  const FoundItem found{item};
  fleet::ClaimOp claim{.epoch = 100, .claim = {.slot = 3, .holder = kAnn, .token = 7, .lease = 5s}};
  claim.seen = fleet::SlotOwner{.holder = fleet::InstanceId{0xb0}, .token = 1};
  const ItemStep step = step_of(claim, &found, true, kTime);
  ASSERT_TRUE(std::holds_alternative<Status>(step));
  EXPECT_EQ(std::get<Status>(step), Status::taken);
  const fleet::Snapshot snapshot = snapshot_of(item, kNow);
  ASSERT_TRUE(snapshot.record);
  EXPECT_FALSE(snapshot.record->has_value()) << "a record that is not as we write it";
}

TEST(DynamoDbItem, WhatIsNoSumNoSetAndNoSlotIsLeftAlone) {
  Item item = item_of(full_record(100, 1));
  item["note"] = AttributeValue::of_text("by hand");
  item["e100.x"] = AttributeValue::of_set({"foreign"});
  item["elephants"] = AttributeValue{.kind = AttributeValue::Kind::other, .value = "L"};
  const fleet::Snapshot snapshot = snapshot_of(item, kNow);
  ASSERT_TRUE(snapshot.readable());
  EXPECT_TRUE(snapshot.reports.empty());
  const ItemUpdate update = write_of(adds(1), item);
  EXPECT_EQ(placeholder(update, "note"), "");
  EXPECT_EQ(placeholder(update, "e100.x"), "");
}

TEST(DynamoDbItem, IsSmallInHealthAndBoundedInTrouble) {
  fleet::Record record = full_record(1'766'000'000'000, 12);
  record.why = "12 failures by 3 instances in 0.4 s; evidence 48 of 41 needed";
  Item item = item_of(record);
  item[kItemTtl] = AttributeValue::of_number(std::int64_t{1'767'000'000});
  item["c:29433333"] = AttributeValue::of_number("12345.5");
  item["a:29433333"] = AttributeValue::of_number("345678.25");
  EXPECT_LT(size_of(item), 1'024u);
  std::vector<std::string> full;
  for (std::uint32_t i = 0; i < 32; ++i) full.push_back(report(1'000 + i).encode());
  item["e1766000000000.3"] = AttributeValue::of_set(full);
  item["e1766000000000.4"] = AttributeValue::of_set(full);
  for (int i = 0; i < fleet::kSlotsMax; ++i) {
    const std::string slot = "s" + std::to_string(i);
    item[slot] = AttributeValue::of_text("0000000000b0.4294967295");
    item[slot + "e"] = AttributeValue::of_number(to_ms(kNow));
  }
  EXPECT_LT(size_of(item), 5'120u);
}

TEST(DynamoDbItem, AReportGoesToASetThatIsStillTheNewest) {
  Item item = item_of(full_record(100, 1));
  EXPECT_THAT(write_of(adds(50), item).condition, HasSubstr("attribute_not_exists(#n0)"));
  item["e100.0"] = AttributeValue::of_set({report(90).encode()});
  const ItemUpdate update = write_of(adds(50), item);
  EXPECT_THAT(update.condition, HasSubstr("size(" + placeholder(update, "e100.0") + ") < "));
}

TEST(DynamoDbItem, ARenewalThatComesLateShortensNoLease) {
  Item item = item_of(full_record(100, 1));
  item["s3"] = AttributeValue::of_text("0000000000a1.7");
  item["s3e"] = AttributeValue::of_number(to_ms(kNow + 1h));
  const fleet::ClaimOp renewal{.epoch = 100,
                               .claim = {.slot = 3, .holder = kAnn, .token = 7, .lease = 5s},
                               .seen = fleet::SlotOwner{.holder = kAnn, .token = 7}};
  const ItemStep step = step_of(renewal, nullptr, false, kTime);
  const auto& early = std::get<ItemUpdate>(step);
  EXPECT_THAT(early.condition, HasSubstr(placeholder(early, "s3e") + " <= "));
  const ItemUpdate update = write_of(renewal, item);
  EXPECT_TRUE(std::ranges::any_of(update.values, [&](const auto& v) {
    return v.second == item.at("s3e");
  })) << "what it has stays";
}

TEST(DynamoDbItem, ATimeToLiveIsNeverGivenToAHoldUnseen) {
  const fleet::ReportOp heartbeat{
      .epoch = 0, .report = std::nullopt, .meter = {.calls = 1}, .step = std::nullopt};
  const ItemStep step = step_of(heartbeat, nullptr, false, kTime);
  const auto& update = std::get<ItemUpdate>(step);
  ASSERT_NE(placeholder(update, kItemTtl), "");
  EXPECT_THAT(update.condition, HasSubstr(placeholder(update, "hold") + " = "));
}

TEST(DynamoDbItem, WhatIsOfAnotherTypeIsUnreadableAndAddedToByNobody) {
  const Item whole = item_of(full_record(100, 1));
  for (const auto& [name, wrong] : {std::pair("ep", AttributeValue::of_number(std::int64_t{100})),
                                    std::pair("rev", AttributeValue::of_number(std::int64_t{1})),
                                    std::pair("pok", AttributeValue::of_text("0")),
                                    std::pair("pfail", AttributeValue::of_text("0"))}) {
    Item item = whole;
    item[name] = wrong;
    const fleet::Snapshot snapshot = snapshot_of(item, kNow);
    ASSERT_TRUE(snapshot.record);
    EXPECT_FALSE(snapshot.record->has_value()) << name;
  }
  Item item = whole;
  item["s3"] = AttributeValue::of_text("0000000000a1.7");
  item["s3e"] = AttributeValue::of_number(to_ms(kNow + 1h));
  item["pfail"] = AttributeValue::of_text("0");
  const fleet::SettleOp settle{.epoch = 100,
                               .slot = 3,
                               .holder = kAnn,
                               .token = 7,
                               .settlement = fleet::Settlement::failure};
  EXPECT_EQ(placeholder(write_of(settle, item), "pfail"), "") << "the slot is given back, still";
  item["s3e"] = AttributeValue::of_text("1766000000500");
  const FoundItem found{item};
  const ItemStep step = step_of(settle, &found, true, kTime);
  ASSERT_TRUE(std::holds_alternative<Status>(step));
  EXPECT_EQ(std::get<Status>(step), Status::gone);
}

}  // namespace
}  // namespace switchgear::stores
