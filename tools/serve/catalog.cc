#include "tools/serve/catalog.h"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace kedge::tools::serve {

namespace {

constexpr std::string_view kAuto = "auto";

bool is_called(const Json& model, const std::string& alias) {
  return model["name"] == alias || std::ranges::any_of(model["aliases"], [&](const Json& a) { return a == alias; });
}

}  // namespace

Answer<Json> Catalog::list() const {
  const auto models = router_.models();
  if (!models.ok()) return library_error(models.error());
  return Json::parse(*models);
}

Answer<Json> Catalog::entry(const std::string& alias) const {
  auto models = list();
  if (!models.ok()) return models.error();
  std::string names = std::string(kAuto);
  for (const Json& model : *models) {
    if (is_called(model, alias)) return model;
    for (const Json& a : model["aliases"]) names += ", " + a.get<std::string>();
    names += ", " + model["name"].get<std::string>();
  }
  return ApiError{.status = 404,
                  .code = "model_not_found",
                  .message = "there is no model '" + alias + "'; there are: " + names,
                  .param = "model"};
}

Answer<std::string> Catalog::resolve(const std::string& model) const {
  if (model == kAuto) return model;
  if (!model.empty()) {
    const auto known = entry(model);
    if (!known.ok()) return known.error();
    return model;
  }
  auto models = list();
  if (!models.ok()) return models.error();
  return models->size() == 1 ? (*models)[size_t{0}]["name"].get<std::string>() : std::string(kAuto);
}

Catalog::Catalog(kedge::Router router, std::vector<AdapterEntry> adapters)
    : router_(std::move(router)), adapters_(std::move(adapters)) {
  const auto state = router_.state();
  limited_ = state.ok() && Json::parse(*state).value("memory_bytes", uint64_t{0}) > 0;
  // The pool's own: a model asked by its name answers as it does for the router.
  const auto models = list();
  if (!models.ok()) return;
  for (const Json& model : *models) {
    if (!model.contains("adapters")) continue;
    for (const Json& a : model["adapters"]) {
      const std::string path = a["path"];
      adapters_.push_back({.name = std::filesystem::path(path).stem().string(),
                           .path = path,
                           .model = model["name"],
                           .scale = a.value("scale", 1.0)});
    }
  }
}

std::shared_ptr<ServedModel> Catalog::found(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (const auto held = opened_.find(name); held != opened_.end()) return held->second;
  const auto used = in_use_.find(name);
  return used == in_use_.end() ? nullptr : used->second.lock();
}

Answer<std::shared_ptr<ServedModel>> Catalog::take(const Json& entry) {
  const std::string name = entry["name"];
  // Takes as long as reading a file does: those who ask for models that are there do not wait for it.
  auto engine = router_.engine(name);
  if (!engine.ok() && engine.error().code == KEDGE_CAPACITY) {
    let_go_of_idle();
    engine = router_.engine(name);
  }
  if (!engine.ok()) return library_error(engine.error());
  auto adapters = read_adapters(entry, engine->model);
  if (!adapters.ok()) return adapters.error();
  auto served = std::make_shared<ServedModel>(name, *std::move(engine), entry.value("n_ctx", 0), std::move(*adapters));
  const std::lock_guard lock(mutex_);
  if (const auto other = in_use_[name].lock()) return other;  // somebody was quicker
  in_use_[name] = served;
  if (!limited_) opened_[name] = served;
  return served;
}

Answer<std::vector<ServedAdapter>> Catalog::read_adapters(const Json& entry, const kedge::Model& model) const {
  std::vector<ServedAdapter> read;
  for (size_t i = 0; i < adapters_.size(); ++i) {
    const AdapterEntry& a = adapters_[i];
    if (!a.model.empty() && !is_called(entry, a.model)) continue;
    auto adapter = kedge::Adapter::open(model, a.path);
    if (!adapter.ok()) return library_error(adapter.error());
    read.push_back({static_cast<int>(i), a.name, a.scale, *std::move(adapter)});
  }
  return read;
}

Json Catalog::adapters() const {
  Json all = Json::array();
  for (size_t i = 0; i < adapters_.size(); ++i) {
    const AdapterEntry& a = adapters_[i];
    all.push_back({{"id", i}, {"name", a.name}, {"path", a.path}, {"model", a.model}, {"scale", a.scale}});
  }
  return all;
}

Answer<std::shared_ptr<ServedModel>> Catalog::open(const std::string& alias) {
  auto known = entry(alias);
  if (!known.ok()) return known.error();
  if (auto there = found((*known)["name"])) return there;
  return take(*known);
}

void Catalog::let_go_of_idle() {
  const std::lock_guard lock(mutex_);
  std::erase_if(opened_, [](const auto& o) { return o.second.use_count() == 1; });
}

void Catalog::forget(const std::string& alias) {
  auto known = entry(alias);
  const std::lock_guard lock(mutex_);
  if (!known.ok()) return;
  opened_.erase((*known)["name"].get<std::string>());
  in_use_.erase((*known)["name"].get<std::string>());
}

std::map<std::string, std::shared_ptr<ServedModel>> Catalog::opened() {
  std::map<std::string, std::shared_ptr<ServedModel>> all;
  const auto models = list();
  if (!models.ok()) return all;
  for (const Json& model : *models) {
    const std::string name = model["name"];
    auto there = found(name);
    if (!there && model.value("loaded", false)) {
      if (auto taken = take(model); taken.ok()) there = *taken;
    }
    if (there) all.emplace(name, std::move(there));
  }
  return all;
}

}  // namespace kedge::tools::serve
