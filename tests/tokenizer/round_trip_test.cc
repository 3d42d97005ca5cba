// decode(encode(x)) == x, for a million random byte strings over the vocabularies that have a token for every byte, and
// for random UTF-8 over all of them.
#include <gtest/gtest.h>

#include <random>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
namespace {

// Bytes where things go wrong: spaces, NUL, the space mark and its parts, halves of characters, surrogates.
std::string random_bytes(std::mt19937_64* random) {
  static const std::string_view kPieces[] = {" ",        "  ",           std::string_view("\0", 1),
                                             "\n",       "\xe2\x96\x81", "\xe2\x96",
                                             "\xe2",     "\x81",         "\xf0\x9f",
                                             "\xc3\xa9", "\xed\xa0\x80", "\xef\xbf\xbd",
                                             "\xff",     "<s>",          "</s>",
                                             "<0x41>",   "<unk>",        "the",
                                             "a"};
  std::string text;
  for (size_t n = (*random)() % 8 + 1; n > 0; --n) {
    const uint64_t pick = (*random)();
    if (pick % 3 == 0) {
      text += kPieces[(pick >> 8) % std::size(kPieces)];
    } else {
      text.push_back(static_cast<char>(pick % 3 == 1 ? (pick >> 8) & 0x7f : pick >> 8));
    }
  }
  return text;
}

std::string random_utf8(std::mt19937_64* random) {
  std::string text;
  for (size_t n = (*random)() % 8 + 1; n > 0; --n) {
    const uint64_t pick = (*random)();
    static constexpr char32_t kSpans[] = {0x80, 0x800, 0x10000, 0x110000};
    char32_t c = static_cast<char32_t>((pick >> 8) % kSpans[pick % 4]);
    if (c >= 0xd800 && c < 0xe000) c = 0x2581;
    append_utf8(c, &text);
  }
  return text;
}

void expect_round_trip(const Tokenizer& tokenizer, const std::string& text, bool add_special) {
  const auto ids = tokenizer.encode(text, {.add_special = add_special});
  ASSERT_TRUE(ids.ok()) << testing::PrintToString(text) << ": " << ids.error().message;
  const auto back = tokenizer.decode(*ids, {.skip_special = true});
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(*back, text) << testing::PrintToString(*ids);
}

class RoundTripBytes : public testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(RoundTripBytes, HundredThousandStrings) {
  const auto& [name, shard] = GetParam();
  const auto tokenizer = load_tokenizer(name);
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937_64 random(static_cast<uint64_t>(shard) + 1000);
  for (int i = 0; i < 100000 && !HasFatalFailure(); ++i) {
    expect_round_trip(*tokenizer, random_bytes(&random), i % 2 == 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Gpt2, RoundTripBytes, testing::Combine(testing::Values("gpt-2"), testing::Range(0, 4)));
INSTANTIATE_TEST_SUITE_P(LlamaSpm, RoundTripBytes,
                         testing::Combine(testing::Values("llama-spm"), testing::Range(4, 6)));
INSTANTIATE_TEST_SUITE_P(Phi3, RoundTripBytes, testing::Combine(testing::Values("phi-3"), testing::Range(6, 8)));
INSTANTIATE_TEST_SUITE_P(Scout, RoundTripBytes, testing::Combine(testing::Values("scout"), testing::Range(8, 10)));

class RoundTripUtf8 : public testing::TestWithParam<const char*> {};

TEST_P(RoundTripUtf8, TwentyThousandStrings) {
  const auto tokenizer = load_tokenizer(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937_64 random(42);
  for (int i = 0; i < 20000 && !HasFatalFailure(); ++i) expect_round_trip(*tokenizer, random_utf8(&random), i % 2 == 0);
}

INSTANTIATE_TEST_SUITE_P(All, RoundTripUtf8, testing::Values("gpt-2", "llama-spm", "phi-3", "scout", "deepseek-coder"));

// deepseek-coder has no token for bytes that UTF-8 never uses: an error, not something else instead.
TEST(RoundTrip, MissingByteIsAnError) {
  const auto tokenizer = load_tokenizer("deepseek-coder");
  const auto ids = tokenizer->encode("a\xff");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(ids.error().message.find("byte 255"), std::string::npos) << ids.error().message;
}

// Nothing is quadratic: a megabyte of anything takes about half a second.
TEST(LongText, MegabytesEncodeInTimeAndComeBack) {
  const size_t n = size_t{1} << 20;
  std::string pairs;
  while (pairs.size() < n) pairs += "a\xff";
  for (const char* name : {"gpt-2", "llama-spm", "deepseek-coder", "scout"}) {
    const auto tokenizer = load_tokenizer(name);
    ASSERT_NE(tokenizer, nullptr);
    std::vector<std::string> texts = {std::string(n, 'a'), std::string(n, ' '), std::string(n, ' ') + "a",
                                      std::string(n, '<')};
    if (std::string(name) != "deepseek-coder") texts.push_back(pairs);
    for (const std::string& text : texts) {
      const auto ids = tokenizer->encode(text, {.add_special = false, .parse_special = true});
      ASSERT_TRUE(ids.ok()) << ids.error().message;
      EXPECT_EQ(*tokenizer->decode(*ids), text);
    }
  }
}

}  // namespace
}  // namespace kedge::tokenizer
