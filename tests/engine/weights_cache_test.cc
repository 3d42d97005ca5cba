// Weights that were packed before and lie in a file: a model computes the same bits with them, or packs anew.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using State = WeightsCache::State;

class WeightsCacheOf : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    const std::string golden = data_path("golden/" + std::string(GetParam()) + "/model.gguf");
    source_ = folder_ + "/model.gguf";
    std::filesystem::copy_file(golden, source_);
    // A file written just now is not kept: its time would not tell whether it changes again.
    std::filesystem::last_write_time(source_, std::filesystem::last_write_time(source_) - std::chrono::hours(1));
    usleep(50000);
    options_.weights_cache.folder = folder_ + "/packed";
    options_.weights_cache.least_bytes = 0;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<const Model> open() const {
    auto model = Model::load(source_, options_);
    EXPECT_TRUE(model.ok()) << model.error().message;
    return model.ok() ? *model : nullptr;
  }
  static std::vector<float> logits(const std::shared_ptr<const Model>& model) {
    std::vector<int32_t> tokens(40);
    std::iota(tokens.begin(), tokens.end(), 3);
    SessionOptions options;
    options.n_threads = 1;
    return all_logits(model, tokens, options);
  }

  const std::string folder_ = testing::TempDir() + "kedge_weights_cache_" + std::to_string(getpid());
  std::string source_;
  ModelOptions options_;
};

TEST_P(WeightsCacheOf, TheBitsAreThoseOfPacking) {
  const auto first = open();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->weights_cache().state, State::kMissing);
  const auto want = logits(first);
  ASSERT_FALSE(want.empty());
  const Status written = first->write_weights_cache({});
  ASSERT_TRUE(written.ok()) << written.error().message;
  const auto second = open();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->weights_cache().state, State::kUsed) << second->weights_cache().note;
  EXPECT_EQ(logits(second), want);
  EXPECT_EQ(second->fingerprint(), first->fingerprint());

  // Damaged: not used, and the answer is the same.
  {
    std::fstream file(second->weights_cache().path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-9, std::ios::end);
    file.put('x');
  }
  const auto third = open();
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->weights_cache().state, State::kMissing);
  EXPECT_FALSE(third->weights_cache().note.empty());
  EXPECT_EQ(logits(third), want);
}

TEST_P(WeightsCacheOf, AFolderThatCannotBeMadeIsNoErrorOfOpening) {
  options_.weights_cache.folder = source_ + "/packed";  // below a file
  const auto model = open();
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->weights_cache().state, State::kMissing);
  const Status written = model->write_weights_cache({});
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message.find(source_), std::string::npos) << written.error().message;
}

INSTANTIATE_TEST_SUITE_P(Models, WeightsCacheOf, testing::Values("llama", "qwen3moe", "qwen35"));

}  // namespace
}  // namespace kedge::engine
