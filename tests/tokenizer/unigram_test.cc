// libsentencepiece on a unigram model with a normalisation table as the oracle of what is built from GGUF arrays. The
// model was made by spm_train (Debian's sentencepiece) of wikitext2-sample.txt: --model_type=unigram --vocab_size=500
// --normalization_rule_tsv=unigram_rules.tsv --character_coverage=0.9995.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <random>

#include "tests/tokenizer/gguf_vocab.h"
#include "tokenizer/charsmap.h"

namespace kedge::tokenizer {
namespace {

// The fields of a serialised message in the order they come: their numbers and bytes (those of a number: its varint).
std::vector<std::pair<uint64_t, std::string>> fields(std::string_view message) {
  std::vector<std::pair<uint64_t, std::string>> out;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message[at++]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    const uint64_t tag = varint();
    const size_t begin = at;
    const size_t size = (tag & 7) == 2 ? varint() : (tag & 7) == 5 ? 4 : 0;
    if ((tag & 7) == 0) varint();
    const size_t from = size > 0 ? at : begin;
    if (size > 0) at += size;
    out.emplace_back(tag >> 3, std::string(message.substr(from, at - from)));
  }
  return out;
}

VocabData vocab_of_model(const std::string& path) {
  VocabData v;
  v.model = "t5";
  v.remove_extra_whitespaces = true;
  for (const auto& [field, bytes] : fields(read_file(path))) {
    if (field == 3) {
      for (const auto& [number, value] : fields(bytes))
        v.precompiled_charsmap = number == 2 ? value : v.precompiled_charsmap;
    }
    if (field != 1) continue;
    v.tokens.emplace_back();
    v.scores.push_back(0);
    v.types.push_back(1);
    for (const auto& [number, value] : fields(bytes)) {
      if (number == 1) v.tokens.back() = value;
      if (number == 2) std::memcpy(&v.scores.back(), value.data(), 4);
      if (number == 3) v.types.back() = value[0];
    }
  }
  return v;
}

class Unigram : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = std::string(KEDGE_TEST_DATA) + "/vocab/unigram.model";
    ASSERT_TRUE(oracle_.Load(path).ok());
    vocab_ = vocab_of_model(path);
    ASSERT_EQ(vocab_.tokens.size(), 500u);
    ASSERT_GT(vocab_.precompiled_charsmap.size(), 1000u);
    auto made = Tokenizer::make(vocab_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    tokenizer_ = std::move(made).value();
  }
  void expect_same(const std::string& text) {
    std::vector<int> expected;
    ASSERT_TRUE(oracle_.Encode(text, &expected).ok());
    std::vector<size_t> begins;
    const auto ids = tokenizer_->encode(text, {.add_special = false}, &begins);
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    ASSERT_EQ(*ids, expected) << text;
    for (size_t i = 0; i < begins.size(); ++i) {
      ASSERT_LE(begins[i], text.size());
      ASSERT_TRUE(i == 0 || begins[i] >= begins[i - 1]) << text;
    }
  }

  sentencepiece::SentencePieceProcessor oracle_;
  VocabData vocab_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(Unigram, AgreesOnEncyclopedicText) {
  std::istringstream lines(read_file(std::string(KEDGE_TEST_DATA) + "/vocab/wikitext2-sample.txt"));
  size_t n = 0;
  for (std::string line; std::getline(lines, line); ++n) expect_same(line);
  EXPECT_GT(n, 50u);
}

TEST_F(Unigram, AgreesOnWhatTheTableReplaces) {
  for (const char* text :
       {"", " ", "a  b", "\tx\u3000\u00a0y\n", "\uff28\uff45llo \ufb01ne", "e\u0301te\u0301 \u216b\u2460",
        "\u200b\ufeff", "\u337f\u2026", "日本語 \u65e5", "a\u200bb", "\u2581x"})
    expect_same(text);
  std::mt19937_64 random(11);
  const char* parts[] = {" ",      "\u3000", "the",    "ing", "e", "\u0301", "\uff21",
                         "\u200b", "\u65e5", "\ufb01", "1",   ".", "\u2026"};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t n = random() % 16; n > 0; --n) text += parts[random() % std::size(parts)];
    expect_same(text);
  }
}

TEST_F(Unigram, KnowsWhereATokenComesFrom) {
  std::vector<size_t> begins;
  const std::string text = "the \u3000\ufb01rst";
  const auto ids = tokenizer_->encode(text, {.add_special = false}, &begins);
  ASSERT_TRUE(ids.ok());
  std::string pieces;
  for (const int32_t id : *ids) pieces += std::string(tokenizer_->token_text(id)) + "|";
  EXPECT_EQ(begins.front(), 0u);
  for (size_t i = 0; i < ids->size(); ++i) {
    const bool behind = tokenizer_->token_text((*ids)[i]).find("st") != std::string::npos;
    EXPECT_TRUE(!behind || begins[i] >= text.find("rst")) << pieces;
  }
}

TEST_F(Unigram, MarksAreAddedAsTheFileSays) {
  vocab_.bos_id = 1;
  vocab_.eos_id = 2;
  const auto eos_only = (*Tokenizer::make(vocab_))->encode("the");
  EXPECT_EQ(eos_only->front(), *tokenizer_->encode("the", {.add_special = false})->begin());
  EXPECT_EQ(eos_only->back(), 2);
  vocab_.add_bos = true;
  const auto both = (*Tokenizer::make(vocab_))->encode("the");
  EXPECT_EQ(both->front(), 1);
  EXPECT_EQ(both->size(), eos_only->size() + 1);
}

// The table comes from a file: whatever is in it, nothing outside it is read. (Under AddressSanitizer this has teeth.)
TEST_F(Unigram, ABrokenTableIsRefusedOrReadWithinItsBounds) {
  for (const std::string& bytes : {std::string("123"), std::string("\xff\xff\0\0xx", 6), std::string("\0\0\0\0x", 5),
                                   std::string("\x03\0\0\0abcd", 8)}) {
    VocabData v = vocab_;
    v.precompiled_charsmap = bytes;
    const auto made = Tokenizer::make(v);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(made.error().message.find("precompiled_charsmap"), std::string::npos);
  }
  std::mt19937_64 random(5);
  const std::string text =
      read_file(std::string(KEDGE_TEST_DATA) + "/vocab/wikitext2-sample.txt").substr(0, 500) + "\u3000\ufb01";
  size_t changed = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = vocab_.precompiled_charsmap;
    for (int k = 0; k < 8; ++k) bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    uint32_t trie = 0;
    std::memcpy(&trie, bytes.data(), 4);
    if (i % 2 == 0) bytes.resize(4 + trie + random() % 8);  // fewer replacements than the trie names
    const auto map = Charsmap::make(bytes);
    if (!map.ok()) continue;
    std::string out;
    std::vector<size_t> from;
    map->apply(text, &out, &from);
    ASSERT_EQ(out.size(), from.size());
    changed += out != text ? 1 : 0;
  }
  EXPECT_GT(changed, 0u);
}

}  // namespace
}  // namespace kedge::tokenizer
