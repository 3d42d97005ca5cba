// The digest and hexadecimal digits: known answers, and the fast way against the plain one.
#include <gtest/gtest.h>

#include <array>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"

namespace kedge::base {
namespace {

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.bytes(std::string(1000, 'a'));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// However the bytes are cut, and at every length around the ends of blocks.
TEST(Sha256, PiecesDoNotMatter) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 37 + i / 7);
  for (size_t n = 0; n <= text.size(); ++n) {
    const std::string want = sha256(std::string_view(text).substr(0, n));
    for (const size_t piece : {size_t{1}, size_t{55}, size_t{64}, size_t{65}}) {
      Sha256 digest;
      for (size_t at = 0; at < n; at += piece) digest.bytes(std::string_view(text).substr(at, std::min(piece, n - at)));
      ASSERT_EQ(digest.sum(), want) << n << " in pieces of " << piece;
    }
    EXPECT_EQ(sha256(std::string_view(text).substr(0, n / 3), std::string_view(text).substr(n / 3, n - n / 3)), want);
  }
}

TEST(Sha256, FieldsCannotRunTogether) {
  Sha256 a, b;
  a.field("ab");
  a.field("c");
  b.field("a");
  b.field("bc");
  EXPECT_NE(a.sum(), b.sum());
  Sha256 number;
  number.number(0x0807060504030201);
  EXPECT_EQ(number.sum(), sha256("\1\2\3\4\5\6\7\10"));
}

TEST(Sha256, TheMachinesWayIsThePlainOne) {
  std::array<char, 64 * 5> data;
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * i * 31 + i);
  for (size_t n = 0; n <= 5; ++n) {
    std::array<uint32_t, 8> plain{1, 2, 3, 4, 0xFFFFFFFF, 6, 0x80000000, 8};
    std::array<uint32_t, 8> fast = plain;
    sha256_blocks_plain(plain, data.data(), n);
    sha256_blocks(fast, data.data(), n);
    EXPECT_EQ(plain, fast) << n << " blocks";
  }
}

TEST(Hex, ThereAndBack) {
  EXPECT_EQ(hex(std::string("\0\x7f\xff\x10", 4)), "007fff10");
  EXPECT_EQ(hex(uint64_t{0xDEADBEEF}), "00000000deadbeef");
  EXPECT_EQ(*unhex("007fff10"), std::string("\0\x7f\xff\x10", 4));
  EXPECT_EQ(*unhex(""), "");
  for (const char* wrong : {"0", "0G", "AB", "0x", " 0", "000"}) EXPECT_FALSE(unhex(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace kedge::base
