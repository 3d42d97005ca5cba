// Special tokens: recognised on request only; the space that goes with them; user-defined tokens.
#include <gtest/gtest.h>

#include "tests/tokenizer/gguf_vocab.h"
#include "tests/tokenizer/tiny_vocab.h"

namespace kedge::tokenizer {
namespace {

using Ids = std::vector<int32_t>;

std::unique_ptr<Tokenizer> make(VocabData v) {
  auto made = Tokenizer::make(std::move(v));
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? std::move(made).value() : nullptr;
}

Ids encode(const Tokenizer& t, std::string_view text, EncodeOptions options) {
  const auto ids = t.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.error().message;
  return ids.ok() ? *ids : Ids();
}

Ids ids_of(const Tokenizer& t, std::initializer_list<const char*> texts) {
  Ids ids;
  for (const char* text : texts) {
    ids.push_back(t.find(text));
    EXPECT_GE(ids.back(), 0) << text;
  }
  return ids;
}

constexpr EncodeOptions kText{.add_special = false, .parse_special = false};
constexpr EncodeOptions kMarkup{.add_special = false, .parse_special = true};

TEST(Special, SentencePieceSplitsThemOutOnRequestOnly) {
  const auto t = make(tiny_spm());
  EXPECT_EQ(encode(*t, "ab</s>hello<s>", kMarkup), ids_of(*t, {"▁ab", "</s>", "▁hello", "<s>"}));
  EXPECT_EQ(encode(*t, "<s>", kText), ids_of(*t, {"▁", "<", "s", ">"}));
  EXPECT_EQ(encode(*t, "<s>", {}), ids_of(*t, {"<s>", "▁", "<", "s", ">"}));
  EXPECT_EQ(encode(*t, "", {}), ids_of(*t, {"<s>"}));
  EXPECT_EQ(encode(*t, "", kText), Ids());
  EXPECT_EQ(encode(*t, "<unk>", kMarkup), Ids{0});
}

TEST(Special, NoTextBecomesASpecialTokenWhenTheyAreOff) {
  for (const char* name : {"llama-spm", "phi-3", "gpt-2", "deepseek-coder", "scout"}) {
    const auto t = load_tokenizer(name);
    ASSERT_NE(t, nullptr);
    for (int32_t id = 0; id < t->size(); ++id) {
      const TokenType type = t->type(id);
      const bool guarded = t->is_control(id) || (type == TokenType::kUserDefined && is_markup(t->token_text(id)));
      if (!guarded && type != TokenType::kByte) continue;
      const std::string text = "x " + std::string(t->token_text(id)) + " y";
      for (const int32_t got : encode(*t, text, kText)) {
        EXPECT_NE(got, id) << name << ": " << t->token_text(id);
        EXPECT_FALSE(t->is_control(got)) << name << ": " << t->token_text(id);
      }
      if (!guarded) continue;
      const Ids on = encode(*t, text, kMarkup);
      EXPECT_EQ(std::count(on.begin(), on.end(), id), 1) << name << ": " << t->token_text(id);
      EXPECT_EQ(*t->decode(on), text);
    }
  }
}

// Even when the merges of the vocabulary, or a character of it, would spell one.
TEST(Special, ControlPiecesCannotBeMergedFromText) {
  VocabData v = tiny_spm();
  add_token(&v, "<s", TokenType::kNormal, -1);
  v.types[static_cast<size_t>(v.tokens.size()) - 1] = static_cast<int32_t>(TokenType::kNormal);
  add_token(&v, "#", TokenType::kControl);
  add_token(&v, "[x]", TokenType::kUserDefined);
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "<s>", kText), ids_of(*t, {"▁", "<s", ">"}));
  EXPECT_EQ(encode(*t, "#", kText), ids_of(*t, {"▁", "<0x23>"}));
  EXPECT_EQ(encode(*t, "#[x]", kMarkup), ids_of(*t, {"#", "[x]"}));
  EXPECT_EQ(encode(*t, "[x]", kText), ids_of(*t, {"▁", "<0x5B>", "<0x78>", "<0x5D>"}));
}

TEST(Special, LongestAtTheLeftmostPlaceWins) {
  VocabData v = tiny_bpe();
  for (const char* text : {"<|a|>", "<|a", "|>b", "<|a|><|a|>"}) add_token(&v, text, TokenType::kControl);
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "<|a|>b<|a", kMarkup), ids_of(*t, {"<|a|>", "b", "<|a"}));
  EXPECT_EQ(encode(*t, "<|a|><|a|><|a|>", kMarkup), ids_of(*t, {"<|a|><|a|>", "<|a|>"}));
  EXPECT_EQ(encode(*t, "<|<|a", kMarkup), ids_of(*t, {"<", "|", "<|a"}));
}

