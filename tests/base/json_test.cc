// The JSON value: what is read, what is refused and where, what is written.
#include "kernels/base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/json_object.h"

namespace kedge::base {
namespace {

std::string again(std::string_view text) {
  const auto json = parse_json(text, "text");
  return json.ok() ? json->dump() : json.error().message;
}

TEST(Json, ReadsAndWritesTheSame) {
  for (const char* text : {"null", "true", "false", "0", "-1", "18446744073709551615", "-9223372036854775808", "0.1",
                           "1e+300", "5e-324", "\"\"", "[]", "{}", R"(["a",1,[2,{"b":null}]])",
                           R"({"z":1,"a":{"m":[true]}})", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\"", "\"äß漢🦀\""}) {
    EXPECT_EQ(again(text), text);
  }
  EXPECT_EQ(again(" [ 1 ,\t2\n,\r3 ] "), "[1,2,3]");
  EXPECT_EQ(again(R"("\/\u00e4\ud83e\udd80\u0041")"), "\"/ä🦀A\"");
  EXPECT_EQ(again("-0"), "0");
  EXPECT_EQ(again("1E2"), "100.0");
  EXPECT_EQ(again("18446744073709551616"), "1.8446744073709552e+19");
  EXPECT_EQ(again("1e-400"), "0.0");
  EXPECT_EQ(again("-0.0"), "-0.0");
}

TEST(Json, NumbersAreTheShortestThatReadBack) {
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(100.0).dump(), "100.0");
  EXPECT_EQ(Json(123456789012345.0).dump(), "123456789012345.0");
  EXPECT_EQ(Json(1e15).dump(), "1e+15");
  EXPECT_EQ(Json(0.0001).dump(), "0.0001");
  EXPECT_EQ(Json(0.00001).dump(), "1e-05");
  EXPECT_EQ(Json(1.5e-7).dump(), "1.5e-07");
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
  uint64_t bits = 12345;
  for (int i = 0; i < 20000; ++i) {
    bits = bits * 6364136223846793005u + 1442695040888963407u;
    double value = 0;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(Json::parse(Json(value).dump()).get<double>(), value);
  }
}

TEST(Json, IndentedText) {
  const Json value = {{"a", {1, 2}}, {"b", Json::object()}, {"c", Json::array()}, {"d", {{"e", nullptr}}}};
  EXPECT_EQ(value.dump(2),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": {\n    \"e\": null\n  }\n}");
}

TEST(Json, WhatIsNoJsonIsRefusedWithThePlace) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "byte 0: expected a value, but the text ends"},
      {"[1,]", "byte 3: expected a value, but there is \"]\""},
      {"{\"a\":1,}", "byte 7: expected the name of a member"},
      {"{\"a\" 1}", "byte 5: expected ':'"},
      {"[1 2]", "byte 3: expected ',' or ']'"},
      {"[1}", "byte 2: expected ',' or ']'"},
      {"1 2", "byte 2: nothing may follow the value"},
      {"01", "byte 0: a number may not begin with 0"},
      {"-", "byte 1: expected a digit"},
      {"1.", "byte 2: expected a digit"},
      {"1e", "byte 2: expected a digit"},
      {"+1", "byte 0: expected a value"},
      {"NaN", "byte 0: expected a value"},
      {"nul", "byte 0: expected a value"},
      {"'a'", "byte 0: expected a value"},
      {"\"a", "byte 2: expected '\"', but the text ends"},
      {"\"\n\"", "byte 1: a control character"},
      {"\"\\x\"", "byte 2: no such escape"},
      {"\"\\u12g4\"", "byte 3: expected four hexadecimal digits"},
      {"\"\\ud800\"", "byte 7: expected the second half"},
      {"\"\\udc00\"", "stands alone"},
      {"\"a\xff\"", "byte 2: a string has to be UTF-8, but there is a byte that is not UTF-8"},
      {"\"\xed\xa0\x80\"", "byte 1: a string has to be UTF-8"},
      {"1e400", "byte 0: the number 1e400 is beyond what a double holds"},
      {"[-1e400]", "byte 1: the number -1e400 is beyond"},
      {R"({"a":1,"b":2,"a":3})", "an object has the member \"a\" twice"},
  };
  for (const auto& [text, problem] : cases) {
    const auto json = parse_json(text, "request");
    ASSERT_FALSE(json.ok()) << text;
    EXPECT_EQ(json.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_EQ(json.error().message.rfind("request is not JSON: ", 0), 0u) << json.error().message;
    EXPECT_NE(json.error().message.find(problem), std::string::npos) << json.error().message;
  }
}

TEST(Json, DepthHasALimit) {
  const auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "x").ok());
  const auto deep = parse_json(nested(kMaxJsonDepth + 1), "x");
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(parse_json(std::string(1000000, '['), "x").error().code, ErrorCode::kCapacity);
}

TEST(Json, ManyMembersTakeNoLongerThanTheirNumber) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":0";
  EXPECT_EQ(parse_json(text + "}", "x")->size(), 200000u);
}

