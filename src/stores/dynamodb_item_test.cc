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

bool removes(const ItemUpdate& update, const std::string& name) {
  const auto at = update.update.find("REMOVE ");
  const std::string held = placeholder(update, name);
  return at != std::string::npos && !held.empty() &&
         (update.update.substr(at) + ",").find(" " + held + ",") != std::string::npos;
}
std::string added_to(const ItemUpdate& update) {
  const auto at = update.update.find("ADD ");
  if (at == std::string::npos) return {};
  return update.names.at(update.update.substr(at + 4, update.update.find(' ', at + 4) - at - 4));
}
AttributeValue full_set(std::uint32_t from) {
  std::vector<std::string> full;
  for (std::uint32_t i = 0; i < 16; ++i) full.push_back(report(from + i).encode());
  return AttributeValue::of_set(full);
}
fleet::ReportOp with_age(fleet::ReportOp op, std::chrono::milliseconds age) {
  op.evidence_age = age;
  return op;
}

TEST(DynamoDbItem, AReportBelongsToTheSetOfItsTimeWhateverTheItemShows) {
  const Item item = item_of(full_record(100, 1));
  EXPECT_EQ(added_to(write_of(adds(1), item)), "e100.6.27593750.0");
  EXPECT_EQ(added_to(write_of(with_age(adds(1), 3s), item)), "e100.0.1766000000.0");
  EXPECT_EQ(added_to(write_of(with_age(adds(1), 9s), item)), "e100.1.883000000.0");
  EXPECT_EQ(added_to(write_of(with_age(adds(1), 11h), item)), "e100.10.1724609.0");
  const ItemStep unseen = step_of(with_age(adds(1), 3s), nullptr, false, kTime);
  const auto& update = std::get<ItemUpdate>(unseen);
  EXPECT_EQ(added_to(update), "e100.0.1766000000.0");
  const std::string set = placeholder(update, "e100.0.1766000000.0");
  EXPECT_THAT(update.condition,
              HasSubstr("(attribute_not_exists(" + set + ") OR (size(" + set + ") < :v"));
  EXPECT_THAT(update.condition, HasSubstr("NOT contains(" + set + ", "));
}

TEST(DynamoDbItem, AFullPartIsFollowedByTheNextAndAReportIsInNoneTwice) {
  Item item = item_of(full_record(100, 1));
  item["e100.6.27593750.0"] = full_set(0);
  item["e100.6.27593750.1"] = AttributeValue::of_text("by hand");
  const ItemUpdate update = write_of(adds(50), item);
  EXPECT_EQ(added_to(update), "e100.6.27593750.2");
  EXPECT_THAT(update.condition,
              HasSubstr("NOT contains(" + placeholder(update, "e100.6.27593750.0") + ", "));
  const FoundItem found{item};
  const ItemStep again = step_of(adds(3), &found, true, kTime);
  EXPECT_EQ(std::get<Status>(again), Status::duplicate);
  item["e100.6.27593750.2"] = AttributeValue::of_set({report(3).encode()});
  EXPECT_EQ(snapshot_of(item, kNow).reports.size(), 16U);
}

TEST(DynamoDbItem, EvidenceThatDecidesNothingAnyMoreGoes) {
  Item item = item_of(full_record(100, 1));
  item["e100.0.1765999990.0"] = AttributeValue::of_set({report(90).encode()});
  item["e100.0.1765999999.0"] = AttributeValue::of_set({report(91).encode()});
  item["e99.0.1765999999.0"] = AttributeValue::of_set({report(92).encode()});
  const ItemUpdate update = write_of(with_age(adds(1), 5s), item);
  EXPECT_TRUE(removes(update, "e100.0.1765999990.0")) << "too old";
  EXPECT_FALSE(removes(update, "e100.0.1765999999.0"));
  EXPECT_TRUE(removes(update, "e99.0.1765999999.0")) << "of a passed epoch";
  EXPECT_FALSE(removes(write_of(adds(1), item), "e100.0.1765999990.0")) << "its age is not known";
}

TEST(DynamoDbItem, MoreReportsThanAnyStoreKeepsGoOldestFirst) {
  Item item = item_of(full_record(100, 1));
  const auto part_name = [](int part) { return "e100.6.27593750." + std::to_string(part); };
  for (int part = 0; part < 6; ++part) {
    std::vector<std::string> full;
    for (std::uint32_t i = 0; i < 16; ++i) {
      fleet::Report one = report(i);
      // Part 1 has been filled last: it had gone, and whoever had not seen the others began it
      // anew.
      one.sent = kNow + std::chrono::milliseconds{part == 1 ? 10 : part};
      full.push_back(one.encode());
    }
    item[part_name(part)] = AttributeValue::of_set(full);
  }
  fleet::ReportOp op = adds(50);
  op.report->sent = kNow + 20ms;
  const ItemUpdate update = write_of(op, item);
  EXPECT_EQ(added_to(update), part_name(6));
  for (int part = 0; part < 6; ++part) {
    EXPECT_EQ(removes(update, part_name(part)), part == 0 || part == 2) << part;
  }
  const std::string oldest = placeholder(update, part_name(0));
  EXPECT_THAT(update.condition,
              HasSubstr("(attribute_not_exists(" + oldest + ") OR (size(" + oldest + ") = :v"))
      << "it must be the set that was seen";
}

