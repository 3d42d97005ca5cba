// The logits of the embedded models as constants: what one machine computes, every other has to compute too, with any
// instruction set, and this version what the ones before it did.
#include <gtest/gtest.h>

#include "engine/session.h"
#include "kernels/base/sha256.h"
#include "kernels/isa.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

struct Bits {
  const char* file;
  KvFormat cache;
  const char* sha256;  // of the logits of all tokens
};

class ModelBits : public testing::TestWithParam<Bits> {};

// A prompt of 96 tokens in chunks of 41, then eight one by one.
TEST_P(ModelBits, AreTheSameEverywhere) {
  const auto model = load(std::string(KEDGE_SOURCE_DIR) + "/models/" + GetParam().file);
  ASSERT_NE(model, nullptr);
  SessionOptions options;
  options.n_ctx = 128;
  options.n_threads = 2;
  options.chunk = 41;
  options.kv_type = GetParam().cache;
  auto session = Session::create(model, options);
  ASSERT_TRUE(session.ok()) << session.error().message;
  std::vector<int32_t> tokens;
  for (int i = 0; i < 104; ++i) tokens.push_back(5 + i * i * 37 % 2000);
  base::Sha256 digest;
  const auto row = [&](int, std::span<const float> logits) {
    digest.bytes({reinterpret_cast<const char*>(logits.data()), logits.size_bytes()});
    return Status();
  };
  const auto all = std::span<const int32_t>(tokens);
  ASSERT_TRUE((*session)->eval_all(all.first(96), row).ok());
  for (size_t i = 96; i < all.size(); ++i) ASSERT_TRUE((*session)->eval_all(all.subspan(i, 1), row).ok());
  EXPECT_EQ(digest.hex(), GetParam().sha256);
}

INSTANTIATE_TEST_SUITE_P(Models, ModelBits,
                         testing::Values(Bits{"scout-q8_0.gguf", KvFormat::kF16,
                                              "10fc7d488fb1f5a97e5c1b69df99a9e0d83c0c3e91bb5818d273d99891a9c4dd"},
                                         Bits{"scout-q8_0.gguf", KvFormat::kQ8_0,
                                              "3bf88a12905632940364854edb94673e258d12b1d5dceaa7a877b78181f3c1fa"},
                                         Bits{"sage-q4_k_m.gguf", KvFormat::kF16,
                                              "40250a9300027d31af8bb096cfa5d0a2075ed29b5ac58ed372757d09cc123d7b"}));

}  // namespace
}  // namespace kedge::engine
