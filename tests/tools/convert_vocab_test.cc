// Vocabularies of folders: tokenizer.json of each kind, tokenizer.model, what is refused, and the names of
// pre-tokenisers against what the tokenizer room makes of them.
#include <gtest/gtest.h>

#include "kedge/kedge.hpp"
#include "tests/tools/hf_tiny.h"
#include "tokenizer/pretokenizers.h"
#include "tools/convert/pretokenizer_names.h"
#include "tools/convert/sentencepiece_file.h"

namespace kedge::tools {
namespace {

using base::ErrorCode;
using nlohmann::json;

weights::TensorStore converted(const TinyFolder& folder, const std::string& name) {
  const std::string out = scratch(name);
  const auto report = folder.convert(out);
  EXPECT_TRUE(report.ok()) << report.error().message;
  auto store = weights::TensorStore::open(out);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return *std::move(store);
}

std::vector<int32_t> encode(const std::string& name, const std::string& text, bool special = true) {
  const auto model = kedge::Model::open(scratch(name));
  EXPECT_TRUE(model.ok()) << model.error().message;
  return *model->tokenize(text, special, special);
}

json added(int id, const std::string& text, bool special) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// GPT-2's letters for bytes: printable ones are themselves.
std::string letter_of(int byte) {
  static const auto letters = [] {
    std::map<int, std::string> all;
    int next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
      const int code = plain ? b : next++;
      all[b] = code < 128 ? std::string(1, static_cast<char>(code))
                          : std::string{static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    }
    return all;
  }();
  return letters.at(byte);
}

// Bytes, "he", "ll", "hell", "hello" and three added tokens; Qwen's words.
json byte_level_json() {
  json vocab;
  for (int b = 0; b < 256; ++b) vocab[letter_of(b)] = b;
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  vocab["hello"] = 259;
  const std::string words = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                            R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
  return {{"version", "1.0"},
          {"added_tokens", {added(260, "<|bos|>", true), added(261, "<tool>", false), added(263, "<|end|>", true)}},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"}, {"pattern", {{"Regex", words}}}, {"behavior", "Isolated"}, {"invert", false}},
              {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}}}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<|bos|>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}}}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", {"he", "ll"}, "hell o"}}}}};
}

TinyFolder byte_level(const json& tokenizer) {
  TinyFolder folder(264);
  folder.files.erase("tokenizer.model");
  folder.files["tokenizer.json"] = tokenizer.dump();
  folder.files["tokenizer_config.json"] =
      R"({"tokenizer_class":"Qwen2Tokenizer","eos_token":"<|end|>","bos_token":{"content":"<|bos|>"}})";
  folder.files["generation_config.json"] =
      R"({"eos_token_id":[263,261],"temperature":0.6,"top_k":20,"top_p":0.95,"do_sample":true})";
  folder.files["chat_template.jinja"] = "{{ bos_token }}";
  return folder;
}

