#include "net/resp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

namespace switchgear::net::resp {

void PrintTo(const Value& value, std::ostream* out) { *out << to_string(value); }

namespace {

Value text(Kind kind, std::string content) {
  Value value;
  value.kind = kind;
  value.text = std::move(content);
  return value;
}
Value simple(std::string content) { return text(Kind::simple_string, std::move(content)); }
Value bulk(std::string content) { return text(Kind::bulk_string, std::move(content)); }
Value error(std::string content) { return text(Kind::error, std::move(content)); }
Value integer(std::int64_t number) {
  Value value;
  value.kind = Kind::integer;
  value.integer = number;
  return value;
}
Value boolean(bool truth) {
  Value value;
  value.kind = Kind::boolean;
  value.integer = truth;
  return value;
}
Value real(double number) {
  Value value;
  value.kind = Kind::real;
  value.real = number;
  return value;
}
Value list(Kind kind, std::vector<Value> items) {
  Value value;
  value.kind = kind;
  value.items = std::move(items);
  return value;
}

// All values in `bytes`, given piece by piece.
Result<std::vector<Value>> parse_pieces(const std::vector<std::string_view>& pieces,
                                        const Limits& limits = {}) {
  Parser parser(limits);
  std::vector<Value> values;
  for (std::string_view piece : pieces) {
    while (true) {
      auto value = parser.next(piece);
      if (!value) return value.error();
      if (!*value) break;
      values.push_back(std::move(**value));
    }
    EXPECT_TRUE(piece.empty());
  }
  return values;
}

Value parse_one(std::string_view bytes) {
  const auto values = parse_pieces({bytes});
  if (!values) {
    ADD_FAILURE() << values.error().text();
    return {};
  }
  EXPECT_EQ(values->size(), 1u);
  return values->empty() ? Value{} : values->front();
}

std::string refusal(std::string_view bytes, const Limits& limits = {}) {
  const auto values = parse_pieces({bytes}, limits);
  if (values) return "accepted";
  EXPECT_EQ(values.error().code, "protocol");
  return values.error().message;
}

struct Example {
  std::string bytes;
  Value value;
};

std::vector<Example> every_type() {
  return {
      {"+OK\r\n", simple("OK")},
      {"+\r\n", simple("")},
      {"-ERR no\r\n", error("ERR no")},
      {":42\r\n", integer(42)},
      {":+7\r\n", integer(7)},
      {":-9223372036854775808\r\n", integer(INT64_MIN)},
      {":9223372036854775807\r\n", integer(INT64_MAX)},
      {"$5\r\nhello\r\n", bulk("hello")},
      {"$0\r\n\r\n", bulk("")},
      {"$4\r\n\r\n\r\n\r\n", bulk("\r\n\r\n")},
      {std::string("$3\r\n\0\xff\n\r\n", 9), bulk(std::string("\0\xff\n", 3))},
      {"$-1\r\n", Value{}},
      {"*-1\r\n", Value{}},
      {"_\r\n", Value{}},
      {"#t\r\n", boolean(true)},
      {"#f\r\n", boolean(false)},
      {",1.5\r\n", real(1.5)},
      {",10\r\n", real(10)},
      {",-2e-3\r\n", real(-0.002)},
      {",inf\r\n", real(INFINITY)},
      {",-inf\r\n", real(-INFINITY)},
      {"(3492890328409238509324850943850943825024385\r\n",
       text(Kind::big_number, "3492890328409238509324850943850943825024385")},
      {"(-1\r\n", text(Kind::big_number, "-1")},
      {"!8\r\nERR a\r\nb\r\n", error("ERR a\r\nb")},
      {"=8\r\ntxt:abcd\r\n", bulk("abcd")},
      {"=4\r\nmkd:\r\n", bulk("")},
      {"*0\r\n", list(Kind::array, {})},
      {"*2\r\n$1\r\na\r\n:1\r\n", list(Kind::array, {bulk("a"), integer(1)})},
      {"*2\r\n*1\r\n*0\r\n+x\r\n",
       list(Kind::array, {list(Kind::array, {list(Kind::array, {})}), simple("x")})},
      {"%0\r\n", list(Kind::map, {})},
      {"%2\r\n+a\r\n:1\r\n+b\r\n_\r\n",
       list(Kind::map, {simple("a"), integer(1), simple("b"), Value{}})},
      {"~2\r\n:1\r\n:2\r\n", list(Kind::set, {integer(1), integer(2)})},
      {">2\r\n+message\r\n+x\r\n", list(Kind::push, {simple("message"), simple("x")})},
      {"|1\r\n+ttl\r\n:3600\r\n:5\r\n", integer(5)},
      {"|0\r\n:5\r\n", integer(5)},
      {"*2\r\n:1\r\n|1\r\n+k\r\n*2\r\n:8\r\n:9\r\n:2\r\n",
       list(Kind::array, {integer(1), integer(2)})},
  };
}

TEST(Resp, ReadsEveryType) {
  for (const auto& [bytes, value] : every_type()) EXPECT_EQ(parse_one(bytes), value) << bytes;
}

TEST(Resp, ReadsNotANumber) {
  const Value value = parse_one(",nan\r\n");
  EXPECT_EQ(value.kind, Kind::real);
  EXPECT_TRUE(std::isnan(value.real));
}

TEST(Resp, ReadsTheSameHoweverTheBytesAreSplitInTwo) {
  for (const auto& [bytes, value] : every_type()) {
    const std::string_view all = bytes;
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
      const auto values = parse_pieces({all.substr(0, cut), all.substr(cut)});
      ASSERT_TRUE(values) << values.error().text() << " in " << bytes << " cut at " << cut;
      EXPECT_EQ(*values, std::vector<Value>{value}) << bytes << " cut at " << cut;
    }
  }
}

TEST(Resp, ReadsTheSameByteByByte) {
  std::string all;
  std::vector<Value> expected;
  for (const auto& [bytes, value] : every_type()) {
    all += bytes;
    expected.push_back(value);
  }
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < all.size(); ++i) pieces.push_back(std::string_view(all).substr(i, 1));
  const auto values = parse_pieces(pieces);
  ASSERT_TRUE(values) << values.error().text();
  EXPECT_EQ(*values, expected);
}

