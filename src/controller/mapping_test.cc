#include "controller/mapping.h"

#include <gtest/gtest.h>

namespace switchgear::controller {
namespace {

TEST(Selector, IsAUuidASourceOrAFunction) {
  EXPECT_EQ(selector_of("14e0db71-5d35-4eb5-b481-8945cf9d10c2").by, Selector::By::uuid);
  EXPECT_EQ(selector_of("arn:aws:sqs:eu-central-1:123456789012:orders").by, Selector::By::source);
  EXPECT_EQ(selector_of("arn:aws:lambda:eu-central-1:123456789012:function:f:live").by,
            Selector::By::function);
  EXPECT_EQ(selector_of("charge").by, Selector::By::function);
}

TEST(SourceKind, IsReadFromTheArn) {
  EXPECT_EQ(kind_of_source("arn:aws:sqs:eu-central-1:1:orders"), SourceKind::sqs);
  EXPECT_EQ(kind_of_source("arn:aws-cn:sqs:cn-north-1:1:orders.fifo"), SourceKind::sqs_fifo);
  EXPECT_EQ(kind_of_source("arn:aws:kinesis:eu-central-1:1:stream/s"), SourceKind::kinesis);
  EXPECT_EQ(kind_of_source("arn:aws:dynamodb:eu-central-1:1:table/t/stream/2024"),
            SourceKind::dynamodb_stream);
  EXPECT_EQ(kind_of_source("arn:aws:kafka:eu-central-1:1:cluster/c/u"), SourceKind::kafka);
  EXPECT_EQ(kind_of_source("arn:aws:mq:eu-central-1:1:broker:b:u"), SourceKind::mq);
  EXPECT_EQ(kind_of_source(""), SourceKind::other);
}

TEST(Settings, SurviveAsText) {
  for (const Settings& settings : {Settings{}, Settings{.enabled = false}, Settings{.limit = 50},
                                   Settings{.enabled = false,
                                            .limit = 2,
                                            .batch_size = 10,
                                            .window_s = 0,
                                            .parallelization_factor = 4}}) {
    EXPECT_EQ(decode_settings(encode(settings)), settings) << encode(settings);
  }
  EXPECT_EQ(encode(Settings{.limit = 50}), "v1:enabled=true:max=50");
}

TEST(Settings, OfOthersAreNotRead) {
  for (const char* text : {"", "v1:", "v2:enabled=true", "v1:enabled=maybe", "v1:max=5",
                           "v1:enabled=true:max=x", "v1:enabled=true:max=-1",
                           "v1:enabled=true:news=1", "v1:enabled=true:max", "enabled=true"}) {
    EXPECT_EQ(decode_settings(text), std::nullopt) << text;
  }
}

TEST(Settings, MatterWhileOffToo) {
  const Settings off{.enabled = false, .limit = 5, .batch_size = 1};
  EXPECT_TRUE(is_as({.enabled = false, .limit = 5, .batch_size = 1}, off));
  EXPECT_FALSE(is_as({.enabled = false, .limit = 5, .batch_size = 10}, off));
  EXPECT_FALSE(is_as({.enabled = false, .limit = 6, .batch_size = 1}, off)) << "the cap is kept";
  EXPECT_FALSE(is_as({.enabled = true, .limit = 5, .batch_size = 1}, off));
}

TEST(Settings, ThatAreNotWantedStayAsTheyAre) {
  EXPECT_TRUE(is_as({.limit = 2, .batch_size = 10, .window_s = 5}, {.limit = 2}));
  EXPECT_FALSE(is_as({.limit = 2, .batch_size = 10}, {.limit = 2, .batch_size = 1}));
  EXPECT_FALSE(is_as({.limit = 2}, {})) << "no cap is a cap of none";
}

}  // namespace
}  // namespace switchgear::controller
