#include "tools/convert/convert.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "kernels/base/byte_size.h"
#include "tools/convert/conversion.h"
#include "tools/convert/tensor_writer.h"
#include "tools/convert/vocab.h"
#include "weights/quantize_rules.h"

namespace kedge::tools::convert {
namespace {

// Members of config.json that no token depends on: the library, training, how it computes.
constexpr std::string_view kHarmless[] = {"architectures",
                                          "transformers_version",
                                          "torch_dtype",
                                          "dtype",
                                          "use_cache",
                                          "initializer_range",
                                          "*_dropout",
                                          "*_dropout_prob",
                                          "*_pdrop",
                                          "pretraining_tp",
                                          "_name_or_path",
                                          "auto_map",
                                          "output_*",
                                          "router_aux_loss_coef",
                                          "router_jitter_noise",
                                          "_attn_*",
                                          "attn_implementation",
                                          "cache_implementation",
                                          "tokenizer_class",
                                          "sep_token_id",
                                          "unk_token_id",
                                          "decoder_start_token_id",
                                          "is_decoder",
                                          "gradient_checkpointing",
                                          "unsloth_*",
                                          "return_dict",
                                          "problem_type",
                                          "id2label",
                                          "label2id",
                                          "chunk_size_feed_forward",
                                          "torchscript",
                                          "use_bfloat16",
                                          "finetuning_task"};
// Of the wrapper around a text model: what it sees and hears with, which is left out.
constexpr std::string_view kWrapper[] = {"vision_*",      "*_config",     "*_token_id",
                                         "*_token_index", "mm_*",         "spatial_merge_size",
                                         "projector_*",   "multimodal_*", "tie_word_embeddings"};

std::string name_of(const std::string& folder) {
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

struct Model {
  std::string type;  // model_type
  const Family* family = nullptr;
  Config text;
  std::optional<Config> wrapper;
};

Result<Model> read_model(const std::string& folder) {
  KEDGE_ASSIGN(given, read_config(folder + "/config.json", "config.json"));
  if (!given) return Error{ErrorCode::kNotFound, folder + ": has no config.json"};
  Model m;
  Config outer = *given;
  KEDGE_ASSIGN(outer_type, outer.text_or("model_type", ""));
  m.text = outer;
  m.type = outer_type;
  if (outer.has("text_config")) {
    KEDGE_ASSIGN(inner, outer.object("text_config"));
    KEDGE_ASSIGN(inner_type, inner.text_or("model_type", outer_type));
    m.text = inner;
    m.type = inner_type;
    m.wrapper = outer;
  }
  if (m.text.has("quantization_config") || outer.has("quantization_config")) {
    Config& where = m.text.has("quantization_config") ? m.text : outer;
    KEDGE_ASSIGN(quantization, where.object("quantization_config"));
    KEDGE_ASSIGN(method, quantization.text_or("quant_method", ""));
    if (method != "mxfp4") {
      return Error{ErrorCode::kUnsupported,
                   "config.json: weights quantised by " + in_quotes(method) + " are not read; only mxfp4 is"};
    }
    quantization.ignore({"*"});
  }
  m.family = find_family(m.type);
  if (m.family != nullptr) return m;
  return Error{ErrorCode::kUnsupported, "config.json: model_type " + in_quotes(m.type) + " cannot be converted; " +
                                            known_model_types() + " can"};
}

Status finish_configs(Model& m, const std::vector<std::string>& ignore) {
  m.text.ignore(kHarmless);
  m.text.ignore(ignore);
  KEDGE_TRY(m.text.finish());
  if (!m.wrapper) return {};
  m.wrapper->ignore(kHarmless);
  m.wrapper->ignore(kWrapper);
  m.wrapper->ignore(ignore);
  return m.wrapper->finish();
}

Status check_room(const std::string& path, uint64_t bytes) {
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(parent, error);
  if (error || space.available >= bytes) return {};
  return Error{ErrorCode::kCapacity, path + ": needs " + std::to_string(bytes) + " bytes, and " + parent.string() +
                                         " has room for " + std::to_string(space.available)};
}

void general_keys(Conversion& c, const std::string& folder, uint32_t file_type) {
  c.out.add_string("general.architecture", c.arch);
  c.out.add_string("general.type", "model");
  c.out.add_string("general.name", name_of(folder));
  c.out.add("general.file_type", file_type);
  c.out.add("general.quantization_version", uint32_t{2});
}

Result<ConvertReport> convert(const std::string& folder, const std::string& path, const ConvertOptions& options) {
  KEDGE_ASSIGN(model, read_model(folder));
  LoadOptions load;
  load.use_mmap = options.use_mmap;
  KEDGE_ASSIGN(store, SafetensorsStore::open(folder, load));
  KEDGE_ASSIGN(types, TypeChoice::make(options.type, store, options.overrides));
  Conversion c(folder, store, model.text, model.family->gguf);
  general_keys(c, folder, types.file_type());
  KEDGE_TRY(model.family->plan(c));
  KEDGE_TRY(vocab_keys(c, options.ignore));
  KEDGE_TRY(finish_configs(model, options.ignore));
  TensorWriter writer(c, types, options);
  KEDGE_TRY(writer.declare());
  ConvertReport report{.model_type = model.type,
                       .arch = c.arch,
                       .type = types.name(),
                       .tensors = c.tensors.size(),
                       .tokens = static_cast<size_t>(c.count_of('V')),
                       .folder_bytes = store.file_bytes(),
                       .file_bytes = c.out.total_bytes(),
                       .types = writer.types(),
                       .notes = c.notes,
                       .ignored = c.ignored};
  if (options.dry_run) {
    const auto header = c.out.header();  // whatever is wrong with a key or a tensor shows here
    if (!header.ok()) return header.error();
    return report;
  }
  KEDGE_TRY(check_room(path, report.file_bytes));
  KEDGE_TRY(writer.write(path));
  return report;
}

}  // namespace

Result<ConvertReport> convert_folder(const std::string& folder, const std::string& path,
                                     const ConvertOptions& options) {
  return weights::without_bad_alloc(folder, [&] { return convert(folder, path, options); });
}

}  // namespace kedge::tools::convert
