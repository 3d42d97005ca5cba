// The one directory where the server keeps things. Names come from requests: nothing in it can lead outside (openat2,
// RESOLVE_BENEATH), files are their owner's alone, and appear complete or not at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/error.h"

namespace kedge::tools::serve {

class StateDirectory {
 public:
  // Made when it is not there. Throws tools::Failure naming it.
  explicit StateDirectory(const std::string& path);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // `folder` is one name, made when needed; `name` one too: 1 to 128 of letters, digits, '-', '_', '.', not beginning
  // with '.'. Errors: 400 (another name), 404 (no such file), 507 (disk full), 500 (what the system says).
  Answer<std::string> read(std::string_view folder, std::string_view name) const;
  Answer<bool> write(std::string_view folder, std::string_view name, std::string_view bytes) const;
  Answer<bool> remove(std::string_view folder, std::string_view name) const;
  struct Entry {
    std::string name;
    int64_t modified = 0;  // seconds since 1970
    uint64_t bytes = 0;
  };
  Answer<std::vector<Entry>> list(std::string_view folder) const;  // by name; a folder that is not there has none

  // For functions of the library, which take paths. The same checks of the names.
  Answer<std::string> path_of(std::string_view folder, std::string_view name) const;

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace kedge::tools::serve
