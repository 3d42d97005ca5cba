#include "engine/loader.h"

#include <charconv>
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

Result<std::vector<int>> ModelLoader::counts(std::string_view name, int fallback, int max) {
  const auto n = static_cast<uint32_t>(config_.n_layers);
  if (!keys_.has(key(name)) && fallback >= 0) return std::vector<int>(n, fallback);
  KEDGE_ASSIGN(values, keys_.get_u32_per_layer(key(name), n));
  for (const uint32_t v : values) {
    if (v > static_cast<uint32_t>(max)) {
      return corrupt(file(), key(name) + " has " + std::to_string(v) + ", must be 0 to " + std::to_string(max));
    }
  }
  return std::vector<int>(values.begin(), values.end());
}

Result<float> ModelLoader::number_or(std::string_view name, float fallback) {
  KEDGE_ASSIGN(value, keys_.get_f32_or(key(name), fallback));
  if (!std::isfinite(value)) return corrupt(file(), key(name) + " is no finite number");
  return value;
}

// LayerNorm and RMS norm have an epsilon each, under its own name.
Status ModelLoader::common_config(RopeLayout layout) {
  ModelConfig& c = config_;
  ModelKeys& m = keys_;
  c.arch = arch_;
  KEDGE_ASSIGN(name, m.get_string_or("general.name", ""));
  c.name = std::string(name);
  KEDGE_ASSIGN(n_layers, count("block_count", kMaxLayers));
  KEDGE_ASSIGN(d_model, count("embedding_length", kMaxWidth));
  KEDGE_ASSIGN(n_ctx, count("context_length", kMaxContext));
  const bool layer_norm = m.has(key("attention.layer_norm_epsilon"));
  const char* eps_name = layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
  KEDGE_ASSIGN(eps, m.get_f32(key(eps_name)));
  if (!(eps > 0) || eps > 1) return corrupt(file(), key(eps_name) + " must be in (0, 1]");
  c.n_layers = n_layers;
  c.d_model = d_model;
  c.n_ctx_train = n_ctx;
  c.norm_eps = eps;
  c.widest_input = d_model;
  KEDGE_ASSIGN(d_ff, counts("feed_forward_length", 0, kMaxWidth));
  c.d_ff = *std::max_element(d_ff.begin(), d_ff.end());
  KEDGE_TRY(heads());
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

Status ModelLoader::heads() {
  ModelConfig& c = config_;
  ModelKeys& m = keys_;
  KEDGE_ASSIGN(n_heads, counts("attention.head_count", -1, kMaxWidth));
  c.n_heads = *std::max_element(n_heads.begin(), n_heads.end());
  KEDGE_ASSIGN(n_kv_heads, counts("attention.head_count_kv", c.n_heads, kMaxWidth));
  c.layers.resize(static_cast<size_t>(c.n_layers));
  // Attention over all there is: nothing to know about it.
  const std::string sliding = key("attention.sliding_window");
  const auto window = store_->metadata().get_u32(sliding);
  if (window.ok() && (*window == 0 || *window >= static_cast<uint32_t>(c.n_ctx_train))) m.find(sliding);
  if (c.n_heads == 0) return {};  // none has attention
  if (!m.has(key("attention.key_length")) && c.d_model % c.n_heads != 0) {
    return corrupt(file(), key("embedding_length") + " = " + std::to_string(c.d_model) + " is not divisible by " +
                               std::to_string(c.n_heads) + " heads and " + key("attention.key_length") + " is missing");
  }
  KEDGE_ASSIGN(head_k, count_or("attention.key_length", c.d_model / c.n_heads, kMaxHeadDim));
  KEDGE_ASSIGN(head_v, count_or("attention.value_length", head_k, kMaxHeadDim));
  if (head_k < 1 || head_k > kMaxHeadDim) {
    return corrupt(file(), "head size " + std::to_string(head_k) + " must be 1 to " + std::to_string(kMaxHeadDim));
  }
  c.head_dim_k = head_k;
  c.head_dim_v = head_v;
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const int q = n_heads[i];
    const int kv = n_kv_heads[i];
    c.layers[i] = {.n_kv_heads = q == 0 ? 0 : kv, .head_dim_k = head_k, .head_dim_v = head_v};
    c.n_kv_heads = std::max(c.n_kv_heads, kv);
    if (kv != 0 && q != 0 && q % kv != 0) {
      return corrupt(file(), key("attention.head_count") + " is " + std::to_string(q) + ", must be a multiple of " +
                                 key("attention.head_count_kv") + " = " + std::to_string(kv));
    }
    if (q != 0 && q != c.n_heads) {
      return Error{ErrorCode::kUnsupported,
                   file() + ": " + key("attention.head_count") + " differs between layers, which is not supported"};
    }
  }
  return {};
}

