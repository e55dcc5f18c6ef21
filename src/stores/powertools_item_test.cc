#include "stores/powertools_item.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchgear::stores {
namespace {

using aws::AttributeValue;
using aws::Item;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const PowertoolsNames kNames;
constexpr std::int64_t kOpened = 1'700'000'000;
constexpr StoreTime kNow{seconds{kOpened + 10}};

AttributeValue text(const char* value) { return AttributeValue::of_text(value); }
AttributeValue number(std::int64_t value) { return AttributeValue::of_number(value); }
constexpr StoreTime at(std::int64_t s) { return StoreTime{seconds{s}}; }

// As save_open() writes it, by a recovery_timeout of 30 s.
Item open_item() {
  return {{"id", text("c")},
          {"state", text("OPEN")},
          {"failure_count", number(5)},
          {"opened_at", number(kOpened)},
          {"expiration", number(kOpened + 30 + 3600)}};
}
// As try_acquire_half_open() writes it.
Item half_open_item() {
  Item item = open_item();
  item["state"] = text("HALF_OPEN");
  item["failure_count"] = number(0);
  item["half_open_owner"] = text("17#0123456789abcdef0123456789abcdef");
  item["probe_lease_expiry"] = number(kOpened + 60);
  return item;
}

Result<PowertoolsCircuit> read(const Item& item) { return read_powertools(kNames, "c", item); }
std::string flaw(const Item& item) {
  const auto read_item = read(item);
  return read_item ? "" : read_item.error().message;
}

// What is left of the item after the change.
Item after(Item item, const PowertoolsChange& change) {
  for (const auto& [name, value] : change.result) {
    item.erase(name);
    if (value) item[name] = *value;
  }
  return item;
}

TEST(PowertoolsItem, IsReadAsPowertoolsWritesIt) {
  const auto open = read(open_item());
  ASSERT_TRUE(open);
  EXPECT_EQ(open->state, State::open);
  EXPECT_EQ(open->failure_count, 5);
  EXPECT_EQ(open->opened_at, at(kOpened));
  EXPECT_EQ(open->owner, "");
  EXPECT_EQ(open->recovery_timeout(), seconds{30});
  EXPECT_EQ(open->probes_at(), at(kOpened + 30));
  EXPECT_EQ(open->stuck(), "");
  const auto half_open = read(half_open_item());
  ASSERT_TRUE(half_open);
  EXPECT_EQ(half_open->state, State::half_open);
  EXPECT_EQ(half_open->lease_end, at(kOpened + 60));
  EXPECT_EQ(half_open->probes_at(), at(kOpened + 60));
  EXPECT_FALSE(half_open->hold);
  const auto closed = read({{"id", text("c")}, {"state", text("CLOSED")}});
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->failure_count, 0);
  EXPECT_FALSE(closed->probes_at());
}

TEST(PowertoolsItem, GivesAwayTheRecoveryTimeoutOnlyIfItExpiresAsPowertoolsHasIt) {
  Item item = open_item();
  item["expiration"] = number(kOpened + 3600);
  EXPECT_FALSE(read(item)->recovery_timeout());
  EXPECT_FALSE(read(item)->probes_at());
  item.erase("expiration");
  EXPECT_FALSE(read(item)->recovery_timeout());
}

TEST(PowertoolsItem, IsUnreadableUnlessEachAttributeIsWhatItShouldBe) {
  const auto with = [](const char* name, AttributeValue value) {
    Item item = half_open_item();
    item[name] = std::move(value);
    return flaw(item);
  };
  Item none = open_item();
  none.erase("state");
  EXPECT_EQ(flaw(none), "its state is missing");
  for (const char* word : {"", "open", "OPEN ", "RECOVERING", "FORCED_OPEN"}) {
    EXPECT_EQ(with("state", text(word)), "its state is none of CLOSED, OPEN, HALF_OPEN") << word;
  }
  EXPECT_EQ(with("state", number(1)), "its state is no text");
  EXPECT_EQ(with("half_open_owner", number(7)), "its half_open_owner is no text");
  EXPECT_EQ(with("half_open_owner", AttributeValue::of_set({"a"})),
            "its half_open_owner is no text");
  for (const char* name : {"failure_count", "opened_at", "probe_lease_expiry", "expiration"}) {
    const std::string its = std::string("its ") + name;
    EXPECT_EQ(with(name, text("1700000000")), its + " is no number");
    EXPECT_EQ(with(name, {.kind = AttributeValue::Kind::other, .value = "NULL"}),
              its + " is no number");
    EXPECT_EQ(with(name, AttributeValue::of_number("1.5")), its + " is no whole number");
    EXPECT_EQ(with(name, AttributeValue::of_number("1E+37")), its + " is no whole number");
    EXPECT_EQ(with(name, AttributeValue::of_number("9223372036854775808")),
              its + " is no whole number");
    EXPECT_NE(with(name, number(-1)), "");
  }
  EXPECT_EQ(with("opened_at", number(1'700'000'000'000)),
            "its opened_at is no time in seconds since 1970");
  EXPECT_EQ(with("failure_count", number(INT64_MAX)), "");
  EXPECT_EQ(with("anything", {.kind = AttributeValue::Kind::other, .value = "M"}), "");
}