TEST(Json, BytesThatAreNotUtf8AreMarkedInTheText) {
  EXPECT_EQ(Json("a\xff\x62\xe2\x82").dump(), "\"a\xef\xbf\xbd\x62\xef\xbf\xbd\"");
}

TEST(Json, ValuesOfAnotherTypeOrSizeAreNotConverted) {
  EXPECT_EQ(Json(300).get<int>(), 300);
  EXPECT_EQ(Json(2.0).get<int>(), 2);
  EXPECT_THROW((void)Json(int64_t{4294967297}).get<int>(), JsonError);
  EXPECT_THROW((void)Json(300).get<uint8_t>(), JsonError);
  EXPECT_THROW((void)Json(-1).get<uint64_t>(), JsonError);
  EXPECT_THROW((void)Json(1.5).get<int>(), JsonError);
  EXPECT_THROW((void)Json(1e300).get<int64_t>(), JsonError);
  EXPECT_THROW((void)Json(18446744073709551616.0).get<uint64_t>(), JsonError);
  EXPECT_THROW((void)Json("1").get<int>(), JsonError);
  EXPECT_THROW((void)Json(1).get<bool>(), JsonError);
  EXPECT_EQ(Json(std::numeric_limits<uint64_t>::max()).get<uint64_t>(), std::numeric_limits<uint64_t>::max());
}

TEST(Json, ListsAreObjectsWhereEveryElementIsAPairWithAName) {
  EXPECT_EQ(Json({{"a", 1}, {"b", {1, 2}}}).dump(), R"({"a":1,"b":[1,2]})");
  EXPECT_EQ(Json({1, "a"}).dump(), R"([1,"a"])");
  EXPECT_EQ(Json({{1, 2}, {3, 4}}).dump(), "[[1,2],[3,4]]");
  EXPECT_EQ(Json::array({{"a", 1}}).dump(), R"([["a",1]])");
  EXPECT_EQ(Json(std::vector<int>{1, 2}).dump(), "[1,2]");
  EXPECT_EQ(Json().dump(), "null");
}

TEST(Json, MembersKeepTheirOrderAndPointersFindThem) {
  Json value;
  value["z"] = 1;
  value["a"]["b"] = {1, 2};
  EXPECT_EQ(value.dump(), R"({"z":1,"a":{"b":[1,2]}})");
  ASSERT_NE(value.pointee("/a/b/1"), nullptr);
  EXPECT_EQ(*value.pointee("/a/b/1"), 2);
  for (const char* none : {"/b", "/a/b/2", "/a/b/x", "/a/b/", "/z/y"}) EXPECT_EQ(value.pointee(none), nullptr) << none;
  value.make("/a/b/0") = "x";
  value.make("/c~1d/e~0") = 5;
  EXPECT_EQ(value.dump(), R"({"z":1,"a":{"b":["x",2]},"c/d":{"e~":5}})");
  value.erase("a");
  value.merge_patch(Json::parse(R"({"z":null,"c/d":{"f":6}})"));
  EXPECT_EQ(value.dump(), R"({"c/d":{"e~":5,"f":6}})");
  value = value["c/d"];  // a part of what it replaces
  EXPECT_EQ(value.dump(), R"({"e~":5,"f":6})");
}

TEST(Json, EqualityIsOfValues) {
  EXPECT_EQ(Json(1), Json(1.0));
  EXPECT_EQ(Json(1), Json(1u));
  EXPECT_NE(Json(-1), Json(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(Json({{"a", 1}, {"b", 2}}), Json({{"b", 2}, {"a", 1}}));
  EXPECT_NE(Json({{"a", 1}}), Json({{"a", 1}, {"b", 2}}));
  EXPECT_EQ(Json("x"), "x");
  EXPECT_NE(Json("1"), Json(1));
}

// What every number option goes through.
TEST(JsonObject, NumbersHaveTheRangeTheySay) {
  const auto read = [](const std::string& value) -> std::string {
    auto object = JsonObject::parse("{\"n\": " + value + "}", "options");
    if (!object.ok()) return object.error().message;
    int n = 7;
    const Status status = object->integer("n", n, 0, 100);
    return status.ok() ? std::to_string(n) : status.error().message;
  };
  EXPECT_EQ(read("100"), "100");
  EXPECT_EQ(read("null"), "7");
  EXPECT_EQ(read("1e1"), "10");
  for (const char* outside : {"101", "-1", "4294967297", "18446744073709551617", "-9223372036854775809", "1.5", "1e300",
                              "\"5\"", "true", "[5]", "{}"}) {
    const std::string message = read(outside);
    EXPECT_EQ(message.rfind("options.n ", 0), 0u) << outside << ": " << message;
    EXPECT_NE(message.find("0 to 100"), std::string::npos) << outside << ": " << message;
  }
  EXPECT_NE(read("1e400").find("beyond what a double holds"), std::string::npos);
}

}  // namespace
}  // namespace kedge::base
