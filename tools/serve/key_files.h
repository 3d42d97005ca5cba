// Files of the state directory that requests name: each access key has its own.
#pragma once

#include <string>
#include <string_view>

#include "tools/serve/state_directory.h"

namespace kedge::tools::serve {

class KeyFiles {
 public:
  // "indexes", ".kidx": what they are, and how their files end.
  KeyFiles(const StateDirectory& state, std::string_view kind, std::string_view suffix, const std::string& key);

  const std::string& folder() const { return folder_; }
  std::string file(std::string_view name) const { return std::string(name) + suffix_; }
  // For the library, which takes paths. The folder is there after make(). Error: 400, no name.
  Answer<std::string> path(std::string_view name) const { return state_.path_of(folder_, file(name)); }
  Answer<bool> make() const { return state_.write(folder_, "made", ""); }  // folders are made by writing into them
  // [{"name", "modified", "bytes"}], by name.
  Answer<Json> list() const;
  Answer<bool> remove(std::string_view name) const { return state_.remove(folder_, file(name)); }

 private:
  const StateDirectory& state_;
  std::string folder_;
  std::string suffix_;
};

KeyFiles index_files(const StateDirectory& state, const std::string& key);
KeyFiles session_files(const StateDirectory& state, const std::string& key);  // of /slots

}  // namespace kedge::tools::serve