TEST(ConvertVocab, ByteLevel) {
  const weights::TensorStore store = converted(byte_level(byte_level_json()), "bytes.gguf");
  const weights::GgufMetadata& m = store.metadata();
  EXPECT_EQ(*m.get_string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(*m.get_string("tokenizer.ggml.pre"), "qwen2");
  const auto tokens = *m.get_strings("tokenizer.ggml.tokens");
  const auto kinds = *m.get_i32s("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 264u);
  EXPECT_EQ(tokens[262], "[PAD262]");
  EXPECT_EQ((std::vector<int32_t>{kinds[0], kinds[260], kinds[261], kinds[262], kinds[263]}),
            (std::vector<int32_t>{1, 3, 4, 5, 3}));
  EXPECT_EQ(*m.get_u32("tokenizer.ggml.bos_token_id"), 260u);
  EXPECT_EQ(*m.get_u32("tokenizer.ggml.eos_token_id"), 263u);
  EXPECT_EQ(*m.get_i32s("tokenizer.ggml.eog_token_ids"), std::vector<int32_t>{261});
  EXPECT_TRUE(*m.get_bool("tokenizer.ggml.add_bos_token"));
  EXPECT_EQ(*m.get_string("tokenizer.chat_template"), "{{ bos_token }}");
  EXPECT_EQ(*m.get_f32("general.sampling.temp"), 0.6f);
  EXPECT_EQ(*m.get_i32("general.sampling.top_k"), 20);
  EXPECT_EQ(encode("bytes.gguf", "hello<tool>he<|end|>"), (std::vector<int32_t>{260, 259, 261, 256, 263}));
  EXPECT_EQ(encode("bytes.gguf", "e\u0301", false), encode("bytes.gguf", "\u00e9", false)) << "NFC";
}

TEST(ConvertVocab, ByteLevelIsRefusedByName) {
  struct Damage {
    ErrorCode code;
    const char* part;
    std::function<void(json&)> change;
  };
  const auto words = [](json& t) -> json& { return t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]; };
  const std::vector<Damage> damages = {
      {ErrorCode::kUnsupported, "no pre-tokeniser that GGUF has a name for",
       [&](json& t) { words(t) = words(t).get<std::string>() + "|x"; }},
      {ErrorCode::kUnsupported, "cut likewise", [](json& t) { t["model"]["ignore_merges"] = true; }},
      {ErrorCode::kUnsupported, "normaliser",
       [](json& t) {
         t["normalizer"] = {{"type", "Lowercase"}};
       }},
      {ErrorCode::kUnsupported, "add_prefix_space",
       [](json& t) { t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }},
      {ErrorCode::kUnsupported, "'odd' = 1", [](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["odd"] = 1; }},
      {ErrorCode::kUnsupported, "'odd' = 1", [](json& t) { t["model"]["odd"] = 1; }},
      {ErrorCode::kUnsupported, "'odd' = 1", [](json& t) { t["odd"] = 1; }},
      {ErrorCode::kUnsupported, "model.dropout", [](json& t) { t["model"]["dropout"] = 0.1; }},
      {ErrorCode::kUnsupported, "model.type is 'WordLevel'", [](json& t) { t["model"]["type"] = "WordLevel"; }},
      {ErrorCode::kUnsupported, "several tokens",
       [](json& t) {
         t["post_processor"]["single"].insert(t["post_processor"]["single"].begin(), t["post_processor"]["single"][0]);
       }},
      {ErrorCode::kCorrupt, "no pair", [](json& t) { t["model"]["merges"][0] = "he"; }},
      {ErrorCode::kCorrupt, "model.merges has 7", [](json& t) { t["model"]["merges"][0] = 7; }},
      {ErrorCode::kCorrupt, "id 256 is given to two", [](json& t) { t["model"]["vocab"]["ll"] = 256; }},
      {ErrorCode::kCorrupt, "the id of 'll' is -1", [](json& t) { t["model"]["vocab"]["ll"] = -1; }},
      {ErrorCode::kCorrupt, "model.vocab must be an object", [](json& t) { t["model"]["vocab"] = 1; }},
      {ErrorCode::kCorrupt, "'<none>' around a text",
       [](json& t) { t["post_processor"]["single"][0]["SpecialToken"]["id"] = "<none>"; }},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.part);
    json tokenizer = byte_level_json();
    damage.change(tokenizer);
    expect_unconvertible(byte_level(tokenizer), damage.code, damage.part);
  }
}

// What SentencePiece does by scores is there as merges.
TEST(ConvertVocab, SentencePieceOfMerges) {
  json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    vocab[name] = 3 + b;
  }
  int id = 259;
  for (const char* text : {"\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "aba"}) vocab[text] = id++;
  const json good = {{"added_tokens", {added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)}},
                     {"normalizer",
                      {{"type", "Sequence"},
                       {"normalizers",
                        {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                         {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}},
                     {"pre_tokenizer", nullptr},
                     {"model",
                      {{"type", "BPE"},
                       {"unk_token", "<unk>"},
                       {"byte_fallback", true},
                       {"fuse_unk", true},
                       {"vocab", vocab},
                       {"merges", {"a b", "\u2581 a", "\u2581 ab", "\u2581a b", "ab a"}}}}};
  const auto folder = [](const json& tokenizer) {
    TinyFolder f(266);
    f.files.erase("tokenizer.model");
    f.files["tokenizer.json"] = tokenizer.dump();
    return f;
  };
  const weights::TensorStore store = converted(folder(good), "merges.gguf");
  EXPECT_EQ(*store.metadata().get_string("tokenizer.ggml.model"), "llama");
  EXPECT_TRUE(*store.metadata().get_bool("tokenizer.ggml.add_space_prefix"));
  EXPECT_EQ(encode("merges.gguf", "ab ab"), (std::vector<int32_t>{1, 264, 264}));
  EXPECT_EQ(encode("merges.gguf", "aba", false), (std::vector<int32_t>{264, 260}));
  json torn = good;  // "\u2581ab" by two merges that do not stand together
  torn["model"]["merges"] = {"a b", "\u2581 ab", "\u2581 a", "\u2581a b", "ab a"};
  expect_unconvertible(folder(torn), ErrorCode::kUnsupported, "do not stand together");
  json less = good;
  less["model"]["merges"] = {"a b", "\u2581 a", "\u2581 ab", "ab a"};
  expect_unconvertible(folder(less), ErrorCode::kUnsupported, "are not all that its parts allow");
  json other = good;
  other["normalizer"] = {{"type", "NFKC"}};
  expect_unconvertible(folder(other), ErrorCode::kUnsupported, "NFKC");
}

TEST(ConvertVocab, WordPiece) {
  const json tokenizer = {
      {"added_tokens",
       {added(0, "[PAD]", true), added(1, "[UNK]", true), added(2, "[CLS]", true), added(3, "[SEP]", true)}},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"clean_text", true},
        {"handle_chinese_chars", true},
        {"strip_accents", nullptr},
        {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "[CLS]"}}}},
          {{"Sequence", {{"id", "A"}}}},
          {{"SpecialToken", {{"id", "[SEP]"}}}}}}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab",
         {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"play", 4}, {"##ing", 5}, {"e", 6}, {"##s", 7}}}}}};
  TinyFolder folder;
  folder.files.erase("tokenizer.model");
  folder.files["tokenizer.json"] = tokenizer.dump();
  folder.files["tokenizer_config.json"] =
      R"({"tokenizer_class":"BertTokenizer","do_lower_case":true,"cls_token":"[CLS]","sep_token":"[SEP]","pad_token":"[PAD]"})";
  converted(folder, "wordpiece.gguf");
  EXPECT_EQ(encode("wordpiece.gguf", "Playing \u00e9s x"), (std::vector<int32_t>{2, 4, 5, 6, 7, 1, 3}));
  folder.files["tokenizer_config.json"] = R"({"do_lower_case":false})";
  expect_unconvertible(folder, ErrorCode::kUnsupported, "do_lower_case");
}

