// The signing test suite of AWS, as botocore ships and runs it. SWITCHGEAR_SIGV4_SUITE names its
// folder: tests/unit/auth/aws4_testsuite of botocore's sources. Without it the tests fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "aws/sigv4.h"

namespace switchgear::aws {
namespace {

namespace fs = std::filesystem;

// What botocore does not run either (tests/unit/auth/test_sigv4.py): a request line that its
// HTTP parser refuses, and queries that repeat a key.
constexpr std::array kNotRun{"normalize-path/get-space", "get-vanilla-query-order-key-case",
                             "get-vanilla-query-order-key", "get-vanilla-query-order-value"};

std::string suite_folder() {
  const char* folder = std::getenv("SWITCHGEAR_SIGV4_SUITE");
  return folder == nullptr ? "" : folder;
}

// Folders relative to the suite's, "normalize-path/get-slash".
std::vector<std::string> cases() {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(suite_folder(), none)) {
    if (entry.path().extension() != ".req") continue;
    const std::string name = fs::relative(entry.path().parent_path(), suite_folder()).string();
    if (std::ranges::find(kNotRun, name) == kNotRun.end()) out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

std::string read(const std::string& name, const std::string& extension) {
  const fs::path path =
      fs::path(suite_folder()) / name / (fs::path(name).filename().string() + extension);
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  std::string out = text.str();
  std::erase(out, '\r');
  return out;
}

// A raw request with its folded headers; lines end in LF.
net::HttpRequest parse(const std::string& raw) {
  net::HttpRequest request;
  std::istringstream in(raw);
  std::string line;
  std::getline(in, line);
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  std::vector<std::pair<std::string, std::string>> headers;
  while (std::getline(in, line) && !line.empty()) {
    if (line[0] == ' ' || line[0] == '\t') {
      headers.back().second += "\n" + line;
    } else {
      const auto colon = line.find(':');
      headers.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  for (const auto& [name, value] : headers) request.headers.add(name, value);
  std::ostringstream body;
  if (in) body << in.rdbuf();
  request.body = body.str();
  return request;
}

TEST(SigV4SuiteFolder, IsGivenAndWhole) {
  ASSERT_FALSE(suite_folder().empty())
      << "set SWITCHGEAR_SIGV4_SUITE to tests/unit/auth/aws4_testsuite of botocore's sources";
  EXPECT_GE(cases().size(), 25u) << suite_folder();
}

class SigV4Suite : public testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SigV4Suite);
INSTANTIATE_TEST_SUITE_P(Case, SigV4Suite, testing::ValuesIn(cases()), [](const auto& param_info) {
  std::string name = param_info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

TEST_P(SigV4Suite, IsSignedAsItSays) {
  const std::string canonical = read(GetParam(), ".creq");
  Credentials credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  // A case has a session token if its canonical request does.
  constexpr std::string_view kToken = "\nx-amz-security-token:";
  if (const auto at = canonical.find(kToken); at != std::string::npos) {
    const auto begin = at + kToken.size();
    credentials.session_token = canonical.substr(begin, canonical.find('\n', begin) - begin);
  }
  const WallTime time{std::chrono::seconds(1440938160)};  // 2015-08-30T12:36:00Z

  const Signature signature =
      sign(parse(read(GetParam(), ".req")), credentials, {"us-east-1", "service"}, time);
  EXPECT_EQ(signature.canonical_request, canonical);
  EXPECT_EQ(signature.string_to_sign, read(GetParam(), ".sts"));
  EXPECT_EQ(signature.headers.get("Authorization"), read(GetParam(), ".authz"));
}

}  // namespace
}  // namespace switchgear::aws
