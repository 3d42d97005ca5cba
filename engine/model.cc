#include "engine/model.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "engine/grammar/constraint.h"
#include "engine/loader.h"
#include "engine/memory_plan.h"
#include "engine/vocab_loader.h"
#include "kernels/base/log.h"
#include "kernels/isa.h"
#include "memory/checksum.h"

namespace kedge::engine {

namespace {

// Before the tensors are packed: afterwards the source may be gone.
uint64_t fingerprint_of(const TensorStore& store) {
  constexpr size_t kBytes = 4096;
  uint64_t h = 0;
  for (const TensorInfo& t : store.tensors()) {
    h = checksum(t.name.data(), t.name.size(), h);
    const uint64_t facts[] = {static_cast<uint64_t>(t.n_values()), t.bytes};
    h = checksum(facts, sizeof facts, h);
    const auto data = store.data(t);
    h = checksum(data.data(), std::min(data.size(), kBytes), h);
  }
  return h;
}

// Of the tensors that are laid out anew: tables that are only looked up in stay in the file.
uint64_t packed_bytes(const TensorStore& store) {
  uint64_t bytes = store.tensor_bytes();
  const bool tied = store.find("output.weight") == nullptr;
  for (const char* name : {"token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight"}) {
    const TensorInfo* table = store.find(name);
    if (table != nullptr && !(tied && table->name == "token_embd.weight")) bytes -= table->bytes;
  }
  return bytes;
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

Result<std::shared_ptr<const Model>> Model::load(const std::string& path, const ModelOptions& options) {
  auto model = std::shared_ptr<Model>(new Model());
  LoadOptions load;
  load.use_mmap = options.use_mmap;
  // Two parts of the same length: the file, then its tensors as they are packed.
  const uint64_t parts = options.vocab_only ? 1 : 2;
  if (options.progress) {
    load.progress = [&](uint64_t done, uint64_t total) { return options.progress(done, parts * total); };
  }
  if (!options.use_mmap && !options.vocab_only) {
    KEDGE_ASSIGN(size, regular_file_size(path));
    KEDGE_TRY(check_memory(size, path + ": the file, read into memory, takes", ""));
  }
  KEDGE_ASSIGN(store, TensorStore::open(path, load));
  model->store_ = std::make_unique<TensorStore>(std::move(store));
  const GgufMetadata& metadata = model->store_->metadata();

  if (!options.vocab_only) {
    model->fingerprint_ = fingerprint_of(*model->store_);
    KEDGE_TRY(model->load_network(options));
  }
  KEDGE_ASSIGN(vocab, load_vocab(metadata, &model->ignored_));
  const size_t n_tokens = vocab.tokens.size();
  if (options.vocab_only) {
    model->config_.n_vocab = static_cast<int>(n_tokens);
  } else if (n_tokens > static_cast<size_t>(model->config_.n_vocab)) {
    return Error{ErrorCode::kCorrupt, metadata.file() + ": tokenizer.ggml.tokens has " + std::to_string(n_tokens) +
                                          " tokens, token_embd.weight only " + std::to_string(model->config_.n_vocab) +
                                          " rows"};
  }
  auto tokenizer = Tokenizer::make(std::move(vocab));
  if (!tokenizer.ok()) return Error{tokenizer.error().code, metadata.file() + ": " + tokenizer.error().message};
  model->tokenizer_ = std::move(tokenizer).value();
  const std::string& vocabulary = model->tokenizer_->fingerprint();
  model->fingerprint_ = checksum(vocabulary.data(), vocabulary.size(), model->fingerprint_);
  model->load_chat_template();
  model->constraints_ = std::make_unique<grammar::Constraints>(
      *model->tokenizer_, static_cast<size_t>(model->config_.n_vocab), model->chat_format_);
#if defined(__GLIBC__)
  malloc_trim(0);  // building a tokenizer takes several times its size for a moment: give that back
#endif
  if (log_wanted(LogLevel::kInfo) && !options.vocab_only) {
    log_message(LogLevel::kInfo, path + ": loaded");
  }
  return std::shared_ptr<const Model>(std::move(model));
}

Status Model::load_network(const ModelOptions& options) {
  const GgufMetadata& metadata = store_->metadata();
  KEDGE_ASSIGN(kind, metadata.get_string_or("general.type", "model"));
  if (kind != "model") {
    return Error{ErrorCode::kUnsupported,
                 metadata.file() + ": general.type is '" + std::string(kind) + "': the file is no model of its own"};
  }
  KEDGE_ASSIGN(arch, metadata.get_string("general.architecture"));
  const Architecture* architecture = find_architecture(arch);
  if (architecture == nullptr) {
    return Error{ErrorCode::kUnsupported, metadata.file() + ": architecture '" + std::string(arch) +
                                              "' is not supported (known: " + known_architectures() + ")"};
  }
  KEDGE_ASSIGN(kernels, active_kernels());
  if (options.use_mmap &&
      kernels->packs()) {  // otherwise they stay where they are, or were counted before they were read
    KEDGE_TRY(check_memory(packed_bytes(*store_), metadata.file() + ": the weights take", ""));
  }
  packed_ = std::make_unique<PackedStore>(*kernels);
  const uint64_t file = store_->file_bytes();
  LoadProgress progress;
  if (options.progress) {
    progress = [&](uint64_t done, uint64_t) { return options.progress(file + done, 2 * file); };
  }
  ModelLoader loader(*store_, std::string(arch), *packed_, progress);
  KEDGE_ASSIGN(network, architecture->load(loader));
  KEDGE_TRY(loader.finish());
  ignored_ = loader.ignored();
  sites_ = loader.take_sites();
  if (options.progress && !options.progress(2 * file, 2 * file)) {
    return Error{ErrorCode::kCancelled, metadata.file() + ": cancelled while loading"};
  }
  network_ = std::move(network);
  config_ = loader.config();
  bytes_per_token_ = loader.bytes_per_token();
  return {};
}

// A template that cannot be used is no reason to refuse the model: the reason is kept for whoever asks for a chat.
void Model::load_chat_template() {
  const GgufMetadata& metadata = store_->metadata();
  auto source = metadata.get_string("tokenizer.chat_template");
  if (!source.ok()) {
    chat_template_error_ = "the model has no chat template: " + source.error().message;
    return;
  }
  auto text = [&](int32_t id) { return id < 0 ? std::string() : std::string(tokenizer_->token_text(id)); };
  auto parsed = ChatTemplate::parse(*source, text(tokenizer_->bos()), text(tokenizer_->eos()));
  if (!parsed.ok()) {
    chat_template_error_ = metadata.file() + ": tokenizer.chat_template: " + parsed.error().message;
    return;
  }
  chat_template_ = std::make_unique<ChatTemplate>(std::move(parsed).value());
  chat_format_ = chat_format_of(*source);
}

}  // namespace kedge::engine
