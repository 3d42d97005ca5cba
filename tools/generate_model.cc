#include "tools/generate_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "kernels/base/parallel.h"
#include "kernels/quants.h"
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

enum class Fill { kOnes, kRandom };

struct TensorPlan {
  std::string name;
  std::vector<int64_t> dims;
  const QuantFormat* format = nullptr;
  Fill fill = Fill::kRandom;

  uint64_t values() const {
    uint64_t n = 1;
    for (const int64_t d : dims) n *= static_cast<uint64_t>(d);
    return n;
  }
};

// Which type a matrix gets. The mix Q4_K_M is llama.cpp's: the output, and in about half of the layers attn_v and
// ffn_down, in Q6_K, the rest in Q4_K.
class TypeChoice {
 public:
  static Result<TypeChoice> make(const std::string& type, int n_layers) {
    TypeChoice c;
    c.mix_ = type == "Q4_K_M";
    c.n_layers_ = n_layers;
    for (const auto& [format, name] : {std::pair{&c.main_, c.mix_ ? std::string("Q4_K") : type},
                                       std::pair{&c.better_, c.mix_ ? std::string("Q6_K") : type}}) {
      *format = find_quant(name);
      if (*format == nullptr || (*format)->quantise == nullptr) {
        return Error{ErrorCode::kInvalidArgument, "type '" + type + "' is not one Kedge writes"};
      }
    }
    return c;
  }
  const QuantFormat* matrix() const { return main_; }
  const QuantFormat* output() const { return better_; }
  const QuantFormat* sensitive(int layer) const {
    const int eighth = n_layers_ / 8;
    const bool more = layer < eighth || layer >= 7 * eighth || (layer - eighth) % 3 == 2;
    return more ? better_ : main_;
  }

 private:
  const QuantFormat* main_ = nullptr;
  const QuantFormat* better_ = nullptr;
  bool mix_ = false;
  int n_layers_ = 0;
};

std::vector<TensorPlan> plan_tensors(const ModelShape& s, const TypeChoice& types) {
  const QuantFormat* f32 = find_quant("F32");
  const int64_t d = s.d_model;
  const int64_t q = int64_t{s.n_heads} * s.head_dim;
  const int64_t kv = int64_t{s.n_kv_heads} * s.head_dim;
  const int64_t ff = s.d_ff;
  std::vector<TensorPlan> plan;
  const auto norm = [&](const std::string& name, int64_t n) { plan.push_back({name, {n}, f32, Fill::kOnes}); };
  const auto matrix = [&](const std::string& name, std::vector<int64_t> dims, const QuantFormat* format) {
    plan.push_back({name, std::move(dims), format, Fill::kRandom});
  };
  matrix("token_embd.weight", {d, s.n_vocab}, s.tied ? types.output() : types.matrix());
  for (int i = 0; i < s.n_layers; ++i) {
    const std::string b = "blk." + std::to_string(i) + ".";
    norm(b + "attn_norm.weight", d);
    matrix(b + "attn_q.weight", {d, q}, types.matrix());
    matrix(b + "attn_k.weight", {d, kv}, types.matrix());
    matrix(b + "attn_v.weight", {d, kv}, types.sensitive(i));
    matrix(b + "attn_output.weight", {q, d}, types.matrix());
    if (s.qk_norm != QkNorm::kNone) {
      const bool full = s.qk_norm == QkNorm::kFullWidth;
      norm(b + "attn_q_norm.weight", full ? q : s.head_dim);
      norm(b + "attn_k_norm.weight", full ? kv : s.head_dim);
    }
    norm(b + "ffn_norm.weight", d);
    if (s.n_experts > 0) {
      const int64_t e = s.n_experts;
      matrix(b + "ffn_gate_inp.weight", {d, e}, f32);
      matrix(b + "ffn_gate_exps.weight", {d, ff, e}, types.matrix());
      matrix(b + "ffn_up_exps.weight", {d, ff, e}, types.matrix());
      matrix(b + "ffn_down_exps.weight", {ff, d, e}, types.sensitive(i));
    } else {
      matrix(b + "ffn_gate.weight", {d, ff}, types.matrix());
      matrix(b + "ffn_up.weight", {d, ff}, types.matrix());
      matrix(b + "ffn_down.weight", {ff, d}, types.sensitive(i));
    }
  }
  norm("output_norm.weight", d);
  if (!s.tied) matrix("output.weight", {d, s.n_vocab}, types.output());
  return plan;
}

void add_metadata(GgufWriter& w, const ModelShape& s, const std::string& type) {
  const std::map<std::string, uint32_t> file_types = {{"F32", 0},   {"F16", 1},   {"Q4_0", 2},
                                                      {"Q8_0", 7},  {"Q4_K", 14}, {"Q4_K_M", 15},
                                                      {"Q5_K", 16}, {"Q6_K", 18}, {"BF16", 32}};
  const auto u32 = [&](const std::string& key, int v) { w.add(s.arch + "." + key, static_cast<uint32_t>(v)); };
  w.add_string("general.architecture", s.arch);
  w.add_string("general.name", s.name + " (random weights)");
  if (const auto it = file_types.find(type); it != file_types.end()) w.add("general.file_type", it->second);
  u32("vocab_size", s.n_vocab);
  u32("context_length", s.n_ctx);
  u32("block_count", s.n_layers);
  u32("embedding_length", s.d_model);
  u32("feed_forward_length", s.d_ff);
  u32("attention.head_count", s.n_heads);
  u32("attention.head_count_kv", s.n_kv_heads);
  u32("attention.key_length", s.head_dim);
  u32("attention.value_length", s.head_dim);
  u32("rope.dimension_count", s.head_dim);
  w.add(s.arch + ".attention.layer_norm_rms_epsilon", s.rms_eps);
  w.add(s.arch + ".rope.freq_base", s.rope_base);
  if (s.n_experts > 0) {
    u32("expert_count", s.n_experts);
    u32("expert_used_count", s.n_experts_used);
    if (s.arch != "llama") u32("expert_feed_forward_length", s.d_ff);
  }
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
  if (tensor.fill == Fill::kOnes) {
    const std::vector<float> ones(tensor.values(), 1.0f);
    KEDGE_TRY(done(tensor.values() * sizeof(float)));
    return w.write(tensor.name, std::as_bytes(std::span(ones)));
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
    if (t.fill == Fill::kRandom && t.dims[0] % static_cast<int64_t>(PieceBank::kValues) != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   t.name + ": rows of " + std::to_string(t.dims[0]) + " values are not a multiple of 256"};
    }
  }
  return {};
}

}  // namespace

Result<GeneratedModel> generate_model(const std::string& path, const GenerateModelOptions& options) {
  KEDGE_ASSIGN(types, TypeChoice::make(options.type, options.shape.n_layers));
  const std::vector<TensorPlan> plan = plan_tensors(options.shape, types);
  KEDGE_TRY(check_shape(options.shape, plan));

  GgufWriter w;
  add_metadata(w, options.shape, options.type);
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
