// Importance matrices against a plain forward pass in double precision, dense and with experts.
#include "engine/imatrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>

#include "engine/activation_stats.h"
#include "engine/engine.h"
#include "tests/engine/golden.h"
#include "weights/importance.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;
using Row = std::vector<double>;

struct Sums {
  Row squares;  // [n_experts][k]
  Row counts;
};
using AllSums = std::map<std::string, Sums>;

// The llama architecture, token by token, with or without experts; all weights are F32.
class Llama {
 public:
  explicit Llama(const Model& model) : store_(model.store()), c_(model.config()) {}

  // A text from its beginning; the inputs of all matrices but the output's.
  void add(const std::vector<int32_t>& tokens, AllSums& sums) {
    keys_.assign(static_cast<size_t>(c_.n_layers), {});
    values_ = keys_;
    sums_ = &sums;
    for (size_t i = 0; i < tokens.size(); ++i) {
      Row x = row_of("token_embd.weight", static_cast<size_t>(tokens[i]));
      for (int l = 0; l < c_.n_layers; ++l) layer(l, i, x);
    }
  }

 private:
  const float* data(const std::string& name) const {
    const auto* info = store_.find(name);
    EXPECT_NE(info, nullptr) << name;
    return reinterpret_cast<const float*>(store_.data(*info).data());
  }
  Row row_of(const std::string& name, size_t row) const {
    const auto k = static_cast<size_t>(store_.find(name)->row_values());
    const float* from = data(name) + row * k;
    return {from, from + k};
  }
  Row norm(const Row& x, const std::string& name) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(c_.norm_eps));
    const float* w = data(name);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * static_cast<double>(w[i]);
    return y;
  }
  // Matrix `e` of a tensor times x, which is counted.
  Row times(const std::string& name, const Row& x, size_t e = 0) {
    const auto* info = store_.find(name);
    const auto rows = static_cast<size_t>(info->dims[1]);
    const size_t n = info->n_dims > 2 ? static_cast<size_t>(info->dims[2]) : 1;
    Sums& s = (*sums_)[name];
    s.squares.resize(n * x.size());
    s.counts.resize(n);
    s.counts[e] += 1;
    for (size_t i = 0; i < x.size(); ++i) s.squares[e * x.size() + i] += x[i] * x[i];
    const float* w = data(name) + e * rows * x.size();
    Row y(rows);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < x.size(); ++i) y[r] += static_cast<double>(w[r * x.size() + i]) * x[i];
    }
    return y;
  }
  // Pairs of neighbours turn by position / base^(2 i / d).
  void rope(Row& x, size_t d, size_t position, double base) const {
    for (size_t at = 0; at < x.size(); at += d) {
      for (size_t i = 0; i < d; i += 2) {
        const double angle =
            static_cast<double>(position) * std::pow(base, -static_cast<double>(i) / static_cast<double>(d));
        const double a = x[at + i];
        const double b = x[at + i + 1];
        x[at + i] = a * std::cos(angle) - b * std::sin(angle);
        x[at + i + 1] = a * std::sin(angle) + b * std::cos(angle);
      }
    }
  }
  Row attend(size_t l, const Row& q, size_t d) const {
    const size_t group = q.size() / keys_[l].front().size();
    Row out(q.size());
    for (size_t h = 0; h < q.size() / d; ++h) {
      const size_t kv = h / group * d;
      Row p;
      for (const Row& k : keys_[l]) {
        double s = 0;
        for (size_t i = 0; i < d; ++i) s += q[h * d + i] * k[kv + i];
        p.push_back(std::exp(s / std::sqrt(static_cast<double>(d))));
      }
      const double sum = std::accumulate(p.begin(), p.end(), 0.0);
      for (size_t t = 0; t < p.size(); ++t) {
        for (size_t i = 0; i < d; ++i) out[h * d + i] += p[t] / sum * values_[l][t][kv + i];
      }
    }
    return out;
  }
  Row feed_forward(const std::string& blk, const std::string& suffix, const Row& x, size_t e) {
    Row gate = times(blk + "ffn_gate" + suffix, x, e);
    const Row up = times(blk + "ffn_up" + suffix, x, e);
    for (size_t i = 0; i < up.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    return times(blk + "ffn_down" + suffix, gate, e);
  }
  Row experts(const std::string& blk, const Row& x) {
    Row p = times(blk + "ffn_gate_inp.weight", x);
    std::vector<size_t> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
    order.resize(static_cast<size_t>(c_.n_experts_used));
    double sum = 0;
    for (const size_t e : order) sum += std::exp(p[e]);
    Row y(x.size());
    for (const size_t e : order) {
      const Row part = feed_forward(blk, "_exps.weight", x, e);
      for (size_t i = 0; i < y.size(); ++i) y[i] += std::exp(p[e]) / sum * part[i];
    }
    return y;
  }
  void layer(int number, size_t position, Row& x) {
    const auto l = static_cast<size_t>(number);
    const std::string blk = "blk." + std::to_string(l) + ".";
    const auto d = static_cast<size_t>(c_.layers[l].head_dim_k);
    const double base = store_.find("blk.0.ffn_gate_inp.weight") != nullptr ? 1e6 : 1e4;
    const Row a = norm(x, blk + "attn_norm.weight");
    Row q = times(blk + "attn_q.weight", a);
    Row k = times(blk + "attn_k.weight", a);
    rope(q, d, position, base);
    rope(k, d, position, base);
    keys_[l].push_back(k);
    values_[l].push_back(times(blk + "attn_v.weight", a));
    const Row o = times(blk + "attn_output.weight", attend(l, q, d));
    for (size_t i = 0; i < x.size(); ++i) x[i] += o[i];
    const Row f = norm(x, blk + "ffn_norm.weight");
    const Row y = c_.n_experts > 0 ? experts(blk, f) : feed_forward(blk, ".weight", f, 0);
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  const TensorStore& store_;
  const ModelConfig& c_;
  std::vector<std::vector<Row>> keys_;  // [layer][position]
  std::vector<std::vector<Row>> values_;
  AllSums* sums_ = nullptr;
};

std::vector<int32_t> text_of(size_t n) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i) tokens.push_back(static_cast<int32_t>((i * 37 + i * i * 11) % 300 + 3));
  return tokens;
}

