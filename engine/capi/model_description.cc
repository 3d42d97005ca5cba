#include "engine/capi/model_description.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <utility>

#include "engine/embed.h"
#include "engine/sequence.h"
#include "kernels/base/json.h"

namespace kedge::engine {
namespace {

// Values of `general.file_type` (llama.cpp's LLAMA_FTYPE_MOSTLY_*).
constexpr std::array<std::pair<uint32_t, const char*>, 20> kFileTypes = {{
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},       {9, "Q5_1"},
    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"}, {15, "Q4_K_M"},    {16, "Q5_K_S"},
    {17, "Q5_K_M"}, {18, "Q6_K"},   {25, "IQ4_NL"}, {30, "IQ4_XS"}, {32, "BF16"},   {38, "MXFP4_MOE"},
}};

// A float as people wrote it: 1e-6, not the 9.999999974752427e-07 of its double.
Json shortest(float value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size() - 1, value).ptr;
  *end = '\0';
  return std::strtod(text.data(), nullptr);
}

Json file_type(const TensorStore& store) {
  if (!store.metadata().has("general.file_type")) return {};
  const auto value = store.metadata().get_u32("general.file_type");
  if (!value.ok()) return {};
  for (const auto& [number, name] : kFileTypes) {
    if (number == *value) return name;
  }
  return "unknown (" + std::to_string(*value) + ")";
}

const char* scaling_name(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kNone:
      return "none";
    case RopeScaling::kLinear:
      return "linear";
    case RopeScaling::kYarn:
      return "yarn";
    case RopeScaling::kLong:
      return "longrope";
  }
  return "unknown";
}

Json hyper_parameters(const ModelConfig& c) {
  Json h = {
      {"n_layers", c.n_layers},      {"d_model", c.d_model},       {"n_heads", c.n_heads}, {"n_kv_heads", c.n_kv_heads},
      {"head_dim_k", c.head_dim_k},  {"head_dim_v", c.head_dim_v}, {"d_ff", c.d_ff},       {"n_vocab", c.n_vocab},
      {"n_ctx_train", c.n_ctx_train}};
  if (c.n_experts > 0) {
    h["n_experts"] = c.n_experts;
    h["n_experts_used"] = c.n_experts_used;
    h["d_ff_expert"] = c.d_ff_expert;
  }
  h["rms_eps"] = shortest(c.norm_eps);
  h["rope"] = {{"base", shortest(c.rope.base)},
               {"n_rot", c.rope.n_rot},
               {"layout", c.rope.layout == RopeLayout::kInterleaved ? "interleaved" : "half_split"},
               {"scaling", scaling_name(c.rope.scaling)}};
  if (c.rope.scaling != RopeScaling::kNone) {
    h["rope"]["factor"] = shortest(c.rope.factor);
    h["rope"]["original_context"] = c.rope.original_context;
  }
  return h;
}

Json tensor_types(const TensorStore& store) {
  std::map<std::string, std::pair<size_t, uint64_t>> types;  // count, bytes
  for (const TensorInfo& t : store.tensors()) {
    auto& [count, bytes] = types[t.type->name];
    ++count;
    bytes += t.bytes;
  }
  Json json = Json::object();
  for (const auto& [name, sum] : types) json[name] = {{"tensors", sum.first}, {"bytes", sum.second}};
  return json;
}

Json weights_cache(const WeightsCache& cache) {
  static constexpr const char* kStates[] = {"off", "used", "missing"};
  const auto text = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  return {{"state", kStates[static_cast<size_t>(cache.state)]}, {"path", text(cache.path)}, {"note", text(cache.note)}};
}

Json tokenizer(const Tokenizer& t) {
  const VocabData& v = t.vocab();
  const auto or_null = [](int32_t id) { return id < 0 ? Json() : Json(id); };
  return {{"kind", v.model == "llama" ? "sentencepiece" : "bpe"},
          {"pre", v.model == "llama" ? Json() : Json(v.pre)},
          {"n_tokens", t.size()},
          {"bos", or_null(t.bos())},
          {"eos", or_null(t.eos())},
          {"eog", v.eog_ids},
          {"add_bos", t.add_bos()},
          {"add_eos", t.add_eos()},
          {"fingerprint", t.fingerprint()}};
}

// What the file says of embeddings; null: nothing that is known.
Json pooling(const Model& model) {
  const auto own = pooling_of(model);
  return own.ok() && *own ? Json(pooling_name(**own)) : Json();
}

// Bytes of the pages of a sequence that keeps n_tokens, and of its recurrent state before and after a step; null where
// the type does not fit the heads.
Json kv_bytes(const ModelConfig& c, const KvMemory& memory, int step_tokens) {
  Json bytes = Json::object();
  for (const KvFormat format : kKvFormats) {
    const auto shape = kv_shape(c, format, memory.n_ctx(), step_tokens);
    bytes[std::string(info(format).name)] =
        shape.ok() ? Json(shape->pages_for(memory.budget(), memory.n_ctx()) * shape->page_bytes()) : Json();
  }
  return bytes;
}

}  // namespace

uint64_t count_parameters(const Model& model) {
  uint64_t n = 0;
  for (const TensorInfo& t : model.store().tensors()) n += static_cast<uint64_t>(t.n_values());
  return n;
}

Result<std::string> describe_model(const std::shared_ptr<const Model>& shared, const SessionOptions& plan) {
  const Model& model = *shared;
  KEDGE_ASSIGN(session, Session::create(shared, plan));
  const ModelConfig& c = model.config();
  const TensorStore& store = model.store();
  const Json kv = kv_bytes(c, session->memory(), session->options().chunk);
  const std::string kv_type(info(plan.kv_type).name);
  const KvShape& shape = session->memory().shape();
  const uint64_t kept = static_cast<uint64_t>(shape.kept) * shape.copy_pages() * shape.page_bytes();
  const uint64_t total = store.tensor_bytes() + kv[kv_type].get<uint64_t>() + kept + session->scratch_bytes();
  const Json json = {
      {"file", store.path()},
      {"n_files", store.n_files()},
      {"file_bytes", store.file_bytes()},
      {"gguf_version", store.version()},
      {"architecture", c.arch},
      {"name", c.name.empty() ? Json() : Json(c.name)},
      {"file_type", file_type(store)},
      {"n_parameters", count_parameters(model)},
      {"n_tensors", store.tensors().size()},
      {"tensor_types", tensor_types(store)},
      {"ignored", model.ignored()},
      {"bytes_per_token", model.bytes_per_token()},
      {"hyper_parameters", hyper_parameters(c)},
      {"pooling", pooling(model)},
      {"tokenizer", tokenizer(model.tokenizer())},
      {"chat_template",
       {{"usable", model.chat_template() != nullptr},
        {"problem", model.chat_template() != nullptr ? Json() : Json(model.chat_template_error())}}},
      {"weights_cache", weights_cache(model.weights_cache())},
      {"memory",
       {{"n_ctx", session->n_ctx()},
        {"n_threads", session->n_threads()},
        {"chunk", plan.chunk},
        {"kv_type", kv_type},
        {"weights_bytes", store.tensor_bytes()},
        {"kv_bytes", kv},
        {"state_bytes", shape.state_bytes()},
        {"kept_bytes", kept},
        {"scratch_bytes", session->scratch_bytes()},
        {"total_bytes", total}}},
  };
  return json.dump();
}

}  // namespace kedge::engine
