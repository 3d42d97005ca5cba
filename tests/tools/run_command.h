// Runs the built command as a user would: arguments, standard input, both outputs, exit code.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace kedge::tools {

struct Outcome {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out;
  std::string err;
  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// A folder of this process's own, removed at the end.
inline const std::string& scratch_folder() {
  struct Folder {
    std::string path;
    Folder() {
      std::string pattern = (std::filesystem::temp_directory_path() / "kedge-tools-XXXXXX").string();
      path = mkdtemp(pattern.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
  };
  static const Folder folder;
  return folder.path;
}
inline std::string scratch(const std::string& name) { return scratch_folder() + "/" + name; }
inline std::string write_scratch(const std::string& name, const std::string& text) {
  std::ofstream(scratch(name), std::ios::binary) << text;
  return scratch(name);
}

// Outputs go to files, so no pipe can fill up and block.
using Environment = std::vector<std::pair<std::string, std::string>>;

inline Outcome run_command(std::vector<std::string> args, const std::string& input = "",
                           const Environment& environment = {}) {
  const std::string in = write_scratch("stdin", input);
  const std::string out = scratch("stdout");
  const std::string err = scratch("stderr");
  args.insert(args.begin(), KEDGE_COMMAND);
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open(in.c_str(), O_RDONLY), STDIN_FILENO);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    setenv("XDG_STATE_HOME", scratch_folder().c_str(), 1);               // no record of a test in the user's own log
    setenv("XDG_CONFIG_HOME", (scratch_folder() + "/none").c_str(), 1);  // nor settings of the user's in a test
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, slurp(out), slurp(err)};
}

// A small model with random weights, written once by the command itself.
inline const std::string& tiny_model() {
  static const std::string path = [] {
    const std::string file = scratch("tiny.gguf");
    run_command({"generate-model", "--shape", "tiny", "--type", "Q8_0", "--seed", "1", "-o", file});
    return file;
  }();
  return path;
}

}  // namespace kedge::tools