std::vector<float> floats_of(const TensorStore& store, const std::string& name) {
  const auto* info = store.find(name);
  if (info == nullptr) return {};
  std::vector<float> v(static_cast<size_t>(info->n_values()));
  std::memcpy(v.data(), store.data(*info).data(), v.size() * sizeof(float));
  return v;
}

class Imatrix : public testing::Test {
 protected:
  ~Imatrix() override { std::filesystem::remove(path_); }

  TensorStore made(const std::shared_ptr<const Model>& model, size_t n_tokens, const ImatrixOptions& options) {
    const auto report = write_imatrix(model, text_of(n_tokens), options, path_);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
    if (report.ok()) report_ = *report;
    auto store = TensorStore::open(path_);
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
    return std::move(store).value();
  }
  std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::string path_ = testing::TempDir() + "/kedge-imatrix-" + std::to_string(::getpid()) + ".gguf";
  ImatrixReport report_;
};

TEST_F(Imatrix, SumsAreThoseOfAForwardPassInDouble) {
  for (const char* name : {"llama", "mixtral"}) {
    const auto model = load(data_path(std::string("golden/") + name + "/model.gguf"));
    constexpr int kChunk = 24;
    const TensorStore store = made(model, 3 * kChunk + 7, {.chunk = kChunk, .n_threads = 2, .dataset = "text"});
    EXPECT_EQ(report_.chunks, 3u);
    EXPECT_EQ(report_.tokens, 3u * kChunk);
    AllSums want;
    Llama plain(*model);
    for (size_t c = 0; c < 3; ++c) {
      const auto all = text_of(3 * kChunk);
      std::vector<int32_t> chunk(all.begin() + static_cast<std::ptrdiff_t>(c * kChunk),
                                 all.begin() + static_cast<std::ptrdiff_t>((c + 1) * kChunk));
      chunk.front() = 1;  // bos
      plain.add(chunk, want);
    }
    EXPECT_EQ(store.tensors().size(), 2 * want.size());
    EXPECT_EQ(report_.tensors, want.size());
    size_t unused = 0;
    for (const auto& [tensor, sums] : want) {
      const auto squares = floats_of(store, tensor + ".in_sum2");
      const auto counts = floats_of(store, tensor + ".counts");
      ASSERT_EQ(squares.size(), sums.squares.size()) << tensor;
      ASSERT_EQ(counts.size(), sums.counts.size()) << tensor;
      const double mean =
          std::accumulate(sums.squares.begin(), sums.squares.end(), 0.0) / static_cast<double>(sums.squares.size());
      for (size_t i = 0; i < squares.size(); ++i) {
        ASSERT_NEAR(squares[i], sums.squares[i], 2e-3 * (mean + sums.squares[i])) << name << " " << tensor << " " << i;
      }
      for (size_t e = 0; e < counts.size(); ++e) {
        EXPECT_EQ(counts[e], sums.counts[e]) << tensor << " " << e;
        unused += counts[e] == 0 ? 1 : 0;
      }
    }
    EXPECT_EQ(report_.unused_experts, unused);
    const auto importance = weights::ImportanceMatrix::open(path_);
    ASSERT_TRUE(importance.ok()) << importance.error().message;
    EXPECT_EQ(importance->size(), want.size());
  }
}

