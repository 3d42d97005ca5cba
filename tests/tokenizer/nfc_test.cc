// Unicode NFC where a vocabulary was trained on it, and where the tokens of changed text begin.
#include "tokenizer/nfc.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/tokenizer/gguf_vocab.h"
#include "tests/tokenizer/tiny_vocab.h"

namespace kedge::tokenizer {
namespace {

std::string nfc(const std::string& text) {
  std::string out;
  return to_nfc(text, &out, nullptr) ? out : text;
}

TEST(Nfc, CanonicalForms) {
  EXPECT_EQ(nfc("cafe\u0301"), "caf\u00e9");
  EXPECT_EQ(nfc("caf\u00e9"), "caf\u00e9");
  EXPECT_EQ(nfc("\u212b"), "\u00c5") << "a singleton: the angstrom sign";
  EXPECT_EQ(nfc("\u1112\u1161\u11ab"), "\ud55c") << "Hangul from its letters";
  EXPECT_EQ(nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(nfc("a\u0301\u0323"), "\u1ea1\u0301") << "marks in the order of their classes";
  EXPECT_EQ(nfc("\ufb01 \u2460"), "\ufb01 \u2460") << "compatibility forms stay";
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c") << "excluded from composition";
  EXPECT_EQ(nfc("\u0301x"), "\u0301x");
  EXPECT_EQ(nfc(std::string("\xff"
                            "e\u0301\xff",
                            5)),
            "\xff\u00e9\xff")
      << "what is not UTF-8 stays";
}

TEST(Nfc, SaysWhereBytesCameFrom) {
  std::string out;
  std::vector<size_t> from;
  ASSERT_TRUE(to_nfc("ab e\u0301 c", &out, &from));
  EXPECT_EQ(out, "ab \u00e9 c");
  EXPECT_EQ(from, (std::vector<size_t>{0, 1, 2, 3, 3, 6, 7}));
  EXPECT_FALSE(to_nfc("plain \u4e2d\u6587", &out, &from));
}

// utf8proc sorts marks one exchange at a time; a text of nothing else would take hours.
TEST(Nfc, ManyMarksAreSorted) {
  std::string text = "a";
  for (int i = 0; i < 200000; ++i) text += i % 2 == 0 ? "\u0301" : "\u0323";
  const std::string out = nfc(text);
  EXPECT_EQ(out.substr(0, 5), "\u1ea1\u0323");
  EXPECT_EQ(nfc(out), out);
}

VocabData with_pre(const char* pre) {
  VocabData v = tiny_bpe();
  v.pre = pre;
  return v;
}

TEST(Nfc, OnlyVocabulariesTrainedOnIt) {
  const std::string apart = "e\u0301";
  for (const char* pre : {"qwen2", "qwen35", "command-r", "olmo", "stablelm2"}) {
    const auto t = Tokenizer::make(with_pre(pre));
    ASSERT_TRUE(t.ok()) << t.error().message;
    EXPECT_EQ(*(*t)->encode(apart), *(*t)->encode("\u00e9")) << pre;
    EXPECT_EQ(*(*t)->decode(*(*t)->encode(apart)), "\u00e9") << pre;
    const auto exact = (*t)->encode(apart, {.exact_bytes = true});
    EXPECT_NE(*exact, *(*t)->encode(apart)) << pre;
    EXPECT_EQ(*(*t)->decode(*exact), apart) << pre;
  }
  for (const char* pre : {"gpt-2", "llama-bpe", "deepseek-r1-qwen", "gpt-4o"}) {
    const auto t = Tokenizer::make(with_pre(pre));
    ASSERT_TRUE(t.ok()) << t.error().message;
    EXPECT_EQ(*(*t)->decode(*(*t)->encode(apart)), apart) << pre;
  }
}

TEST(Nfc, FingerprintTellsItApart) {
  VocabData v = with_pre("qwen2");
  v.nfc = false;
  EXPECT_NE((*Tokenizer::make(v))->fingerprint(), (*Tokenizer::make(with_pre("qwen2")))->fingerprint());
}

TEST(Nfc, SpecialTokensAreFoundFirst) {
  const auto t = *Tokenizer::make(with_pre("qwen2"));
  // A mark behind the bracket would compose with it if the text were changed as a whole.
  const auto ids = *t->encode("<s>\u0338", {.parse_special = true});
  EXPECT_EQ(ids.front(), 1);
}

// The begins of all tokens, by what their pieces spell.
void expect_begins(const Tokenizer& t, const std::string& text, EncodeOptions options) {
  std::vector<size_t> begins;
  const auto ids = t.encode(text, options, &begins);
  ASSERT_TRUE(ids.ok()) << ids.error().message;
  ASSERT_EQ(begins.size(), ids->size());
  EXPECT_EQ(*t.encode(text, options), *ids) << "asking changes nothing";
  size_t at = 0;
  for (size_t i = 0; i < ids->size(); ++i) {
    ASSERT_EQ(begins[i], at) << text << ": token " << i << " of " << testing::PrintToString(*ids)
                             << testing::PrintToString(begins);
    std::string piece(t.is_control((*ids)[i]) ? t.token_text((*ids)[i]) : t.piece((*ids)[i]));
    // encode() puts a space behind special tokens.
    const bool added = t.adds_space() && i > 0 && t.is_control((*ids)[i - 1]) && piece == " ";
    if (added || (text.compare(at, piece.size(), piece) != 0 && piece[0] == ' ')) piece.erase(0, 1);
    if (i == 0 && options.add_special && t.add_bos()) piece.clear();
    ASSERT_EQ(text.compare(at, piece.size(), piece), 0) << text << ": token " << i;
    at += piece.size();
  }
  EXPECT_EQ(at, text.size());
}

TEST(TokenBegins, SpellTheText) {
  for (const char* name : {"gpt-2", "llama-spm", "phi-3", "scout"}) {
    const auto t = load_tokenizer(name);
    ASSERT_NE(t, nullptr);
    for (const std::string text :
         {"Hello  world, user and <s> again </s>x", "\u00e9\u2581a\xff\U0001f600  end ", "", "\u4e2d\u6587 and 1234"}) {
      for (const bool special : {false, true}) {
        expect_begins(*t, text, {.add_special = special, .parse_special = special});
      }
    }
  }
}

TEST(TokenBegins, OfChangedText) {
  const auto t = *Tokenizer::make(with_pre("qwen2"));
  std::vector<size_t> begins;
  const auto ids = *t->encode("e\u0301ab", {}, &begins);
  ASSERT_EQ(ids.size(), 3u);  // two bytes of the letter, and "ab"
  EXPECT_EQ(begins, (std::vector<size_t>{0, 0, 3}));
  VocabData v = tiny_spm();
  v.remove_extra_whitespaces = true;
  const auto spm = *Tokenizer::make(v);
  const auto squeezed = *spm->encode("  hello   ab", {.add_special = false}, &begins);
  ASSERT_EQ(squeezed.size(), 2u);
  EXPECT_EQ(begins, (std::vector<size_t>{2, 7}));
}

}  // namespace
}  // namespace kedge::tokenizer
