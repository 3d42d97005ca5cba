// Length of files, and the room READMEs.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/house/source_tree.h"

namespace kedge::house {
namespace {

constexpr size_t kMaxLines = 600;
constexpr size_t kMaxTestLines = 800;
constexpr size_t kMaxReadmeLines = 60;
constexpr size_t kMaxColumns = 140;  // clang-format cuts at 120; tables and string literals may stick out

TEST(SizeRules, FilesAreShort) {
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc", ".c", ".py", ".sh", ".cmake", ".txt"})) {
    const bool is_test = first_folder(file.path) == "tests";
    if (is_test && file.path.rfind("tests/data/", 0) == 0) continue;
    EXPECT_LE(file.lines.size(), is_test ? kMaxTestLines : kMaxLines)
        << file.path << ": split it where a second idea begins";
  }
}

TEST(SizeRules, LinesAreShort) {
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc"})) {
    if (file.path.rfind("tests/data/", 0) == 0) continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_LE(file.lines[i].size(), kMaxColumns) << file.path << ":" << i + 1;
    }
  }
}

TEST(SizeRules, EveryRoomExplainsItself) {
  for (const char* room : {"kernels", "weights", "tokenizer", "memory", "engine", "router", "tools"}) {
    const std::filesystem::path path = std::filesystem::path(KEDGE_SOURCE_DIR) / room / "README.md";
    std::ifstream in(path);
    if (!in) {
      ADD_FAILURE() << room << "/README.md is missing";
      continue;
    }
    size_t lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    EXPECT_GT(lines, 5u) << room << "/README.md";
    EXPECT_LE(lines, kMaxReadmeLines) << room << "/README.md";
  }
}

}  // namespace
}  // namespace kedge::house
