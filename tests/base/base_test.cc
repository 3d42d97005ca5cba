// The base layer: results, aligned memory, 16-bit floats.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "kernels/base/aligned.h"
#include "kernels/base/byte_size.h"
#include "kernels/base/float16.h"
#include "kernels/base/result.h"

namespace kedge::base {
namespace {

Result<std::unique_ptr<int>> half(int x) {
  if (x % 2 != 0) return Error{ErrorCode::kInvalidArgument, std::to_string(x) + " is odd"};
  return std::make_unique<int>(x / 2);
}
Status quarter(int x, int* out) {
  KEDGE_ASSIGN(h, half(x));
  KEDGE_ASSIGN(q, half(*h));
  *out = *q;
  return {};
}

TEST(Result, CarriesValuesAndErrors) {
  int out = 0;
  EXPECT_TRUE(quarter(12, &out).ok());
  EXPECT_EQ(3, out);
  const Status s = quarter(6, &out);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ("3 is odd", s.error().message);
}

TEST(Aligned, ZeroedAlignedAndBounded) {
  for (const size_t n : {size_t{0}, size_t{1}, size_t{100}, size_t{5} << 20}) {
    auto b = AlignedBytes::make(n, "test").value();
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(b.data()) % 64);
    for (size_t i = 0; i < n; i += 997) EXPECT_EQ(std::byte{0}, b.data()[i]);
  }
  const auto huge = AlignedBytes::make(SIZE_MAX / 4, "cache of pages");
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(ErrorCode::kCapacity, huge.error().code);
  EXPECT_NE(std::string::npos, huge.error().message.find("cache of pages"));
  EXPECT_FALSE(AlignedArray<double>::make(SIZE_MAX / 4, "x").ok());
}

TEST(Float16, RoundTripsEveryValue) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f))));
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(f))));
    } else {
      EXPECT_EQ(h, f32_to_f16(f));
    }
    const float b = bf16_to_f32(static_cast<uint16_t>(h));
    if (!std::isnan(b)) {
      EXPECT_EQ(h, f32_to_bf16(b));
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(0x3c00, f32_to_f16(1.0f + 0x1p-11f));             // tie, down to even
  EXPECT_EQ(0x3c02, f32_to_f16(1.0f + 3 * 0x1p-11f));         // tie, up to even
  EXPECT_EQ(0x3c01, f32_to_f16(1.0f + 0x1p-11f + 0x1p-23f));  // just above the tie
  EXPECT_EQ(0x7bff, f32_to_f16(65519.0f));
  EXPECT_EQ(0x7c00, f32_to_f16(65520.0f));
  EXPECT_EQ(0x0001, f32_to_f16(0x1p-24f));
  EXPECT_EQ(0x0000, f32_to_f16(0x1p-25f));
  EXPECT_EQ(0x8000, f32_to_f16(-0.0f));
}

TEST(ByteSize, ReadsWhatPeopleWrite) {
  EXPECT_EQ(4096, byte_size("4096"));
  EXPECT_EQ(64 << 20, byte_size("64MiB"));
  EXPECT_EQ(1.5e9, byte_size("1.5GB"));
  EXPECT_EQ(2048, byte_size("2 K"));
  EXPECT_EQ(0, byte_size("0"));
  for (const char* wrong : {"", "-1", "MiB", "5XB", "5 MiB more", "nan"}) EXPECT_FALSE(byte_size(wrong) >= 0) << wrong;
}

}  // namespace
}  // namespace kedge::base
