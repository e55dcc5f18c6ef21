#include "ops/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>

namespace switchgear::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(Log, WritesOneLineOfTextWithItsFields) {
  std::ostringstream out;
  Log log({}, out);
  log.write(LogLevel::warn, "paused", {{"reason", "open"}, {"cause", "10 of 10 failed"}});
  EXPECT_THAT(out.str(), MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z warning paused  reason=open "
                                      "cause=\"10 of 10 failed\"\n"));
}

TEST(Log, WritesJsonThatAParserReads) {
  std::ostringstream out;
  Log log({.format = LogFormat::json}, out);
  log.write(LogLevel::error, "say \"no\"\n", {{"bytes", "\xff\x01 {} ü"}});
  const boost::json::value line = boost::json::parse(out.str());
  EXPECT_EQ(line.at("level").as_string(), "error");
  EXPECT_EQ(line.at("message").as_string(), "say \"no\"\n");
  EXPECT_EQ(line.at("bytes").as_string(), "\xef\xbf\xbd\x01 {} ü");
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  std::ostringstream out;
  Log log({.least = LogLevel::warn}, out);
  log.write(LogLevel::info, "quiet");
  EXPECT_EQ(out.str(), "");
}

TEST(Log, KeepsAMessageFromOutsideOnOneLine) {
  std::ostringstream out;
  Log log({}, out);
  log.write(LogLevel::info, "first\nsecond {0}", {{"x", "a\nb"}});
  EXPECT_THAT(out.str(), HasSubstr("first second {0}  x=\"a\\nb\"\n"));
}

}  // namespace
}  // namespace switchgear::ops