TEST_F(Imatrix, ThreadsChangeNoBit) {
  const auto model = load(data_path("golden/mixtral/model.gguf"));
  made(model, 64, {.chunk = 32, .n_threads = 1});
  const std::string one = bytes();
  made(model, 64, {.chunk = 32, .n_threads = 3});
  EXPECT_EQ(one, bytes());
}

// Three parts of one tensor read one input: it is counted once.
TEST_F(Imatrix, PartsOfATensorCountOnce) {
  const auto model = load(data_path("golden/phi3/model.gguf"));
  const TensorStore store = made(model, 40, {.chunk = 20, .n_threads = 1});
  EXPECT_EQ(floats_of(store, "blk.0.attn_qkv.weight.counts"), std::vector<float>{40});
  EXPECT_EQ(floats_of(store, "blk.1.ffn_up.weight.counts"), std::vector<float>{40});
  EXPECT_EQ(floats_of(store, "output.weight.counts"), std::vector<float>());
}

TEST_F(Imatrix, TheOutputMatrixOnlyOnRequest) {
  const auto model = load(data_path("golden/llama/model.gguf"));
  const TensorStore store = made(model, 90, {.chunk = 30, .chunks = 2, .n_threads = 1, .output = true});
  EXPECT_EQ(floats_of(store, "output.weight.counts"), std::vector<float>{60});
  // Tied, it is the table.
  const auto tied = load(data_path("golden/gemma2/model.gguf"));
  ASSERT_EQ(tied->store().find("output.weight"), nullptr);
  const TensorStore of_tied = made(tied, 60, {.chunk = 30, .n_threads = 1, .output = true});
  EXPECT_EQ(floats_of(of_tied, "token_embd.weight.counts"), std::vector<float>{60});
}

TEST_F(Imatrix, Errors) {
  const auto model = load(data_path("golden/llama/model.gguf"));
  const auto error = [&](size_t n, const ImatrixOptions& o) {
    const auto report = write_imatrix(model, text_of(n), o, path_);
    return report.ok() ? std::string() : report.error().message;
  };
  EXPECT_EQ(error(31, {.chunk = 32}), "the text has 31 tokens, less than one chunk of 32");
  EXPECT_EQ(error(31, {.chunk = 0}), "chunk = 0, must be positive");
  EXPECT_EQ(error(31, {.chunk = 8, .chunks = 0}), "chunks = 0, must be positive, or -1: all");
  std::atomic<bool> cancel{true};
  const auto cancelled = write_imatrix(model, text_of(64), {.chunk = 32, .n_threads = 1, .cancel = &cancel}, path_);
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(path_));
  const auto engine = Engine::create(model, {.n_threads = 1, .sequences = 2});
  ASSERT_TRUE(engine.ok());
  auto shared = (*engine)->session({.n_ctx = 32, .kv = {}});
  ASSERT_TRUE(shared.ok());
  ActivationStats stats(model->sites());
  EXPECT_FALSE((*shared)->watch_activations(&stats).ok());
}

}  // namespace
}  // namespace kedge::engine
