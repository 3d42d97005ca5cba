#include "tools/serve/served_model.h"

#include <algorithm>
#include <utility>

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostScopes = 64;
constexpr int kEntriesOfScope = 32;
constexpr size_t kLogitsBytes = size_t{128} << 20;  // of all entries: each has those of its last token

size_t most_scopes(int n_vocab) {
  const size_t of_scope = kEntriesOfScope * static_cast<size_t>(n_vocab) * sizeof(float);
  return std::clamp<size_t>(kLogitsBytes / of_scope, 4, kMostScopes);
}

std::string vocabulary_of(const kedge::Model& model) {
  const auto about = model.describe();
  if (!about.ok()) return "";
  const Json described = Json::parse(*about);
  const Json* fingerprint = described.pointee("/tokenizer/fingerprint");
  return fingerprint == nullptr ? "" : fingerprint->dump();
}

}  // namespace

ServedModel::ServedModel(std::string name, kedge::RouterEngine engine, int n_ctx, std::vector<ServedAdapter> adapters)
    : name_(std::move(name)),
      model_(std::move(engine.model)),
      engine_(std::move(engine.engine)),
      n_ctx_(n_ctx),
      adapters_(std::move(adapters)),
      most_scopes_(most_scopes(model_.info().n_vocab)),
      vocabulary_(vocabulary_of(model_)) {}

const ServedAdapter* ServedModel::adapter(int id) const {
  const auto found = std::ranges::find(adapters_, id, &ServedAdapter::id);
  return found == adapters_.end() ? nullptr : &*found;
}

Answer<std::vector<LoraUse>> ServedModel::adapters(const std::optional<std::vector<LoraUse>>& asked) const {
  std::vector<LoraUse> uses;
  if (!asked) {
    for (const ServedAdapter& a : adapters_) uses.push_back({a.id, a.scale});
  } else {
    for (const LoraUse& use : *asked) {
      if (adapter(use.id) == nullptr) {
        return bad_request(
            "the model '" + name_ + "' has no adapter " + std::to_string(use.id) + " (GET /lora-adapters lists them)",
            "lora");
      }
      uses.push_back(use);
    }
  }
  std::erase_if(uses, [](const LoraUse& use) { return use.scale == 0; });
  std::ranges::sort(uses, {}, &LoraUse::id);
  return uses;
}

Json ServedModel::adapters_json(std::span<const LoraUse> uses) const {
  Json list = Json::array();
  for (const LoraUse& use : uses)
    list.push_back({{"id", use.id}, {"name", adapter(use.id)->name}, {"scale", use.scale}});
  return list;
}

kedge::SessionOptions ServedModel::session_options(const std::string& kv, std::span<const LoraUse> adapters) const {
  kedge::SessionOptions options;
  options.n_ctx = n_ctx_;
  options.kv = kv;
  for (const LoraUse& use : adapters) {
    options.adapters.push_back(adapter(use.id)->adapter.use(static_cast<float>(use.scale)));
  }
  return options;
}

Answer<std::shared_ptr<kedge::PrefixCache>> ServedModel::cache_of(const std::string& scope, const std::string& kv) {
  const std::string key = scope + '\n' + kv;
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find_if(scopes_, [&](const Scope& s) { return s.key == key; });
  if (known != scopes_.end()) {
    scopes_.splice(scopes_.begin(), scopes_, known);
    return known->cache;
  }
  kedge::PrefixCacheOptions options;
  options.entries = kEntriesOfScope;
  auto made = kedge::PrefixCache::create(engine_, session_options(kv, {}), options);
  if (!made.ok()) return library_error(made.error());
  auto cache = std::make_shared<kedge::PrefixCache>(*std::move(made));
  scopes_.push_front({key, cache});
  if (scopes_.size() > most_scopes_) scopes_.pop_back();
  return cache;
}

Answer<ServedModel::Acquired> ServedModel::acquire(const std::string& scope, const std::string& kv,
                                                   std::span<const LoraUse> adapters, std::span<const int32_t> tokens,
                                                   const std::string& segments) {
  auto cache = cache_of(scope, kv);
  if (!cache.ok()) return cache.error();
  auto acquired = (*cache)->acquire(session_options(kv, adapters).adapters, tokens, segments);
  if (!acquired.ok()) return library_error(acquired.error());
  return Acquired{std::move(acquired->session), acquired->n_reused, *cache};
}

Answer<kedge::Session> ServedModel::session(const std::string& kv, std::span<const LoraUse> adapters) {
  auto session = engine_.session(session_options(kv, adapters));
  if (!session.ok()) return library_error(session.error());
  return *std::move(session);
}

Answer<kedge::Session> ServedModel::restore(const std::string& path, const std::string& scope, const std::string& kv) {
  auto cache = cache_of(scope, kv);
  if (!cache.ok()) return cache.error();
  auto session = engine_.load_session(path);
  if (!session.ok()) return library_error(session.error());
  if (const auto stored = (*cache)->store(*session); !stored.ok()) return library_error(stored.error());
  const auto tokens = session->tokens();
  const auto again = (*cache)->acquire(tokens);
  if (!again.ok()) return library_error(again.error());
  if (again->n_reused == 0) {
    return bad_request("no request could begin with this session: it has " + std::to_string(tokens.size()) +
                           " tokens under other memory options; give those of its requests",
                       "kedge.kv");
  }
  return std::move(*session);
}

Json ServedModel::prefix_stats() const {
  Json sum = {{"lookups", 0},         {"hits", 0},    {"tokens_reused", 0}, {"tokens_computed", 0},
              {"evicted_entries", 0}, {"entries", 0}, {"bytes", 0}};
  const std::lock_guard lock(mutex_);
  for (const Scope& scope : scopes_) {
    const auto stats = scope.cache->stats();
    if (!stats.ok()) continue;
    const Json one = Json::parse(*stats);
    for (Json::Member& m : sum.items()) m.value = m.value.get<uint64_t>() + one.value(m.key, uint64_t{0});
  }
  return sum;
}

}  // namespace kedge::tools::serve
