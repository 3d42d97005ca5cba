#include "tools/generate_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "kernels/base/parallel.h"
#include "kernels/quants.h"
#include "tools/model_plan.h"
#include "weights/gguf_writer.h"

namespace kedge::tools {

namespace {

constexpr float kWeightDeviation = 0.02f;

// Counter-based: the n-th number of a stream depends on nothing else (splitmix64).
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Nearly normal: four 16-bit uniforms, whose sum has variance 1/3.
float normal(uint64_t random) {
  uint32_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<uint32_t>(random >> (16 * i)) & 0xffffu;
  const float centred = static_cast<float>(sum) / 65536.0f - 2.0f;
  return centred * 1.7320508f;
}

// Drawing and quantising every weight of a large model takes minutes. Instead some thousand pieces of 256 weights are
// quantised, and a matrix is put together from pieces of this bank at random.
class PieceBank {
 public:
  static constexpr size_t kPieces = 8192;
  static constexpr size_t kValues = 256;

  PieceBank(const QuantFormat& format, uint64_t seed) : piece_bytes_(format.row_bytes(kValues)) {
    bytes_.resize(kPieces * piece_bytes_);
    parallel_for_static(0, kPieces, 64, [&](size_t begin, size_t end, int) {
      float values[kValues];
      for (size_t p = begin; p < end; ++p) {
        for (size_t i = 0; i < kValues; ++i) values[i] = kWeightDeviation * normal(mix(seed + mix(p * kValues + i)));
        format.quantise(values, nullptr, bytes_.data() + p * piece_bytes_, kValues);
      }
    });
  }
  size_t piece_bytes() const { return piece_bytes_; }
  const std::byte* piece(uint64_t random) const { return bytes_.data() + (random % kPieces) * piece_bytes_; }

 private:
  size_t piece_bytes_;
  std::vector<std::byte> bytes_;
};

void add_metadata(GgufWriter& w, const ModelShape& s, const ModelPlan& plan, const std::string& type) {
  const std::map<std::string, uint32_t> file_types = {{"F32", 0},   {"F16", 1},   {"Q4_0", 2},
                                                      {"Q8_0", 7},  {"Q4_K", 14}, {"Q4_K_M", 15},
                                                      {"Q5_K", 16}, {"Q6_K", 18}, {"BF16", 32}};
  w.add_string("general.architecture", s.arch);
  w.add_string("general.name", s.name + " (random weights)");
  if (const auto it = file_types.find(type); it != file_types.end()) w.add("general.file_type", it->second);
  for (const auto& [name, value] : plan.keys()) {
    const std::string key = s.arch + "." + name;
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>) {
            w.add_string(key, v);
          } else if constexpr (std::is_same_v<T, std::vector<int32_t>>) {
            w.add_array(key, std::span<const int32_t>(v));
          } else {
            w.add(key, v);
          }
        },
        value);
  }
}

// The tables of tokens, the architecture's layers between them, the final norm.
ModelPlan plan_model(const ModelShape& s, const TypeChoice& types) {
  ModelPlan plan(types);
  plan.key("vocab_size", s.n_vocab);
  plan.key("context_length", s.n_ctx);
  plan.key("block_count", s.n_layers);
  plan.key("embedding_length", s.d_model);
  s.tied ? plan.output("token_embd.weight", {s.d_model, s.n_vocab})
         : plan.matrix("token_embd.weight", {s.d_model, s.n_vocab});
  s.layers(s, plan);
  plan.end_layers();
  plan.constant(s.final_norm, {s.d_model}, 1.0f);
  if (!s.tied) plan.output("output.weight", {s.d_model, s.n_vocab});
  return plan;
}

