// Segments of SentencePiece BPE vocabularies against libsentencepiece on the same vocabulary: drawn ones, small enough
// for everything to happen: equal scores, unused pieces on the way to others, characters no piece has.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/space_mark.h"
#include "tokenizer/spm.h"
#include "tokenizer/spm_merge.h"

namespace kedge::tokenizer {
namespace {

const std::vector<std::string>& letters() {
  static const std::vector<std::string> all = {"a", "b", "c", "\xc3\xa9", std::string(kSpaceMark)};
  return all;
}

VocabData drawn_vocab(std::mt19937& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  VocabData v;
  v.model = "llama";
  v.pre = "default";
  const auto add = [&](const std::string& text, TokenType type, float score) {
    if (std::find(v.tokens.begin(), v.tokens.end(), text) != v.tokens.end()) return;
    v.tokens.push_back(text);
    v.scores.push_back(score);
    v.types.push_back(static_cast<int32_t>(type));
  };
  add("<unk>", TokenType::kUnknown, 0);
  // One letter in six is in no piece by itself.
  for (const std::string& letter : letters()) {
    if (below(6) > 0) add(letter, TokenType::kNormal, -20.0f);
  }
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (size_t n = 2 + below(4); n > 0; --n) text += letters()[below(letters().size())];
    add(text, below(4) == 0 ? TokenType::kUnused : TokenType::kNormal, -static_cast<float>(below(8)));
  }
  auto resolved = resolve_vocab(std::move(v));
  EXPECT_TRUE(resolved.ok()) << resolved.error().message;
  return std::move(resolved).value();
}

TEST(SpmMerge, SegmentsAreTheLibrarys) {
  std::mt19937 random(20);
  size_t unused_taken_apart = 0;
  size_t unknown = 0;
  for (int vocabulary = 0; vocabulary < 120; ++vocabulary) {
    const VocabData v = drawn_vocab(random);
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.LoadFromSerializedProto(sentencepiece_model(v)).ok());
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (size_t n = random() % 40; n > 0; --n) text += letters()[random() % letters().size()];
      std::vector<std::string> theirs;
      ASSERT_TRUE(library.Encode(unescape_spaces(text), &theirs).ok());
      std::vector<std::string> ours;
      bool after_unknown = false;
      for (const SpmSegment& s : spm_segments(v, text)) {
        // The library joins neighbours that are unknown.
        if (after_unknown && s.id < 0) {
          ours.back() += s.text;
        } else {
          ours.emplace_back(s.text);
        }
        after_unknown = s.id < 0;
        unknown += s.id < 0 ? 1 : 0;
        if (s.id >= 0) {
          EXPECT_EQ(v.tokens[static_cast<size_t>(s.id)], s.text);
        }
      }
      ASSERT_EQ(ours, theirs) << "vocabulary " << vocabulary << ", text " << text;
      for (size_t t = 0; t < v.tokens.size(); ++t) {
        const bool unused = v.types[t] == static_cast<int32_t>(TokenType::kUnused);
        unused_taken_apart += unused && text.find(v.tokens[t]) != std::string::npos ? 1 : 0;
      }
    }
  }
  EXPECT_GT(unused_taken_apart, 1000u);
  EXPECT_GT(unknown, 100u);
}

TEST(SpmMerge, NoText) {
  std::mt19937 random(1);
  EXPECT_TRUE(spm_segments(drawn_vocab(random), "").empty());
}

}  // namespace
}  // namespace kedge::tokenizer
