// The golden vocabularies: every text encodes to exactly these tokens.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
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

// Prompts as the trainer of the demo models tokenized them, chat markup included.
TEST(GoldenPrompts, ScoutPromptsEncodeExactly) {
  const auto tokenizer = load_tokenizer("scout");
  ASSERT_NE(tokenizer, nullptr);
  const auto prompts = nlohmann::json::parse(read_file(std::string(KEDGE_TEST_DATA) + "/vocab/scout_prompts.json"));
  ASSERT_EQ(prompts.size(), 6u);
  for (const auto& prompt : prompts) {
    const auto text = prompt["text"].get<std::string>();
    const auto ids = tokenizer->encode(text, {.parse_special = true});
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(*ids, prompt["tokens"].get<std::vector<int32_t>>()) << text;
    const auto back = tokenizer->decode(std::span(*ids).subspan(1));  // without the <s> that encode() put in front
    EXPECT_EQ(*back, text);
  }
}

}  // namespace
}  // namespace kedge::tokenizer
