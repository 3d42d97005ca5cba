// The models a router may use: loaded when first asked for, unloaded when the bytes are needed, never while in use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/config.h"
#include "router/loaded_model.h"

namespace kedge::router {

// Thread-safe. Whoever holds a model's pointer uses it: it stays in memory until the last one lets go.
class Pool {
 public:
  explicit Pool(const RouterConfig& config);

  // The model behind an alias, or of that name; loads it. Errors: kNotFound (no such alias), those of the load
  // (kIo while the breaker is open: a file that cannot be loaded is not tried at every question), kCapacity (it does
  // not fit, even after unloading everything that is idle and not pinned).
  Result<std::shared_ptr<LoadedModel>> get(const std::string& alias);
  // The same for the model with this digest, whatever it is called. Error: kNotFound, listing what there is.
  Result<std::shared_ptr<LoadedModel>> with_digest(const std::string& digest);

  // The same without loading: null when it is not in memory.
  std::shared_ptr<LoadedModel> loaded(const std::string& alias) const;
  // Of the model behind an alias or of that name, loaded or not; null when there is no such model.
  std::shared_ptr<ModelHealth> health(const std::string& alias) const;

  bool has(const std::string& alias) const;
  bool is_alias(const std::string& alias) const;        // an alias, not a model's name
  std::string resolve(const std::string& alias) const;  // to a name; "" when there is none

  // Loads a file beside the pool, under no name yet. Counts towards the bytes.
  Result<std::shared_ptr<LoadedModel>> load_beside(const std::string& name, const ModelSpec& spec);
  // From the next get() on the alias means this model. Answers under way keep the old one, which is unloaded when the
  // last of them is done; returns the name it had.
  std::string repoint(const std::string& alias, std::shared_ptr<LoadedModel> model);

  Json state() const;  // [{"name", "aliases", "path", "loaded", "bytes", "in_use", "pinned", "breaker", ...}]

 private:
  struct Slot {
    ModelSpec spec;
    std::shared_ptr<LoadedModel> model;  // null: not loaded
    std::shared_ptr<ModelHealth> health = std::make_shared<ModelHealth>();
    uint64_t last_use = 0;
  };
  Result<std::shared_ptr<LoadedModel>> get_locked(const std::string& name);
  Status make_room(uint64_t bytes, const std::string& for_name);

  mutable std::mutex mutex_;
  std::map<std::string, Slot> slots_;
  std::map<std::string, std::string> aliases_;
  std::string calibrators_;
  int n_threads_;  // of each model's engine
  uint64_t memory_bytes_;
  uint64_t clock_ = 0;
};

}  // namespace kedge::router