TEST(Special, PlainUserDefinedTokensAreOrdinarySegmentation) {
  VocabData v = tiny_bpe();
  add_token(&v, "   ", TokenType::kUserDefined);
  add_token(&v, "я", TokenType::kUserDefined);
  add_token(&v, "<|user|>", TokenType::kUserDefined);
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "я    ab", kText), ids_of(*t, {"я", "   ", "Ġab"}));
  EXPECT_EQ(*t->decode(encode(*t, "я    ab", kText)), "я    ab");
  const Ids off = encode(*t, "<|user|>", kText);
  EXPECT_EQ(off.size(), 8u);
  EXPECT_EQ(encode(*t, "<|user|>", kMarkup), ids_of(*t, {"<|user|>"}));
}

// Some files write the spaces of user-defined tokens as marks.
TEST(Special, UserDefinedSpacesOfSentencePieceMatchSpaces) {
  VocabData v = tiny_spm();
  v.add_space_prefix = false;
  add_token(&v, "▁▁▁", TokenType::kUserDefined);
  add_token(&v, "  ", TokenType::kUserDefined);
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "ab     ab", kText), ids_of(*t, {"ab", "▁▁▁", "  ", "ab"}));
  EXPECT_EQ(*t->decode(encode(*t, "ab     ab", kText)), "ab     ab");
}

TEST(Special, SpacePrefixGoesInAndComesOut) {
  const auto t = make(tiny_spm());
  const std::string text = "ab</s> hello</s></s>ab<s>";
  const Ids ids = encode(*t, text, kMarkup);
  EXPECT_EQ(ids, ids_of(*t, {"▁ab", "</s>", "▁", "▁hello", "</s>", "</s>", "▁ab", "<s>"}));
  EXPECT_EQ(*t->decode(ids), text);
  EXPECT_EQ(*t->decode(ids, {.remove_leading_space = false}), " ab</s>  hello</s></s> ab<s>");
  EXPECT_EQ(*t->decode(ids, {.skip_special = true}), "ab helloab");
  EXPECT_EQ(*t->decode(Ids{t->find("▁hello")}, {.at_text_start = false}), " hello");

  VocabData bare = tiny_spm();
  bare.add_space_prefix = false;
  const auto u = make(bare);
  EXPECT_EQ(encode(*u, "ab</s>ab ab", kMarkup), ids_of(*u, {"ab", "</s>", "ab", "▁ab"}));
  EXPECT_EQ(*u->decode(encode(*u, " ab", kMarkup)), " ab");
}

TEST(Special, ExtraWhitespaceIsRemovedWhereTheVocabularyAsksForIt) {
  VocabData v = tiny_spm();
  v.remove_extra_whitespaces = true;
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "  ab   hello ", kText), ids_of(*t, {"▁ab", "▁hello"}));
  EXPECT_EQ(encode(*t, "   ", kText), Ids());
}

TEST(Special, WithoutByteTokensTextBecomesUnknownOrAnError) {
  VocabData v;
  v.model = "llama";
  add_token(&v, "<unk>", TokenType::kUnknown);
  add_token(&v, "▁", TokenType::kNormal, -1);
  add_token(&v, "a", TokenType::kNormal, -2);
  v.add_bos = false;
  EXPECT_EQ(encode(*make(v), "az\xff", kText), (Ids{1, 2, 0, 0}));
  v.types[0] = static_cast<int32_t>(TokenType::kNormal);
  const auto t = make(v);
  EXPECT_EQ(encode(*t, "a", kText), (Ids{1, 2}));
  for (const char* text : {"az", "a\xff"}) {
    const auto ids = t->encode(text);
    ASSERT_FALSE(ids.ok());
    EXPECT_EQ(ids.error().code, ErrorCode::kUnsupported);
  }
}

TEST(Special, IgnoreMergesTakesWholeWords) {
  VocabData v = tiny_bpe();
  add_token(&v, "Ġbaba", TokenType::kNormal);
  v.pre = "llama-bpe";
  EXPECT_EQ(encode(*make(v), " baba", kText), Ids{static_cast<int32_t>(v.tokens.size()) - 1});
  v.ignore_merges = false;
  EXPECT_EQ(encode(*make(v), " baba", kText).size(), 4u);
}

TEST(Special, DecodeNamesAnIdThatDoesNotExist) {
  const auto t = make(tiny_bpe());
  for (const int32_t id : {-1, t->size()}) {
    const auto text = t->decode(Ids{id});
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(text.error().message.find("token id " + std::to_string(id)), std::string::npos);
    EXPECT_EQ(t->piece(id), "");
  }
}

}  // namespace
}  // namespace kedge::tokenizer
