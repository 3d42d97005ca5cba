// A model that requests are working with: its engine, which is the router's too, and the prefixes kept in it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kedge/kedge_router.hpp"
#include "tools/serve/adapters.h"
#include "tools/serve/error.h"
#include "tools/serve/job.h"

namespace kedge::tools::serve {

class ServedModel {
 public:
  ServedModel(std::string name, kedge::RouterEngine engine, int n_ctx, std::vector<ServedAdapter> adapters);

  const std::string& name() const { return name_; }
  const kedge::Model& model() const { return model_; }
  kedge::Engine& engine() { return engine_; }
  int n_ctx() const { return n_ctx_; }
  const std::string& vocabulary() const { return vocabulary_; }  // equal where token ids mean the same

  // The adapters that a request gets, by their ids, those of scale 0 left out. Error: 400, one that this model has not.
  Answer<std::vector<LoraUse>> adapters(const std::optional<std::vector<LoraUse>>& asked) const;
  Json adapters_json(std::span<const LoraUse> uses) const;  // [{"id", "name", "scale"}]

  struct Acquired {
    kedge::Session session;
    size_t cached = 0;                          // tokens that the session holds
    std::shared_ptr<kedge::PrefixCache> cache;  // to keep what becomes of it
  };
  // A session for these tokens, which begins with what requests of the same scope left. `kv`: memory options, JSON or
  // empty; `adapters`: of this model. Requests of other scopes cannot tell what this one had in the cache.
  Answer<Acquired> acquire(const std::string& scope, const std::string& kv, std::span<const LoraUse> adapters,
                           std::span<const int32_t> tokens, const std::string& segments);
  // A session that begins with nothing.
  Answer<kedge::Session> session(const std::string& kv, std::span<const LoraUse> adapters);
  // A session from a file, which requests of this scope and these memory options begin with from now on. Error: 400, of
  // a file that none of them could begin with.
  Answer<kedge::Session> restore(const std::string& path, const std::string& scope, const std::string& kv);
  // Of all scopes: {"lookups", "hits", ...} summed.
  Json prefix_stats() const;

 private:
  struct Scope {
    std::string key;
    std::shared_ptr<kedge::PrefixCache> cache;
  };
  Answer<std::shared_ptr<kedge::PrefixCache>> cache_of(const std::string& scope, const std::string& kv);
  kedge::SessionOptions session_options(const std::string& kv, std::span<const LoraUse> adapters) const;
  const ServedAdapter* adapter(int id) const;  // null: this model has none of that id

  const std::string name_;
  kedge::Model model_;
  kedge::Engine engine_;
  const int n_ctx_;
  const std::vector<ServedAdapter> adapters_;
  const size_t most_scopes_;
  const std::string vocabulary_;
  mutable std::mutex mutex_;
  std::list<Scope> scopes_;  // the one used last first
};

}  // namespace kedge::tools::serve
