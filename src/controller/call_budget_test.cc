#include "controller/call_budget.h"

#include <gtest/gtest.h>

namespace switchgear::controller {
namespace {

TEST(CallBudgetTest, AllowsASecondsWorthAtOnceAndThenItsRate) {
  CallBudget budget(3);
  const MonoTime begin{1h};
  int allowed = 0;
  for (Duration at{0}; at < 10s; at += 10ms) {
    while (budget.allows(begin + at)) {
      budget.spend();
      ++allowed;
    }
  }
  EXPECT_GE(allowed, 32);
  EXPECT_LE(allowed, 33);
}

TEST(CallBudgetTest, LetsWhoeverHasMadeACallComeLast) {
  int many = 0;
  int few = 0;
  int none = 0;
  Turns<int> turns;
  for (int* each : {&many, &few, &none}) turns.add(each);
  turns.spent(&many);
  EXPECT_EQ(turns.order(), (std::vector<int*>{&few, &none, &many}));
  turns.spent(&none);
  EXPECT_EQ(turns.order(), (std::vector<int*>{&few, &many, &none}));
}

}  // namespace
}  // namespace switchgear::controller