TEST(PowertoolsItem, SaysWhenNobodyWillEverProbe) {
  Item item = open_item();
  item["half_open_owner"] = text("17#gone");
  EXPECT_THAT(read(item)->stuck(), HasSubstr("has an owner"));
  EXPECT_FALSE(read(item)->probes_at());
  item = open_item();
  item.erase("opened_at");
  EXPECT_THAT(read(item)->stuck(), HasSubstr("not since when"));
  item = half_open_item();
  item.erase("probe_lease_expiry");
  EXPECT_THAT(read(item)->stuck(), HasSubstr("without an end"));
}

TEST(PowertoolsItem, NamesItsAttributesAsItsTableDoes) {
  const PowertoolsNames names{.key = "pk",
                              .sort_key = "sk",
                              .partition = "circuit_breaker#orders",
                              .state = "st",
                              .expiry = "ttl"};
  const Item item{{"pk", text("circuit_breaker#orders")},
                  {"sk", text("c")},
                  {"st", text("OPEN")},
                  {"opened_at", number(kOpened)},
                  {"ttl", number(kOpened + 3650)}};
  EXPECT_EQ(powertools_circuit_name(names, item), "c");
  EXPECT_EQ(powertools_circuit_name(kNames, item), "");
  EXPECT_EQ(read_powertools(names, "c", item)->recovery_timeout(), seconds{50});
  EXPECT_EQ(powertools_key(names, "c"),
            (Item{{"pk", text("circuit_breaker#orders")}, {"sk", text("c")}}));
  EXPECT_EQ(powertools_key(kNames, "c"), (Item{{"id", text("c")}}));
}

TEST(PowertoolsHold, IsALeaseOfSomebodyWhoNeverCalls) {
  const PowertoolsHold hold{.who = "anna", .reason = "a sale", .until = at(kOpened + 7200)};
  const auto change = powertools_hold(kNames, "c", open_item(), hold, kNow);
  const Item item = after(open_item(), change);
  EXPECT_EQ(item.at("state"), text("HALF_OPEN"));
  EXPECT_EQ(item.at("failure_count"), number(5));
  EXPECT_EQ(item.at("opened_at"), number(kOpened));
  EXPECT_EQ(item.at("half_open_owner"), text("switchgear hold by anna"));
  EXPECT_EQ(item.at("probe_lease_expiry"), number(kOpened + 7200));
  EXPECT_EQ(item.at("expiration"), number(kOpened + 7200 + 3600));
  const auto held = read(item);
  ASSERT_TRUE(held && held->hold);
  EXPECT_EQ(held->hold->who, "anna");
  EXPECT_EQ(held->hold->reason, "a sale");
  EXPECT_EQ(held->hold->until, at(kOpened + 7200));
  EXPECT_FALSE(held->hold->was_closed);
  EXPECT_TRUE(held->held(at(kOpened + 7199)));
  EXPECT_FALSE(held->held(at(kOpened + 7200)));
  EXPECT_FALSE(held->hold_overwritten);
}

