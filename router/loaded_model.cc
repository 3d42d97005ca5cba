#include "router/loaded_model.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <future>

#include "engine/kv_json.h"
#include "kernels/base/sha256.h"
#include "router/retrieval/model_embedder.h"

namespace kedge::router {
namespace {

std::string tokenizer_contract(const Model& model) {
  Sha256 digest;
  digest.field(model.tokenizer().fingerprint());
  const auto source = model.store().metadata().get_string("tokenizer.chat_template");
  digest.field(source.ok() ? std::string_view(*source) : std::string_view());
  return "sha256:" + digest.hex();
}

Result<std::map<std::string, Calibration>> read_calibrations(const std::string& folder, const std::string& digest) {
  std::map<std::string, Calibration> found;
  std::error_code ec;
  if (folder.empty()) return found;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  if (ec) return Error{ErrorCode::kNotFound, folder + ": cannot be listed: " + ec.message()};
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    KEDGE_ASSIGN(calibration, read_calibration(file.string()));
    if (calibration.model.value("digest", "") != digest) continue;
    const std::string task = calibration.task;
    if (!found.emplace(task, std::move(calibration)).second) {
      return Error{ErrorCode::kInvalidArgument,
                   file.string() + ": a second calibrator for task '" + task + "' of " + digest};
    }
  }
  return found;
}

}  // namespace

Result<std::string> file_digest(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Sha256 digest;
  std::vector<char> buffer(size_t{1} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    digest.bytes({buffer.data(), static_cast<size_t>(in.gcount())});
  }
  if (!in.eof()) return Error{ErrorCode::kIo, path + ": cannot be read"};
  return "sha256:" + digest.hex();
}

Result<std::shared_ptr<LoadedModel>> LoadedModel::load(const std::string& name, const ModelSpec& spec,
                                                       const std::string& calibrators, int n_threads,
                                                       std::shared_ptr<ModelHealth> health) {
  auto loaded = std::shared_ptr<LoadedModel>(new LoadedModel());
  loaded->name_ = name;
  loaded->spec_ = spec;
  loaded->n_threads_ = n_threads;
  loaded->health_ = std::move(health);
  auto digest = std::async(std::launch::async, [path = spec.path] { return file_digest(path); });
  auto model = Model::load(spec.path, {.use_mmap = spec.mmap, .progress = {}});
  auto sum = digest.get();
  if (!model.ok()) return Error{model.error().code, "model '" + name + "': " + model.error().message};
  KEDGE_TRY(sum);
  loaded->model_ = std::move(model).value();
  loaded->digest_ = std::move(sum).value();
  KEDGE_TRY(loaded->open_adapters());
  loaded->tokenizer_fingerprint_ = tokenizer_contract(*loaded->model_);
  KEDGE_ASSIGN(calibrations, read_calibrations(calibrators, loaded->digest_));
  loaded->calibrations_ = std::move(calibrations);
  return loaded;
}

Status LoadedModel::open_adapters() {
  std::vector<AdapterUse> uses;
  for (const AdapterSpec& spec : spec_.adapters) {
    auto adapter = Adapter::open(*model_, spec.path);
    if (!adapter.ok()) return Error{adapter.error().code, "model '" + name_ + "': " + adapter.error().message};
    uses.push_back({*std::move(adapter), static_cast<float>(spec.scale)});
  }
  KEDGE_ASSIGN(checked, checked_adapters(uses, *model_));
  adapters_ = std::move(checked);
  if (!adapters_.empty()) digest_ = "sha256:" + sha256_hex(digest_ + identity(adapters_));
  return {};
}

Json LoadedModel::adapters_json() const {
  Json list = Json::array();
  for (const AdapterUse& use : adapters_) {
    list.push_back({{"name", use.adapter->name()}, {"digest", use.adapter->digest()}, {"scale", use.scale}});
  }
  return list;
}

Status LoadedModel::check_askable() const {
  if (model_->chat_template() != nullptr) return {};
  return Error{ErrorCode::kUnsupported, "model '" + name_ + "': " + spec_.path + ": no chat template to ask it by (" +
                                            model_->chat_template_error() + ")"};
}

Result<EmbeddingContract> LoadedModel::contract() const {
  KEDGE_ASSIGN(embedder, make_model_embedder(model_));
  return EmbeddingContract{tokenizer_fingerprint_, "sha256:" + embedder->fingerprint()};
}

const Calibration* LoadedModel::calibration(const std::string& task) const {
  auto found = calibrations_.find(task);
  if (found == calibrations_.end()) found = calibrations_.find("any");
  return found == calibrations_.end() ? nullptr : &found->second;
}

Result<std::shared_ptr<Engine>> LoadedModel::engine() {
  const std::lock_guard lock(mutex_);
  if (engine_ != nullptr) return engine_;
  EngineOptions options = spec_.engine;
  options.n_threads = n_threads_;
  options.kv_type = spec_.kv_type;
  KEDGE_ASSIGN(made, Engine::create(model_, options));
  return engine_ = std::move(made);
}

std::string LoadedModel::engine_stats() const {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<Engine> made = engine_;
  lock.unlock();
  return made == nullptr ? std::string() : made->stats_json();
}

Result<std::unique_ptr<Session>> LoadedModel::session() {
  KEDGE_ASSIGN(shared, engine());
  SessionOptions options;
  if (!spec_.kv.empty()) {
    KEDGE_ASSIGN(kv, parse_kv_options(spec_.kv, model_->config(), spec_.kv_type, spec_.n_ctx));
    options.kv = std::move(kv);
  }
  options.n_ctx = spec_.n_ctx;
  options.adapters = adapters_;
  return shared->session(options);
}

}  // namespace kedge::router
