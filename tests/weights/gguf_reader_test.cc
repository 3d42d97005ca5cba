// The header: what is accepted, and every way to be refused with a message that names the thing, value and limit.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/weights/gguf_bytes.h"
#include "weights/gguf.h"

namespace kedge::weights {
namespace {

GgufBytes one_tensor(std::initializer_list<uint64_t> dims, uint32_t type, size_t data, uint64_t offset = 0) {
  GgufBytes b(1, 0);
  return b.tensor("w", dims, type, offset).pad().zeros(data);
}

class Versions : public ::testing::TestWithParam<uint32_t> {};

TEST_P(Versions, ReadsMetadataAndTensors) {
  GgufBytes b(2, 2, GetParam());
  b.text("general.architecture", "llama").value<uint32_t>("llama.block_count", GgufType::kUint32, 12);
  b.tensor("a.weight", {64, 3}, kQ8_0, 0).tensor("b.weight", {5}, kF32, 224).pad();
  const size_t data = b.size();
  b.zeros(224 + 20);
  const auto f = b.parse();
  ASSERT_TRUE(f.ok()) << f.error().message;
  EXPECT_EQ(f->version, GetParam());
  EXPECT_EQ(f->alignment, 32u);
  EXPECT_EQ(f->data_offset, data);
  ASSERT_EQ(f->tensors.size(), 2u);
  const TensorInfo& a = f->tensors[0];
  EXPECT_EQ(a.name, "a.weight");
  EXPECT_STREQ(a.type->name, "Q8_0");
  EXPECT_EQ(a.n_dims, 2);
  EXPECT_EQ(a.row_values(), 64);
  EXPECT_EQ(a.rows(), 3);
  EXPECT_EQ(a.row_bytes(), 68u);
  EXPECT_EQ(a.n_values(), 192);
  EXPECT_EQ(a.offset, data);
  EXPECT_EQ(a.bytes, 204u);
  EXPECT_EQ(a.shape(), "[64, 3]");
  EXPECT_EQ(f->tensors[1].offset, data + 224);
  EXPECT_EQ(f->tensors[1].bytes, 20u);
  EXPECT_EQ(*f->metadata.get_string("general.architecture"), "llama");
}
INSTANTIATE_TEST_SUITE_P(All, Versions, ::testing::Values(2u, 3u));

TEST(GgufReader, NothingButAHeaderIsAFile) {
  const auto f = GgufBytes(0, 0).parse();
  ASSERT_TRUE(f.ok());
  EXPECT_TRUE(f->tensors.empty());
  EXPECT_TRUE(f->metadata.entries().empty());
}

TEST(GgufReader, RefusesWhatIsNotGguf) {
  expect_error(GgufBytes().raw("Hello, this is text").parse(), ErrorCode::kInvalidArgument,
               {"m.gguf", "not a GGUF file", "'Hello, this is t'"});
  expect_error(GgufBytes().raw("GG").parse(), ErrorCode::kInvalidArgument, {"m.gguf", "only 2 bytes"});
  expect_error(GgufBytes().raw("version https://git-lfs.github.com/spec/v1").parse(), ErrorCode::kInvalidArgument,
               {"Git LFS pointer", "git lfs pull"});
  expect_error(GgufBytes().raw("tjgg").put(3).parse(), ErrorCode::kInvalidArgument, {"older than GGUF"});
  expect_error(GgufBytes().raw("PK\x03\x04").put(3).parse(), ErrorCode::kInvalidArgument, {"ZIP archive"});
  expect_error(GgufBytes().put<uint64_t>(300).raw("{\"__metadata__\":").parse(), ErrorCode::kInvalidArgument,
               {"safetensors"});
  expect_error(GgufBytes().raw("\x1b[31mred\x07").parse(), ErrorCode::kInvalidArgument, {"'\\x1b[31mred\\x07'"});
}

TEST(GgufReader, RefusesOtherVersionsAndByteOrder) {
  expect_error(GgufBytes(0, 0, 1).parse(), ErrorCode::kUnsupported, {"m.gguf", "version is 1", "2 and 3"});
  expect_error(GgufBytes(0, 0, 4).parse(), ErrorCode::kUnsupported, {"version is 4", "2 and 3"});
  expect_error(GgufBytes(0, 0, 0).parse(), ErrorCode::kUnsupported, {"version is 0", "2 and 3"});
  expect_error(GgufBytes(0, 0, 0x03000000).parse(), ErrorCode::kUnsupported, {"m.gguf", "big-endian"});
}

TEST(GgufReader, CapsCounts) {
  expect_error(GgufBytes(65537, 0).parse(), ErrorCode::kCapacity, {"m.gguf", "tensor count is 65537", "65536"});
  expect_error(GgufBytes(0, 65537).parse(), ErrorCode::kCapacity, {"m.gguf", "key count is 65537", "65536"});
  expect_error(GgufBytes(~uint64_t{0}, 0).parse(), ErrorCode::kCapacity, {"18446744073709551615", "65536"});
  expect_error(GgufBytes(0, 1000).zeros(100).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "truncated", "1000 keys", "14000", "124"});
  expect_error(GgufBytes(65536, 65536).zeros(100).parse(), ErrorCode::kCorrupt, {"truncated", "65536 tensors"});
}

TEST(GgufReader, CapsKeys) {
  const std::string long_key(65536, 'k');
  expect_error(GgufBytes(0, 1).text(long_key, "v").parse(), ErrorCode::kCapacity,
               {"m.gguf", "name of key 0", "65536", "65535"});
  EXPECT_TRUE(GgufBytes(0, 1).text(long_key.substr(1), "v").parse().ok());
  expect_error(GgufBytes(0, 1).text("", "value of some length").parse(), ErrorCode::kCorrupt,
               {"name of key 0", "must not be empty"});
  expect_error(GgufBytes(0, 1).text(std::string_view("a\0b", 3), "v").parse(), ErrorCode::kCorrupt,
               {"name of key 0", "'a\\x00b'", "NUL", "byte 1"});
  expect_error(GgufBytes(0, 1).text("a\xff", "v").parse(), ErrorCode::kCorrupt,
               {"name of key 0", "'a\\xff'", "UTF-8", "byte 1"});
}

TEST(GgufReader, CapsAndChecksStrings) {
  GgufBytes too_long(0, 1);
  too_long.key("k", GgufType::kString).put<uint64_t>((uint64_t{64} << 20) + 1);
  expect_error(too_long.zeros(64).parse(), ErrorCode::kCapacity, {"m.gguf", "key 'k'", "67108865", "67108864"});
  GgufBytes cut(0, 1);
  expect_error(cut.key("k", GgufType::kString).put<uint64_t>(1000).raw("abc").parse(), ErrorCode::kCorrupt,
               {"m.gguf", "truncated", "key 'k'", "needs 1000 bytes", "(3 left)"});
  expect_error(GgufBytes(0, 1).text("k", "ab\xc0\xaf").parse(), ErrorCode::kCorrupt, {"key 'k'", "UTF-8", "byte 2"});
  GgufBytes in_array(0, 1);
  expect_error(in_array.array("k", GgufType::kString, 2).str("ok").str("\xed\xa0\x80").parse(), ErrorCode::kCorrupt,
               {"key 'k' element 1", "UTF-8", "byte 0"});
  EXPECT_TRUE(GgufBytes(0, 1).text("k", std::string_view("a\0b", 3)).parse().ok());  // NUL is fine in a value
  EXPECT_TRUE(GgufBytes(0, 1).text("k", "\xe2\x96\x81 \xf0\x9f\x98\x80 \xc3\xa9").parse().ok());
}

TEST(GgufReader, ChecksValueTypes) {
  GgufBytes type(0, 1);
  expect_error(type.str("k").put<uint32_t>(13).put<uint64_t>(0).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "key 'k'", "value type 13", "12"});
  GgufBytes element(0, 1);
  expect_error(element.array("k", static_cast<GgufType>(77), 0).parse(), ErrorCode::kCorrupt,
               {"key 'k'", "element type 77", "12"});
  GgufBytes boolean(0, 1);
  expect_error(boolean.value<uint8_t>("k", GgufType::kBool, 2).parse(), ErrorCode::kCorrupt,
               {"key 'k'", "bool is 2", "0 or 1"});
  GgufBytes bools(0, 1);
  expect_error(bools.array("k", GgufType::kBool, 2).put<uint8_t>(1).put<uint8_t>(255).parse(), ErrorCode::kCorrupt,
               {"key 'k'", "bool is 255"});
}

