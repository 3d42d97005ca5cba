// What the linker sees. Kernel objects built for different instruction sets must share no weak symbol: the linker keeps
// one copy for everybody, and it may be the one for the newer machine. And our rooms neither end the process nor print.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace kedge::house {
namespace {

struct Symbol {
  char type = '?';
  std::string name;
  std::string size;  // as nm has it; empty where it is defined elsewhere
};

// Symbols of an object or archive as `nm` prints them.
std::vector<Symbol> symbols(const std::string& file) {
  std::vector<Symbol> out;
  FILE* pipe = popen(("nm -P '" + file + "' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return out;
  char* line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, pipe) > 0) {
    std::istringstream words(line);
    Symbol s;
    std::string type;
    std::string value;
    if (words >> s.name >> type && type.size() == 1) {
      s.type = type[0];
      words >> value >> s.size;
      out.push_back(s);
    }
  }
  free(line);
  pclose(pipe);
  return out;
}

// Lines "target path" written by CMake: the objects of every kedge_kernels_<isa>.
std::map<std::string, std::vector<std::string>> isa_objects() {
  std::map<std::string, std::vector<std::string>> objects;
  std::ifstream in(KEDGE_ISA_OBJECT_LIST);
  for (std::string isa, path; in >> isa >> path;) objects[isa].push_back(path);
  return objects;
}

// Weak symbols without machine code: names of types (sanitized builds emit them) cannot carry an instruction.
bool is_type_data(const std::string& name) { return name.rfind("_ZTI", 0) == 0 || name.rfind("_ZTS", 0) == 0; }

TEST(Symbols, InstructionSetsShareNoWeakSymbols) {
  const auto objects = isa_objects();
  if (objects.empty()) GTEST_SKIP() << "this build has one instruction set only";
  std::map<std::string, std::set<std::string>> seen;  // weak symbol -> instruction sets that define it
  for (const auto& [isa, files] : objects) {
    for (const std::string& file : files) {
      const auto all = symbols(file);
      ASSERT_FALSE(all.empty()) << "nm shows nothing for " << file;
      for (const Symbol& s : all) {
        const bool weak = s.type == 'W' || s.type == 'V' || s.type == 'u';
        if (weak && !is_type_data(s.name)) seen[s.name].insert(isa);
      }
    }
  }
  // One alone is a danger too: the same inline function in a portable object would be the second copy.
  for (const auto& [name, isas] : seen) {
    std::string where;
    for (const std::string& isa : isas) where += " " + isa;
    ADD_FAILURE() << "weak symbol " << name << " in" << where;
  }
}

using Sizes = std::map<std::string, std::set<std::string>>;  // of a weak symbol of ours, in all objects

// The linker keeps one copy of a weak symbol; two sizes are two definitions under one name. Functions are compared
// where nothing is optimised, in objects compiled alike.
void add_sizes(const std::vector<Symbol>& symbols, bool functions, Sizes& sizes) {
  for (const Symbol& s : symbols) {
    const bool weak = s.type == 'V' || s.type == 'u' || (functions && s.type == 'W');
    if (weak && !s.size.empty() && s.name.find("5kedge") != std::string::npos) sizes[s.name].insert(s.size);
  }
}

TEST(Symbols, AWeakOneIsTheSameInEveryObject) {
  Sizes sizes;
  add_sizes(symbols(KEDGE_LIBRARY), KEDGE_UNOPTIMISED != 0, sizes);
  std::ifstream in(KEDGE_COMMAND_OBJECT_LIST);
  size_t n_objects = 0;
  for (std::string path; std::getline(in, path); ++n_objects) add_sizes(symbols(path), false, sizes);
  ASSERT_GT(n_objects, 20u);
  ASSERT_GT(sizes.size(), 20u);
  for (const auto& [name, found] : sizes) EXPECT_EQ(found.size(), 1u) << name << " is more than one thing";
}

TEST(Symbols, TwoThingsOfOneNameAreFound) {
  Sizes sizes;
  add_sizes({{'V', "_ZTVN5kedge4StepE", "28"}, {'W', "_ZN5kedge4StepC2Ev", "10"}, {'W', "_ZNSt6vectorE", "1"}}, true,
            sizes);
  add_sizes({{'V', "_ZTVN5kedge4StepE", "30"}, {'W', "_ZN5kedge4StepC2Ev", "20"}, {'T', "_ZN5kedge1fEv", "9"}}, false,
            sizes);
  EXPECT_EQ(sizes.size(), 2u);
  EXPECT_EQ(sizes["_ZTVN5kedge4StepE"].size(), 2u);
  EXPECT_EQ(sizes["_ZN5kedge4StepC2Ev"].size(), 1u);  // the second is not compared
}

TEST(Symbols, LibraryNeitherEndsTheProcessNorPrints) {
  const std::set<std::string> forbidden = {"abort",         "exit",      "_exit",     "_Exit",     "quick_exit",
                                           "__assert_fail", "_ZSt4cerr", "_ZSt4cout", "_ZSt4clog", "stderr",
                                           "stdout",        "puts",      "putchar"};
  const auto all = symbols(KEDGE_LIBRARY);
  ASSERT_GT(all.size(), 100u) << "nm shows nothing for " << KEDGE_LIBRARY;
  for (const Symbol& s : all) {
    if (s.type != 'U') continue;
    EXPECT_FALSE(forbidden.count(s.name)) << "libkedge calls " << s.name;
  }
}

}  // namespace
}  // namespace kedge::house
