#include "tokenizer/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "kernels/base/utf8.h"
#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
namespace {

std::string streamed(std::string_view text, size_t cut_a, size_t cut_b, InvalidUtf8 invalid, bool check_whole) {
  Utf8Stream stream(invalid);
  std::string out;
  for (const auto part : {text.substr(0, cut_a), text.substr(cut_a, cut_b - cut_a), text.substr(cut_b)}) {
    std::string piece;
    stream.push(part, &piece);
    if (check_whole) {
      EXPECT_TRUE(utf8_valid(piece)) << "a character was split";
    }
    EXPECT_LE(stream.pending(), 3u);
    out += piece;
  }
  stream.flush(&out);
  EXPECT_EQ(stream.pending(), 0u);
  return out;
}

TEST(Utf8Stream, NeverSplitsACharacterWhereverTheInputIsCut) {
  const std::string text = "a\u00e9\u20ac\U0001f600 " + std::string(1, '\0') + "z\U0010ffff\u2581";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      EXPECT_EQ(streamed(text, a, b, InvalidUtf8::kReplace, true), text);
      EXPECT_EQ(streamed(text, a, b, InvalidUtf8::kPass, true), text);
    }
  }
}

TEST(Utf8Stream, ReplacesMaximalIllFormedParts) {
  // The example of Unicode 15, table 3-8, and its neighbours.
  const std::string text = "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64";
  const std::string replaced = "a\ufffd\ufffd\ufffdb\ufffdc\ufffd\ufffdd";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      EXPECT_EQ(streamed(text, a, b, InvalidUtf8::kReplace, true), replaced) << a << " " << b;
      EXPECT_EQ(streamed(text, a, b, InvalidUtf8::kPass, false), text);
    }
  }
}

TEST(Utf8Stream, FlushGivesWhatRemains) {
  Utf8Stream pass(InvalidUtf8::kPass);
  Utf8Stream replace;
  std::string out;
  pass.push("x\xf0\x9f\x98", &out);
  EXPECT_EQ(out, "x");
  EXPECT_EQ(pass.pending(), 3u);
  pass.flush(&out);
  EXPECT_EQ(out, "x\xf0\x9f\x98");
  out.clear();
  replace.push("\xf0\x9f\x98", &out);
  replace.flush(&out);
  replace.flush(&out);
  EXPECT_EQ(out, "\ufffd");
}

TEST(Utf8Stream, RandomBytesAreTheSameHoweverTheyAreCut) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    static constexpr unsigned char kBytes[] = {'a',  0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed,
                                               0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xff};
    for (size_t n = random() % 9; n > 0; --n) text.push_back(static_cast<char>(kBytes[random() % std::size(kBytes)]));
    const std::string whole = streamed(text, text.size(), text.size(), InvalidUtf8::kReplace, true);
    EXPECT_TRUE(utf8_valid(whole));
    const size_t a = random() % (text.size() + 1);
    EXPECT_EQ(streamed(text, a, a + random() % (text.size() - a + 1), InvalidUtf8::kReplace, true), whole);
    EXPECT_EQ(streamed(text, a, a, InvalidUtf8::kPass, false), text);
  }
}

TEST(Utf8Stream, TokensOfAnEmojiComeOutTogether) {
  const auto tokenizer = load_tokenizer("llama-spm");
  const auto ids = tokenizer->encode("x \U0001f999 y", {.add_special = false});
  ASSERT_TRUE(ids.ok());
  Utf8Stream stream;
  Detokenizer detokenizer(*tokenizer);
  std::string out;
  for (const int32_t id : *ids) {
    std::string bytes;
    std::string text;
    ASSERT_TRUE(detokenizer.push(id, &bytes).ok());
    stream.push(bytes, &text);
    EXPECT_TRUE(utf8_valid(text));
    out += text;
  }
  EXPECT_EQ(out, "x \U0001f999 y");
}

TEST(Utf8, AgreesWithTheDefinitionOnEveryCodePoint) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    std::string s;
    append_utf8(static_cast<char32_t>(c), &s);
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    ASSERT_EQ(utf8_char_length(s, 0), surrogate ? 0u : s.size()) << c;
    if (surrogate) continue;
    ASSERT_EQ(utf8_code_point(s, 0, s.size()), c);
  }
  for (const std::string bad :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80"}) {
    EXPECT_EQ(utf8_char_length(bad, 0), 0u);
  }
}

}  // namespace
}  // namespace kedge::tokenizer
