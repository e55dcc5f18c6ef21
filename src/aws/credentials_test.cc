#include "aws/credentials.h"

#include <gtest/gtest.h>

#include <map>

namespace switchgear::aws {
namespace {

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    if (it == values.end()) return std::nullopt;
    return it->second;
  };
}

TEST(Credentials, ComeFromTheEnvironment) {
  const auto credentials = credentials_from_environment(environment({
      {"AWS_ACCESS_KEY_ID", "AKIA1"},
      {"AWS_SECRET_ACCESS_KEY", "secret/+="},
      {"AWS_SESSION_TOKEN", "token"},
  }));
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->access_key_id, "AKIA1");
  EXPECT_EQ(credentials->secret_access_key, "secret/+=");
  EXPECT_EQ(credentials->session_token, "token");
}

TEST(Credentials, NeedNoSessionToken) {
  const auto credentials = credentials_from_environment(
      environment({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "s"}}));
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->session_token, "");
}

TEST(Credentials, NameTheVariablesThatAreMissing) {
  const auto none = credentials_from_environment(environment({{"AWS_ACCESS_KEY_ID", ""}}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, "credentials");
  EXPECT_NE(none.error().message.find("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set"),
            std::string::npos);
  const auto half = credentials_from_environment(environment({{"AWS_ACCESS_KEY_ID", "A"}}));
  ASSERT_FALSE(half);
  EXPECT_NE(half.error().message.find(": AWS_SECRET_ACCESS_KEY not set"), std::string::npos);
}

TEST(Credentials, RefuseWhatCannotBeSentWithoutShowingIt) {
  const auto credentials = credentials_from_environment(
      environment({{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "sec\nret"}}));
  ASSERT_FALSE(credentials);
  EXPECT_NE(credentials.error().message.find("AWS_SECRET_ACCESS_KEY"), std::string::npos);
  EXPECT_EQ(credentials.error().message.find("ret\n"), std::string::npos);
  EXPECT_EQ(credentials.error().message.find("sec\n"), std::string::npos);
}

}  // namespace
}  // namespace switchgear::aws
