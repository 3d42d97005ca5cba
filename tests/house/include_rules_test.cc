// Every #include of the tree against DESIGN's table of rooms.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <regex>
#include <set>

#include "tests/house/source_tree.h"

namespace kedge::house {
namespace {

// The room a path belongs to: its first folder, but kernels/base and include/kedge stand for themselves.
std::string room_of(const std::string& path) {
  if (path.rfind("kernels/base/", 0) == 0) return "kernels/base";
  if (path.rfind("include/kedge/", 0) == 0 || path.rfind("kedge/", 0) == 0) return "include/kedge";
  return first_folder(path);
}

const std::set<std::string> kRooms = {"kernels/base", "kernels",       "weights", "tokenizer", "memory", "engine",
                                      "router",       "include/kedge", "tools",   "tests",     "bench",  "docs"};

// Rooms each room may include besides itself. `registry/` is generated and belongs to whoever asks for it.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"kernels/base", {"include/kedge"}},  // capi.h
    {"kernels", {"kernels/base"}},
    {"weights", {"kernels/base", "kernels"}},
    {"tokenizer", {"kernels/base"}},
    {"memory", {"kernels/base", "kernels"}},
    {"engine", {"kernels/base", "kernels", "weights", "tokenizer", "memory", "include/kedge"}},
    {"router", {"kernels/base", "kernels", "weights", "tokenizer", "memory", "engine", "include/kedge"}},
    {"include/kedge", {}},
    {"tools", {"include/kedge"}},
    {"docs", {}},  // examples: as others include us, <kedge/...>
};

// The commands that work on files rather than through an open model see the weights room and the quant formats; doctor
// and bench see the probe; all have the ground room's JSON, UTF-8, sizes, SHA-256, writer of files and threads.
bool is_tools_exception(const std::string& file, const std::string& header) {
  static const std::regex kGround(
      "kernels/base/(at_once|byte_size|hex|input_file|json|json_object|output_file|result|sha256|utf8|utf8_cut)\\.h");
  if (std::regex_match(header, kGround)) return true;
  static const std::regex kFileCommands("tools/(cmd_)?(cache|convert|inspect|quantize|generate|gguf|model_plan).*");
  if (std::regex_match(file, kFileCommands)) {
    return room_of(header) == "weights" || header == "kernels/quants.h" || room_of(header) == "kernels/base";
  }
  static const std::regex kMeasuring("tools/(cmd_doctor|bench_.*)\\.cc");
  return std::regex_match(file, kMeasuring) && header == "bench/probe.h";
}

// Libraries that only some rooms may name (a prefix of what stands between the angle brackets).
const std::map<std::string, std::set<std::string>> kLibraries = {
    {"xsimd/", {"kernels"}},
    {"immintrin.h", {"kernels", "kernels/base"}},
    {"x86intrin.h", {"kernels"}},
    {"arm_neon.h", {"kernels"}},
    {"omp.h", {"kernels/base"}},
    {"sentencepiece", {"tokenizer"}},
    {"pcre2", {"tokenizer", "router"}},
    {"utf8proc", {"tokenizer", "memory", "router"}},
    {"CLI/", {"tools"}},
    {"Eigen/", {"router"}},
    {"sqlite3.h", {"router"}},
    {"boost/", {"tools"}},
    {"sodium.h", {"router"}},
    {"libpq-fe.h", {"tools"}},
    {"curl/", {"tools"}},
    {"openssl/", {"tools"}},
    {"toml++/", {"router", "tools"}},
    {"gumbo.h", {"router"}},
    {"iostream", {"tools"}},
    {"regex", {}},
};

std::optional<std::string> match(const std::string& line, const std::regex& pattern) {
  std::smatch m;
  if (!std::regex_search(line, m, pattern)) return std::nullopt;
  return m[1].str();
}

TEST(IncludeRules, RoomsIncludeOnlyWhatTheTableAllows) {
  const std::regex quoted("^\\s*#\\s*include\\s+\"([^\"]+)\"");
  size_t checked = 0;
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc", ".inc"})) {
    const std::string room = room_of(file.path);
    EXPECT_TRUE(kRooms.count(room)) << file.path << " is in no room of DESIGN";
    if (room == "tests" || room == "bench") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const auto header = match(file.lines[i], quoted);
      if (!header) continue;
      ++checked;
      const std::string target = room_of(*header);
      if (target == "registry" || target == room || is_tools_exception(file.path, *header)) continue;
      EXPECT_TRUE(kRooms.count(target)) << file.path << ":" << i + 1 << " includes \"" << *header
                                        << "\": name the file from the repository's root";
      const auto allowed = kMayInclude.find(room);
      EXPECT_TRUE(allowed != kMayInclude.end() && allowed->second.count(target))
          << file.path << ":" << i + 1 << ": " << room << " may not include \"" << *header << "\"";
    }
  }
  EXPECT_GT(checked, 50u) << "the tree was not found at " << KEDGE_SOURCE_DIR;
}

// The C functions of a room are its outside: what rooms share of them is in kernels/base/capi.h.
TEST(IncludeRules, NoRoomUsesAnothersCFunctions) {
  for (const SourceFile& file : source_files({".h", ".cc"})) {
    if (first_folder(file.path) != "router") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_EQ(file.lines[i].find("#include \"engine/capi/"), std::string::npos) << file.path << ":" << i + 1;
    }
  }
}

TEST(IncludeRules, LibrariesStayInTheirRooms) {
  const std::regex angled("^\\s*#\\s*include\\s+<([^>]+)>");
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc"})) {
    const std::string room = room_of(file.path);
    if (room == "tests" || room == "bench") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const auto header = match(file.lines[i], angled);
      if (!header) continue;
      for (const auto& [prefix, rooms] : kLibraries) {
        if (header->rfind(prefix, 0) != 0) continue;
        EXPECT_TRUE(rooms.count(room)) << file.path << ":" << i + 1 << ": <" << *header << "> has no place in " << room;
      }
    }
  }
}

TEST(IncludeRules, OneEnvironmentVariable) {
  const std::regex call("\\bgetenv\\s*\\(([^)]*)\\)");
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc"})) {
    if (first_folder(file.path) == "tests") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const auto argument = match(file.lines[i], call);
      if (!argument) continue;
      if (file.path == "tools/serve/settings.cc") continue;  // KEDGE_SERVE_<NAME>: containers are set up that way
      if (file.path == "tools/variable.cc") continue;        // folders and addresses of the user's own, by name
      EXPECT_EQ(*argument, "\"KEDGE_ISA\"") << file.path << ":" << i + 1;
    }
  }
}

TEST(IncludeRules, OnlyParallelNamesOpenMp) {
  for (const SourceFile& file : source_files({".h", ".hpp", ".cc"})) {
    if (file.path == "kernels/base/parallel.cc" || first_folder(file.path) == "tests") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_EQ(file.lines[i].find("#pragma omp"), std::string::npos) << file.path << ":" << i + 1;
    }
  }
}

TEST(IncludeRules, HeadersHaveAGuard) {
  for (const SourceFile& file : source_files({".h", ".hpp"})) {
    bool guarded = false;
    for (const std::string& line : file.lines) {
      guarded = guarded || line == "#pragma once" || line.rfind("#ifndef KEDGE_", 0) == 0;
    }
    EXPECT_TRUE(guarded) << file.path << " has no #pragma once";
  }
}

}  // namespace
}  // namespace kedge::house
