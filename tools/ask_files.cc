#include "tools/ask_files.h"

#include <algorithm>
#include <filesystem>

#include "kedge/kedge_router.hpp"
#include "kernels/base/sha256.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/variable.h"

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;

std::string cache_folder() { return in_home("XDG_CACHE_HOME", ".cache") + "/kedge/indexes"; }

// Whether a file is another one than the last time: its name, size and date.
void add_file(base::Sha256& digest, const fs::path& file) {
  std::error_code error;
  digest.field(fs::weakly_canonical(file, error).string());
  digest.number(fs::file_size(file, error));
  digest.number(static_cast<uint64_t>(fs::last_write_time(file, error).time_since_epoch().count()));
}

std::string key_of(const std::vector<std::string>& paths, const std::string& model) {
  base::Sha256 digest;
  add_file(digest, model);
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::exists(path, error)) throw Failure(path + ": no such file");
    if (!fs::is_directory(path, error)) {
      add_file(digest, path);
      continue;
    }
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
      if (entry.is_regular_file(error)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add_file(digest, file);
  }
  return digest.hex();
}

}  // namespace

std::string index_of_files(const std::vector<std::string>& paths, const std::string& model) {
  const std::string folder = cache_folder();
  const std::string index = folder + "/" + key_of(paths, model) + ".kidx";
  std::error_code error;
  if (fs::exists(index, error)) return index;
  make_folder(folder);
  const InterruptGuard guard;
  Progress progress("reading documents");
  const Json request = {{"paths", paths}, {"out", index}, {"model", model}};
  const auto made = kedge::index_build(request_text(request), [&](size_t done, size_t total) {
    progress.update(done, total);
    return !InterruptGuard::interrupted();
  });
  progress.finish();
  if (!made.ok() && made.error().code == KEDGE_CANCELLED) throw interrupted();
  need(made);
  return index;
}

}  // namespace kedge::tools
