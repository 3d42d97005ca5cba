// A room is a namespace: kedge::<room> is opened by the files of that room and by its tests, and by no others. `kedge`
// itself is the public C++ interface's.
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string_view>

#include "tests/house/source_tree.h"

namespace kedge::house {
namespace {

// The namespace a file's declarations belong in; none for programs without one of ours.
std::optional<std::string> namespace_of(std::string path) {
  if (path.starts_with("include/kedge/")) return "kedge";
  for (const std::string_view above : {"tests/additions/files/", "tests/"}) {
    if (path.starts_with(above)) path = path.substr(above.size());
  }
  if (path.starts_with("kernels/base/") || path.starts_with("base/")) return "kedge::base";
  if (path.starts_with("fuzz/")) return "kedge::weights";
  static const std::set<std::string> kRooms = {"kernels", "weights", "tokenizer", "memory", "engine",
                                               "router",  "tools",   "bench",     "house"};
  const std::string room = first_folder(path);
  return kRooms.contains(room) ? std::optional("kedge::" + room) : std::nullopt;
}

// Headers that a room above may include: with any of them come the names of the rooms below.
bool is_seen_by_rooms(const std::string& path) {
  static const std::set<std::string> kSeen = {"kernels", "weights", "tokenizer", "memory", "engine"};
  return path.ends_with(".h") && kSeen.contains(first_folder(path));
}

// The namespace of ours that a line opens.
std::optional<std::string> opened(const std::string& line) {
  if (!line.starts_with("namespace kedge")) return std::nullopt;
  return line.substr(10, line.find_first_of(" {", 10) - 10);
}

// What is wrong with a file, line by line; empty when nothing is.
std::string wrong_namespaces(const SourceFile& file) {
  const auto home = namespace_of(file.path);
  std::string wrong;
  bool found = false;
  bool declares = false;
  bool includes = false;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    includes = includes || line.starts_with("#include \"");
    declares = declares || line.starts_with("class ") || line.starts_with("struct ") || line.starts_with("inline ");
    const auto name = opened(line);
    if (!name) continue;
    const bool inside = home && (name == home || (*home != "kedge" && name->starts_with(*home + "::")));
    found = found || inside;
    if (!inside) wrong += file.path + ":" + std::to_string(i + 1) + ": " + *name + " is not of this room\n";
  }
  if (home && file.path.ends_with(".h") && declares && !found) wrong += file.path + " is outside of " + *home + "\n";
  if (found && !includes && is_seen_by_rooms(file.path)) wrong += file.path + " needs kernels/base/rooms.h\n";
  return wrong;
}

TEST(Namespaces, AreThoseOfTheRooms) {
  const auto files = source_files({".h", ".hpp", ".cc"});
  ASSERT_GT(files.size(), 500u);
  for (const SourceFile& file : files) {
    const bool public_c = file.path.starts_with("include/kedge/") && file.path.ends_with(".h");
    if (public_c || file.path == "kernels/base/rooms.h") continue;
    EXPECT_EQ(wrong_namespaces(file), "");
  }
}

TEST(Namespaces, TheWholeHouseIsOpenedNowhere) {
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc"})) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const size_t at = file.lines[i].find("using namespace kedge");
      if (at == std::string::npos || file.path.starts_with("tests/house/")) continue;
      EXPECT_EQ(file.lines[i].find("kedge::", at), at + 16) << file.path << ":" << i + 1 << ": name the room";
    }
  }
}

TEST(Namespaces, AWrongOneIsFound) {
  const std::string include = "#include \"kernels/base/rooms.h\"";
  EXPECT_EQ(wrong_namespaces({"memory/a.h", {include, "namespace kedge::memory {", "struct A {"}}), "");
  EXPECT_EQ(wrong_namespaces({"memory/anchors/a.h", {include, "namespace kedge::memory::anchors {"}}), "");
  EXPECT_EQ(wrong_namespaces({"tests/memory/a_test.cc", {"namespace kedge::memory {"}}), "");
  EXPECT_EQ(wrong_namespaces({"include/kedge/kedge.hpp", {"namespace kedge {", "struct A {"}}), "");
  EXPECT_NE(wrong_namespaces({"memory/a.h", {"namespace kedge::memory {", "struct A {"}}), "");
  EXPECT_NE(wrong_namespaces({"memory/a.h", {include, "namespace kedge {", "struct A {"}}), "");
  EXPECT_NE(wrong_namespaces({"memory/a.cc", {"namespace kedge::engine {"}}), "");
  EXPECT_NE(wrong_namespaces({"memory/a.cc", {"namespace kedge::memory_too {"}}), "");
  EXPECT_NE(wrong_namespaces({"kernels/base/a.h", {include, "namespace kedge::kernels {", "struct A {"}}), "");
  EXPECT_NE(wrong_namespaces({"kernels/a.h", {include, "namespace kedge::base {", "struct A {"}}), "");
  EXPECT_NE(wrong_namespaces({"include/kedge/kedge.hpp", {"namespace kedge::api {"}}), "");
  EXPECT_NE(wrong_namespaces({"engine/a.h", {include, "struct A {", "};"}}), "");
}

}  // namespace
}  // namespace kedge::house