Status ModelLoader::windows(const std::function<bool(int)>& is_windowed) {
  KEDGE_ASSIGN(window, keys_.get_u32_or(key("attention.sliding_window"), 0));
  if (window == 0 || window >= static_cast<uint32_t>(config_.n_ctx_train)) return {};
  for (size_t i = 0; i < config_.layers.size(); ++i) {
    if (is_windowed(static_cast<int>(i))) config_.layers[i].window = static_cast<int>(window);
  }
  return {};
}

Status ModelLoader::leave_out_prediction_blocks() {
  KEDGE_ASSIGN(n, keys_.get_u32_or(key("nextn_predict_layers"), 0));
  if (n == 0) return {};
  if (n >= static_cast<uint32_t>(config_.n_layers)) {
    return corrupt(file(), key("nextn_predict_layers") + " is " + std::to_string(n) + " of " +
                               std::to_string(config_.n_layers) + " blocks");
  }
  config_.n_layers -= static_cast<int>(n);
  config_.layers.resize(static_cast<size_t>(config_.n_layers));
  first_left_out_ = config_.n_layers;
  end_left_out_ = first_left_out_ + static_cast<int>(n);
  return {};
}

Result<int> ModelLoader::only_prediction_block() {
  const int index = first_left_out_;
  const auto attends = [](const LayerShape& shape) { return shape.n_kv_heads > 0; };
  const auto like = std::find_if(config_.layers.rbegin(), config_.layers.rend(), attends);
  if (index == end_left_out_ || like == config_.layers.rend() ||
      !has("blk." + std::to_string(index) + ".nextn.eh_proj.weight")) {
    return Error{ErrorCode::kUnsupported,
                 file() + ": the file has no block that predicts further tokens (" + key("nextn_predict_layers") + ")"};
  }
  config_.layers = {*like};
  config_.n_layers = 1;
  config_.n_dense_layers = 0;  // it is like the model's last ones
  config_.expert_layer_step = 1;
  return index;
}

const RopeTable* ModelLoader::rope(const RopeConfig& config, const float* divisors) {
  auto table = std::make_unique<RopeTable>(make_rope_table(config, divisors));
  table->index = static_cast<int>(ropes_.size());
  table->at = config_.rope_floats;
  config_.rope_floats += config.n_rot;
  ropes_.push_back(std::move(table));
  return ropes_.back().get();
}

