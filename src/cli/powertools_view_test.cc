#include "cli/powertools_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace switchgear::cli {
namespace {

using aws::AttributeValue;
using std::chrono::seconds;
using stores::PowertoolsReading;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kOpened = 1'700'000'000;

// An OPEN item, changed as told, 10 s after it opened.
PowertoolsReading reading(const std::map<std::string, std::optional<AttributeValue>>& changes = {},
                          seconds later = 10s) {
  aws::Item item{{"id", AttributeValue::of_text("pay\nments")},
                 {"state", AttributeValue::of_text("OPEN")},
                 {"failure_count", AttributeValue::of_number(std::int64_t{5})},
                 {"opened_at", AttributeValue::of_number(kOpened)},
                 {"expiration", AttributeValue::of_number(kOpened + 3630)}};
  for (const auto& [name, value] : changes) {
    item.erase(name);
    if (value) item[name] = *value;
  }
  return {.name = "pay\nments",
          .time = StoreTime{seconds{kOpened} + later},
          .item = item,
          .circuit = stores::read_powertools({}, "pay\nments", item)};
}

AttributeValue text(const char* value) { return AttributeValue::of_text(value); }
AttributeValue number(std::int64_t value) { return AttributeValue::of_number(value); }

const std::map<std::string, std::optional<AttributeValue>> kProbing{
    {"state", text("HALF_OPEN")},
    {"failure_count", number(0)},
    {"half_open_owner", text("17#ab")},
    {"probe_lease_expiry", number(kOpened + 60)}};
const std::map<std::string, std::optional<AttributeValue>> kHeld{
    {"state", text("HALF_OPEN")},
    {"half_open_owner", text("switchgear hold by anna")},
    {"probe_lease_expiry", number(kOpened + 60)},
    {"switchgear_before", text("OPEN")},
    {"switchgear_reason", text("a sale")}};

std::string row(const PowertoolsReading& of) {
  Table table = PowertoolsView::list_header();
  PowertoolsView(of).add_to(table);
  std::ostringstream out;
  table.print(out, false);
  return out.str().substr(out.str().find('\n') + 1);
}

std::string printed(const PowertoolsReading& of) {
  std::ostringstream out;
  std::ostringstream err;
  Context context{.out = out, .err = err};
  PowertoolsView(of).print(context);
  return out.str();
}

std::vector<std::string> kinds(const std::vector<Explanation::Fact>& facts) {
  std::vector<std::string> out;
  for (const auto& fact : facts) out.push_back(fact.kind);
  return out;
}

TEST(PowertoolsView, IsOneRowOfTheList) {
  EXPECT_THAT(row(reading()), HasSubstr("OPEN   -     10s ago  in 20s  5"));
  EXPECT_THAT(row(reading({}, 40s)), HasSubstr("due"));
  EXPECT_THAT(row(reading({{"expiration", std::nullopt}})), HasSubstr("  ?  "));
  EXPECT_THAT(row(reading(kProbing)), HasSubstr("  now  "));
  EXPECT_THAT(row(reading(kHeld)), HasSubstr("FORCED_OPEN"));
  EXPECT_THAT(row(reading({{"opened_at", std::nullopt}})), HasSubstr("stuck"));
  EXPECT_THAT(row(reading({{"state", text("HALF")}})), HasSubstr("is none of"));
  EXPECT_EQ(std::ranges::count(row(reading()), '\n'), 1) << "names are escaped";
}

TEST(PowertoolsView, RefusesCallsUnlessClosed) {
  EXPECT_TRUE(PowertoolsView(reading()).is_open());
  EXPECT_TRUE(PowertoolsView(reading(kProbing)).is_open());
  EXPECT_TRUE(PowertoolsView(reading(kHeld)).is_open());
  EXPECT_FALSE(PowertoolsView(reading({{"state", text("CLOSED")}})).is_open());
  EXPECT_FALSE(PowertoolsView(reading({{"state", text("?")}})).is_open());
}

TEST(PowertoolsView, TellsAPersonWhatTheItemSays) {
  const std::string open = printed(reading());
  EXPECT_THAT(open, HasSubstr("recovery: 30 s, by when the item expires"));
  EXPECT_THAT(open, HasSubstr("probes:   in 20s"));
  EXPECT_THAT(printed(reading(kProbing)), HasSubstr("17#ab, lease to 2023-11-14T22:14:20.000Z"));
  EXPECT_THAT(printed(reading(kHeld)),
              HasSubstr("FORCED_OPEN by anna, until 2023-11-14T22:14:20.000Z (in 50s): a sale"));
  EXPECT_THAT(printed(reading(kHeld, 61s)), HasSubstr("ended 2023-11-14T22:14:20.000Z (1.0s ago)"));
  EXPECT_THAT(printed(reading({{"state", text("?")}})), HasSubstr("unreadable"));
}

TEST(PowertoolsExplanation, TellsATripFromAFailedProbe) {
  const Explanation trip = explain(reading());
  EXPECT_THAT(kinds(trip.because), ElementsAre("trip"));
  EXPECT_THAT(trip.because[0].text, HasSubstr("5 failures in a row"));
  EXPECT_THAT(kinds(trip.next), ElementsAre("probe", "expiry"));
  EXPECT_EQ(trip.next[0].at, StoreTime{seconds{kOpened + 30}});
  EXPECT_THAT(kinds(explain(reading({{"failure_count", number(0)}})).because),
              ElementsAre("reopened"));
}

TEST(PowertoolsExplanation, FollowsAProbeToTheEndOfItsLease) {
  EXPECT_THAT(kinds(explain(reading(kProbing)).next),
              ElementsAre("success", "failure", "lease_end", "expiry"));
  const Explanation over = explain(reading(kProbing, 61s));
  EXPECT_THAT(kinds(over.because), ElementsAre("opened", "probing", "lease_end"));
  EXPECT_THAT(kinds(over.next), ElementsAre("probe", "expiry"));
}

TEST(PowertoolsExplanation, TellsOfAHoldWhoAndUntilWhen) {
  const Explanation held = explain(reading(kHeld));
  EXPECT_THAT(held.summary, HasSubstr("held open by anna"));
  EXPECT_THAT(kinds(held.next), ElementsAre("hold_end", "release", "expiry"));
  EXPECT_THAT(kinds(explain(reading(kHeld, 61s)).next), ElementsAre("probe", "expiry"));
}

TEST(PowertoolsExplanation, NamesTheFaultsThatTheItemShows) {
  EXPECT_THAT(kinds(explain(reading({{"half_open_owner", text("gone")}})).next),
              ElementsAre("none", "expiry"));
  const Explanation overwritten =
      explain(reading({{"state", text("CLOSED")}, {"switchgear_before", text("OPEN")}}));
  EXPECT_THAT(kinds(overwritten.because), ElementsAre("closed", "hold_overwritten"));
  EXPECT_THAT(explain(reading({}, -60s)).notes[0], HasSubstr("clock"));
  EXPECT_THAT(explain(reading({}, 2h)).notes[0], HasSubstr("expired"));
  EXPECT_THAT(kinds(explain(reading({{"state", number(1)}})).because), ElementsAre("unreadable"));
}

TEST(PowertoolsWatch, TellsWhatHasChanged) {
  PowertoolsWatch watch;
  EXPECT_FALSE(watch.look(reading(), false));
  EXPECT_FALSE(watch.look(reading({}, 20s), true));
  const auto anew = watch.look(reading({{"opened_at", number(kOpened + 15)}}, 20s), true);
  ASSERT_TRUE(anew);
  EXPECT_EQ(anew->from + " " + anew->to + " " + anew->reason, "OPEN OPEN trip");
  EXPECT_FALSE(anew->epoch);
  const auto held = watch.look(reading(kHeld), true);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->hold, "FORCED_OPEN");
  const auto ended = watch.look(reading(kHeld, 61s), true);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->hold, "");
  EXPECT_THAT(ended->text(), Not(HasSubstr("\n")));
  const auto gone = watch.look({.name = "pay\nments"}, true);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->to, "NONE");
}

}  // namespace
}  // namespace switchgear::cli