TEST(PowertoolsHold, WithoutAnEndStaysUntilItIsReleased) {
  const auto change = powertools_hold(kNames, "c", std::nullopt, {.who = "anna"}, kNow);
  const Item item = after({{"id", text("c")}}, change);
  EXPECT_FALSE(item.contains("expiration"));
  EXPECT_EQ(item.at("opened_at"), number(kOpened + 10));
  const auto held = read(item);
  ASSERT_TRUE(held && held->hold);
  EXPECT_FALSE(held->hold->until);
  EXPECT_TRUE(held->hold->was_closed);
  EXPECT_TRUE(held->held(at(4'000'000'000)));
}

TEST(PowertoolsHold, OverAHoldRemembersWhatWasBeforeTheFirst) {
  const Item closed{{"id", text("c")}, {"state", text("CLOSED")}};
  Item item = after(closed, powertools_hold(kNames, "c", closed, {.who = "anna"}, kNow));
  item = after(item, powertools_hold(kNames, "c", item, {.who = "bob"}, kNow));
  EXPECT_EQ(read(item)->hold->who, "bob");
  EXPECT_TRUE(read(item)->hold->was_closed);
}

TEST(PowertoolsHold, IsReleasedToClosedOrToAProbe) {
  const Item closed{{"id", text("c")}, {"state", text("CLOSED")}};
  Item item = after(closed, powertools_hold(kNames, "c", closed, {.who = "anna"}, kNow));
  item = after(item, powertools_release(kNames, "c", item, kNow));
  EXPECT_EQ(item, (Item{{"id", text("c")},
                        {"state", text("CLOSED")},
                        {"failure_count", number(0)},
                        {"expiration", number(kOpened + 10 + 3600)}}));
  const PowertoolsHold reasoned{.who = "anna", .reason = "r"};
  item = after(open_item(), powertools_hold(kNames, "c", open_item(), reasoned, kNow));
  item = after(item, powertools_release(kNames, "c", item, kNow));
  EXPECT_EQ(item, (Item{{"id", text("c")},
                        {"state", text("HALF_OPEN")},
                        {"failure_count", number(5)},
                        {"opened_at", number(kOpened)},
                        {"probe_lease_expiry", number(kOpened + 10)},
                        {"expiration", number(kOpened + 10 + 3600)}}));
}

TEST(PowertoolsHold, ThatAProbeWroteOverIsNone) {
  Item item = after(half_open_item(),
                    powertools_hold(kNames, "c", half_open_item(), {.who = "anna"}, kNow));
  // save_closed()
  item["state"] = text("CLOSED");
  for (const char* gone : {"opened_at", "half_open_owner", "probe_lease_expiry"}) item.erase(gone);
  EXPECT_FALSE(read(item)->hold);
  EXPECT_TRUE(read(item)->hold_overwritten);
  item = after(item, powertools_hold(kNames, "c", item, {.who = "anna"}, kNow));
  EXPECT_TRUE(read(item)->hold->was_closed);
}

TEST(PowertoolsReset, LeavesWhatPowertoolsWouldOfAClosedCircuit) {
  const Item item = after(half_open_item(), powertools_reset(kNames, "c", half_open_item(), kNow));
  EXPECT_EQ(item, (Item{{"id", text("c")},
                        {"state", text("CLOSED")},
                        {"failure_count", number(0)},
                        {"expiration", number(kOpened + 10 + 3600)}}));
}

TEST(PowertoolsChange, AsksForEveryAttributeAsItWasSeen) {
  const auto change = powertools_reset(kNames, "c", open_item(), kNow);
  const auto& update = change.update;
  EXPECT_EQ(update.key, (Item{{"id", text("c")}}));
  const auto asks = [&](const std::string& attribute, const std::optional<AttributeValue>& value) {
    std::string name;
    for (const auto& [placeholder, of] : update.names) {
      if (of == attribute) name = placeholder;
    }
    if (!value)
      return update.condition.find("attribute_not_exists(" + name + ")") != std::string::npos;
    for (const auto& [placeholder, of] : update.values) {
      const std::string text_of_condition = std::string(name).append(" = ").append(placeholder);
      if (of == *value && update.condition.find(text_of_condition) != std::string::npos)
        return true;
    }
    return false;
  };
  for (const char* name : {"state", "failure_count", "opened_at", "expiration"}) {
    EXPECT_TRUE(asks(name, open_item().at(name))) << name;
  }
  for (const char* name :
       {"half_open_owner", "probe_lease_expiry", "switchgear_reason", "switchgear_before"}) {
    EXPECT_TRUE(asks(name, std::nullopt)) << name;
  }
  EXPECT_THAT(update.condition, Not(HasSubstr(" OR ")));
}

TEST(PowertoolsChange, KnowsWhenItHasBeenMade) {
  const auto change = powertools_reset(kNames, "c", open_item(), kNow);
  EXPECT_FALSE(change.done(open_item()));
  Item item = after(open_item(), change);
  EXPECT_TRUE(change.done(item));
  item["note"] = text("of somebody else");
  EXPECT_TRUE(change.done(item));
  item["opened_at"] = number(1);
  EXPECT_FALSE(change.done(item));
}

}  // namespace
}  // namespace switchgear::stores