TEST(GgufReader, ChecksArraysBeforeUse) {
  GgufBytes huge(0, 1);
  expect_error(huge.array("k", GgufType::kUint32, uint64_t{1} << 62).put(1).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "truncated", "key 'k'", "4611686018427387904 elements", "4 bytes", "4 bytes left"});
  GgufBytes wraps(0, 1);  // times 8 is 0 in 64 bits
  expect_error(wraps.array("k", GgufType::kUint64, uint64_t{1} << 61).parse(), ErrorCode::kCorrupt,
               {"key 'k'", "2305843009213693952"});
  GgufBytes strings(0, 1);
  expect_error(strings.array("k", GgufType::kString, 3).str("a").str("b").parse(), ErrorCode::kCorrupt,
               {"key 'k'", "3 elements", "8 bytes"});
  for (const GgufType t : {GgufType::kUint8, GgufType::kString, GgufType::kArray, GgufType::kFloat64}) {
    EXPECT_TRUE(GgufBytes(0, 1).array("k", t, 0).parse().ok());
  }
}

TEST(GgufReader, BoundsNestedArrays) {
  const auto nested = [](int depth) {
    GgufBytes b(0, 1);
    b.array("deep", depth > 1 ? GgufType::kArray : GgufType::kUint8, 1);
    for (int i = 2; i <= depth; ++i) {
      b.put(static_cast<uint32_t>(i < depth ? GgufType::kArray : GgufType::kUint8)).put<uint64_t>(1);
    }
    return b.put<uint8_t>(7);
  };
  for (int depth = 1; depth <= 4; ++depth) EXPECT_TRUE(nested(depth).parse().ok()) << depth;
  expect_error(nested(5).parse(), ErrorCode::kCapacity, {"m.gguf", "key 'deep'", "nested", "is 5", "limit is 4"});
  expect_error(nested(5000).parse(), ErrorCode::kCapacity, {"key 'deep'", "limit is 4"});
}

