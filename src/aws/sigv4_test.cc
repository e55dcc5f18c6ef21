// The signer against the worked example of AWS's documentation and on shapes of requests that
// are easily got wrong. tests/sigv4 has the whole suite and botocore itself.
#include "aws/sigv4.h"

#include <gtest/gtest.h>

namespace switchgear::aws {
namespace {

const Credentials kCredentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
const SigningScope kScope{"us-east-1", "iam"};
// 2015-08-30T12:36:00Z
const WallTime kTime{std::chrono::seconds(1440938160)};

Signature signature_of(net::HttpRequest request, const Credentials& credentials = kCredentials) {
  if (!request.headers.has("Host")) request.headers.set("Host", "h");
  return sign(request, credentials, kScope, kTime);
}
// The n-th line (from 0) of the canonical request.
std::string line(const Signature& signature, int n) {
  std::string_view text = signature.canonical_request;
  for (; n > 0; --n) text.remove_prefix(text.find('\n') + 1);
  return std::string(text.substr(0, text.find('\n')));
}
std::string path_of(const std::string& target) { return line(signature_of({.target = target}), 1); }
std::string query_of(const std::string& query) {
  return line(signature_of({.target = "/?" + query}), 2);
}

TEST(SigV4, SignsTheExampleOfTheDocumentation) {
  const Signature signature = signature_of({.target = "/?Action=ListUsers&Version=2010-05-08",
                                            .headers = {{"Host", "iam.amazonaws.com"},
                                                        {"Content-Type",
                                                         "application/x-www-form-urlencoded; "
                                                         "charset=utf-8"}}});
  EXPECT_EQ(signature.headers.get("X-Amz-Date"), "20150830T123600Z");
  EXPECT_EQ(signature.headers.get("Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4, EncodesThePathTwice) {
  EXPECT_EQ(path_of("/tags/arn%3Aaws"), "/tags/arn%253Aaws");
  EXPECT_EQ(path_of("/tags/arn:aws"), "/tags/arn%3Aaws");
}

TEST(SigV4, NormalisesThePath) {
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("//a//b/"), "/a/b/");
  EXPECT_EQ(path_of("/a/./b/../c"), "/a/c");
  EXPECT_EQ(path_of("/../.."), "/");
}

TEST(SigV4, SortsTheQueryByKeyAndValueAndEncodesItOnce) {
  EXPECT_EQ(query_of("b=2&a=3&a=1"), "a=1&a=3&b=2");
  EXPECT_EQ(query_of("k=%3a&k=%41"), "k=%3A&k=A");
  EXPECT_EQ(query_of("k=a:b"), "k=a%3Ab");
  EXPECT_EQ(query_of("tagKeys"), "tagKeys=");
  EXPECT_EQ(query_of("k=a=b"), "k=a%3Db");
  EXPECT_EQ(query_of(""), "");
}

TEST(SigV4, FoldsHeaders) {
  const Signature signature = signature_of(
      {.headers = {{"Zeta", "  a   b\t c "}, {"HOST", "h"}, {"Alpha", "2"}, {"alpha", "1"}}});
  EXPECT_EQ(line(signature, 3), "alpha:2,1");
  EXPECT_EQ(line(signature, 4), "host:h");
  EXPECT_EQ(line(signature, 5), "x-amz-date:20150830T123600Z");
  EXPECT_EQ(line(signature, 6), "zeta:a b c");
}

TEST(SigV4, LeavesOutWhatAHopMayChange) {
  const Signature signature = signature_of({.headers = {{"User-Agent", "x"},
                                                        {"Connection", "close"},
                                                        {"X-Amzn-Trace-Id", "x"},
                                                        {"Authorization", "old"}}});
  EXPECT_EQ(line(signature, 3), "host:h");
  EXPECT_EQ(line(signature, 4), "x-amz-date:20150830T123600Z");
  EXPECT_EQ(line(signature, 5), "");
}

TEST(SigV4, SignsTheSessionToken) {
  const Signature signature =
      signature_of({}, {"AKIDEXAMPLE", kCredentials.secret_access_key, "token=="});
  EXPECT_EQ(signature.headers.get("X-Amz-Security-Token"), "token==");
  EXPECT_NE(signature.canonical_request.find("\nx-amz-security-token:token==\n"),
            std::string::npos);
}

TEST(SigV4, ReplacesAnEarlierSignature) {
  net::HttpRequest request{.headers = {{"Host", "h"}}};
  const Credentials temporary{"AKIDEXAMPLE", kCredentials.secret_access_key, "old"};
  for (const auto& [name, value] : sign(request, temporary, kScope, kTime - 1h).headers) {
    request.headers.set(name, value);
  }
  EXPECT_EQ(signature_of(request).canonical_request, signature_of({}).canonical_request);
}

TEST(SigV4, WritesTheDate) {
  EXPECT_EQ(amz_date(WallTime(0s)), "19700101T000000Z");
  EXPECT_EQ(amz_date(WallTime(std::chrono::seconds(951827696) + 999ms)), "20000229T123456Z");
}

}  // namespace
}  // namespace switchgear::aws
