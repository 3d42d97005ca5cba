// libsentencepiece on the original model file as the oracle of what is built from GGUF arrays.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <random>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
namespace {

class Oracle : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(oracle_.Load(std::string(KEDGE_TEST_DATA) + "/vocab/scout.tokenizer.model").ok());
    tokenizer_ = load_tokenizer("scout");
    ASSERT_NE(tokenizer_, nullptr);
  }
  void expect_same(const std::string& text) {
    std::vector<int> expected;
    ASSERT_TRUE(oracle_.Encode(text, &expected).ok());
    const auto ids = tokenizer_->encode(text, {.add_special = false});
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    ASSERT_EQ(*ids, expected) << text;
  }

  sentencepiece::SentencePieceProcessor oracle_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(Oracle, AgreesOnEncyclopedicText) {
  const std::string sample = read_file(std::string(KEDGE_TEST_DATA) + "/vocab/wikitext2-sample.txt");
  std::istringstream lines(sample);
  size_t n = 0;
  for (std::string line; std::getline(lines, line); ++n) expect_same(line);
  EXPECT_GT(n, 50u);
  expect_same(sample);
}

TEST_F(Oracle, AgreesOnRandomUtf8) {
  std::mt19937_64 random(7);
  static constexpr char32_t kRanges[][2] = {{0x20, 0x7e},   {0x20, 0x7e},     {0x1, 0x1f},       {0xa0, 0x17f},
                                            {0x400, 0x4ff}, {0x4e00, 0x9fff}, {0x1f300, 0x1f6ff}};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = random() % 24 + 1; n > 0; --n) {
      const auto& range = kRanges[random() % std::size(kRanges)];
      append_utf8(static_cast<char32_t>(range[0] + random() % (range[1] - range[0] + 1)), &text);
    }
    expect_same(text);
  }
}

}  // namespace
}  // namespace kedge::tokenizer
