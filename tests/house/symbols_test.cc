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
    if (words >> s.name >> type && type.size() == 1) {
      s.type = type[0];
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
