// Reduced vocabularies of real models against Hugging Face's tokenizers (tests/data/vocab/vocabularies.mjs).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::tokenizer {
namespace {

nlohmann::json read_vocabulary(std::string_view name) {
  const auto all = nlohmann::json::parse(read_file(std::string(KEDGE_TEST_DATA) + "/vocab/vocabularies.json"));
  for (const auto& v : all) {
    if (v["name"] == name) return v;
  }
  ADD_FAILURE() << name;
  return {};
}

VocabData vocab_of(const nlohmann::json& j) {
  VocabData v;
  v.model = j["model"];
  v.pre = j["pre"];
  v.tokens = j["tokens"].get<std::vector<std::string>>();
  v.types = j["types"].get<std::vector<int32_t>>();
  v.merges = j["merges"].get<std::vector<std::string>>();
  if (j.contains("lowercase")) v.lowercase = j["lowercase"].get<bool>();
  return v;
}

std::unique_ptr<Tokenizer> make(std::string_view name) {
  auto made = Tokenizer::make(vocab_of(read_vocabulary(name)));
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? std::move(made).value() : nullptr;
}

class ReducedVocabulary : public testing::TestWithParam<const char*> {};

TEST_P(ReducedVocabulary, EveryTextEncodesExactly) {
  const auto j = read_vocabulary(GetParam());
  const auto t = make(GetParam());
  ASSERT_NE(t, nullptr);
  EXPECT_GE(j["cases"].size(), 46u);
  for (const auto& c : j["cases"]) {
    const std::string text = c["text"];
    std::vector<size_t> begins;
    const auto ids = t->encode(text, {.add_special = false}, &begins);
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(*ids, c["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(begins.size(), ids->size());
    EXPECT_TRUE(std::is_sorted(begins.begin(), begins.end())) << text;
    if (j["model"] == "bert") continue;  // loses what cleaning takes away
    EXPECT_EQ(*t->decode(*ids), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Vocab, ReducedVocabulary, testing::Values("gemma4", "kimi_k2", "bert", "bert_cased"),
                         [](const auto& param) { return std::string(param.param); });

// Spaces divide the text before merging only where no token could join; whether they do must not be seen.
TEST(MetaspaceBpe, EveryByteStringComesBack) {
  const auto t = make("gemma4");
  std::mt19937_64 random(3);
  const std::string_view parts[] = {" ",        "  ",   "\n", "\t", "a", "the", "\xe2\x96\x81",
                                    "\xe2\x96", "\xff", "é",  "世", ">", "</",  "."};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) text += parts[random() % std::size(parts)];
    std::vector<size_t> begins;
    const auto ids = t->encode(text, {.add_special = false}, &begins);
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    ASSERT_EQ(*t->decode(*ids), text);
    for (size_t k = 0; k < begins.size(); ++k) {
      const size_t end = k + 1 < begins.size() ? begins[k + 1] : text.size();
      ASSERT_EQ(text.substr(begins[k], end - begins[k]), t->piece((*ids)[k])) << text;
    }
  }
}

// What is not linear would take hours.
TEST(Kinds, MegabytesAreEncodedInTime) {
  const size_t n = size_t{1} << 20;
  std::string words;
  while (words.size() < n) words += "the  a\n";
  for (const char* name : {"gemma4", "kimi_k2", "bert"}) {
    const auto t = make(name);
    for (const std::string& text : {std::string(n, 'a'), std::string(n, ' ') + "a", std::string(n, '\xff'), words}) {
      const auto ids = t->encode(text, {.add_special = false});
      ASSERT_TRUE(ids.ok()) << name << ": " << ids.error().message;
      if (t->vocab().model == "bert") continue;
      EXPECT_EQ(*t->decode(*ids), text) << name;
    }
  }
}

TEST(MetaspaceBpe, ATokenMayJoinOverASpace) {
  VocabData v = vocab_of(read_vocabulary("gemma4"));
  const auto before = Tokenizer::make(v);
  const auto apart = (*before)->encode("x> <", {.add_special = false});
  v.tokens.push_back(">\xe2\x96\x81<");
  v.types.push_back(1);
  v.merges.insert(v.merges.begin(), "> \xe2\x96\x81<");
  if ((*before)->find("\xe2\x96\x81<") < 0) {
    v.tokens.push_back("\xe2\x96\x81<");
    v.types.push_back(1);
  }
  v.merges.insert(v.merges.begin(), "\xe2\x96\x81 <");
  const auto after = Tokenizer::make(v);
  ASSERT_TRUE(after.ok()) << after.error().message;
  const auto ids = (*after)->encode("x> <", {.add_special = false});
  EXPECT_NE(*ids, *apart);
  EXPECT_EQ((*after)->token_text(ids->back()), ">\xe2\x96\x81<");
}

TEST(MetaspaceBpe, BytesNeedNoTypeInAGpt2File) {
  VocabData v = vocab_of(read_vocabulary("gemma4"));
  v.model = "gpt2";
  v.pre = "granite-embed-multi-311m";
  for (int32_t& type : v.types) type = type == static_cast<int32_t>(TokenType::kByte) ? 1 : type;
  const auto t = Tokenizer::make(v);
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_EQ(*(*t)->decode(*(*t)->encode("\xff\x01\u0378", {.add_special = false})), "\xff\x01\u0378");
}

TEST(WordPiece, TextStandsBetweenItsMarks) {
  const auto t = make("bert");
  const auto ids = t->encode("hello world");
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(t->token_text(ids->front()), "[CLS]");
  EXPECT_EQ(t->token_text(ids->back()), "[SEP]");
  EXPECT_EQ(*t->decode(*ids, {.skip_special = true}), "hello world");
  EXPECT_TRUE(t->encode("\u200b\t ", {.add_special = false})->empty());
}

TEST(WordPiece, NoTextBecomesAMark) {
  const auto t = make("bert");
  const auto ids = t->encode("[CLS] [SEP][MASK]", {.add_special = false});
  for (const int32_t id : *ids) EXPECT_TRUE(!t->is_control(id) || id == t->unk());
  const auto parsed = t->encode("hello [MASK] world", {.add_special = false, .parse_special = true});
  EXPECT_EQ(t->token_text((*parsed)[1]), "[MASK]");
}

TEST(WordPiece, FilesMayNameTheMarksInSeveralWays) {
  VocabData v = vocab_of(read_vocabulary("bert"));
  const auto base = (*Tokenizer::make(v))->encode("hello");
  const auto id = [&](const char* text) { return (*Tokenizer::make(v))->find(text); };
  VocabData named = v;
  named.cls_id = id("[CLS]");
  named.sep_id = id("[SEP]");
  VocabData old = v;
  old.bos_id = id("[CLS]");
  old.eos_id = id("[SEP]");
  for (const VocabData& other : {named, old}) EXPECT_EQ(*(*Tokenizer::make(other))->encode("hello"), *base);
  VocabData without = v;
  without.add_bos = false;
  without.add_eos = false;
  EXPECT_EQ((*Tokenizer::make(without))->encode("hello")->size() + 2, base->size());
}

TEST(KimiK2, MergesMayAlsoBeGiven) {
  VocabData v = vocab_of(read_vocabulary("kimi_k2"));
  v.pre = "gpt-4o";
  const auto without = Tokenizer::make(v);
  ASSERT_FALSE(without.ok()) << "only a pre-tokeniser of tiktoken's goes without merges";
  EXPECT_NE(without.error().message.find("tokenizer.ggml.merges is missing"), std::string::npos);
  v.pre = "kimi-k2";
  v.merges = {"h e"};
  EXPECT_TRUE(Tokenizer::make(v).ok());
}

}  // namespace
}  // namespace kedge::tokenizer
