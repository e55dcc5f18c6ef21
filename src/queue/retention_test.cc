#include "queue/retention.h"

#include <gtest/gtest.h>

namespace switchgear::queue {
namespace {

using std::chrono::days;
using std::chrono::seconds;

StoreTime at(Duration since_start) {
  return StoreTime{std::chrono::milliseconds{1'700'000'000'000}} + floor_ms(since_start);
}

TEST(OldestAge, CountsFromTheFirstLookWhereNothingElseIsKnown) {
  OldestAge age;
  age.looked(at(0s));
  age.looked(at(1h));
  EXPECT_EQ(age.at(at(2h)), 2h);
}

TEST(OldestAge, CountsFromTheFirstOfTwoLooksThatFoundTheQueueEmpty) {
  OldestAge age;
  age.looked(at(0s));
  age.empty(at(1h));
  EXPECT_EQ(age.at(at(1h)), 1h) << "the counts are approximate: once is not enough";
  age.empty(at(1h + 10s));
  EXPECT_EQ(age.at(at(1h + 10s)), 1h + 10s);
  age.empty(at(1h + 30s));
  EXPECT_EQ(age.at(at(1h + 30s)), 30s);
  age.not_empty();
  EXPECT_EQ(age.at(at(3h)), 2h);
}

TEST(OldestAge, IsNotBelowWhatAMessageItselfTells) {
  OldestAge age;
  age.looked(at(10h));
  age.sent(at(0s));
  EXPECT_EQ(age.at(at(12h)), 12h);
  age.metric(20h, at(12h));
  EXPECT_EQ(age.at(at(12h)), 20h);
}

TEST(OldestAge, IsKeptAcrossARestart) {
  OldestAge before;
  before.looked(at(0s));
  OldestAge after;
  after.restore(*before.since());
  after.looked(at(5h));
  EXPECT_EQ(after.at(at(6h)), 6h);
}

TEST(Retention, IsRaisedOnceHalfOfTheTimeHasPassed) {
  RetentionFacts facts{.oldest = 47h, .retention = days(4), .before = days(4)};
  EXPECT_EQ(retention_step(facts), RetentionStep::none);
  facts.oldest = 48h;
  EXPECT_EQ(retention_step(facts), RetentionStep::raise);
  facts.retention = kRetentionMax;
  EXPECT_EQ(retention_step(facts), RetentionStep::none);
}

TEST(Retention, OfTheShortestQueueIsRaisedToo) {
  EXPECT_EQ(retention_step({.oldest = 30s, .retention = seconds(60), .before = seconds(60)}),
            RetentionStep::raise);
}

TEST(Retention, ThatCannotBeRaisedAnyMoreIsTold) {
  EXPECT_EQ(retention_step({.oldest = days(12), .retention = kRetentionMax, .before = days(4)}),
            RetentionStep::rescue);
}

TEST(Retention, ThatMayNotBeRaisedIsNotAskedFor) {
  RetentionFacts facts{
      .oldest = 3h, .retention = 4h, .before = 4h, .read = false, .may_be_raised = false};
  EXPECT_EQ(retention_step(facts), RetentionStep::none);
  facts.oldest = 3h + 12min;
  EXPECT_EQ(retention_step(facts), RetentionStep::rescue);
}

TEST(Retention, IsLoweredOnlyWhenNothingInTheQueueIsOlderThanThat) {
  RetentionFacts facts{
      .oldest = days(4), .retention = kRetentionMax, .before = days(4), .read = true};
  EXPECT_EQ(retention_step(facts), RetentionStep::none);
  facts.oldest = 30min;
  EXPECT_EQ(retention_step(facts), RetentionStep::lower);
  facts.read = false;
  EXPECT_EQ(retention_step(facts), RetentionStep::none) << "while it is not read it piles up";
}

TEST(Retention, ThatAPersonSetIsLeftAlone) {
  EXPECT_EQ(retention_step({.oldest = 1min, .retention = days(2), .before = days(4), .read = true}),
            RetentionStep::none);
}

}  // namespace
}  // namespace switchgear::queue
