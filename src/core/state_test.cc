#include "core/state.h"

#include <gtest/gtest.h>

namespace switchgear {
namespace {

TEST(StateNames, AreThoseOfTheField) {
  EXPECT_EQ(to_string(State::closed), "CLOSED");
  EXPECT_EQ(to_string(State::open), "OPEN");
  EXPECT_EQ(to_string(State::half_open), "HALF_OPEN");
  EXPECT_EQ(to_string(State::recovering), "RECOVERING");
}

TEST(StateNames, ReadBackAsWritten) {
  for (const State state : kStates) EXPECT_EQ(state_from_string(to_string(state)), state);
}

TEST(StateNames, ReadTheFieldsOtherSpellings) {
  for (const char* word : {"HALF-OPEN", "half_open", "half-open", "Half Open", "halfOpen"}) {
    EXPECT_EQ(state_from_string(word), State::half_open) << word;
  }
  EXPECT_EQ(state_from_string("closed"), State::closed);
}

TEST(StateNames, RefuseUnknownWords) {
  for (const char* word : {"", "OPENED", "FORCED_OPEN", "CLOSED "}) {
    EXPECT_EQ(state_from_string(word), std::nullopt) << word;
  }
}

TEST(HoldNames, ReadBackAsWritten) {
  for (const HoldKind hold :
       {HoldKind::none, HoldKind::forced_open, HoldKind::forced_closed, HoldKind::metrics_only}) {
    EXPECT_EQ(hold_from_string(to_string(hold)), hold);
  }
  EXPECT_EQ(to_string(HoldKind::none), "");
}

TEST(HoldNames, ReadTheFieldsOtherSpellings) {
  EXPECT_EQ(hold_from_string("forced-open"), HoldKind::forced_open);
  EXPECT_EQ(hold_from_string("DISABLED"), HoldKind::forced_closed);
}

TEST(HoldNames, RefuseUnknownWords) {
  for (const char* word : {"OPEN", "FORCED", "none", "METRICS"}) {
    EXPECT_EQ(hold_from_string(word), std::nullopt) << word;
  }
}

}  // namespace
}  // namespace switchgear
