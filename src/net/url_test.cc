#include "net/url.h"

#include <gtest/gtest.h>

namespace switchgear::net {
namespace {

Url must(std::string_view text) {
  const auto url = parse_url(text);
  EXPECT_TRUE(url) << (url ? "" : url.error().message);
  return url ? *url : Url{};
}
std::string problem(std::string_view text) {
  const auto url = parse_url(text);
  EXPECT_FALSE(url) << text;
  return url ? "" : url.error().message;
}

TEST(Url, HasSchemeHostPortPathAndQuery) {
  const Url url = must("HTTPS://Api.Example.com:8443/a/b?x=1&y");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "api.example.com");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a/b");
  EXPECT_EQ(url.query, "x=1&y");
  EXPECT_EQ(url.target(), "/a/b?x=1&y");
  EXPECT_TRUE(url.tls());
}

TEST(Url, TakesTheSchemesDefaultPort) {
  EXPECT_EQ(must("http://h").port, 80);
  EXPECT_EQ(must("https://h").port, 443);
  EXPECT_EQ(must("redis://h").port, 6379);
  EXPECT_EQ(must("rediss://h/1").port, 6379);
  EXPECT_EQ(must("dynamodb://Table").port, 0);
}

TEST(Url, KeepsTheCaseOfANameThatIsNoHost) { EXPECT_EQ(must("dynamodb://Table").host, "Table"); }

TEST(Url, LeavesTheDefaultPortOutOfTheAuthority) {
  EXPECT_EQ(must("http://h:80/").authority(), "h");
  EXPECT_EQ(must("http://h:81/").authority(), "h:81");
  EXPECT_EQ(must("http://h").host_port(), "h:80");
}

TEST(Url, HasATargetEvenWithoutAPath) { EXPECT_EQ(must("http://h?q").target(), "/?q"); }

TEST(Url, ReadsBracketedIpv6Addresses) {
  const Url url = must("http://[::1]:8080/x");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 8080);
  EXPECT_EQ(url.authority(), "[::1]:8080");
  EXPECT_EQ(must("http://[2001:DB8::1]").host, "2001:db8::1");
}

TEST(Url, DecodesUserAndPassword) {
  const Url url = must("redis://us%65r:p%40ss%2Fw%3a@h:1");
  EXPECT_EQ(url.user, "user");
  EXPECT_EQ(url.password, "p@ss/w:");
}

TEST(Url, AllowsAPasswordWithoutAUser) {
  const Url url = must("redis://:secret@h");
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, "secret");
}

TEST(Url, TakesTheLastAtSignAsTheEndOfThePassword) {
  EXPECT_EQ(must("redis://:a@b@h").password, "a@b");
  EXPECT_EQ(must("redis://:a@b@h").host, "h");
}

TEST(Url, ShowsNeitherUserNorPassword) {
  EXPECT_EQ(must("redis://me:secret@h:1/0").text(), "redis://***@h:1/0");
  EXPECT_EQ(must("http://h/orders?code=secret").text(), "http://h/orders?***");
  EXPECT_EQ(redact_url("http://h/orders?code=secret"), "http://h/orders?***");
}

TEST(Url, RefusesWhatIsNotAUrlAndSaysWhy) {
  EXPECT_NE(problem("").find("empty"), std::string::npos);
  EXPECT_NE(problem("localhost:6379").find("scheme"), std::string::npos);
  EXPECT_NE(problem("http://").find("no host"), std::string::npos);
  EXPECT_NE(problem("http://:80").find("no host"), std::string::npos);
  EXPECT_NE(problem("http://h:0").find("port"), std::string::npos);
  EXPECT_NE(problem("http://h:65536").find("port"), std::string::npos);
  EXPECT_NE(problem("http://h:").find("port"), std::string::npos);
  EXPECT_NE(problem("http://h:8o").find("port"), std::string::npos);
  EXPECT_NE(problem("http://[::1").find("]"), std::string::npos);
  EXPECT_NE(problem("http://[nope]").find("IPv6"), std::string::npos);
  EXPECT_NE(problem("http://[::1]x").find("]"), std::string::npos);
  EXPECT_NE(problem("http://h ost").find("space"), std::string::npos);
  EXPECT_NE(problem("http://h\r\nX: y").find("control"), std::string::npos);
  EXPECT_NE(problem("http://h\xc3\xa4").find("non-ASCII"), std::string::npos);
  EXPECT_NE(problem("http://h/#a").find("#"), std::string::npos);
  EXPECT_NE(problem("redis://a%4@h").find("%"), std::string::npos);
  EXPECT_NE(problem("http://" + std::string(300, 'a')).find("host"), std::string::npos);
  EXPECT_NE(problem("http://h/" + std::string(9000, 'a')).find("longer"), std::string::npos);
}

TEST(Url, NeverQuotesAPasswordInAProblem) {
  for (const char* text : {
           "redis://user:SECRET@h:bad",  // the port is wrong
           "redis://user:SE/CRET@h",     // a slash that should be encoded
           "redis://:12/SECRET@h",       // the same, and what comes before looks like a port
           "redis://user:SECRET#@h",     // a hash that should be encoded
           "redis://user:SE?CRET@h",     // a question mark
           "redis://user:SECRET%zz@h",   // a broken escape
           "redis://user:SECRET",        // the host was forgotten
           "redis://:SECRET",            //
           "rediss:user:SECRET@h",       // the slashes were forgotten
           "user:SECRET@h",              //
           "redis://user:SECRET with space@h",
       }) {
    const std::string message = problem(text);
    EXPECT_EQ(message.find("CRET"), std::string::npos) << message;
  }
}

TEST(PercentEncoding, LeavesOnlyTheUnreservedCharacters) {
  EXPECT_EQ(percent_encode("aZ0-_.~ /ä%"), "aZ0-_.~%20%2F%C3%A4%25");
}

TEST(PercentEncoding, ComesBackFromEveryByte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string back;
  ASSERT_TRUE(percent_decode(percent_encode(all), back));
  EXPECT_EQ(back, all);
}

TEST(PercentEncoding, RefusesAnIncompleteEscape) {
  std::string out;
  EXPECT_FALSE(percent_decode("%", out));
  EXPECT_FALSE(percent_decode("%4", out));
  EXPECT_FALSE(percent_decode("%4x", out));
}

}  // namespace
}  // namespace switchgear::net
