#include "aws/credentials_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchgear::aws {
namespace {

using testing::HasSubstr;
using testing::Not;

// 2026-11-23T05:34:07Z
const WallTime kEnd{std::chrono::seconds(1795412047)};

TEST(EndpointCredentials, AreRead) {
  const auto got = read_endpoint_credentials(
      R"({"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA","SecretAccessKey":"s/+=",)"
      R"("Token":"t","Expiration":"2026-11-23T05:34:07Z","New":[1]})");
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->access_key_id, "ASIA");
  EXPECT_EQ(got->secret_access_key, "s/+=");
  EXPECT_EQ(got->session_token, "t");
  EXPECT_EQ(got->expires, kEnd);
}

TEST(EndpointCredentials, ThatAreNoneAreAnErrorWithoutTheirText) {
  for (const char* text :
       {"", "hunter2", "[\"hunter2\"]", R"({"AccessKeyId":"hunter2"})",
        R"({"AccessKeyId":"A","SecretAccessKey":"hunter2 x"})",
        R"({"AccessKeyId":"A","SecretAccessKey":"hunter2","Expiration":"hunter2"})",
        R"({"AccessKeyId":7,"SecretAccessKey":"hunter2"})",
        R"({"Code":"hunter2 is the reason","Message":"hunter2"})"}) {
    const auto got = read_endpoint_credentials(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code, "credentials");
    EXPECT_THAT(got.error().text(), Not(HasSubstr("hunter2")));
  }
}

TEST(EndpointCredentials, NameTheCodeOfARefusal) {
  const auto got = read_endpoint_credentials(R"({"Code":"AssumeRoleUnauthorizedAccess"})");
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("AssumeRoleUnauthorizedAccess"));
}

TEST(ProcessCredentials, NeedTheirVersion) {
  EXPECT_FALSE(read_process_credentials(R"({"AccessKeyId":"A","SecretAccessKey":"s"})"));
  EXPECT_FALSE(
      read_process_credentials(R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"s"})"));
  const auto got = read_process_credentials(
      R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t"})");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->session_token, "t");
  EXPECT_FALSE(got->expires);
}

TEST(StsCredentials, AreRead) {
  const auto got = read_sts_credentials(
      R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIA</AccessKeyId>
      <SecretAccessKey>a&amp;b</SecretAccessKey>
      <SessionToken>t/+==</SessionToken>
      <Expiration>2026-11-23T05:34:07Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>)",
      "AssumeRole");
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->access_key_id, "ASIA");
  EXPECT_EQ(got->secret_access_key, "a&b");
  EXPECT_EQ(got->session_token, "t/+==");
  EXPECT_EQ(got->expires, kEnd);
}

TEST(StsCredentials, ThatAreNoneAreAnError) {
  for (const char* text :
       {"", "<a", "hunter2", "<AssumeRoleResponse/>",
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>hunter2"
        "</AccessKeyId></Credentials></AssumeRoleResult></AssumeRoleResponse>"}) {
    const auto got = read_sts_credentials(text, "AssumeRole");
    ASSERT_FALSE(got) << text;
    EXPECT_THAT(got.error().text(), Not(HasSubstr("hunter2")));
  }
}

TEST(IsoTime, IsReadInItsForms) {
  for (const char* text :
       {"2026-11-23T05:34:07Z", "2026-11-23T05:34:07.987Z", "2026-11-23T05:34:07+00:00",
        "2026-11-23T07:04:07+01:30", "2026-11-23T00:34:07-0500"}) {
    EXPECT_EQ(parse_iso_time(text), kEnd) << text;
  }
  for (const char* text : {"", "2026-11-23", "2026-11-23T05:34:07", "2026-13-23T05:34:07Z",
                           "2026-11-23T25:34:07Z", "2026-11-23T05:34:07.Z", "2026-11-23T05:34:07.5",
                           "2026-11-23T05:34:07+1", "20261123T053407Z......."}) {
    EXPECT_FALSE(parse_iso_time(text)) << text;
  }
}

}  // namespace
}  // namespace switchgear::aws