TEST(GgufReader, RefusesDuplicates) {
  GgufBytes keys(0, 3);
  keys.text("a", "1").text("twice", "2").text("twice", "2");
  expect_error(keys.parse(), ErrorCode::kCorrupt, {"m.gguf", "key 'twice'", "more than once"});
  GgufBytes tensors(2, 0);
  tensors.tensor("t", {1}, kF32, 0).tensor("t", {1}, kF32, 32).pad().zeros(64);
  expect_error(tensors.parse(), ErrorCode::kCorrupt, {"m.gguf", "tensor 't'", "more than once"});
}

TEST(GgufReader, ChecksAlignment) {
  const auto with = [](uint32_t alignment) {
    GgufBytes b(1, 1);
    b.value("general.alignment", GgufType::kUint32, alignment).tensor("w", {2}, kF32, 0);
    return b.pad(alignment == 0 ? 1 : alignment).zeros(8);
  };
  for (const uint32_t bad : {0u, 1u, 3u, 4u, 24u, 1u << 21, 0xffffffffu}) {
    GgufBytes b(0, 1);
    b.value("general.alignment", GgufType::kUint32, bad);
    expect_error(b.parse(), ErrorCode::kCorrupt,
                 {"m.gguf", "'general.alignment'", "is " + std::to_string(bad) + ",", "power of two", "1048576"});
  }
  for (const uint32_t good : {8u, 16u, 64u, 4096u, 1u << 20}) {
    const auto f = with(good).parse();
    ASSERT_TRUE(f.ok()) << f.error().message;
    EXPECT_EQ(f->alignment, good);
    EXPECT_EQ(f->tensors[0].offset % good, 0u);
  }
  expect_error(GgufBytes(0, 1).text("general.alignment", "32").parse(), ErrorCode::kCorrupt,
               {"m.gguf", "'general.alignment'", "type string", "expected u32"});
}