// A SentencePiece vocabulary that can encode anything: control tokens, 256 bytes, the printable ASCII characters, and
// unused entries up to the size the shape asks for.
void add_tokenizer(GgufWriter& w, int n_vocab) {
  enum Kind : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUnused = 5, kByte = 6 };
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> kinds;
  const auto add = [&](const std::string& token, Kind kind) {
    tokens.push_back(token);
    scores.push_back(kind == kNormal ? -static_cast<float>(tokens.size()) : 0.0f);
    kinds.push_back(kind);
  };
  add("<unk>", kUnknown);
  add("<s>", kControl);
  add("</s>", kControl);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add(text, kByte);
  }
  add("\xe2\x96\x81", kNormal);  // the space
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), kNormal);
  while (tokens.size() < static_cast<size_t>(n_vocab)) add("[PAD" + std::to_string(tokens.size()) + "]", kUnused);

  w.add_string("tokenizer.ggml.model", "llama");
  w.add_strings("tokenizer.ggml.tokens", std::span<const std::string>(tokens));
  w.add_array("tokenizer.ggml.scores", std::span<const float>(scores));
  w.add_array("tokenizer.ggml.token_type", std::span<const int32_t>(kinds));
  w.add("tokenizer.ggml.bos_token_id", uint32_t{1});
  w.add("tokenizer.ggml.eos_token_id", uint32_t{2});
  w.add("tokenizer.ggml.unknown_token_id", uint32_t{0});
  w.add("tokenizer.ggml.add_bos_token", true);
}

// Writes one tensor in pieces of some megabytes.
template <class Done>
Status write_tensor(GgufWriter& w, const TensorPlan& tensor, const PieceBank& bank, uint64_t stream, Done&& done) {
  if (!tensor.random) {
    const std::vector<float> same(tensor.values(), tensor.fill);
    KEDGE_TRY(done(tensor.values() * sizeof(float)));
    return w.write(tensor.name, std::as_bytes(std::span(same)));
  }
  const uint64_t n_pieces = tensor.values() / PieceBank::kValues;
  const size_t size = bank.piece_bytes();
  constexpr uint64_t kBatch = 16384;
  std::vector<std::byte> buffer(kBatch * size);
  for (uint64_t begin = 0; begin < n_pieces; begin += kBatch) {
    const uint64_t n = std::min(kBatch, n_pieces - begin);
    for (uint64_t i = 0; i < n; ++i) std::memcpy(buffer.data() + i * size, bank.piece(mix(stream + begin + i)), size);
    KEDGE_TRY(w.write(tensor.name, std::span(buffer).first(n * size)));
    KEDGE_TRY(done(n * size));
  }
  return {};
}

Status check_shape(const ModelShape& s, const std::vector<TensorPlan>& plan) {
  constexpr int kLeastVocab = 3 + 256 + 1 + 94;
  if (s.n_vocab < kLeastVocab) {
    return Error{ErrorCode::kInvalidArgument, "a vocabulary of " + std::to_string(s.n_vocab) +
                                                  " tokens is too small (at least " + std::to_string(kLeastVocab) +
                                                  ")"};
  }
  for (const TensorPlan& t : plan) {
    if (!t.random) continue;
    if (t.dims[0] % t.format->block_values != 0 || t.values() % PieceBank::kValues != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   t.name + ": rows of " + std::to_string(t.dims[0]) + " values are not a multiple of " +
                       t.format->name + "'s " + std::to_string(t.format->block_values) + ", or the matrix none of 256"};
    }
  }
  return {};
}

}  // namespace

Result<GeneratedModel> generate_model(const std::string& path, const GenerateModelOptions& options) {
  KEDGE_ASSIGN(types, TypeChoice::make(options.type, options.shape.n_layers));
  const ModelPlan model = plan_model(options.shape, types);
  const std::vector<TensorPlan>& plan = model.tensors();
  KEDGE_TRY(check_shape(options.shape, plan));

  GgufWriter w;
  add_metadata(w, options.shape, model, options.type);
  add_tokenizer(w, options.shape.n_vocab);
  GeneratedModel made{.n_tensors = plan.size()};
  for (const TensorPlan& t : plan) {
    w.add_tensor(t.name, *t.format, t.dims);
    made.n_parameters += t.values();
  }
  made.file_bytes = w.total_bytes();
  KEDGE_TRY(w.begin(path));

  std::map<const QuantFormat*, PieceBank> banks;
  uint64_t written = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const PieceBank& bank = banks.try_emplace(plan[i].format, *plan[i].format, mix(options.seed)).first->second;
    const uint64_t stream = mix(options.seed ^ mix(i + 1));
    KEDGE_TRY(write_tensor(w, plan[i], bank, stream, [&](uint64_t bytes) -> Status {
      written += bytes;
      if (!options.progress || options.progress(written, made.file_bytes)) return {};
      return Error{ErrorCode::kCancelled, "writing was cancelled"};
    }));
  }
  KEDGE_TRY(w.finish());
  return made;
}

}  // namespace kedge::tools