TEST(ConvertVocab, TokenizerModelOfScout) {
  TinyFolder folder(16384);
  folder.files["tokenizer.model"] = slurp(std::string(KEDGE_TEST_DATA) + "/vocab/scout.tokenizer.model");
  const weights::TensorStore made = converted(folder, "scout.gguf");
  const auto want = weights::TensorStore::open(std::string(KEDGE_TEST_DATA) + "/vocab/ggml-vocab-scout.gguf");
  ASSERT_TRUE(want.ok()) << want.error().message;
  const weights::GgufMetadata& a = made.metadata();
  const weights::GgufMetadata& b = want->metadata();
  EXPECT_EQ(*a.get_strings("tokenizer.ggml.tokens"), *b.get_strings("tokenizer.ggml.tokens"));
  EXPECT_EQ(*a.get_f32s("tokenizer.ggml.scores"), *b.get_f32s("tokenizer.ggml.scores"));
  EXPECT_EQ(*a.get_i32s("tokenizer.ggml.token_type"), *b.get_i32s("tokenizer.ggml.token_type"));
}

// Whatever the bytes are, there is a result or an error.
TEST(ConvertVocab, RandomDamageOfTokenizerModel) {
  const std::string good = TinyFolder().files["tokenizer.model"];
  std::mt19937 random(3);
  size_t refused = 0;
  constexpr size_t kRounds = 20000;
  for (size_t round = 0; round < kRounds; ++round) {
    std::string bytes = good;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 2 == 0) bytes.resize(1 + random() % bytes.size());
    const auto parsed = convert::parse_sentencepiece(bytes, "f");
    refused += parsed.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, kRounds / 10);
  EXPECT_LT(refused, kRounds);
}

// --- names of pre-tokenisers
// ------------------------------------------------------------------------------------------

// The published steps as rules, for the same machine.
tokenizer::PretokenizerRules rules_of(const convert::PretokenizerName& name) {
  static const std::string kWords = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  tokenizer::PretokenizerRules rules;
  for (const std::string_view step : name.steps) {
    if (step.starts_with("split ")) rules.patterns.push_back(step.substr(6));
    if (step == "digit") rules.patterns.push_back(R"(\p{N})");
    if (step == "words") rules.patterns.push_back(kWords);
  }
  return rules;
}

std::vector<size_t> cut(const tokenizer::PretokenizerRules& rules, const std::string& text) {
  const auto made = tokenizer::Pretokenizer::make(rules);
  EXPECT_TRUE(made.ok()) << made.error().message;
  std::vector<size_t> ends;
  EXPECT_TRUE(made->split(text, &ends).ok());
  return ends;
}

TEST(ConvertVocab, NamesMeanWhatTheTokenizerRoomMakesOfThem) {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/vocab/pretokenizers.json");
  const json texts = json::parse(in)["texts"];
  ASSERT_GT(texts.size(), 20u);
  for (const convert::PretokenizerName& name : convert::pretokenizer_names_of_json()) {
    SCOPED_TRACE(std::string(name.name));
    const auto rules = tokenizer::find_pretokenizer(name.name);
    ASSERT_TRUE(rules.ok()) << rules.error().message;
    EXPECT_EQ((*rules)->ignore_merges, name.ignore_merges);
    EXPECT_EQ(tokenizer::pretokenizer_implies_nfc(name.name), name.nfc);
    for (const json& text : texts) EXPECT_EQ(cut(**rules, text), cut(rules_of(name), text)) << text;
  }
}

}  // namespace
}  // namespace kedge::tools
