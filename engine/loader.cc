#include "engine/loader.h"

#include <cmath>

namespace kedge::engine {

namespace {

// Far beyond any model; what they guard is arithmetic on ints.
constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxLayers = 4096;
constexpr int kMaxContext = 1 << 28;

Error corrupt(const std::string& file, const std::string& what) {
  return Error{ErrorCode::kCorrupt, file + ": " + what};
}

}  // namespace

Result<int> ModelLoader::count(std::string_view name, int max) {
  KEDGE_ASSIGN(v, keys_.get_u32(key(name)));
  if (v < 1 || v > static_cast<uint32_t>(max)) {
    return corrupt(file(), key(name) + " is " + std::to_string(v) + ", must be 1 to " + std::to_string(max));
  }
  return static_cast<int>(v);
}

Result<int> ModelLoader::count_or(std::string_view name, int fallback, int max) {
  if (!keys_.has(key(name))) return fallback;
  return count(name, max);
}

Status ModelLoader::common_config(RopeLayout layout) {
  ModelConfig& c = config_;
  ModelKeys& m = keys_;
  c.arch = arch_;
  KEDGE_ASSIGN(name, m.get_string_or("general.name", ""));
  c.name = std::string(name);
  KEDGE_ASSIGN(n_layers, count("block_count", kMaxLayers));
  KEDGE_ASSIGN(d_model, count("embedding_length", kMaxWidth));
  KEDGE_ASSIGN(n_heads, count("attention.head_count", kMaxWidth));
  KEDGE_ASSIGN(n_kv_heads, count_or("attention.head_count_kv", n_heads, kMaxWidth));
  KEDGE_ASSIGN(n_ctx, count("context_length", kMaxContext));
  KEDGE_ASSIGN(d_ff, count_or("feed_forward_length", 0, kMaxWidth));
  KEDGE_ASSIGN(window, m.get_u32_or(key("attention.sliding_window"), 0));
  if (window != 0 && window < static_cast<uint32_t>(n_ctx)) {
    return Error{ErrorCode::kUnsupported, file() + ": " + key("attention.sliding_window") + " is " +
                                              std::to_string(window) + ": attention over less than the context of " +
                                              std::to_string(n_ctx) + " tokens is not supported"};
  }
  KEDGE_ASSIGN(eps, m.get_f32(key("attention.layer_norm_rms_epsilon")));
  c.n_layers = n_layers;
  c.d_model = d_model;
  c.n_heads = n_heads;
  c.n_kv_heads = n_kv_heads;
  c.n_ctx_train = n_ctx;
  c.d_ff = d_ff;
  c.rms_eps = eps;
  if (!(eps > 0) || eps > 1) return corrupt(file(), key("attention.layer_norm_rms_epsilon") + " must be in (0, 1]");
  if (n_heads % n_kv_heads != 0 || n_heads / n_kv_heads > kMaxAttendRows) {
    return corrupt(file(), key("attention.head_count") + " is " + std::to_string(n_heads) +
                               ", must be a multiple (at most " + std::to_string(kMaxAttendRows) + ") of " +
                               key("attention.head_count_kv") + " = " + std::to_string(n_kv_heads));
  }
  if (!m.has(key("attention.key_length")) && d_model % n_heads != 0) {
    return corrupt(file(), key("embedding_length") + " = " + std::to_string(d_model) + " is not divisible by " +
                               std::to_string(n_heads) + " heads and " + key("attention.key_length") + " is missing");
  }
  KEDGE_ASSIGN(head_k, count_or("attention.key_length", d_model / n_heads, kMaxHeadDim));
  KEDGE_ASSIGN(head_v, count_or("attention.value_length", head_k, kMaxHeadDim));
  c.head_dim_k = head_k;
  c.head_dim_v = head_v;
  if (head_k < 1 || head_k > kMaxHeadDim) {
    return corrupt(file(), "head size " + std::to_string(head_k) + " must be 1 to " + std::to_string(kMaxHeadDim));
  }
  const TensorInfo* embedding = store_->find("token_embd.weight");
  if (embedding == nullptr) {
    return Error{ErrorCode::kNotFound,
                 file() + ": tensor token_embd.weight is missing" +
                     (store_->tensors().empty() ? " (the file has a vocabulary but no weights)" : "")};
  }
  if (embedding->dims[1] > kMaxContext) return corrupt(file(), "token_embd.weight has too many rows");
  c.n_vocab = static_cast<int>(embedding->dims[1]);
  return rope_config(layout);
}

Status ModelLoader::rope_config(RopeLayout layout) {
  ModelKeys& m = keys_;
  RopeConfig& r = config_.rope;
  r.layout = layout;
  KEDGE_ASSIGN(n_rot, count_or("rope.dimension_count", config_.head_dim_k, config_.head_dim_k));
  if (n_rot % 2 != 0) return corrupt(file(), key("rope.dimension_count") + " is odd: " + std::to_string(n_rot));
  r.n_rot = n_rot;
  KEDGE_ASSIGN(base, m.get_f32_or(key("rope.freq_base"), 10000.0f));
  if (!(base > 0) || !std::isfinite(base)) return corrupt(file(), key("rope.freq_base") + " must be positive");
  r.base = base;
  return rope_scaling();
}

// A factor without a type is the linear one, as the format's first readers have it.
Status ModelLoader::rope_scaling() {
  ModelKeys& m = keys_;
  RopeConfig& r = config_.rope;
  KEDGE_ASSIGN(linear, m.get_f32_or(key("rope.scale_linear"), 1.0f));  // the older key
  KEDGE_ASSIGN(factor, m.get_f32_or(key("rope.scaling.factor"), linear));
  KEDGE_ASSIGN(type, m.get_string_or(key("rope.scaling.type"), factor == 1.0f ? "none" : "linear"));
  if (type == "none" || type.empty()) {
    r.scaling = RopeScaling::kNone;
  } else if (type == "linear") {
    r.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    r.scaling = RopeScaling::kYarn;
  } else {
    return Error{ErrorCode::kUnsupported, file() + ": " + key("rope.scaling.type") + " '" + std::string(type) +
                                              "' is not supported (none, linear, yarn are)"};
  }
  r.factor = r.scaling == RopeScaling::kNone ? 1.0f : factor;
  if (!(r.factor > 0) || !std::isfinite(r.factor)) {
    return corrupt(file(), key("rope.scaling.factor") + " is " + std::to_string(factor) + ", must be positive");
  }
  KEDGE_ASSIGN(attn, m.get_f32_or(key("rope.scaling.attn_factor"), 1.0f));
  KEDGE_ASSIGN(ext, m.get_f32_or(key("rope.scaling.yarn_ext_factor"), 1.0f));
  KEDGE_ASSIGN(fast, m.get_f32_or(key("rope.scaling.yarn_beta_fast"), 32.0f));
  KEDGE_ASSIGN(slow, m.get_f32_or(key("rope.scaling.yarn_beta_slow"), 1.0f));
  KEDGE_ASSIGN(original, count_or("rope.scaling.original_context_length", config_.n_ctx_train, kMaxContext));
  r.attn_factor = attn;
  r.ext_factor = ext;
  r.beta_fast = fast;
  r.beta_slow = slow;
  r.original_context = original;
  if (!(attn > 0) || !(fast > 0) || !(slow > 0) || !std::isfinite(ext) || !std::isfinite(attn)) {
    return corrupt(file(), key("rope.scaling") + ".* has a factor that is not positive");
  }
  if (r.scaling != RopeScaling::kYarn && attn != 1.0f) {
    return Error{ErrorCode::kUnsupported, file() + ": " + key("rope.scaling.attn_factor") + " is " +
                                              std::to_string(attn) + ", which only yarn scaling has here"};
  }
  return {};
}

Status ModelLoader::expert_config() {
  if (!keys_.has(key("expert_count"))) return {};
  KEDGE_ASSIGN(declared, keys_.get_u32(key("expert_count")));
  if (declared == 0) return {};
  constexpr int kMaxExperts = 4096;
  KEDGE_ASSIGN(n, count("expert_count", kMaxExperts));
  KEDGE_ASSIGN(used, count("expert_used_count", n));
  KEDGE_ASSIGN(width, count_or("expert_feed_forward_length", config_.d_ff, kMaxWidth));
  if (width < 1) return corrupt(file(), key("expert_feed_forward_length") + " is missing");
  config_.n_experts = n;
  config_.n_experts_used = used;
  config_.d_ff_expert = width;
  return {};
}

Status ModelLoader::some_experts() {
  KEDGE_TRY(expert_config());
  if (config_.n_experts > 0) return {};
  return Error{ErrorCode::kCorrupt, file() + ": " + key("expert_count") + " is missing or zero"};
}

Status ModelLoader::report(uint64_t bytes) {
  done_ += bytes;
  if (progress_ && !progress_(done_, store_->tensor_bytes())) {
    return Error{ErrorCode::kCancelled, file() + ": cancelled while packing weights"};
  }
  return {};
}

Result<Weight> ModelLoader::to_weight(const TensorRef& ref, int n_experts, int rows, int k, MatrixUse use) {
  Weight w;
  w.format = ref.info->type;
  w.file_rows = ref.data;
  w.rows = rows;
  w.k = k;
  w.n_experts = n_experts;
  if (use != MatrixUse::kLookup) {
    KEDGE_ASSIGN(laid, packed_->lay_out(*store_, ref, n_experts, rows, k, use == MatrixUse::kBoth, team_));
    w.laid = laid;
    bytes_per_token_ += w.laid.matrix_stride * static_cast<size_t>(n_experts == 1 ? 1 : config_.n_experts_used);
  }
  KEDGE_TRY(report(ref.info->bytes));
  return w;
}

Result<TensorRef> ModelLoader::take(const std::string& name, std::initializer_list<int64_t> dims) {
  KEDGE_ASSIGN(ref, store_->require(name, dims));
  used_[static_cast<size_t>(ref.info - store_->tensors().data())] = true;
  return ref;
}

Result<Weight> ModelLoader::matrix(const std::string& name, int rows, int k, MatrixUse use) {
  KEDGE_ASSIGN(ref, take(name, {k, rows}));
  return to_weight(ref, 1, rows, k, use);
}

Result<Weight> ModelLoader::experts(const std::string& name, int n_experts, int rows, int k) {
  KEDGE_ASSIGN(ref, take(name, {k, rows, n_experts}));
  return to_weight(ref, n_experts, rows, k, MatrixUse::kProduct);
}

Result<const float*> ModelLoader::vector(const std::string& name, int n) {
  KEDGE_ASSIGN(ref, take(name, {n}));
  if (ref.info->type->gguf_id != 0) {
    return Error{ErrorCode::kUnsupported,
                 file() + ": tensor " + name + " has type " + ref.info->type->name + ", must be F32"};
  }
  bytes_per_token_ += ref.info->bytes;
  return reinterpret_cast<const float*>(ref.data);
}

Result<const float*> ModelLoader::optional_vector(const std::string& name, int n) {
  if (!has(name)) return static_cast<const float*>(nullptr);
  return vector(name, n);
}

namespace {

// Keys of an architecture that need not be read. With values: those that mean "none of this".
std::span<const HarmlessKey> harmless_keys() {
  static const std::vector<HarmlessKey> kKeys = {
      {"vocab_size"},          // the embedding has the rows it has
      {"tensor_data_layout"},  // of the file it was converted from
      {"pooling_type"},        // for embeddings: logits are not pooled
      {"rope.scaling.finetuned"},
      {"nextn_predict_layers", {0}},
      {"leading_dense_block_count", {0}},
      {"interleave_moe_layer_step", {0, 1}},
      {"use_parallel_residual", {0}},
      {"attention.causal", {1}},
      {"attention.scale", {0}},
      {"attention.clamp_kqv", {0}},
      {"attention.max_alibi_bias", {0}},
      {"logit_scale", {0, 1}},
      {"residual_scale", {0, 1}},
      {"embedding_scale", {0, 1}},
      {"attn_logit_softcapping", {0}},
      {"final_logit_softcapping", {0}},
      {"router_logit_softcapping", {0}},
      {"expert_count", {0}},
      {"expert_used_count", {0}},
      {"expert_shared_count", {0}},
      {"expert_group_count", {0, 1}},
      {"expert_group_used_count", {0, 1}},
      {"expert_gating_func", {0, 1}},  // 1: softmax
      {"expert_weights_scale", {0, 1}},
      {"rope.scaling.yarn_attn_factor", {1}},
      {"rope.scaling.yarn_log_multiplier", {0}},
  };
  return kKeys;
}

// How activations were scaled when the weights were made; no weight changes by it.
bool is_harmless_tensor(std::string_view name) { return name.ends_with(".input_scale"); }

}  // namespace

Status ModelLoader::finish() {
  std::vector<std::string> left;
  for (size_t i = 0; i < used_.size(); ++i) {
    if (used_[i]) continue;
    const std::string name(store_->tensors()[i].name);
    is_harmless_tensor(name) ? ignored_.push_back(name) : left.push_back(name);
  }
  if (!left.empty()) {
    return Error{ErrorCode::kUnsupported,
                 file() + ": " + std::to_string(left.size()) + (left.size() == 1 ? " tensor" : " tensors") +
                     " that architecture " + arch_ +
                     " does not use, so the result would be another model's: " + some_names(left)};
  }
  return keys_.check_all_read(arch_ + ".", harmless_keys(), &ignored_);
}

}  // namespace kedge::engine