const RopeTable* ModelLoader::rope(const RopeConfig& config, const float* divisors, const float* far_divisors) {
  const size_t near = ropes_.size();
  rope(config, divisors);
  auto both = std::make_unique<RopeTable>(*ropes_[near]);
  both->far = rope(config, far_divisors);
  ropes_[near] = std::move(both);
  return ropes_[near].get();
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

// A factor without a type is the linear one, as the format's first readers have it; factors of pairs for a longer
// context without a type are "longrope", as older conversions have them.
Status ModelLoader::rope_scaling() {
  ModelKeys& m = keys_;
  RopeConfig& r = config_.rope;
  KEDGE_ASSIGN(linear, m.get_f32_or(key("rope.scale_linear"), 1.0f));  // the older key
  KEDGE_ASSIGN(factor, m.get_f32_or(key("rope.scaling.factor"), linear));
  const char* usual = has("rope_factors_long.weight") ? "longrope" : factor == 1.0f ? "none" : "linear";
  KEDGE_ASSIGN(type, m.get_string_or(key("rope.scaling.type"), usual));
  if (type == "none" || type.empty()) {
    r.scaling = RopeScaling::kNone;
  } else if (type == "linear") {
    r.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    r.scaling = RopeScaling::kYarn;
  } else if (type == "longrope") {
    r.scaling = RopeScaling::kLong;
  } else {
    return Error{ErrorCode::kUnsupported, file() + ": " + key("rope.scaling.type") + " '" + std::string(type) +
                                              "' is not supported (none, linear, yarn, longrope are)"};
  }
  r.factor = r.scaling == RopeScaling::kNone || r.scaling == RopeScaling::kLong ? 1.0f : factor;
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
  if (r.scaling != RopeScaling::kYarn && r.scaling != RopeScaling::kLong && attn != 1.0f) {
    return Error{ErrorCode::kUnsupported, file() + ": " + key("rope.scaling.attn_factor") + " is " +
                                              std::to_string(attn) + ", which only yarn and longrope scaling have"};
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

Result<Weight> ModelLoader::to_weight(const TensorRef& ref, int n_experts, MatrixRows rows, int k, MatrixUse use) {
  Weight w;
  w.format = ref.info->type;
  w.file_rows = ref.data;
  w.rows = rows.n;
  w.k = k;
  w.n_experts = n_experts;
  if (n_experts == 1) config_.widest_input = std::max(config_.widest_input, k);
  if (use != MatrixUse::kLookup) {
    const bool more_to_come = rows.first + rows.n < rows.of;
    const bool keep = use == MatrixUse::kBoth || more_to_come;
    KEDGE_ASSIGN(laid, packed_->lay_out(*store_, ref, n_experts, rows, k, keep, team_));
    w.laid = laid;
    bytes_per_token_ += w.laid.matrix_stride * static_cast<size_t>(n_experts == 1 ? 1 : config_.n_experts_used);
  }
  KEDGE_TRY(report(rows.first > 0 ? 0 : ref.info->bytes));
  return w;
}

Result<TensorRef> ModelLoader::take(const std::string& name, std::initializer_list<int64_t> dims) {
  KEDGE_ASSIGN(ref, store_->require(name, dims));
  used_[static_cast<size_t>(ref.info - store_->tensors().data())] = true;
  return ref;
}

int ModelLoader::add_site(AdapterSite site) {
  sites_.push_back(std::move(site));
  return static_cast<int>(sites_.size()) - 1;
}

Weight ModelLoader::tied_output(const Weight& table) {
  Weight output = table;
  output.site = add_site({.tensor = "output.weight", .rows = table.rows, .all_rows = table.rows, .k = table.k});
  return output;
}

// "X.scale" of "X.weight" ("X.weight.scale" by some writers): NVFP4's blocks are relative to it.
Status ModelLoader::companion_scale(const std::string& name, Weight& weight) {
  if (std::string_view(weight.format->name) != "NVFP4") return {};
  std::string scale = name.substr(0, name.rfind('.')) + ".scale";
  if (!has(scale)) scale = name + ".scale";
  return set(weight.scale, optional_vector(scale, weight.n_experts));
}

Result<Weight> ModelLoader::matrix(const std::string& name, int rows, int k, MatrixUse use) {
  KEDGE_ASSIGN(ref, take(name, {k, rows}));
  KEDGE_ASSIGN(weight, to_weight(ref, 1, {.n = rows}, k, use));
  KEDGE_TRY(companion_scale(name, weight));
  if (weight.scale != nullptr && use != MatrixUse::kProduct) {
    return Error{ErrorCode::kUnsupported, file() + ": tensor " + name + " is looked up in and has a scale of its own"};
  }
  // Of other tables rows are looked up by position or type.
  if (use == MatrixUse::kProduct || name == "token_embd.weight") {
    const auto kind = use == MatrixUse::kProduct ? AdapterSite::Kind::kProduct : AdapterSite::Kind::kTable;
    weight.site = add_site({.tensor = name, .kind = kind, .rows = rows, .all_rows = rows, .k = k});
  }
  return weight;
}

Result<Weight> ModelLoader::experts(const std::string& name, int n_experts, int rows, int k) {
  KEDGE_ASSIGN(ref, take(name, {k, rows, n_experts}));
  KEDGE_ASSIGN(weight, to_weight(ref, n_experts, {.n = rows}, k, MatrixUse::kProduct));
  KEDGE_TRY(companion_scale(name, weight));
  weight.site = add_site({.tensor = name,
                          .kind = AdapterSite::Kind::kExperts,
                          .rows = rows,
                          .all_rows = rows,
                          .k = k,
                          .n_experts = n_experts});
  return weight;
}

Result<Weight> ModelLoader::head_matrices(const std::string& name, int n_heads, int rows, int k) {
  KEDGE_ASSIGN(weight, experts(name, n_heads, rows, k));
  sites_.pop_back();  // products of heads have no place for adapters
  weight.site = kNoSite;
  const int counted = n_heads == 1 ? 1 : config_.n_experts_used;
  bytes_per_token_ += weight.laid.matrix_stride * static_cast<size_t>(n_heads - counted);
  // All heads' rows are in one form at a time.
  config_.widest_input = std::max(config_.widest_input, n_heads * (k + kActPad));
  return weight;
}

Result<Weight> ModelLoader::matrix_part(const std::string& name, MatrixRows rows, int k, int n_experts) {
  KEDGE_ASSIGN(ref, n_experts == 1 ? take(name, {k, rows.of}) : take(name, {k, rows.of, n_experts}));
  KEDGE_ASSIGN(weight, to_weight(ref, n_experts, rows, k, MatrixUse::kProduct));
  KEDGE_TRY(companion_scale(name, weight));
  weight.site = add_site({.tensor = name,
                          .kind = n_experts == 1 ? AdapterSite::Kind::kProduct : AdapterSite::Kind::kExperts,
                          .first_row = rows.first,
                          .rows = rows.n,
                          .all_rows = rows.of,
                          .k = k,
                          .n_experts = n_experts});
  return weight;
}

Result<Weight> ModelLoader::one_row(const std::string& name, int k) {
  KEDGE_ASSIGN(ref, take(name, {k}));
  KEDGE_ASSIGN(weight, to_weight(ref, 1, {.n = 1}, k, MatrixUse::kProduct));
  weight.site = add_site({.tensor = name, .rows = 1, .all_rows = 1, .k = k});
  return weight;
}

Result<const float*> ModelLoader::values(const std::string& name, std::initializer_list<int64_t> dims) {
  KEDGE_ASSIGN(ref, take(name, dims));
  if (ref.info->type->gguf_id != 0) {
    return Error{ErrorCode::kUnsupported,
                 file() + ": tensor " + name + " has type " + ref.info->type->name + ", must be F32"};
  }
  bytes_per_token_ += ref.info->bytes;
  return reinterpret_cast<const float*>(ref.data);
}

Result<float> ModelLoader::scalar(const std::string& name) {
  KEDGE_ASSIGN(value, vector(name, 1));
  return *value;
}

void ModelLoader::ignore(const std::string& name) {
  const TensorInfo* info = store_->find(name);
  if (info == nullptr) return;
  used_[static_cast<size_t>(info - store_->tensors().data())] = true;
  ignored_.push_back(name);
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

// The number of "blk.<i>.", or -1.
int block_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  int block = -1;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), block);
  return block;
}

}  // namespace

Status ModelLoader::finish() {
  std::vector<std::string> left;
  for (size_t i = 0; i < used_.size(); ++i) {
    if (used_[i]) continue;
    const std::string name(store_->tensors()[i].name);
    const int block = block_of(name);
    const bool left_out = block >= first_left_out_ && block < end_left_out_;
    left_out || is_harmless_tensor(name) ? ignored_.push_back(name) : left.push_back(name);
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
