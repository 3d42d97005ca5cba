// Typed access: widening, ranges, arrays, and messages that name file, key, what is there and what was expected.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/weights/gguf_bytes.h"

namespace kedge::weights {
namespace {

class Metadata : public ::testing::Test {
 protected:
  void SetUp() override {
    GgufBytes& b = bytes_;
    b = GgufBytes(0, 19);
    b.value<uint8_t>("u8", GgufType::kUint8, 200).value<int8_t>("i8", GgufType::kInt8, -5);
    b.value<uint16_t>("u16", GgufType::kUint16, 65535).value<int16_t>("i16", GgufType::kInt16, 30000);
    b.value<uint32_t>("u32", GgufType::kUint32, 4294967295u).value<int32_t>("i32", GgufType::kInt32, -7);
    b.value<uint64_t>("u64", GgufType::kUint64, 1ull << 40).value<int64_t>("i64", GgufType::kInt64, 12);
    b.value<float>("f32", GgufType::kFloat32, 1e-5f).value<double>("f64", GgufType::kFloat64, 1e300);
    b.value<double>("f64small", GgufType::kFloat64, 0.5).value<uint8_t>("yes", GgufType::kBool, 1);
    b.text("name", "llama").array("tokens", GgufType::kString, 3).str("a").str("").str("\xe2\x96\x81z");
    b.array("scores", GgufType::kFloat32, 2).put(-1.5f).put(2.0f);
    b.array("types", GgufType::kInt32, 3).put(1).put(-2).put(3);
    b.array("flags", GgufType::kBool, 2).put<uint8_t>(1).put<uint8_t>(0);
    b.array("heads", GgufType::kUint16, 2).put<uint16_t>(8).put<uint16_t>(4);
    b.array("nested", GgufType::kArray, 1).put(static_cast<uint32_t>(GgufType::kUint8)).put<uint64_t>(1);
    b.put<uint8_t>(9);
    auto parsed = b.parse();
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    m_ = std::move(parsed->metadata);
  }
  GgufBytes bytes_;
  GgufMetadata m_;
};

TEST_F(Metadata, IntegersWidenWhenTheyFit) {
  EXPECT_EQ(*m_.get_u32("u8"), 200u);
  EXPECT_EQ(*m_.get_u32("i64"), 12u);
  EXPECT_EQ(*m_.get_u32("u32"), 4294967295u);
  EXPECT_EQ(*m_.get_i32("i8"), -5);
  EXPECT_EQ(*m_.get_i32("u16"), 65535);
  EXPECT_EQ(*m_.get_u64("u64"), 1ull << 40);
  EXPECT_EQ(*m_.get_i64("i32"), -7);
  expect_error(m_.get_u32("u64"), ErrorCode::kCorrupt, {"m.gguf", "'u64'", "1099511627776", "4294967295"});
  expect_error(m_.get_u32("i32"), ErrorCode::kCorrupt, {"m.gguf", "'i32'", "-7", "[0, 4294967295]"});
  expect_error(m_.get_i32("u32"), ErrorCode::kCorrupt, {"'u32'", "4294967295", "2147483647"});
  expect_error(m_.get_u64("i8"), ErrorCode::kCorrupt, {"'i8'", "-5"});
}

TEST_F(Metadata, OtherScalars) {
  EXPECT_EQ(*m_.get_f32("f32"), 1e-5f);
  EXPECT_EQ(*m_.get_f32("f64small"), 0.5f);
  EXPECT_EQ(*m_.get_f64("f64"), 1e300);
  expect_error(m_.get_f32("f64"), ErrorCode::kCorrupt, {"m.gguf", "'f64'", "f32"});
  EXPECT_TRUE(*m_.get_bool("yes"));
  EXPECT_EQ(*m_.get_string("name"), "llama");
}

TEST_F(Metadata, TypesDoNotMix) {
  expect_error(m_.get_u32("f32"), ErrorCode::kCorrupt, {"m.gguf", "'f32'", "type f32", "expected u32"});
  expect_error(m_.get_u32("yes"), ErrorCode::kCorrupt, {"'yes'", "type bool", "expected u32"});
  expect_error(m_.get_f32("u32"), ErrorCode::kCorrupt, {"'u32'", "type u32", "expected f32"});
  expect_error(m_.get_bool("u8"), ErrorCode::kCorrupt, {"'u8'", "type u8", "expected bool"});
  expect_error(m_.get_string("u8"), ErrorCode::kCorrupt, {"'u8'", "type u8", "expected string"});
  expect_error(m_.get_string("tokens"), ErrorCode::kCorrupt, {"'tokens'", "array of string", "expected string"});
  expect_error(m_.get_strings("name"), ErrorCode::kCorrupt, {"'name'", "type string", "expected array of string"});
  expect_error(m_.get_strings("scores"), ErrorCode::kCorrupt, {"'scores'", "array of f32", "array of string"});
  expect_error(m_.get_f32s("types"), ErrorCode::kCorrupt, {"'types'", "array of i32", "array of f32"});
  expect_error(m_.get_u32s("nested"), ErrorCode::kCorrupt, {"'nested'", "array of array", "array of u32"});
  expect_error(m_.get_u32s("flags"), ErrorCode::kCorrupt, {"'flags'", "array of bool"});
  expect_error(m_.get_bools("types"), ErrorCode::kCorrupt, {"'types'", "array of bool"});
}

TEST_F(Metadata, MissingKeys) {
  EXPECT_FALSE(m_.has("nope"));
  EXPECT_EQ(m_.find("nope"), nullptr);
  expect_error(m_.get_u32("nope"), ErrorCode::kNotFound, {"m.gguf", "'nope'", "missing", "u32"});
  expect_error(m_.get_strings("nope"), ErrorCode::kNotFound, {"m.gguf", "'nope'", "missing", "array of string"});
  expect_error(m_.get_u32_per_layer("nope", 4), ErrorCode::kNotFound, {"'nope'", "array of 4 u32"});
  EXPECT_EQ(*m_.get_u32_or("nope", 3), 3u);
  EXPECT_EQ(*m_.get_u32_or("u8", 3), 200u);
  EXPECT_EQ(*m_.get_f32_or("nope", 0.25f), 0.25f);
  EXPECT_EQ(*m_.get_bool_or("nope", true), true);
  EXPECT_EQ(*m_.get_string_or("nope", "x"), "x");
  expect_error(m_.get_u32_or("name", 3), ErrorCode::kCorrupt, {"'name'", "type string"});  // there, but wrong
}

TEST_F(Metadata, Arrays) {
  EXPECT_EQ(*m_.get_strings("tokens"), (std::vector<std::string_view>{"a", "", "\xe2\x96\x81z"}));
  EXPECT_EQ(*m_.get_f32s("scores"), (std::vector<float>{-1.5f, 2.0f}));
  EXPECT_EQ(*m_.get_i32s("types"), (std::vector<int32_t>{1, -2, 3}));
  EXPECT_EQ(*m_.get_bools("flags"), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(*m_.get_u32s("heads"), (std::vector<uint32_t>{8, 4}));
  expect_error(m_.get_u32s("types"), ErrorCode::kCorrupt, {"m.gguf", "'types' element 1", "-2", "4294967295"});
}

TEST_F(Metadata, PerLayerValues) {
  EXPECT_EQ(*m_.get_u32_per_layer("heads", 2), (std::vector<uint32_t>{8, 4}));
  EXPECT_EQ(*m_.get_u32_per_layer("u8", 3), (std::vector<uint32_t>{200, 200, 200}));
  EXPECT_EQ(*m_.get_bool_per_layer("flags", 2), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(*m_.get_bool_per_layer("yes", 2), (std::vector<uint8_t>{1, 1}));
  expect_error(m_.get_u32_per_layer("heads", 3), ErrorCode::kCorrupt, {"'heads'", "2 elements", "expected 3"});
  expect_error(m_.get_u32_per_layer("u8", 4000000000u), ErrorCode::kCapacity, {"'u8'", "4000000000", "65536"});
}

TEST_F(Metadata, EntriesInFileOrder) {
  ASSERT_EQ(m_.entries().size(), 19u);
  EXPECT_EQ(m_.entries()[0].key, "u8");
  EXPECT_EQ(m_.entries()[0].type_name(), "u8");
  EXPECT_EQ(m_.entries()[13].type_name(), "array of string");
  EXPECT_EQ(std::get<uint64_t>(m_.find("u16")->scalar()), 65535u);
  EXPECT_EQ(std::get<int64_t>(m_.find("i8")->scalar()), -5);
  EXPECT_EQ(std::get<std::string_view>(m_.find("name")->scalar()), "llama");
  EXPECT_EQ(m_.find("tokens")->elements(2).size(), 2u);
  EXPECT_EQ(std::get<std::string_view>(m_.find("tokens")->elements(9)[2]), "\xe2\x96\x81z");
  EXPECT_EQ(std::get<double>(m_.find("scores")->scalar()), -1.5);
  EXPECT_EQ(m_.find("yes")->elements(9).size(), 1u);
  EXPECT_TRUE(m_.find("nested")->elements(9).empty());
}

TEST(InQuotes, NeverPassesControlCharactersOn) {
  EXPECT_EQ(in_quotes("plain"), "'plain'");
  EXPECT_EQ(in_quotes("a\n\x1b[0m\x7f"), "'a\\x0a\\x1b[0m\\x7f'");
  EXPECT_EQ(in_quotes("\xc2\x9b"
                      "31m"),
            "'\\xc2\\x9b31m'");
  EXPECT_EQ(in_quotes("\xe2\x96\x81"), "'\xe2\x96\x81'");
  EXPECT_LT(in_quotes(std::string(100000, 'x')).size(), 200u);
  EXPECT_NE(in_quotes(std::string(100000, 'x')).find("100000 bytes"), std::string::npos);
}

TEST(Utf8, ExactlyTheWellFormedSequences) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_FALSE(find_invalid_utf8(good)) << in_quotes(good);
  }
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x90\x80"}) {
    EXPECT_EQ(find_invalid_utf8(bad), std::optional<size_t>(0)) << in_quotes(bad);
    EXPECT_EQ(find_invalid_utf8(std::string("0123456789") + bad), std::optional<size_t>(10)) << in_quotes(bad);
  }
}

}  // namespace
}  // namespace kedge::weights