TEST(GgufReader, ChecksTensorNames) {
  GgufBytes longest(1, 0);
  EXPECT_TRUE(longest.tensor(std::string(64, 'n'), {1}, kF32, 0).pad().zeros(4).parse().ok());
  GgufBytes too_long(1, 0);
  expect_error(too_long.tensor(std::string(65, 'n'), {1}, kF32, 0).pad().zeros(4).parse(), ErrorCode::kCapacity,
               {"m.gguf", "name of tensor 0", "65", "64"});
  GgufBytes bad(1, 0);
  expect_error(bad.tensor("x\x80", {1}, kF32, 0).pad().zeros(4).parse(), ErrorCode::kCorrupt,
               {"name of tensor 0", "'x\\x80'", "UTF-8"});
  GgufBytes empty(1, 0);
  expect_error(empty.tensor("", {1}, kF32, 0).pad().zeros(4).parse(), ErrorCode::kCorrupt, {"tensor 0", "empty"});
}

TEST(GgufReader, ChecksDimensions) {
  expect_error(one_tensor({1, 1, 1, 1, 1}, kF32, 4).parse(), ErrorCode::kCapacity,
               {"m.gguf", "tensor 'w'", "dimensions is 5", "limit is 4"});
  expect_error(one_tensor({4, 0}, kF32, 4).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "tensor 'w'", "dimension 1 is 0", "from 1"});
  expect_error(one_tensor({uint64_t{1} << 63}, kF32, 4).parse(), ErrorCode::kCorrupt,
               {"tensor 'w'", "dimension 0 is 9223372036854775808", "9223372036854775807"});
  expect_error(one_tensor({33, 2}, kQ8_0, 68).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "tensor 'w'", "33", "multiple of the 32", "Q8_0"});
  const auto scalar = one_tensor({}, kF32, 4).parse();
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(scalar->tensors[0].n_values(), 1);
}

TEST(GgufReader, ChecksOverflowOfShapes) {
  const uint64_t k31 = uint64_t{1} << 31;
  const uint64_t k62 = uint64_t{1} << 62;
  for (const auto& dims : std::initializer_list<std::initializer_list<uint64_t>>{
           {k31, k31, k31}, {k62, 4}, {k62, k62, k62, k62}, {k62}, {1, k62, 2}, {k62 / 2, 2}, {k31, k31, 4}}) {
    expect_error(one_tensor(dims, kF32, 64).parse(), ErrorCode::kCorrupt, {"m.gguf", "tensor 'w'", "overflows"});
  }
  // Just below: no overflow, but no file is so large.
  expect_error(one_tensor({k62 / 4}, kF32, 64).parse(), ErrorCode::kCorrupt, {"tensor 'w'", "truncated"});
}

TEST(GgufReader, NamesUnsupportedTypes) {
  expect_error(one_tensor({256}, 15, 292).parse(), ErrorCode::kUnsupported,
               {"m.gguf", "tensor 'w'", "Q8_K", "number 15"});
  expect_error(one_tensor({256}, 31, 144).parse(), ErrorCode::kUnsupported, {"tensor 'w'", "Q4_0_4_4"});
  expect_error(one_tensor({256}, 4, 66).parse(), ErrorCode::kUnsupported, {"tensor 'w'", "Q4_2"});
  expect_error(one_tensor({256}, 26, 1024).parse(), ErrorCode::kUnsupported, {"tensor 'w'", "I32"});
  expect_error(one_tensor({256}, 12345, 66).parse(), ErrorCode::kUnsupported, {"tensor 'w'", "type 12345"});
  expect_error(one_tensor({256}, 0xffffffffu, 66).parse(), ErrorCode::kUnsupported, {"type 4294967295"});
}

