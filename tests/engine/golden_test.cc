// The logits of the golden models, computed by an independent implementation (transformers, float32).
#include "tests/engine/golden.h"

#include <cmath>
#include <set>

#include "engine/arch.h"
#include "memory/checksum.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

struct Difference {
  double max = 0;
  double rms = 0;
};

Difference compare(std::span<const float> want, std::span<const float> got) {
  Difference d;
  double sum = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double e = std::fabs(static_cast<double>(want[i]) - static_cast<double>(got[i]));
    d.max = std::max(d.max, e);
    sum += e * e;
  }
  d.rms = std::sqrt(sum / static_cast<double>(want.size()));
  return d;
}

// The best token must match wherever the reference's lead exceeds `margin`.
void expect_same_best(std::span<const float> want, std::span<const float> got, size_t n_vocab, double margin,
                      const std::string& what) {
  for (size_t r = 0; r * n_vocab < want.size(); ++r) {
    const auto w = want.subspan(r * n_vocab, n_vocab);
    const auto g = got.subspan(r * n_vocab, n_vocab);
    const auto best = static_cast<size_t>(std::max_element(w.begin(), w.end()) - w.begin());
    float second = -INFINITY;
    for (size_t i = 0; i < n_vocab; ++i) {
      if (i != best) second = std::max(second, w[i]);
    }
    if (static_cast<double>(w[best] - second) <= margin) continue;
    EXPECT_EQ(best, static_cast<size_t>(std::max_element(g.begin(), g.end()) - g.begin())) << what << " row " << r;
  }
}

// For tools/golden_table.py, which holds runs on several instruction sets side by side.
void report(const std::string& what, std::span<const float> want, std::span<const float> got, size_t n_vocab) {
  const auto best = [n_vocab](std::span<const float> rows, size_t r) {
    const auto row = rows.subspan(r * n_vocab, n_vocab);
    return std::max_element(row.begin(), row.end()) - row.begin();
  };
  const size_t n = want.size() / n_vocab;
  size_t same = 0;
  for (size_t r = 0; r < n; ++r) same += best(want, r) == best(got, r) ? 1 : 0;
  std::printf("golden %s difference %.2e best %zu of %zu bits %016llx\n", what.c_str(), compare(want, got).max, same, n,
              static_cast<unsigned long long>(checksum(got.data(), got.size_bytes(), 0)));
}

class GoldenLogits : public testing::TestWithParam<std::string> {};

