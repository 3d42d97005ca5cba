// The source tree as the house tests see it: every file of ours, and its lines.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace kedge::house {

struct SourceFile {
  std::string path;  // relative to the root, with slashes
  std::vector<std::string> lines;
};

inline std::string first_folder(const std::string& path) {
  const size_t slash = path.find('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Folders that hold no sources of ours: build trees (any build*), version control, data.
inline bool is_skipped_folder(const std::string& name) {
  return name.rfind("build", 0) == 0 || name == ".git" || name == "out" || name == ".cache" || name == "models" ||
         name == "third_party" || name == "node_modules";
}

// All files whose extension is one of `extensions`, sorted by path.
inline std::vector<SourceFile> source_files(const std::vector<std::string>& extensions) {
  namespace fs = std::filesystem;
  const fs::path root = KEDGE_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory() && is_skipped_folder(it->path().filename().string())) {
      it.disable_recursion_pending();
      continue;
    }
    const std::string extension = it->path().extension().string();
    if (!it->is_regular_file() || std::find(extensions.begin(), extensions.end(), extension) == extensions.end()) {
      continue;
    }
    SourceFile file{fs::relative(it->path(), root).generic_string(), {}};
    std::ifstream in(it->path());
    for (std::string line; std::getline(in, line);) file.lines.push_back(line);
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace kedge::house
