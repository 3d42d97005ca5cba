// The golden vocabularies: every text encodes to exactly these tokens.
#include <gtest/gtest.h>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::test {
namespace {

class GoldenVocab : public testing::TestWithParam<const char*> {};

TEST_P(GoldenVocab, EveryTextEncodesExactly) {
  const auto tokenizer = load_tokenizer(GetParam());
  ASSERT_NE(tokenizer, nullptr);
  const auto golden = load_golden(GetParam());
  ASSERT_EQ(golden.size(), 46u);
  for (const Golden& g : golden) {
    const auto ids = tokenizer->encode(g.text, {.add_special = false});
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(*ids, g.ids) << g.text;
    const auto text = tokenizer->decode(*ids);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(*text, g.text);
  }
}

INSTANTIATE_TEST_SUITE_P(Vocab, GoldenVocab, testing::Values("llama-spm", "phi-3", "gpt-2", "deepseek-coder"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace kedge::test