TEST(Resp, TakesNoMoreBytesThanTheValueHas) {
  Parser parser;
  std::string_view input = ":1\r\n:2\r\n:";
  EXPECT_EQ(parser.next(input)->value(), integer(1));
  EXPECT_EQ(input, ":2\r\n:");
  EXPECT_FALSE(parser.in_value());
  EXPECT_EQ(parser.next(input)->value(), integer(2));
  EXPECT_EQ(parser.next(input)->has_value(), false);
  EXPECT_TRUE(parser.in_value());
}

TEST(Resp, RefusesWhatIsNotResp) {
  EXPECT_EQ(refusal("HTTP/1.1 400 Bad Request\r\n"), "a value begins with 'H'");
  EXPECT_EQ(refusal(std::string_view("\0", 1)), "a value begins with byte 0x00");
  EXPECT_EQ(refusal("\r\n"), "a value begins with byte 0x0d");
}

TEST(Resp, RefusesMalformedValues) {
  for (const std::string_view bytes :
       {":\r\n",   ":x\r\n",       ":1 \r\n",        ":+-1\r\n",     ":9223372036854775808\r\n",
        "$\r\n",   "$x\r\n",       "$-2\r\n",        "$?\r\n",       "*?\r\n",
        "*-2\r\n", "%-1\r\n",      "#\r\n",          "#x\r\n",       "_x\r\n",
        ",\r\n",   ",1.5x\r\n",    ",1e999\r\n",     "(\r\n",        "(-\r\n",
        "(1a\r\n", "=2\r\nab\r\n", "=4\r\nabcd\r\n", "$1\r\nab\r\n", "$1\r\na\rb",
        "+a\n",    "+a\rb\r\n",    "!-1\r\n",        "=-1\r\n"}) {
    EXPECT_NE(refusal(bytes), "accepted") << bytes;
  }
}

TEST(Resp, SaysTheSameErrorEverAfter) {
  Parser parser;
  std::string_view input = "?";
  const auto first = parser.next(input);
  ASSERT_FALSE(first);
  std::string_view good = "+OK\r\n";
  const auto second = parser.next(good);
  ASSERT_FALSE(second);
  EXPECT_EQ(first.error(), second.error());
}

TEST(Resp, BoundsTheDepth) {
  const Limits limits{.depth_max = 2};
  EXPECT_EQ(refusal("*1\r\n*1\r\n:1\r\n", limits), "accepted");
  EXPECT_EQ(refusal("*1\r\n*1\r\n*1\r\n:1\r\n", limits), "values are nested too deeply");
}

TEST(Resp, BoundsALineThatNeverEnds) {
  const Limits limits{.line_bytes_max = 10};
  EXPECT_EQ(refusal("+123456789\r\n", limits), "accepted");
  EXPECT_EQ(refusal("+12345678901", limits), "a line is too long");
}

TEST(Resp, RefusesAHugeLengthBeforeItsBytesCome) {
  EXPECT_EQ(refusal("$99999999999\r\n"), "a bulk string is too long");
  EXPECT_EQ(refusal("*99999999999\r\n"), "a value has too many items");
  EXPECT_EQ(refusal("%9223372036854775807\r\n"), "a value has too many items");
}

TEST(Resp, BoundsTheItemsOfAllDepthsTogether) {
  const Limits limits{.value_items_max = 4};
  EXPECT_EQ(refusal("*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n", limits), "accepted");
  EXPECT_EQ(refusal("*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n:4\r\n", limits), "a value has too many items");
}

TEST(Resp, BoundsTheBytesOfOneValueButNotOfAll) {
  const Limits limits{.value_bytes_max = 20};
  EXPECT_EQ(refusal("$4\r\nabcd\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n", limits), "accepted");
  EXPECT_EQ(refusal("*2\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n", limits), "a value is too large");
}

TEST(Resp, EncodesACommandWithAnyBytes) {
  std::string out = "x";
  append_command(out, std::vector<std::string>{"SET", "", "a\r\nb"});
  EXPECT_EQ(out, "x*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
}

TEST(Resp, ShowsValuesToPeople) {
  EXPECT_EQ(to_string(parse_one("%1\r\n+a\r\n*2\r\n:1\r\n_\r\n")), "{\"a\": [1, nil]}");
}

}  // namespace
}  // namespace switchgear::net::resp
