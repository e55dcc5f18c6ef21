#include "controller/announcement.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace switchgear::controller {
namespace {

TEST(Announcement, OfAStateReadsLikeAnAlarmEvent) {
  const Announcement a{.circuit = "payments",
                       .epoch = 1'570'036'848'554,
                       .from = State::closed,
                       .to = State::open,
                       .at = store_time_ms(1'570'036'848'054),
                       .reason = "alarm",
                       .why = "the alarm \"x\" is in ALARM",
                       .next = "mappings are switched off"};
  const auto json = boost::json::parse(detail(a));
  EXPECT_EQ(json.at("state").at("value"), "OPEN");
  EXPECT_EQ(json.at("previousState").at("value"), "CLOSED");
  EXPECT_EQ(json.at("state").at("timestamp"), "2019-10-02T17:20:48.054+0000");
  EXPECT_EQ(json.at("state").at("why"), "the alarm \"x\" is in ALARM");
  EXPECT_EQ(json.at("epoch"), 1'570'036'848'554);
  EXPECT_EQ(detail_type(a), "Switchgear Circuit State Change");
  EXPECT_EQ(headline(a), "payments is OPEN");
}

TEST(Announcement, NamesTheSourceAndTheHold) {
  const auto json = boost::json::parse(detail({.kind = Announcement::Kind::paused,
                                               .circuit = "payments",
                                               .hold = HoldKind::forced_open,
                                               .source = "14e0db71"}));
  EXPECT_EQ(json.at("kind"), "paused");
  EXPECT_EQ(json.at("hold"), "FORCED_OPEN");
  EXPECT_EQ(json.at("source"), "14e0db71");
}

}  // namespace
}  // namespace switchgear::controller
