// What is refused, and with which words; what is filled in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/tokenizer/gguf_vocab.h"
#include "tests/tokenizer/tiny_vocab.h"

namespace kedge::tokenizer {
namespace {

struct Bad {
  const char* name;
  ErrorCode code;
  const char* says;  // part of the message
  std::function<void(VocabData*)> break_it;
};

void expect_refused(const Bad& bad, VocabData vocab) {
  bad.break_it(&vocab);
  const auto made = Tokenizer::make(std::move(vocab));
  ASSERT_FALSE(made.ok()) << bad.name;
  EXPECT_EQ(made.error().code, bad.code) << bad.name << ": " << made.error().message;
  EXPECT_NE(made.error().message.find(bad.says), std::string::npos) << bad.name << ": " << made.error().message;
}

TEST(Vocab, BadOnesAreRefusedWithTheKeyTheValueAndTheLimit) {
  const Bad all[] = {
      {"model", ErrorCode::kUnsupported, "tokenizer.ggml.model is 'plamo2'; supported are 'llama' (",
       [](VocabData* v) { v->model = "plamo2"; }},
      {"lower case", ErrorCode::kUnsupported, "normalizer.lowercase is true, which only a 'bert'",
       [](VocabData* v) { v->lowercase = true; }},
      {"accents", ErrorCode::kUnsupported, "normalizer.strip_accents is true, which only a 'bert'",
       [](VocabData* v) { v->strip_accents = true; }},
      {"charsmap", ErrorCode::kUnsupported, "precompiled_charsmap has 5 bytes",
       [](VocabData* v) { v->precompiled_charsmap = "12345"; }},
      {"cls", ErrorCode::kCorrupt, "tokenizer.ggml.cls_token_id is 999999", [](VocabData* v) { v->cls_id = 999999; }},
      {"no model", ErrorCode::kUnsupported, "tokenizer.ggml.model is ''", [](VocabData* v) { v->model.clear(); }},
      {"no tokens", ErrorCode::kCorrupt, "tokenizer.ggml.tokens is missing", [](VocabData* v) { v->tokens.clear(); }},
      {"scores", ErrorCode::kCorrupt, "tokenizer.ggml.scores has 3 entries", [](VocabData* v) { v->scores.resize(3); }},
      {"types", ErrorCode::kCorrupt, "tokenizer.ggml.token_type has 4 entries",
       [](VocabData* v) { v->types.resize(4); }},
      {"score", ErrorCode::kCorrupt, "tokenizer.ggml.scores[5] is not a finite",
       [](VocabData* v) { v->scores[5] = NAN; }},
      {"type", ErrorCode::kCorrupt, "tokenizer.ggml.token_type[5] is 7", [](VocabData* v) { v->types[5] = 7; }},
      {"negative type", ErrorCode::kCorrupt, "token_type[5] is -1", [](VocabData* v) { v->types[5] = -1; }},
      {"repeat", ErrorCode::kCorrupt, "[2] '<s>' repeats token 1", [](VocabData* v) { v->tokens[2] = v->tokens[1]; }},
      {"bos", ErrorCode::kCorrupt, "tokenizer.ggml.bos_token_id is 999999", [](VocabData* v) { v->bos_id = 999999; }},
      {"eos", ErrorCode::kCorrupt, "tokenizer.ggml.eos_token_id is -7", [](VocabData* v) { v->eos_id = -7; }},
      {"eog", ErrorCode::kCorrupt, "eog_token_ids holds 999999", [](VocabData* v) { v->eog_ids = {999999}; }},
      {"suppressed", ErrorCode::kCorrupt, "suppress_tokens holds -2", [](VocabData* v) { v->suppress_ids = {-2}; }},
      {"eos wanted", ErrorCode::kCorrupt, "add_eos_token is true, but",
       [](VocabData* v) {
         v->add_eos = true;
         v->eos_id = -1;
         v->types[2] = 1;
         v->tokens[2] = "x2";
       }},
      {"long token", ErrorCode::kCapacity, "has 70000 bytes; the limit is 65536",
       [](VocabData* v) { v->tokens.back().assign(70000, 'x'); }},
      {"long special", ErrorCode::kCapacity, "special token of 2000 bytes; the limit is 1024",
       [](VocabData* v) {
         v->tokens.back().assign(2000, 'x');
         v->types.back() = 3;
       }},
  };
  for (const Bad& bad : all) {
    expect_refused(bad, tiny_spm());
    expect_refused(bad, tiny_bpe());
  }
}

TEST(Vocab, BadSentencePieceOnesAreRefused) {
  const Bad all[] = {
      {"byte form", ErrorCode::kCorrupt, "has the type byte, but", [](VocabData* v) { v->tokens[3] = "<0xG0>"; }},
      {"byte twice", ErrorCode::kCorrupt, "a second token for byte 10",
       [](VocabData* v) { v->tokens[3 + 11] = "<0x0a>"; }},
      {"byte missing", ErrorCode::kCorrupt, "marks 255 byte tokens; there must be 256 or none",
       [](VocabData* v) { v->types[3] = 1; }},
      {"unknown twice", ErrorCode::kCorrupt, "", [](VocabData* v) { v->tokens[0] = "<s>"; }},
  };
  for (const Bad& bad : all) expect_refused(bad, tiny_spm());
}

TEST(Vocab, BadMergesAndPretokenisersAreRefused) {
  const Bad all[] = {
      {"no merges", ErrorCode::kCorrupt, "tokenizer.ggml.merges is missing", [](VocabData* v) { v->merges.clear(); }},
      {"no space", ErrorCode::kCorrupt, "merges[1] 'ab' is not two tokens", [](VocabData* v) { v->merges[1] = "ab"; }},
      {"nothing right", ErrorCode::kCorrupt, "merges[0] 'a ' is not two tokens",
       [](VocabData* v) { v->merges[0] = "a "; }},
      {"empty", ErrorCode::kCorrupt, "merges[0] '' is not two tokens", [](VocabData* v) { v->merges[0].clear(); }},
      {"left", ErrorCode::kCorrupt, "names a token that does not exist (the left one)",
       [](VocabData* v) { v->merges[0] = "zzz a"; }},
      {"right", ErrorCode::kCorrupt, "names a token that does not exist (the right one)",
       [](VocabData* v) { v->merges[0] = "a zzz"; }},
      {"result", ErrorCode::kCorrupt, "merges[0] 'z z' makes a token that does not exist",
       [](VocabData* v) { v->merges[0] = "z z"; }},
      {"makes control", ErrorCode::kCorrupt, "makes special token",
       [](VocabData* v) {
         v->types[static_cast<size_t>(std::find(v->tokens.begin(), v->tokens.end(), "ab") - v->tokens.begin())] = 3;
       }},
      {"pre", ErrorCode::kUnsupported, "unknown pre-tokeniser tokenizer.ggml.pre = 'nobodys-bpe'",
       [](VocabData* v) { v->pre = "nobodys-bpe"; }},
      {"no pre", ErrorCode::kUnsupported, "tokenizer.ggml.pre is missing", [](VocabData* v) { v->pre.clear(); }},
  };
  for (const Bad& bad : all) expect_refused(bad, tiny_bpe());
}

TEST(Vocab, AnUnknownPretokeniserDoesNotMatterToSentencePiece) {
  VocabData v = tiny_spm();
  v.pre = "nobodys-bpe";
  EXPECT_TRUE(Tokenizer::make(std::move(v)).ok());
}

TEST(Vocab, DefaultsAreFilledIn) {
  const auto spm = resolve_vocab(tiny_spm());
  ASSERT_TRUE(spm.ok()) << spm.error().message;
  EXPECT_EQ(spm->bos_id, 1);
  EXPECT_EQ(spm->eos_id, 2);
  EXPECT_EQ(spm->unk_id, 0);
  EXPECT_TRUE(*spm->add_bos);
  EXPECT_FALSE(*spm->add_eos);
  EXPECT_TRUE(*spm->add_space_prefix);
  VocabData llama3 = tiny_bpe();
  llama3.pre = "llama-bpe";
  llama3.bos_id = 1;
  const auto bpe = resolve_vocab(llama3);
  ASSERT_TRUE(bpe.ok());
  EXPECT_TRUE(*bpe->ignore_merges);
  EXPECT_TRUE(*bpe->add_bos);
  EXPECT_FALSE(*resolve_vocab(tiny_bpe())->add_bos);
  VocabData empty_text = tiny_spm();
  empty_text.tokens.back().clear();
  EXPECT_TRUE(resolve_vocab(empty_text)->tokens.back().starts_with("[EMPTY_"));
}

TEST(Vocab, TypesAreInferredWhereTheFileHasNone) {
  VocabData v = tiny_spm();
  const std::vector<int32_t> types = v.types;
  v.types.clear();
  const auto resolved = resolve_vocab(std::move(v));
  ASSERT_TRUE(resolved.ok()) << resolved.error().message;
  EXPECT_EQ(resolved->types, types);
}

TEST(Vocab, EndOfGenerationTokensAreFoundByTheirText) {
  VocabData v = tiny_spm();
  for (const auto& [text, type] :
       {std::pair("<|im_end|>", 4), {"<|return|>", 3}, {"<|call|>", 3}, {"<|end|>", 3}, {"<|file_sep|>", 3}}) {
    v.tokens.push_back(text);
    v.types.push_back(type);
    v.scores.push_back(0);
  }
  const auto made = Tokenizer::make(v);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const Tokenizer& t = **made;
  for (const char* text : {"</s>", "<|im_end|>", "<|return|>", "<|call|>", "<|file_sep|>"})
    EXPECT_TRUE(t.is_eog(t.find(text))) << text;
  EXPECT_FALSE(t.is_eog(t.find("<|end|>"))) << "with <|return|> and <|call|> it only ends a part";
  EXPECT_FALSE(t.is_eog(t.find("<s>")));
  EXPECT_FALSE(t.is_eog(-1));
  EXPECT_TRUE(t.is_control(t.find("<|im_end|>")));
  EXPECT_EQ(t.eot(), t.find("<|im_end|>"));
}

TEST(Vocab, FamiliesHaveEndsOfTheirOwn) {
  VocabData v = tiny_spm();
  v.eos_id = 2;
  for (const auto& [text, type] :
       {std::pair("<turn|>", 3), {"<|tool_response>", 3}, {"<|role_end|>", 3}, {"[|endofturn|]", 1}}) {
    v.tokens.push_back(text);
    v.types.push_back(type);
    v.scores.push_back(0);
  }
  v.eot_id = static_cast<int32_t>(v.tokens.size()) - 1;  // any token may be one
  const auto made = Tokenizer::make(v);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const Tokenizer& t = **made;
  for (const char* text : {"<turn|>", "<|tool_response>", "<|role_end|>", "[|endofturn|]"})
    EXPECT_TRUE(t.is_eog(t.find(text))) << text;
  v.eot_id = -1;
  const auto plain = Tokenizer::make(v);
  EXPECT_FALSE((*plain)->is_eog((*plain)->find("[|endofturn|]"))) << "ordinary text, unless the file says otherwise";
  EXPECT_EQ((*plain)->eot(), (*plain)->find("<turn|>"));
}

TEST(Vocab, FingerprintChangesWithEverythingThatMatters) {
  const auto print = [](const VocabData& v) { return (*Tokenizer::make(v))->fingerprint(); };
  const std::string base = print(tiny_spm());
  EXPECT_EQ(base.size(), 64u);
  EXPECT_EQ(base, print(tiny_spm()));
  const std::function<void(VocabData*)> changes[] = {
      [](VocabData* v) { v->tokens.back() = "other"; },
      [](VocabData* v) { v->scores.back() = -1.5f; },
      [](VocabData* v) { v->types.back() = 5; },
      [](VocabData* v) { v->add_bos = false; },
      [](VocabData* v) { v->add_eos = true; },
      [](VocabData* v) { v->add_space_prefix = false; },
      [](VocabData* v) { v->remove_extra_whitespaces = true; },
      [](VocabData* v) { v->eog_ids = {5}; },
      [](VocabData* v) { v->pad_id = 0; },
  };
  std::vector<std::string> prints = {base};
  for (const auto& change : changes) {
    VocabData v = tiny_spm();
    change(&v);
    prints.push_back(print(v));
  }
  VocabData said = tiny_spm();  // what is the default may be said or left out
  said.bos_id = 1;
  said.add_bos = true;
  EXPECT_EQ(print(said), base);
  std::sort(prints.begin(), prints.end());
  EXPECT_EQ(std::unique(prints.begin(), prints.end()), prints.end());
}

}  // namespace
}  // namespace kedge::tokenizer
