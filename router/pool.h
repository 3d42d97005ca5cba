// The models a router may use: loaded when first asked for, unloaded when the bytes are needed, never while in use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/config.h"
#include "router/loaded_model.h"
#include "router/model_file.h"

namespace kedge::router {

// Thread-safe. Whoever holds a model's pointer uses it: it stays in memory until the last one lets go. While a model is
// loaded only those who want that one wait.
class Pool {
 public:
  using Load = std::function<Result<std::shared_ptr<LoadedModel>>(const std::string& name, const ModelSpec& spec,
                                                                  const std::string& calibrators, int n_threads,
                                                                  std::shared_ptr<ModelHealth> health)>;

  explicit Pool(const RouterConfig& config, Load load = LoadedModel::load);

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

  // What there is, loaded or not, and what the files say of themselves (kedge_router_models). Loads nothing.
  Json models();
  Json state() const;  // [{"name", "aliases", "path", "loaded", "bytes", "in_use", "pinned", "breaker", ...}]

 private:
  struct Slot {
    ModelSpec spec;
    std::shared_ptr<LoadedModel> model;  // null: not loaded
    std::shared_ptr<ModelHealth> health = std::make_shared<ModelHealth>();
    uint64_t last_use = 0;
    bool loading = false;
    ModelFile file;  // as models() last read it; bytes 0: not yet
  };
  using Lock = std::unique_lock<std::mutex>;
  Result<std::shared_ptr<LoadedModel>> get_locked(Lock& lock, const std::string& name);
  // Without the lock; the bytes count and `loading` is set meanwhile.
  Result<std::shared_ptr<LoadedModel>> load_unlocked(Lock& lock, const std::string& name, const ModelSpec& spec,
                                                     std::shared_ptr<ModelHealth> health, bool& loading);
  Json aliases_of(const std::string& name) const;
  Status make_room(uint64_t bytes, const std::string& for_name);

  const Load load_;
  mutable std::mutex mutex_;
  std::condition_variable load_over_;
  uint64_t loading_bytes_ = 0;  // of files being loaded
  std::map<std::string, Slot> slots_;
  std::map<std::string, std::string> aliases_;
  std::string calibrators_;
  int n_threads_;  // of each model's engine
  uint64_t memory_bytes_;
  uint64_t clock_ = 0;
};

}  // namespace kedge::router