TEST(GgufReader, ChecksExtents) {
  expect_error(one_tensor({4}, kF32, 64, 16).parse(), ErrorCode::kCorrupt,
               {"m.gguf", "tensor 'w'", "offset is 16", "multiple of the alignment 32"});
  GgufBytes cut = one_tensor({4}, kF32, 15);
  expect_error(cut.parse(), ErrorCode::kCorrupt,
               {"m.gguf", "truncated", "tensor 'w'", "ends at byte " + std::to_string(cut.size() + 1),
                "has " + std::to_string(cut.size())});
  expect_error(one_tensor({4}, kF32, 64, ~uint64_t{0} - 31).parse(), ErrorCode::kCorrupt, {"tensor 'w'", "overflows"});
  expect_error(one_tensor({4}, kF32, 64, uint64_t{1} << 40).parse(), ErrorCode::kCorrupt, {"tensor 'w'", "truncated"});
  GgufBytes overlap(3, 0);
  overlap.tensor("a", {8}, kF32, 64).tensor("b", {16}, kF32, 0).tensor("c", {8}, kF32, 32).pad().zeros(96);
  expect_error(overlap.parse(), ErrorCode::kCorrupt, {"m.gguf", "'b'", "'c'", "overlap"});
  GgufBytes same(2, 0);
  same.tensor("a", {8}, kF32, 0).tensor("b", {8}, kF32, 0).pad().zeros(96);
  expect_error(same.parse(), ErrorCode::kCorrupt, {"'a'", "'b'", "overlap"});
  GgufBytes gaps(2, 0);  // any order, gaps, a tail: allowed
  EXPECT_TRUE(gaps.tensor("a", {8}, kF32, 128).tensor("b", {8}, kF32, 0).pad().zeros(256).parse().ok());
}

// Numbers 40 to 42 once stood for blocks of other sizes.
TEST(GgufReader, BlocksUnderAReusedNumber) {
  const auto two = [](uint32_t type, uint64_t values, uint64_t second) {
    GgufBytes b(2, 0);
    b.tensor("w", {values}, type, 0).tensor("x", {8}, kF32, second).pad().zeros(second + 32);
    return b.parse();
  };
  EXPECT_TRUE(two(42, 1024, 288).ok());  // 64 values in 18 bytes
  EXPECT_TRUE(two(41, 1024, 160).ok());  // 144 bytes and the padding
  EXPECT_TRUE(two(40, 1024, 576).ok());
  expect_error(two(42, 1024, 256), ErrorCode::kUnsupported,
               {"m.gguf", "tensor 'w'", "Q2_0 (42)", "has 256 bytes", "64 values in 18 bytes make 288"});
  expect_error(two(41, 1024, 192), ErrorCode::kUnsupported, {"tensor 'w'", "Q1_0 (41)", "has 192 bytes"});
  expect_error(two(40, 1024, 544), ErrorCode::kUnsupported, {"tensor 'w'", "NVFP4 (40)", "has 544 bytes"});
}

TEST(GgufReader, LimitsAreReachableAndFast) {
  GgufBytes b(65536, 65536);
  for (int i = 0; i < 65536; ++i) b.value<uint8_t>("key." + std::to_string(i), GgufType::kUint8, 1);
  for (uint64_t i = 0; i < 65536; ++i) b.tensor("tensor." + std::to_string(i), {1}, kF32, 32 * i);
  b.pad().zeros(65536 * 32);
  const auto start = std::chrono::steady_clock::now();
  const auto f = b.parse();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(f.ok()) << f.error().message;
  EXPECT_EQ(f->tensors.size(), 65536u);
  EXPECT_NE(f->metadata.find("key.65535"), nullptr);
  EXPECT_LT(took.count(), 5.0);  // 0.1 s in a plain build; quadratic would take a minute
}

}  // namespace
}  // namespace kedge::weights
