// The models that requests may name. They are the router's pool: a model is in memory once, whether questions go
// through the router or to it by name.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kedge/kedge_router.hpp"
#include "tools/serve/served_model.h"

namespace kedge::tools::serve {

class Catalog {
 public:
  // `adapters`: read with the model they are for.
  Catalog(kedge::Router router, std::vector<AdapterEntry> adapters);

  // What a request's "model" means: "auto", or an alias or name of the pool; of none "auto" where there are several,
  // else the only one there is. Error: 404 with the names there are.
  Answer<std::string> resolve(const std::string& model) const;
  // Loads it when nobody has yet. Where there is no room those that nobody uses are let go first.
  Answer<std::shared_ptr<ServedModel>> open(const std::string& alias);
  // After a swap: the next open() is of what the alias means then.
  void forget(const std::string& alias);
  // Those in memory, by name; those too that only the router has asked.
  std::map<std::string, std::shared_ptr<ServedModel>> opened();

  // As kedge_router_models has them.
  Answer<Json> list() const;
  // [{"id", "name", "path", "model", "scale"}]
  Json adapters() const;
  bool limited() const { return limited_; }  // models are unloaded when others need the room
  kedge::Router& router() { return router_; }

 private:
  Answer<Json> entry(const std::string& alias) const;
  std::shared_ptr<ServedModel> found(const std::string& name) const;
  Answer<std::shared_ptr<ServedModel>> take(const Json& entry);
  Answer<std::vector<ServedAdapter>> read_adapters(const Json& entry, const kedge::Model& model) const;
  void let_go_of_idle();

  mutable kedge::Router router_;
  std::vector<AdapterEntry> adapters_;  // the configuration's, then the pool's
  mutable std::mutex mutex_;
  // By name. Where the pool has a limit it has to unload what nobody uses: then nothing is held between requests.
  std::map<std::string, std::shared_ptr<ServedModel>> opened_;
  std::map<std::string, std::weak_ptr<ServedModel>> in_use_;
  bool limited_ = false;
};

}  // namespace kedge::tools::serve
