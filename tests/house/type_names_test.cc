// One name, one type. Two types of one name in one namespace are two layouts under one set of symbols: the linker keeps
// one constructor for both, and which one depends on the order of the objects. Read from the sources, where a type at
// namespace level begins a line (clang-format sees to it).
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tests/house/source_tree.h"

namespace kedge::house {
namespace {

using Namespaces = std::vector<std::string>;

// "namespace a::b {" opens one; "}  // namespace a::b" closes it.
bool follow_namespaces(const std::string& line, Namespaces& open) {
  if (line.starts_with("namespace ") && line.ends_with("{")) {
    std::string name = line.substr(10, line.size() - 11);
    while (name.ends_with(' ')) name.pop_back();
    open.push_back(name);
    return true;
  }
  if (line.starts_with("}  // namespace")) {
    if (!open.empty()) open.pop_back();
    return true;
  }
  return false;
}

// The name of the type whose definition begins on this line.
std::optional<std::string> defined_type(const std::string& line) {
  if (line.starts_with(' ') || line.find('{') == std::string::npos)
    return std::nullopt;  // inside of one, declared only
  std::istringstream words(line);
  std::string word;
  words >> word;
  if (word == "enum") {
    words >> word;
    if (word == "class") words >> word;
  } else if (word == "class" || word == "struct" || word == "union") {
    words >> word;
  } else {
    return std::nullopt;
  }
  while (word.starts_with("alignas(") || word.starts_with("[[")) words >> word;
  if (word.ends_with(":")) word.pop_back();
  const bool specialised = word.find('<') != std::string::npos || word.find(':') != std::string::npos;
  if (word.empty() || word == "{" || specialised) return std::nullopt;
  return word;
}

using Types = std::map<std::string, std::set<std::string>>;  // a type, and the files that define it

void add_types(const SourceFile& file, Types& types) {
  Namespaces open;
  for (const std::string& line : file.lines) {
    if (follow_namespaces(line, open)) continue;
    std::string scope;
    bool hidden = false;  // in an unnamed namespace
    for (const std::string& n : open) {
      hidden = hidden || n.empty() || n.find("KEDGE_ISA") != std::string::npos;  // one header or the other by machine
      scope += n + "::";
    }
    const auto name = hidden ? std::nullopt : defined_type(line);
    if (name) types[scope + *name].insert(file.path);
  }
}

TEST(TypeNames, AreThoseOfOneTypeEach) {
  Types types;
  const auto files = source_files({".h", ".hpp", ".cc"});
  for (const SourceFile& file : files) {
    const std::string room = first_folder(file.path);
    if (room != "tests" && room != "bench") add_types(file, types);  // those are programs of their own
  }
  ASSERT_GT(files.size(), 200u);
  ASSERT_GT(types.size(), 200u);
  for (const auto& [name, where] : types) {
    std::string list;
    for (const std::string& file : where) list += " " + file;
    EXPECT_EQ(where.size(), 1u) << name << " is defined in" << list;
  }
}

TEST(TypeNames, OneIsFoundWhereItHides) {
  Types types;
  add_types({"a.h", {"namespace kedge {", "class Step;", "class Step {", "};", "}  // namespace kedge"}}, types);
  add_types({"b.cc",
             {"namespace kedge {", "namespace {", "struct Step {", "};", "}  // namespace", "enum class Kind { kA };"}},
            types);
  EXPECT_EQ(types["kedge::Step"], std::set<std::string>{"a.h"});
  EXPECT_EQ(types.count("kedge::Kind"), 1u);
  add_types({"c.h", {"namespace kedge {", "struct Step {         // another"}}, types);
  EXPECT_EQ(types["kedge::Step"].size(), 2u);
}

}  // namespace
}  // namespace kedge::house
