#include "router/pool.h"

#include <algorithm>
#include <filesystem>

#include "kernels/base/log.h"

namespace kedge::router {

Pool::Pool(const RouterConfig& config, Load load)
    : load_(std::move(load)),
      aliases_(config.aliases),
      calibrators_(config.calibrators),
      n_threads_(config.threads),
      memory_bytes_(config.memory_bytes) {
  for (const auto& [name, spec] : config.models) slots_[name].spec = spec;
}

bool Pool::has(const std::string& alias) const { return !resolve(alias).empty(); }

bool Pool::is_alias(const std::string& alias) const {
  const std::lock_guard lock(mutex_);
  return aliases_.count(alias) != 0;
}

std::string Pool::resolve(const std::string& alias) const {
  const std::lock_guard lock(mutex_);
  const auto found = aliases_.find(alias);
  if (found != aliases_.end()) return found->second;
  return slots_.count(alias) != 0 ? alias : std::string();
}

std::shared_ptr<LoadedModel> Pool::loaded(const std::string& alias) const {
  const std::string name = resolve(alias);
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(name);
  return found == slots_.end() ? nullptr : found->second.model;
}

std::shared_ptr<ModelHealth> Pool::health(const std::string& alias) const {
  const std::string name = resolve(alias);
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(name);
  return found == slots_.end() ? nullptr : found->second.health;
}

Result<std::shared_ptr<LoadedModel>> Pool::get(const std::string& alias) {
  Lock lock(mutex_);
  const auto found = aliases_.find(alias);
  const std::string name = found == aliases_.end() ? alias : found->second;
  if (slots_.count(name) != 0) return get_locked(lock, name);
  std::string known;
  for (const auto& [a, n] : aliases_) known += (known.empty() ? "" : ", ") + a + " (" + n + ")";
  for (const auto& [n, slot] : slots_) known += ", " + n;
  return Error{ErrorCode::kNotFound, "no model '" + alias + "' in the pool (there are " + known + ")"};
}

Result<std::shared_ptr<LoadedModel>> Pool::get_locked(Lock& lock, const std::string& name) {
  Slot& slot = slots_[name];
  slot.last_use = ++clock_;
  load_over_.wait(lock, [&] { return !slot.loading; });
  if (slot.model != nullptr) return slot.model;
  const ModelSpec spec = slot.spec;
  const std::shared_ptr<ModelHealth> health = slot.health;
  std::error_code ec;
  const uint64_t bytes = std::filesystem::file_size(spec.path, ec);  // a missing file is the load's error
  if (!ec) KEDGE_TRY(make_room(bytes, name));
  if (!health->breaker.admit()) {
    return Error{ErrorCode::kIo,
                 "the breaker of model '" + name + "' is open: it could not be loaded lately, or is held"};
  }
  auto model = load_unlocked(lock, name, spec, health, slot.loading);
  load_over_.notify_all();
  health->breaker.record(model.ok());
  if (model.ok() && slot.model == nullptr) slot.model = *model;  // else the alias was given another of this name
  return model;
}

Result<std::shared_ptr<LoadedModel>> Pool::load_unlocked(Lock& lock, const std::string& name, const ModelSpec& spec,
                                                         std::shared_ptr<ModelHealth> health, bool& loading) {
  std::error_code ec;
  const uint64_t size = std::filesystem::file_size(spec.path, ec);
  const uint64_t bytes = ec ? 0 : size;
  Result<std::shared_ptr<LoadedModel>> model =
      Error{ErrorCode::kCapacity, "model '" + name + "': no memory, or no thread, to load it"};
  loading = true;
  loading_bytes_ += bytes;
  lock.unlock();
  try {
    model = load_(name, spec, calibrators_, n_threads_, std::move(health));
  } catch (...) {  // others wait to hear that it is over
  }
  lock.lock();
  loading_bytes_ -= bytes;
  loading = false;
  if (!model.ok())
    log_message(LogLevel::kWarning, "model '" + name + "' could not be loaded: " + model.error().message);
  return model;
}

// Unloads idle models, the one used least recently first, until `bytes` more fit.
Status Pool::make_room(uint64_t bytes, const std::string& for_name) {
  if (memory_bytes_ == 0) return {};
  for (;;) {
    uint64_t used = loading_bytes_;
    Slot* oldest = nullptr;
    for (auto& [name, slot] : slots_) {
      if (slot.model == nullptr) continue;
      used += slot.model->bytes();
      // Only this pool holds it, and only under this lock can anyone else get hold of it.
      const bool idle = slot.model.use_count() == 1 && !slot.spec.pinned;
      if (idle && (oldest == nullptr || slot.last_use < oldest->last_use)) oldest = &slot;
    }
    if (used + bytes <= memory_bytes_) return {};
    if (oldest == nullptr) {
      return Error{ErrorCode::kCapacity, "model '" + for_name + "' needs " + std::to_string(bytes) + " bytes; " +
                                             std::to_string(used) +
                                             " of memory_bytes = " + std::to_string(memory_bytes_) +
                                             " are taken by models in use, pinned or being loaded"};
    }
    if (log_wanted(LogLevel::kInfo)) {
      log_message(LogLevel::kInfo,
                  "model '" + oldest->model->name() + "' is unloaded, to make room for '" + for_name + "'");
    }
    oldest->model.reset();
  }
}

Result<std::shared_ptr<LoadedModel>> Pool::with_digest(const std::string& digest) {
  Lock lock(mutex_);
  std::string known;
  for (auto& [name, slot] : slots_) {
    const auto model = get_locked(lock, name);
    if (model.ok() && (*model)->digest() == digest) return *model;
    known += (known.empty() ? "" : ", ") + name + " " + (model.ok() ? (*model)->digest() : model.error().message);
  }
  return Error{ErrorCode::kNotFound, "no model of the pool has the digest " + digest + " (there are " + known + ")"};
}

Result<std::shared_ptr<LoadedModel>> Pool::load_beside(const std::string& name, const ModelSpec& spec) {
  Lock lock(mutex_);
  std::error_code ec;
  const uint64_t bytes = std::filesystem::file_size(spec.path, ec);
  if (!ec) KEDGE_TRY(make_room(bytes, name));
  bool loading = false;  // nobody else knows of it
  return load_unlocked(lock, name, spec, std::make_shared<ModelHealth>(), loading);
}

std::string Pool::repoint(const std::string& alias, std::shared_ptr<LoadedModel> model) {
  const std::lock_guard lock(mutex_);
  const std::string before = aliases_[alias];
  Slot& slot = slots_[model->name()];
  slot.spec = model->spec();
  slot.model = model;
  slot.health = model->shared_health();
  slot.file = {};
  slot.last_use = ++clock_;
  aliases_[alias] = model->name();
  const bool still_named =
      std::any_of(aliases_.begin(), aliases_.end(), [&](const auto& a) { return a.second == before; });
  if (!still_named && slots_.count(before) != 0) slots_[before].model.reset();
  return before;
}

Json Pool::aliases_of(const std::string& name) const {
  Json aliases = Json::array();
  for (const auto& [alias, target] : aliases_) {
    if (target == name) aliases.push_back(alias);
  }
  return aliases;
}

Json Pool::models() {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (auto& [name, slot] : slots_) {
    if (slot.file.bytes == 0 || slot.file.modified != modified_seconds(slot.spec.path)) {
      slot.file = read_model_file(slot.spec.path);
    }
    const ModelFile& file = slot.file;
    Json entry = {{"name", name},
                  {"aliases", aliases_of(name)},
                  {"path", slot.spec.path},
                  {"pinned", slot.spec.pinned},
                  {"loaded", slot.model != nullptr},
                  {"digest", slot.model == nullptr ? Json() : Json(slot.model->digest())}};
    Json adapters = Json::array();
    for (const AdapterSpec& a : slot.spec.adapters) adapters.push_back({{"path", a.path}, {"scale", a.scale}});
    if (!adapters.empty()) entry["adapters"] = std::move(adapters);
    if (!file.error.empty()) {
      entry["error"] = file.error;
    } else {
      entry["architecture"] = file.architecture;
      entry["bytes"] = file.bytes;
      entry["modified"] = file.modified;
      entry["has_chat_template"] = file.has_chat_template;
      entry["n_ctx_train"] = file.n_ctx_train;
      entry["n_ctx"] = slot.spec.n_ctx == 0 ? file.n_ctx_train : slot.spec.n_ctx;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json Pool::state() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const auto& [name, slot] : slots_) {
    Json entry = {{"name", name},
                  {"aliases", aliases_of(name)},
                  {"path", slot.spec.path},
                  {"pinned", slot.spec.pinned},
                  {"loaded", slot.model != nullptr}};
    if (slot.model != nullptr) {
      entry["bytes"] = slot.model->bytes();
      entry["digest"] = slot.model->digest();
      entry["in_use"] = slot.model.use_count() - 1;
      const auto engine = parse_json(slot.model->engine_stats(), "engine");
      if (engine.ok()) entry["engine"] = *engine;  // nobody has asked it yet: none
    }
    const CostMeter::Estimate cost = slot.health->cost.p95();
    entry["p95"] = {{"wall_s", cost.wall_s}, {"cpu_s", cost.cpu_s}};
    entry["breaker"] = slot.health->breaker.state();
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace kedge::router
