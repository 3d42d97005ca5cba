// Importance matrices: what files of them say, and what the quantiser makes of it.
#include "weights/importance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/weights/gguf_bytes.h"
#include "weights/gguf_writer.h"
#include "weights/quantize.h"

namespace kedge::weights {
namespace {

constexpr int64_t kColumns = 256;
constexpr const char* kMatrix = "blk.0.ffn_up.weight";
constexpr const char* kExperts = "blk.0.ffn_up_exps.weight";

struct Named {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<float> values;
};

std::string write_gguf(const std::string& path, const std::string& type, const std::vector<Named>& tensors) {
  GgufWriter w;
  w.add_string("general.type", type);
  for (const Named& t : tensors) w.add_tensor(t.name, *find_quant("F32"), t.dims);
  EXPECT_TRUE(w.begin(path).ok());
  for (const Named& t : tensors) EXPECT_TRUE(w.write(t.name, std::as_bytes(std::span(t.values))).ok());
  EXPECT_TRUE(w.finish().ok());
  return path;
}

std::vector<float> normal(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> d(0.0f, 0.05f);
  std::vector<float> v(n);
  for (float& x : v) x = d(random);
  return v;
}

// Column c of matrix m counts 1 + m + (c % 7 == 0 ? 100 : 0), over 10 rows.
Named sums_of(const char* name, int64_t matrices) {
  Named t{std::string(name) + ".in_sum2", {kColumns, matrices}, {}};
  for (int64_t m = 0; m < matrices; ++m) {
    for (int64_t c = 0; c < kColumns; ++c)
      t.values.push_back(10.0f * static_cast<float>(1 + m + (c % 7 == 0 ? 100 : 0)));
  }
  return t;
}
Named counts_of(const char* name, std::vector<float> counts) {
  return {std::string(name) + ".counts", {1, static_cast<int64_t>(counts.size())}, counts};
}

class Importance : public ::testing::Test {
 protected:
  std::string model() {
    return write_gguf(
        dir_.file("model.gguf"), "model",
        {{kMatrix, {kColumns, 8}, normal(kColumns * 8, 1)}, {kExperts, {kColumns, 4, 3}, normal(kColumns * 12, 2)}});
  }
  std::string good() {
    return write_gguf(
        dir_.file("good.gguf"), "imatrix",
        {sums_of(kMatrix, 1), counts_of(kMatrix, {10}), sums_of(kExperts, 3), counts_of(kExperts, {10, 0, 10})});
  }
  ScratchDir dir_;
};

TEST_F(Importance, WeightsAreRelativeToTheirMean) {
  const auto store = TensorStore::open(model());
  const auto importance = ImportanceMatrix::open(good());
  ASSERT_TRUE(store.ok() && importance.ok()) << (importance.ok() ? "" : importance.error().message);
  EXPECT_EQ(importance->size(), 2u);
  EXPECT_TRUE(importance->has(kMatrix));
  EXPECT_FALSE(importance->has("blk.1.ffn_up.weight"));
  std::vector<float> w(kColumns);
  ASSERT_TRUE(importance->read(*store->find(kMatrix), 0, w).ok());
  double mean = 0;
  for (const float v : w) mean += double{v} / kColumns;
  EXPECT_NEAR(mean, 1, 1e-5);
  EXPECT_NEAR(w[7] / w[8], 101, 1e-3);
  ASSERT_TRUE(importance->read(*store->find(kExperts), 2, w).ok());
  EXPECT_NEAR(w[7] / w[8], 103.0 / 3, 1e-3);
  ASSERT_TRUE(importance->read(*store->find(kExperts), 1, w).ok());  // was never used
  EXPECT_EQ(w, std::vector<float>(kColumns, 1.0f));
}

TEST_F(Importance, OtherFilesAreRefused) {
  const std::string other = dir_.file("other.gguf");
  expect_error(ImportanceMatrix::open(model()), ErrorCode::kUnsupported, {"model.gguf", "general.type", "'model'"});
  expect_error(ImportanceMatrix::open(dir_.save("old.dat", std::string(64, '\1'))), ErrorCode::kInvalidArgument,
               {"old.dat", "llama-imatrix"});
  expect_error(ImportanceMatrix::open(write_gguf(other, "imatrix", {sums_of(kMatrix, 1)})), ErrorCode::kCorrupt,
               {"other.gguf", "ffn_up.weight.in_sum2", "partner"});
  expect_error(ImportanceMatrix::open(write_gguf(other, "imatrix", {sums_of(kMatrix, 1), counts_of(kMatrix, {1, 2})})),
               ErrorCode::kCorrupt, {"partner"});
  Named negative = sums_of(kMatrix, 1);
  negative.values[3] = -1;
  expect_error(ImportanceMatrix::open(write_gguf(other, "imatrix", {negative, counts_of(kMatrix, {1})})),
               ErrorCode::kCorrupt, {"in_sum2", "no sum of squares"});
  expect_error(ImportanceMatrix::open(write_gguf(other, "imatrix", {{"a", {4}, {1, 2, 3, 4}}})), ErrorCode::kCorrupt,
               {"other.gguf", ".in_sum2"});
}

TEST_F(Importance, OfAnotherModelIsRefused) {
  const auto store = TensorStore::open(model());
  Named narrow{std::string(kMatrix) + ".in_sum2", {128, 1}, std::vector<float>(128, 1.0f)};
  const auto importance =
      ImportanceMatrix::open(write_gguf(dir_.file("x.gguf"), "imatrix", {narrow, counts_of(kMatrix, {1})}));
  ASSERT_TRUE(store.ok() && importance.ok());
  QuantizeOptions options{.type = "IQ3_S"};
  options.importance = &*importance;
  expect_error(quantize_file(*store, dir_.file("out.gguf"), options), ErrorCode::kInvalidArgument,
               {"x.gguf", "[128, 1]", "[256, 8]", "another model"});
}

// Weighted errors of the tensor of a model that has been quantised.
double weighted_error(const TensorStore& before, const TensorStore& after, const ImportanceMatrix& importance,
                      const char* name) {
  const TensorInfo& a = *before.find(name);
  const TensorInfo& b = *after.find(name);
  std::vector<float> x(kColumns), y(kColumns), w(kColumns);
  double error = 0;
  for (int64_t r = 0; r < a.rows(); ++r) {
    const auto row = static_cast<size_t>(r);
    a.type->dequantise(before.data(a).data() + row * a.row_bytes(), x.data(), x.size());
    b.type->dequantise(after.data(b).data() + row * b.row_bytes(), y.data(), y.size());
    EXPECT_TRUE(importance.read(a, r / a.dims[1], w).ok());
    for (size_t i = 0; i < x.size(); ++i) error += double{w[i]} * std::pow(double{x[i]} - y[i], 2);
  }
  return error;
}

TEST_F(Importance, WhatMattersLosesLess) {
  const auto store = TensorStore::open(model());
  const auto importance = ImportanceMatrix::open(good());
  ASSERT_TRUE(store.ok() && importance.ok());
  for (const char* type :
       {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "Q2_0", "TQ2_0", "Q4_K"}) {
    QuantizeOptions options{.type = type};
    ASSERT_TRUE(quantize_file(*store, dir_.file("plain.gguf"), options).ok());
    options.importance = &*importance;
    const auto report = quantize_file(*store, dir_.file("weighted.gguf"), options);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->tensors[0].note, "");
    const auto plain = TensorStore::open(dir_.file("plain.gguf"));
    const auto weighted = TensorStore::open(dir_.file("weighted.gguf"));
    ASSERT_TRUE(plain.ok() && weighted.ok());
    for (const char* name : {kMatrix, kExperts}) {
      const double without = weighted_error(*store, *plain, *importance, name);
      const double limit = std::string_view(type) == "TQ2_0" ? 0.99 : 0.9;  // one scale for 256 values leaves no choice
      EXPECT_LT(weighted_error(*store, *weighted, *importance, name), limit * without) << type << " " << name;
    }
  }
}

TEST_F(Importance, AMissingTensorIsSaid) {
  const auto store = TensorStore::open(model());
  const auto importance = ImportanceMatrix::open(
      write_gguf(dir_.file("some.gguf"), "imatrix", {sums_of(kMatrix, 1), counts_of(kMatrix, {1})}));
  ASSERT_TRUE(store.ok() && importance.ok());
  QuantizeOptions options{.type = "Q4_K"};
  options.importance = &*importance;
  const auto report = plan_quantize(*store, options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->tensors[0].note, "");
  EXPECT_NE(report->tensors[1].note.find("does not have it"), std::string::npos);
}

}  // namespace
}  // namespace kedge::weights
