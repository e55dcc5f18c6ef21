#include "aws/shared_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "aws/profile.h"

namespace switchgear::aws {
namespace {

using testing::HasSubstr;

SharedConfig read(std::string_view text, SharedFile kind = SharedFile::config) {
  SharedConfig config;
  const auto done = read_shared_config(text, kind, "the file", config);
  EXPECT_TRUE(done) << done.error().text();
  return config;
}

std::string problem(std::string_view text) {
  SharedConfig config;
  const auto done = read_shared_config(text, SharedFile::config, "the file", config);
  return done ? "" : done.error().message;
}

TEST(SharedConfig, HoldsTheProfilesOfTheConfigFile) {
  const auto config = read(
      "[default]\n"
      "region = eu-central-1\n"
      "[profile prod]\n"
      "Role_ARN=arn:aws:iam::1:role/r\n"
      "[profile \"two words\"]\n"
      "output: json\n"
      "[preview]\n"
      "region = no-profile-1\n");
  EXPECT_EQ(config.profiles.size(), 3u);
  EXPECT_EQ(config.profiles.at("default").at("region"), "eu-central-1");
  EXPECT_EQ(config.profiles.at("prod").at("role_arn"), "arn:aws:iam::1:role/r");
  EXPECT_EQ(config.profiles.at("two words").at("output"), "json");
}

TEST(SharedConfig, HoldsTheProfilesOfTheCredentialsFile) {
  const auto config =
      read("[prod]\r\naws_secret_access_key = a=b:c#d\r\n", SharedFile::credentials);
  EXPECT_EQ(config.profiles.at("prod").at("aws_secret_access_key"), "a=b:c#d");
}

TEST(SharedConfig, TellsWhatEachFileSays) {
  SharedConfig config;
  ASSERT_TRUE(read_shared_config("[default]\na = 1\nb = 1\n", SharedFile::config, "f", config));
  ASSERT_TRUE(read_shared_config("[default]\nb = 2\n", SharedFile::credentials, "g", config));
  EXPECT_EQ(config.profiles.at("default"), (Section{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(config.in(SharedFile::config, "default"), (Section{{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(config.in(SharedFile::credentials, "default"), (Section{{"b", "2"}}));
  EXPECT_TRUE(config.in(SharedFile::credentials, "other").empty());
}

TEST(SharedConfig, TakesNoCommentsAndEmptyLines) {
  const auto config = read("# a\n\n; b\n[default]\n  # c\nregion = r # no comment\n");
  EXPECT_EQ(config.profiles.at("default").at("region"), "r # no comment");
  EXPECT_EQ(config.profiles.at("default").size(), 1u);
}

TEST(SharedConfig, HoldsBlocksUnderTheirKey) {
  const auto config = read(
      "[services mine]\n"
      "dynamodb =\n"
      "  endpoint_url = http://127.0.0.1:1\n"
      "sqs =\n"
      "  endpoint_url = http://127.0.0.1:2\n"
      "[default]\n"
      "s3 =\n"
      "  region = no\n"
      "region = eu-west-1\n");
  EXPECT_EQ(config.services.at("mine").at("dynamodb.endpoint_url"), "http://127.0.0.1:1");
  EXPECT_EQ(config.services.at("mine").at("sqs.endpoint_url"), "http://127.0.0.1:2");
  EXPECT_EQ(config.profiles.at("default").at("region"), "eu-west-1");
}

TEST(SharedConfig, NamesTheLineThatItCannotRead) {
  EXPECT_EQ(problem("[default]\n\nAKIDSECRET\n"),
            "the file, line 3: the line is neither [section] nor key = value");
  EXPECT_THAT(problem("[default\n"), HasSubstr("line 1: the line has a [ without its ]"));
  EXPECT_THAT(problem("region = r\n"), HasSubstr("before the first [section]"));
  EXPECT_THAT(problem("[default]\n  region = r\n"), HasSubstr("belongs to no key"));
}

// ---- Profile

class ProfileTest : public testing::Test {
 protected:
  ProfileTest() {
    folder_ = std::filesystem::temp_directory_path() / "switchgear-profile-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    variables_ = {{"HOME", folder_}};
    std::filesystem::create_directory(folder_ + "/.aws");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ + "/.aws/" + file) << text;
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto it = variables_.find(name);
      if (it == variables_.end()) return std::nullopt;
      return it->second;
    };
  }
  std::string says(const std::string& variable) {
    const auto profile = load_profile(environment());
    return profile ? value_of(profile->environment, variable) : profile.error().text();
  }

  std::string folder_;
  std::map<std::string, std::string> variables_;
};

TEST_F(ProfileTest, IsTheDefaultOne) {
  write("config", "[default]\nregion = eu-west-1\n[profile prod]\nregion = eu-west-2\n");
  EXPECT_EQ(says("AWS_REGION"), "eu-west-1");
  variables_["AWS_DEFAULT_PROFILE"] = "prod";
  EXPECT_EQ(says("AWS_REGION"), "eu-west-2");
  variables_["AWS_PROFILE"] = "default";
  EXPECT_EQ(says("AWS_REGION"), "eu-west-1");
  variables_[kProfileOption] = "prod";
  EXPECT_EQ(says("AWS_REGION"), "eu-west-2");
}

TEST_F(ProfileTest, GivesWayToVariables) {
  write("config", "[default]\nregion = eu-west-1\nca_bundle = /ca.pem\nuse_fips_endpoint = true\n");
  variables_["AWS_DEFAULT_REGION"] = "eu-west-3";
  EXPECT_EQ(says("AWS_REGION"), "");
  EXPECT_EQ(says("AWS_CA_BUNDLE"), "/ca.pem");
  EXPECT_EQ(says("AWS_USE_FIPS_ENDPOINT"), "true");
  variables_["AWS_USE_FIPS_ENDPOINT"] = "false";
  EXPECT_EQ(says("AWS_USE_FIPS_ENDPOINT"), "false");
}

TEST_F(ProfileTest, NamesEndpoints) {
  write("config",
        "[default]\nservices = local\nendpoint_url = http://general:1\n"
        "[services local]\ndynamodb =\n  endpoint_url = http://own:2\n");
  EXPECT_EQ(says("AWS_ENDPOINT_URL"), "http://general:1");
  EXPECT_EQ(says("AWS_ENDPOINT_URL_DYNAMODB"), "http://own:2");
  EXPECT_EQ(says("AWS_ENDPOINT_URL_SQS"), "");
  variables_["AWS_ENDPOINT_URL"] = "http://variable:3";
  EXPECT_EQ(says("AWS_ENDPOINT_URL_DYNAMODB"), "") << "a variable wins over the file";
}

TEST_F(ProfileTest, LetsTheCredentialsFileWin) {
  write("config", "[profile a]\naws_access_key_id = CONFIG\nregion = eu-west-1\n");
  write("credentials", "[a]\naws_access_key_id = CREDENTIALS\n");
  variables_["AWS_PROFILE"] = "a";
  const auto profile = load_profile(environment());
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->section().at("aws_access_key_id"), "CREDENTIALS");
  EXPECT_EQ(profile->section().at("region"), "eu-west-1");
}

TEST_F(ProfileTest, ThatDoesNotExistIsAnErrorIfItWasChosen) {
  EXPECT_EQ(says("AWS_REGION"), "");
  variables_["AWS_PROFILE"] = "prod";
  EXPECT_THAT(says("AWS_REGION"),
              HasSubstr("no profile 'prod', which AWS_PROFILE names, in ~/.aws/config and "
                        "~/.aws/credentials"));
}

}  // namespace
}  // namespace switchgear::aws