// The item after one more report.
Item reported(Item item, const fleet::ReportOp& op) {
  const ItemUpdate update = write_of(op, item);
  AttributeValue& set = item[added_to(update)];
  std::vector<std::string> texts(set.set.begin(), set.set.end());
  texts.push_back(op.report->encode());
  set = AttributeValue::of_set(texts);
  std::erase_if(item, [&](const auto& attribute) { return removes(update, attribute.first); });
  return item;
}

TEST(DynamoDbItem, KeepsTheNewestOfManyReportsOfOneSpan) {
  for (const auto age : {std::optional(3'000ms), std::optional<std::chrono::milliseconds>()}) {
    Item item = item_of(full_record(100, 1));
    std::vector<fleet::Report> newest;
    for (std::uint32_t i = 0; i < 400; ++i) {
      fleet::ReportOp op = adds(i);
      op.evidence_age = age;
      op.report->sent = kNow + std::chrono::milliseconds{i};
      item = reported(std::move(item), op);
      newest.insert(newest.begin(), *op.report);
      newest.resize(std::min<std::size_t>(newest.size(), fleet::kReportsMax));
      ASSERT_EQ(snapshot_of(item, kNow).reports, newest) << "after report " << i;
      ASSERT_LT(aws::item_bytes(item), kItemBytesMax) << "after report " << i;
    }
  }
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
  item["e100.0.x.0"] = AttributeValue::of_set({"foreign"});
  item["elephants"] = AttributeValue{.kind = AttributeValue::Kind::other, .value = "L"};
  const fleet::Snapshot snapshot = snapshot_of(item, kNow);
  ASSERT_TRUE(snapshot.readable());
  EXPECT_TRUE(snapshot.reports.empty());
  const ItemUpdate update = write_of(adds(1), item);
  EXPECT_EQ(placeholder(update, "note"), "");
  EXPECT_EQ(placeholder(update, "e100.0.x.0"), "");
}

TEST(DynamoDbItem, IsSmallInHealthAndBoundedInTrouble) {
  fleet::Record record = full_record(1'766'000'000'000, 12);
  record.why = "12 failures by 3 instances in 0.4 s; evidence 48 of 41 needed";
  Item item = item_of(record);
  item[kItemTtl] = AttributeValue::of_number(std::int64_t{1'767'000'000});
  item["c:29433333"] = AttributeValue::of_number("12345.5");
  item["a:29433333"] = AttributeValue::of_number("345678.25");
  EXPECT_LT(aws::item_bytes(item), 1'024u);
  Item longest = item;
  for (int part = 0; part < 6; ++part) {
    const std::string name = "e1766000000000.0.1766000000." + std::to_string(part);
    item[name] = full_set(1'000);
    std::vector<std::string> texts;
    for (std::uint32_t i = 0; i < 16; ++i) {
      constexpr std::uint32_t kMany = 4'294'967'295;
      texts.push_back(fleet::Report{.sent = kNow,
                                    .span = 10'000ms,
                                    .instance = kAnn,
                                    .seq = kMany - i,
                                    .failures = kMany,
                                    .overloads = kMany,
                                    .slow = kMany,
                                    .thinning = 20,
                                    .retry_after_ms = kMany}
                          .encode());
    }
    longest[name] = AttributeValue::of_set(texts);
  }
  for (int i = 0; i < fleet::kSlotsMax; ++i) {
    const std::string slot = "s" + std::to_string(i);
    for (Item* one : {&item, &longest}) {
      (*one)[slot] = AttributeValue::of_text("0000000000b0.4294967295");
      (*one)[slot + "e"] = AttributeValue::of_number(to_ms(kNow));
      (*one)[slot + "b"] = AttributeValue::of_text("1766000000000");
    }
  }
  EXPECT_LT(aws::item_bytes(item), 7'168u) << "with ordinary numbers";
  EXPECT_LT(aws::item_bytes(longest), kItemBytesMax);
  EXPECT_GT(aws::item_bytes(longest), kItemBytesMax / 2) << "the bound is no guess";
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
