#include "engine/model.h"

#include <chrono>
#include <future>
#include <system_error>
#include <utility>

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

struct Vocabulary {
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::string> ignored;
};

Result<Vocabulary> read_vocabulary(const GgufMetadata& metadata) {
  Vocabulary read;
  KEDGE_ASSIGN(vocab, load_vocab(metadata, &read.ignored));
  auto tokenizer = Tokenizer::make(std::move(vocab));
  if (!tokenizer.ok()) return Error{tokenizer.error().code, metadata.file() + ": " + tokenizer.error().message};
  read.tokenizer = std::move(tokenizer).value();
  return read;
}

// On a thread of its own, while the caller packs weights; by get() where the system gives no threads.
std::future<Result<Vocabulary>> read_beside(const GgufMetadata& metadata) {
  const auto read = [&metadata] { return read_vocabulary(metadata); };
  try {
    return std::async(std::launch::async, read);
  } catch (const std::system_error&) {
    return std::async(std::launch::deferred, read);
  }
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

Result<std::shared_ptr<const Model>> Model::load(const std::string& path, const ModelOptions& options) {
  auto model = std::shared_ptr<Model>(new Model());
  model->loaded_at_ = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
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

  // Neither needs anything of the other, and a vocabulary of a large model takes a tenth of a second.
  std::future<Result<Vocabulary>> vocabulary = read_beside(metadata);
  Status network;
  if (!options.vocab_only) {
    model->fingerprint_ = fingerprint_of(*model->store_);
    network = model->load_network(options);
  }
  Result<Vocabulary> read = vocabulary.get();
  KEDGE_TRY(std::move(network));
  if (!read.ok()) return std::move(read).error();
  model->tokenizer_ = std::move(read->tokenizer);
  model->ignored_.insert(model->ignored_.end(), read->ignored.begin(), read->ignored.end());
  const int n_tokens = model->tokenizer_->size();
  if (options.vocab_only) {
    model->config_.n_vocab = n_tokens;
  } else if (n_tokens > model->config_.n_vocab) {
    return Error{ErrorCode::kCorrupt, metadata.file() + ": tokenizer.ggml.tokens has " + std::to_string(n_tokens) +
                                          " tokens, token_embd.weight only " + std::to_string(model->config_.n_vocab) +
                                          " rows"};
  }
  const std::string& tokens = model->tokenizer_->fingerprint();
  model->fingerprint_ = checksum(tokens.data(), tokens.size(), model->fingerprint_);
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
  packed_ = std::make_unique<PackedStore>(*kernels);
  open_weights_cache(*kernels, options.weights_cache);
  // Otherwise they stay where they are, are pages of a file, or were counted before they were read.
  if (options.use_mmap && kernels->packs() && weights_cache_.state != WeightsCache::State::kUsed) {
    KEDGE_TRY(check_memory(packed_bytes(*store_), metadata.file() + ": the weights take", ""));
  }
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
  if (weights_cache_.state == WeightsCache::State::kUsed && !packed_->all_from_file()) {
    weights_cache_.state = WeightsCache::State::kMissing;
    weights_cache_.note = weights_cache_.path + ": lacks some of the weights";
  }
  bytes_per_token_ = loader.bytes_per_token();
  return {};
}

Result<std::shared_ptr<const Model>> Model::prediction() const {
  const std::lock_guard lock(prediction_mutex_);
  if (auto there = prediction_.lock()) return there;
  auto made = std::shared_ptr<Model>(new Model());
  KEDGE_TRY(made->load_prediction(shared_from_this()));
  prediction_ = made;
  return std::shared_ptr<const Model>(std::move(made));
}

Status Model::load_prediction(std::shared_ptr<const Model> of) {
  const Architecture* architecture = find_architecture(of->config_.arch);
  if (architecture == nullptr || architecture->predict == nullptr || !of->has_network()) {
    return Error{ErrorCode::kUnsupported, of->store_->path() + ": architecture '" + of->config_.arch +
                                              "' has no block that predicts further tokens here"};
  }
  KEDGE_ASSIGN(store, TensorStore::open(of->store_->path(), {}));
  store_ = std::make_unique<TensorStore>(std::move(store));
  KEDGE_ASSIGN(kernels, active_kernels());
  packed_ = std::make_unique<PackedStore>(*kernels);
  ModelLoader loader(*store_, of->config_.arch, *packed_, {});
  KEDGE_TRY(set(network_, architecture->predict(loader, of->network())));
  config_ = loader.config();
  if (config_.n_vocab != of->config_.n_vocab || config_.d_model != of->config_.d_model) {
    return Error{ErrorCode::kCorrupt, of->store_->path() + ": the file is another one since the model was loaded"};
  }
  bytes_per_token_ = loader.bytes_per_token();
  tokenizer_ = of->tokenizer_;
  fingerprint_ = of->fingerprint_ + 1;
  predicts_for_ = std::move(of);
  return {};
}

// Whatever is wrong with it is no error: the weights are packed anew then.
void Model::open_weights_cache(const KernelTable& kernels, const WeightsCacheOptions& options) {
  if (options.folder.empty() || !kernels.packs() || store_->tensor_bytes() < options.least_bytes) return;
  cache_options_ = options;
  weights_cache_.path = packed_path(options.folder, store_->path());
  // Of its own, as that of the loader is.
  ThreadTeam team;
  if (auto made = ThreadTeam::make(default_threads()); made.ok()) team = std::move(*made);
  auto file = PackedFile::open(weights_cache_.path, *store_, kernels, team);
  weights_cache_.state = file.ok() ? WeightsCache::State::kUsed : WeightsCache::State::kMissing;
  if (file.ok()) return packed_->use(std::move(file).value());
  weights_cache_.note = file.error().message;
}

Status Model::write_weights_cache(const LoadProgress& progress) const {
  if (weights_cache_.state != WeightsCache::State::kMissing) return {};
  if (progress && !progress(0, store_->tensor_bytes())) {
    return Error{ErrorCode::kCancelled, weights_cache_.path + ": cancelled before it was written"};
  }
  return keep_packed(cache_options_.folder, cache_options_.limit, *store_, packed_->pieces(), loaded_at_, progress);
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
