// RFC 8785: the examples of the RFC itself, and what it forbids.
#include "router/audit/canonical_json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kedge::router {
namespace {

std::string canonical(const Json& value) {
  const auto text = canonical_json(value);
  return text.ok() ? *text : "error: " + text.error().message;
}
std::string canonical_text(const char* text) { return canonical(Json::parse(text)); }

TEST(CanonicalJson, NumbersOfAppendixB) {
  const struct {
    uint64_t bits;
    const char* text;
  } kTable[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(canonical(Json(std::bit_cast<double>(row.bits))), row.text) << std::hex << row.bits;
  }
}

TEST(CanonicalJson, NumbersReadBackAsTheSameDouble) {
  uint64_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const double value = std::bit_cast<double>(state ^ state >> 29);
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtod(ecmascript_number(value).c_str(), nullptr), value);
  }
}

TEST(CanonicalJson, TheSampleOfSection3) {
  EXPECT_EQ(canonical_text(R"({"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                              "literals": [null, true, false]})"),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

// Sorted by UTF-16: the emoji (a surrogate pair, D83D) stands before U+FB33, though its UTF-8 bytes are greater.
TEST(CanonicalJson, MembersAreSortedByUtf16) {
  EXPECT_EQ(
      canonical_text(R"({"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
                              "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
                              "\u00f6": "Latin Small Letter O With Diaeresis"})"),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\","
      "\"\u00f6\":\"Latin Small Letter O With Diaeresis\",\"\u20ac\":\"Euro Sign\","
      "\"\U0001F600\":\"Emoji: Grinning Face\",\"\uFB33\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(CanonicalJson, EmptyAndNested) {
  EXPECT_EQ(canonical_text(R"({"b": {}, "a": [], "": {"z": [{"y": -1, "x": ""}]}})"),
            R"({"":{"z":[{"x":"","y":-1}]},"a":[],"b":{}})");
  EXPECT_EQ(canonical(Json("\x7f\x1f")), "\"\x7f\\u001f\"");
}

TEST(CanonicalJson, RefusesWhatHasNoCanonicalForm) {
  const auto refused = [](const Json& value, const char* path) {
    const auto text = canonical_json({{"a", {1, {{"x/y", value}}}}});
    ASSERT_FALSE(text.ok()) << *text;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(text.error().message.find(path), std::string::npos) << text.error().message;
  };
  refused(std::nan(""), "/a/1/x~1y: ");
  refused(std::numeric_limits<double>::infinity(), "/a/1/x~1y: ");
  refused((int64_t{1} << 53) + 1, "9007199254740993");
  refused(-(int64_t{1} << 53) - 1, "-9007199254740993");
  refused(std::numeric_limits<uint64_t>::max(), "18446744073709551615");
  for (const char* bad : {"\x80", "\xC0\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                          "\xE0\x80\x80", "\xF0\x80\x80\x80", "a\xFF"}) {
    refused(bad, "not UTF-8");
    refused({{bad, 1}}, "not UTF-8");
  }
  EXPECT_EQ(canonical(Json(int64_t{1} << 53)), "9007199254740992");
}

TEST(CanonicalJson, DepthIsThatOfTheReader) {
  Json value = 1;
  for (int i = 0; i < 64; ++i) value = Json::array({std::move(value)});
  const std::string text = canonical(value);
  EXPECT_TRUE(parse_json(text, "value").ok());
  value = Json::array({std::move(value)});
  ASSERT_FALSE(canonical_json(value).ok());
  EXPECT_EQ(canonical_json(value).error().code, ErrorCode::kCapacity);
}

}  // namespace
}  // namespace kedge::router
