// Test only: vocabularies of any pieces of bytes, and what a filter allows.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/constraint.h"
#include "engine/grammar/grammar_filter.h"
#include "engine/grammar/vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace kedge::engine::grammar {

// Ids: 0 ends a generation, then the control tokens, then the pieces. An "rwkv" vocabulary, which takes any bytes and
// spells a text by the longest piece first.
inline std::unique_ptr<Tokenizer> make_tokenizer(const std::vector<std::string>& pieces,
                                                 const std::vector<std::string>& controls = {}) {
  VocabData v;
  v.model = "rwkv";
  v.tokens = {"<end>"};
  v.types = {static_cast<int32_t>(TokenType::kControl)};
  for (const std::string& text : controls) {
    v.tokens.push_back(text);
    v.types.push_back(static_cast<int32_t>(TokenType::kControl));
  }
  for (const std::string& piece : pieces) {
    std::string text;
    for (const char c : piece) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      text += escape;
    }
    v.tokens.push_back(text);
    v.types.push_back(static_cast<int32_t>(TokenType::kNormal));
  }
  v.eos_id = 0;
  v.bos_id = 0;
  auto made = Tokenizer::make(std::move(v));
  EXPECT_TRUE(made.ok()) << made.error().message;
  return std::move(made).value();
}

// Every byte, and these pieces.
inline std::vector<std::string> bytes_and(std::vector<std::string> pieces) {
  for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
  return pieces;
}

inline std::vector<bool> allowed_tokens(TokenFilter& filter, size_t n_vocab, size_t left) {
  std::vector<uint64_t> bits(token_words(n_vocab), ~uint64_t{0});
  const Status status = filter.allow(bits, left);
  EXPECT_TRUE(status.ok()) << status.error().message;
  std::vector<bool> out(n_vocab);
  for (size_t id = 0; id < n_vocab; ++id) out[id] = token_allowed(bits, id);
  return out;
}

}  // namespace kedge::engine::grammar