TEST_P(GoldenLogits, WithinTolerance) {
  const std::string folder = "golden/" + GetParam() + "/";
  const auto golden = read_json(data_path(folder + "golden.json"));
  const auto model = load(data_path(folder + "model.gguf"));
  ASSERT_NE(nullptr, model);
  for (const char* which : {"short", "long"}) {
    const auto& prompt = golden["prompts"][which];
    const auto tokens = prompt["tokens"].get<std::vector<int32_t>>();
    const auto want = read_floats(data_path(folder + prompt["logits"].get<std::string>()));
    for (const KvFormat kv : {KvFormat::kF32, KvFormat::kF16}) {
      const double tolerance = golden["tolerance"][kv == KvFormat::kF32 ? "f32_atol" : "f16_cache_atol"];
      SessionOptions options;
      options.kv_type = kv;
      options.n_ctx = static_cast<int>(tokens.size());  // decides which positions a model of two kinds has
      const auto logits = all_logits(model, tokens, options);
      ASSERT_GE(logits.size(), want.size());
      const auto got = last_rows(logits, want.size());
      const std::string what = GetParam() + " " + which + (kv == KvFormat::kF32 ? " f32" : " f16");
      if (golden["tolerance"].contains("int8_activation_rms")) {  // its experts are quantised, and may flip
        EXPECT_LE(compare(want, got).rms, 2.5 * golden["tolerance"]["int8_activation_rms"].get<double>()) << what;
      } else {
        EXPECT_LE(compare(want, got).max, tolerance) << what;
        expect_same_best(want, got, static_cast<size_t>(model->config().n_vocab), 2 * tolerance, what);
      }
      report(what, want, got, static_cast<size_t>(model->config().n_vocab));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GoldenLogits, testing::ValuesIn(golden_folders()));

// Whoever loses a golden model, or the way to find them, hears of it.
TEST(Golden, EveryArchitectureHasOne) {
  std::set<std::string> archs;
  for (const std::string root : {"golden", "encoders"}) {
    for (const std::string& folder : golden_folders("prompts", "model.gguf", root)) {
      const auto store = TensorStore::open(data_path(root + "/" + folder + "/model.gguf"));
      ASSERT_TRUE(store.ok()) << folder;
      archs.insert(std::string(*store->metadata().get_string("general.architecture")));
    }
  }
  std::string known = known_architectures();
  for (size_t at = 0; at < known.size();) {
    const size_t end = std::min(known.find(", ", at), known.size());
    EXPECT_TRUE(archs.contains(known.substr(at, end - at))) << known.substr(at, end - at);
    at = end + 2;
  }
}

// Quantised files: the golden logits come from float32 activations; rounding those to 8 bits costs about `peer_rms`.
class QuantisedGolden : public testing::TestWithParam<std::string> {};

TEST_P(QuantisedGolden, AsCloseAsRoundingAllows) {
  const std::string folder = "golden/" + GetParam() + "/";
  const auto golden = read_json(data_path(folder + "golden.json"));
  for (const auto& [type, files] : golden["quantised"]["types"].items()) {
    const auto model = load(data_path(folder + files["model"].get<std::string>()));
    ASSERT_NE(nullptr, model) << type;
    SessionOptions options;
    options.kv_type = KvFormat::kF32;
    for (const char* which : {"short", "long"}) {
      const auto tokens = golden["prompts"][which]["tokens"].get<std::vector<int32_t>>();
      const auto want = read_floats(data_path(folder + files[std::string("logits_") + which].get<std::string>()));
      const auto logits = all_logits(model, tokens, options);
      const Difference d = compare(want, last_rows(logits, want.size()));
      EXPECT_LE(d.rms, 2.5 * files["peer_rms"].get<double>()) << GetParam() << " " << type << " " << which;
      if (type == "F16" || type == "BF16") {
        EXPECT_LE(d.max, golden["tolerance"]["f32_atol"].get<double>()) << type;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, QuantisedGolden, testing::ValuesIn(golden_folders("quantised", "")));

// The shipped models against the logits of the weights they were quantised from.
TEST(EmbeddedModels, StayCloseToTheirOriginals) {
  struct Entry {
    const char* name;
    const char* precision;  // of the golden logits
    const char* file;
  };
  const Entry models[] = {{"scout", "f16", "scout-q8_0.gguf"}, {"sage", "q8_0", "sage-q4_k_m.gguf"}};
  for (const auto& [name, precision, file_name] : models) {
    const auto golden = read_json(data_path(std::string("models/") + name + ".json"));
    const auto model = load(std::string(KEDGE_SOURCE_DIR) + "/models/" + file_name);
    ASSERT_NE(nullptr, model);
    const auto n_vocab = static_cast<size_t>(model->config().n_vocab);
    for (const auto& prompt : golden["prompts"]) {
      const auto& file = prompt["files"][precision];
      const std::string path = data_path("models/" + file["file"].get<std::string>());
      if (!std::ifstream(path).good()) continue;  // the largest prompt's logits are not kept here
      const auto want = read_floats(path);
      const auto logits = all_logits(model, prompt["tokens"].get<std::vector<int32_t>>(), {});
      const auto got = last_rows(logits, want.size());
      const std::string what = std::string(name) + " " + prompt["key"].get<std::string>();
      // Logits have a standard deviation of 4 to 5.
      EXPECT_LE(compare(want, got).rms, 1.0) << what;
      expect_same_best(want, got, n_vocab, 4.0, what);
    }
  }
}

}  // namespace
}  // namespace kedge::engine
