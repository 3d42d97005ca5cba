#include "tokenizer/pretokenizers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
namespace {

using Words = std::vector<std::string>;

Words words(std::string_view name, std::string_view text) {
  const auto rules = find_pretokenizer(name);
  EXPECT_TRUE(rules.ok()) << name;
  const auto pre = Pretokenizer::make(**rules);
  EXPECT_TRUE(pre.ok()) << pre.error().message;
  std::vector<size_t> ends;
  const Status status = pre->split(text, &ends);
  EXPECT_TRUE(status.ok()) << name << ": " << status.error().message;
  Words out;
  size_t begin = 0;
  for (const size_t end : ends) {
    EXPECT_GT(end, begin);
    out.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return out;
}

TEST(Pretokenizers, EveryNameCompilesAndCutsEverything) {
  EXPECT_GE(pretokenizer_names().size(), 70u);
  const std::string sample = read_file(std::string(KEDGE_TEST_DATA) + "/vocab/wikitext2-sample.txt").substr(0, 4000);
  for (const std::string_view name : pretokenizer_names()) {
    std::string joined;
    for (const std::string& word : words(name, sample)) joined += word;
    EXPECT_EQ(joined, sample) << name;
    EXPECT_TRUE(words(name, "").empty());
  }
}

// Hugging Face's tokenizers with the patterns as published (tests/data/vocab/pretokenizers.mjs).
TEST(Pretokenizers, CutAsPublished) {
  const auto oracle = nlohmann::json::parse(read_file(std::string(KEDGE_TEST_DATA) + "/vocab/pretokenizers.json"));
  EXPECT_GE(oracle["pieces"].size(), 20u);
  for (const auto& [name, all] : oracle["pieces"].items()) {
    ASSERT_EQ(all.size(), oracle["texts"].size()) << name;
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_EQ(words(name, oracle["texts"][i].get<std::string>()), all[i].get<Words>()) << name;
  }
}

TEST(Pretokenizers, UnknownNameIsNamed) {
  const auto rules = find_pretokenizer("klingon");
  ASSERT_FALSE(rules.ok());
  EXPECT_EQ(rules.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(rules.error().message.find("'klingon'"), std::string::npos);
}

TEST(Pretokenizers, Gpt2) {
  EXPECT_EQ(words("gpt-2", "I'll  go, he'S 12345\t\tx "),
            (Words{"I", "'ll", " ", " go", ",", " he", "'", "S", " 12345", "\t", "\t", "x", " "}));
}

TEST(Pretokenizers, Llama3) {
  EXPECT_EQ(words("llama-bpe", "I'LL pay 12345.\n\n  (a)b   c"),
            (Words{"I", "'LL", " pay", " ", "123", "45", ".\n\n", " ", " (", "a", ")b", "  ", " c"}));
  EXPECT_EQ(words("llama3", "é\u0301x"), (Words{"é", "\u0301x"}));
}

TEST(Pretokenizers, Qwen) {
  EXPECT_EQ(words("qwen2", "a 12\r\n\r\nb"), (Words{"a", " ", "1", "2", "\r\n\r\n", "b"}));
  EXPECT_EQ(words("qwen35", "e\u0301x"), (Words{"e\u0301x"}));
  EXPECT_EQ(words("qwen2", "e\u0301x"), (Words{"e", "\u0301x"}));
}

TEST(Pretokenizers, SeveralPatternsOneAfterAnother) {
  EXPECT_EQ(words("deepseek-coder", "ab 12\n\n, x"), (Words{"ab", " ", "1", "2", "\n", "\n", ",", " x"}));
  EXPECT_EQ(words("deepseek-v3", "a1234 你好b!"), (Words{"a", "123", "4", " ", "你好", "b", "!"}));
  EXPECT_EQ(words("deepseek-llm", "Ab  你12 \u03a9.  "), (Words{"Ab", "  ", "你", "12", " \u03a9", ".", "  "}));
  EXPECT_EQ(words("falcon", "a`b 12345"), (Words{"a", "`", "b", " ", "123", "45"}));
  EXPECT_EQ(words("starcoder", "ab 12"), (Words{"ab", " ", "1", "2"}));
}

TEST(Pretokenizers, CasedWords) {
  EXPECT_EQ(words("gpt-4o", "HelloWorld'S ABCdef 1234/\n"),
            (Words{"Hello", "World'S", " ABCdef", " ", "123", "4", "/\n"}));
  EXPECT_EQ(words("tekken", "HelloWorld'S 12"), (Words{"Hello", "World", "'S", " ", "1", "2"}));
  EXPECT_EQ(words("gpt-4o", "ÉCOLEs été"), (Words{"ÉCOLEs", " été"}));
}

TEST(Pretokenizers, DigitsFromTheRight) {
  EXPECT_EQ(words("afmoe", "1234567 12 a1"), (Words{"1", "234", "567", " ", "12", " a", "1"}));
  EXPECT_EQ(words("superbpe", "to 12345 be"), (Words{"to ", "12", "345", " be"}));
  EXPECT_EQ(words("tiny_aya", "1234567 1234s 12_"), (Words{"1", "234", "567", " ", "123", "4", "s", " ", "12", "_"}));
}

TEST(Pretokenizers, RewrittenRulesSayTheSame) {
  // exaone-moe: letters with single spaces between them are one word.
  EXPECT_EQ(words("exaone-moe", "ab cd  e\u0301f 1"), (Words{"ab cd", " ", " e\u0301f", " ", "1"}));
  // deepseek-llm: white space at the very end only; a newline is its own word before.
  EXPECT_EQ(words("deepseek-llm", "a  \u00a0\t"), (Words{"a", "  \u00a0\t"}));
}

TEST(Pretokenizers, WhiteSpaceIsTheUnicodeProperty) {
  EXPECT_EQ(words("gpt-2", "a\u3000\u3000b"), (Words{"a", "\u3000", "\u3000", "b"}));
  EXPECT_EQ(words("gpt-2", "a\u180eb"), (Words{"a", "\u180e", "b"}));
  EXPECT_EQ(words("gpt-2", " \u180e"), (Words{" \u180e"})) << "U+180E is not white space";
}

// Every rule is linear on runs; a quadratic one would take hours.
TEST(Pretokenizers, MegabyteRunsAreCutInTime) {
  const size_t n = size_t{1} << 20;
  std::string letters;
  while (letters.size() < n) letters += "a b";
  std::string cjk;
  while (cjk.size() < n) cjk += "中";
  for (const std::string_view name : pretokenizer_names()) {
    const auto rules = find_pretokenizer(name);
    if ((*rules)->names[0] != name) continue;  // an alias
    for (const std::string& text :
         {std::string(n, 'a'), std::string(n, 'A'), std::string(n, ' ') + "a", std::string(n, '\n'),
          std::string(n, '1'), std::string(n, '\'') + "1", letters, cjk}) {
      const auto pre = Pretokenizer::make(**rules);
      ASSERT_TRUE(pre.ok());
      std::vector<size_t> ends;
      const Status status = pre->split(text, &ends);
      ASSERT_TRUE(status.ok()) << name << ": " << status.error().message;
      EXPECT_EQ(ends.back(), text.size());
    }
  }
}

}  // namespace
}  // namespace kedge::tokenizer
