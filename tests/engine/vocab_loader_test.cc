// The tokenizer's keys of a file: what is read, and what is refused by its name.
#include "engine/vocab_loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tokenizer/tokenizer.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::engine {
namespace {

// A BERT vocabulary as converters write it.
Result<VocabData> loaded(const std::function<void(GgufWriter*)>& more) {
  GgufWriter w;
  w.add_string("general.architecture", "bert");
  w.add_string("tokenizer.ggml.model", "bert");
  w.add_string("tokenizer.ggml.pre", "jina-v2-en");
  const std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\xe2\x96\x81hello", "s"};
  w.add_strings("tokenizer.ggml.tokens", std::span<const std::string>(tokens));
  const std::vector<int32_t> types = {3, 3, 3, 3, 1, 1};
  w.add_array("tokenizer.ggml.token_type", std::span<const int32_t>(types));
  w.add("tokenizer.ggml.token_type_count", uint32_t{2});
  w.add("tokenizer.ggml.unknown_token_id", uint32_t{1});
  w.add("tokenizer.ggml.cls_token_id", uint32_t{2});
  w.add("tokenizer.ggml.seperator_token_id", uint32_t{3});
  more(&w);
  const std::string path = testing::TempDir() + "kedge_vocab_" + std::to_string(getpid()) + ".gguf";
  KEDGE_TRY(w.begin(path));
  KEDGE_TRY(w.finish());
  auto store = TensorStore::open(path);
  std::filesystem::remove(path);
  if (!store.ok()) return store.error();
  return load_vocab(store->metadata());
}

TEST(VocabLoader, ReadsWhatAnEncoderNeeds) {
  auto vocab = loaded([](GgufWriter* w) {
    w->add("tokenizer.ggml.normalizer.lowercase", false);
    w->add("tokenizer.ggml.normalizer.strip_accents", true);
    w->add("tokenizer.ggml.add_sep_token", true);
    w->add("tokenizer.ggml.mask_token_id", uint32_t{4});
    const std::vector<int32_t> never = {0, 1};
    w->add_array("tokenizer.ggml.suppress_tokens", std::span<const int32_t>(never));
  });
  ASSERT_TRUE(vocab.ok()) << vocab.error().message;
  EXPECT_EQ(vocab->cls_id, 2);
  EXPECT_EQ(vocab->sep_id, 3);
  EXPECT_EQ(vocab->lowercase, false);
  EXPECT_EQ(vocab->strip_accents, true);
  EXPECT_EQ(vocab->add_sep, true);
  EXPECT_EQ(vocab->suppress_ids, (std::vector<int32_t>{0, 1}));
  const auto tokenizer = Tokenizer::make(*std::move(vocab));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto ids = (*tokenizer)->encode("hellos Hello");
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(*ids, (std::vector<int32_t>{2, 4, 5, 1, 3})) << "the file says that case matters";
}

TEST(VocabLoader, RefusesWhatItDoesNotKnow) {
  const auto unknown = loaded([](GgufWriter* w) { w->add("tokenizer.ggml.normalizer.unknown", true); });
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("tokenizer.ggml.normalizer.unknown"), std::string::npos);
  const auto map = loaded([](GgufWriter* w) { w->add_string("tokenizer.ggml.precompiled_charsmap", "text"); });
  ASSERT_FALSE(map.ok());
  EXPECT_NE(map.error().message.find("precompiled_charsmap is string; it must be an array of bytes"), std::string::npos)
      << map.error().message;
}

}  // namespace
}  // namespace kedge::engine
