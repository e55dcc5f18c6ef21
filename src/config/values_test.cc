#include "config/values.h"

#include <gtest/gtest.h>

namespace switchgear::config {
namespace {

TEST(Duration, IsANumberAndAUnit) {
  EXPECT_EQ(read_duration("500ms"), Duration(500ms));
  EXPECT_EQ(read_duration("30s"), Duration(30s));
  EXPECT_EQ(read_duration("15m"), Duration(15min));
  EXPECT_EQ(read_duration("1h"), Duration(1h));
  EXPECT_EQ(read_duration("1d"), Duration(24h));
  EXPECT_EQ(read_duration("1y"), Duration(24h * 365));
}

TEST(Duration, MayHaveAFractionOrSeveralParts) {
  EXPECT_EQ(read_duration("1.5s"), Duration(1500ms));
  EXPECT_EQ(read_duration("1h30m"), Duration(90min));
}

TEST(Duration, MayBeABareZero) { EXPECT_EQ(read_duration("0"), Duration(0)); }

TEST(Duration, WithoutUnitIsRefusedWithTheUnitsItMayMean) {
  EXPECT_EQ(read_duration("5000").error(),
            "\"5000\" has no unit; write 5000ms, 5000s or another of ms, s, m, h, d, y");
}

TEST(Duration, OfAnUnknownUnitIsRefusedWithTheKnownOnes) {
  EXPECT_EQ(read_duration("5min").error(),
            "\"5min\" has the unknown unit \"min\"; write a number and a unit (ms, s, m, h, d, y), "
            "for example 500ms, 30s or 15m");
}

TEST(Duration, IsNothingElse) {
  for (const char* text : {"", "-5s", "s", "5 s", "1.2.3s", ".", "5s3", "1e3s", "300y", "inf",
                           "99999999999999999999999999999999999999999y"}) {
    EXPECT_FALSE(read_duration(text)) << text;
  }
}

TEST(Duration, IsWrittenAsItReadsBack) {
  for (const Duration d : {Duration(0), Duration(1500ms), Duration(90min), Duration(24h * 365),
                           Duration(1), Duration(1234567)}) {
    EXPECT_EQ(read_duration(write_duration(d)), d) << write_duration(d);
  }
}

TEST(Rate, IsAPercentageOrAFraction) {
  EXPECT_EQ(read_rate("50%"), 0.5);
  EXPECT_EQ(read_rate("0.5"), 0.5);
  EXPECT_EQ(read_rate("0.5%"), 0.005);
  EXPECT_EQ(read_rate("1"), 1.0);
}

TEST(Rate, ThatLacksItsPercentSignIsRefusedWithTheSign) {
  EXPECT_EQ(read_rate("50").error(), "\"50\" is more than everything; write 50% or 0.5");
}

TEST(Rate, IsNothingElse) {
  for (const char* text : {"", "%", "-1%", "101%", "nan", "0.5x", "1e-3", "50%%", "1000"}) {
    EXPECT_FALSE(read_rate(text)) << text;
  }
}

TEST(Rate, IsWrittenAsAPercentage) {
  EXPECT_EQ(write_rate(0.07), "7%");
  EXPECT_EQ(write_rate(0.005), "0.5%");
  EXPECT_EQ(write_rate(1), "100%");
}

TEST(Number, IsReadStrictly) {
  EXPECT_EQ(read_number("2.5"), 2.5);
  EXPECT_EQ(read_integer("32"), 32);
  for (const char* text : {"", "2.5", "1e3", "0x10", "3 ", "99999999999"}) {
    EXPECT_FALSE(read_integer(text)) << text;
  }
  for (const char* text : {"", "nan", "inf", "2,5", "1e999"}) {
    EXPECT_FALSE(read_number(text)) << text;
  }
}

TEST(List, HasCommasBetweenItsEntries) {
  using Entries = std::vector<std::string>;
  EXPECT_EQ(split_list("a"), Entries{"a"});
  EXPECT_EQ(split_list("a,b c ,  d"), (Entries{"a", "b c", "d"}));
  EXPECT_EQ(split_list(""), Entries{});
  EXPECT_EQ(split_list("  "), Entries{});
  EXPECT_EQ(split_list("a,,b, "), (Entries{"a", "", "b", ""}));
  EXPECT_EQ(split_list(","), (Entries{"", ""}));
}

TEST(List, IsWrittenAsItReadsBack) {
  EXPECT_EQ(write_list({}), "");
  EXPECT_EQ(split_list(write_list({"a", "b c"})), (std::vector<std::string>{"a", "b c"}));
}

TEST(List, HasNoEntryThatIsEmptyOrGivenTwiceOrWrongInItself) {
  const auto check = [](std::string_view entry) {
    return entry == "?" ? std::optional<std::string>("is odd") : std::nullopt;
  };
  EXPECT_TRUE(problems_with_entries({"a", "b"}, check).empty());
  const auto problems = problems_with_entries({"a", " ", "?", "a"}, check);
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_EQ(problems[0].index, 1U);
  EXPECT_EQ(problems[0].message, "entry 2 is empty; write a value, or remove it");
  EXPECT_EQ(problems[1].index, 2U);
  EXPECT_EQ(problems[1].message, "is odd");
  EXPECT_EQ(problems[2].index, 3U);
  EXPECT_EQ(problems[2].message, "\"a\" is given twice, as entry 1 and 4; remove one of the two");
}

TEST(Listen, IsAnAddressAndAPort) {
  EXPECT_EQ(read_listen("127.0.0.1:0"), "127.0.0.1:0");
  EXPECT_EQ(read_listen("[::1]:9400"), "[::1]:9400");
  for (const char* text : {"", "127.0.0.1", ":80", "a:", "a:-1", "a:65536", "a:http"}) {
    EXPECT_FALSE(read_listen(text)) << text;
  }
}

TEST(Quoted, ShowsNoControlCharacterAndIsNeverLong) {
  EXPECT_EQ(in_quotes("a\x1b[31m\n"), "\"a\\x1b[31m\\x0a\"");
  EXPECT_LT(in_quotes(std::string(10'000, 'x')).size(), 80U);
}

}  // namespace
}  // namespace switchgear::config
