#include "tools/serve/key_files.h"

#include "kernels/base/sha256.h"

namespace kedge::tools::serve {

KeyFiles::KeyFiles(const StateDirectory& state, std::string_view kind, std::string_view suffix, const std::string& key)
    : state_(state), suffix_(suffix) {
  base::Sha256 sum;
  sum.bytes(key);
  folder_ = std::string(kind) + "-" + sum.hex().substr(0, 32);
}

Answer<Json> KeyFiles::list() const {
  const auto entries = state_.list(folder_);
  if (!entries.ok()) return entries.error();
  Json all = Json::array();
  for (const auto& entry : *entries) {
    if (!entry.name.ends_with(suffix_)) continue;
    all.push_back({{"name", entry.name.substr(0, entry.name.size() - suffix_.size())},
                   {"modified", entry.modified},
                   {"bytes", entry.bytes}});
  }
  return all;
}

KeyFiles index_files(const StateDirectory& state, const std::string& key) { return {state, "indexes", ".kidx", key}; }
KeyFiles session_files(const StateDirectory& state, const std::string& key) {
  return {state, "sessions", ".session", key};
}

}  // namespace kedge::tools::serve
