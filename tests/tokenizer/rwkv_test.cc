#include "tokenizer/rwkv.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/tokenizer/tiny_vocab.h"

namespace kedge::tokenizer {
namespace {

// <s>, the 256 bytes as Python writes them, and some words.
VocabData world() {
  VocabData v;
  v.model = "rwkv";
  add_token(&v, "<s>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "\\x%02x", static_cast<unsigned>(byte));
    const bool printable = byte >= 0x20 && byte < 0x7f;
    std::string token = printable ? std::string(1, static_cast<char>(byte)) : std::string(text);
    if (byte == '\\') token = "\\\\";
    if (byte == '\'') token = "\\'";
    if (byte == '\n') token = "\\n";
    if (byte == '\t') token = "\\t";
    if (byte == '\r') token = "\\r";
    add_token(&v, token, TokenType::kNormal);
  }
  for (const char* text :
       {"\\n\\n", "\\r\\n", "ab", "abc", "abcd", "bcde", " the", "\\xe4\\xbd\\xa0", "it\\'s", "x\"'", "a\\\\b"})
    add_token(&v, text, TokenType::kNormal);
  add_token(&v, "[PAD269]", TokenType::kUnused);
  v.bos_id = 0;
  v.eos_id = 0;
  v.eot_id = 257;
  return v;
}

TEST(Rwkv, TakesTheLongestTokenAtEachPlace) {
  const auto t = Tokenizer::make(world());
  ASSERT_TRUE(t.ok()) << t.error().message;
  const auto pieces = [&](std::string_view text) {
    std::string out;
    const auto ids = (*t)->encode(text);
    for (const int32_t id : *ids) out += std::string((*t)->piece(id)) + "|";
    return out;
  };
  EXPECT_EQ(pieces("abcde"), "abcd|e|") << "not ab with cde, although bcde would save one";
  EXPECT_EQ(pieces("abcbcde the\r\n\n\n"), "abc|bcde| the|\r\n|\n\n|");
  EXPECT_EQ(pieces("你a\\b it's x\"'"), "你|a\\b| |it's| |x\"'|");
  EXPECT_EQ(pieces("<s>[PAD269]"), "<|s|>|[|P|A|D|2|6|9|]|") << "neither control nor padding comes from text";
  EXPECT_EQ(*(*t)->encode("<s>", {.parse_special = true}), std::vector<int32_t>{0});
  EXPECT_TRUE((*t)->is_eog(0));
  EXPECT_TRUE((*t)->is_eog(257)) << "the end of a turn is ordinary text here";
  EXPECT_EQ(pieces("\n\n"), "\n\n|");
}

TEST(Rwkv, EveryByteStringComesBackAndAgreesWithASimpleSearch) {
  const auto t = Tokenizer::make(world());
  std::mt19937_64 random(9);
  static constexpr std::string_view kLetters = "abcde\n\r th\\'\"\xe4\xbd\xa0\xff";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t n = random() % 20; n > 0; --n) text.push_back(kLetters[random() % kLetters.size()]);
    std::vector<int32_t> expected;
    for (size_t at = 0; at < text.size();) {
      int32_t best = -1;
      for (int32_t id = 1; id < (*t)->size() - 1; ++id) {
        const std::string_view piece = (*t)->piece(id);
        if (text.substr(at, piece.size()) == piece && (best < 0 || piece.size() > (*t)->piece(best).size())) best = id;
      }
      expected.push_back(best);
      at += (*t)->piece(best).size();
    }
    const auto ids = (*t)->encode(text);
    ASSERT_TRUE(ids.ok());
    ASSERT_EQ(*ids, expected);
    ASSERT_EQ(*(*t)->decode(*ids), text);
  }
}

TEST(Rwkv, BadTokensAreNamed) {
  for (const char* text : {"\\q", "a\\", "\\x4", "\\xg0"}) {
    VocabData v = world();
    v.tokens[258] = text;
    const auto made = Tokenizer::make(v);
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(made.error().message.find("tokenizer.ggml.tokens[258]"), std::string::npos) << made.error().message;
  }
  VocabData v = world();
  v.types[1 + 'z'] = static_cast<int32_t>(TokenType::kUnused);
  const auto ids = (*Tokenizer::make(v))->encode("az");
  ASSERT_FALSE(ids.ok());
  EXPECT_NE(ids.error().message.find("no token for byte 122"), std::string::npos);
}

}  // namespace
}  // namespace kedge::tokenizer
