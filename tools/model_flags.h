// The flags that choose a model, shape a session and steer the sampler, the same in every subcommand.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

// A file of the folder that the embedded models are in; a Failure when there is none.
std::string embedded_file(const std::string& name);

struct ModelFlags {
  std::string model;  // a path, the name of an embedded model, or empty for the default one
  bool no_mmap = false;

  void add_to(CLI::App* command);
  std::string path() const;  // of the file that `model` means
  api::Model open() const;   // with a progress bar
  // Enough of it for text and tokens: a file that holds only a vocabulary will do.
  api::Model open_vocabulary() const;
};

struct SessionFlags {
  int ctx = 0;
  int threads = 0;
  int chunk = 512;
  std::string kv_type = "f16";
  std::string numerics = "exact";

  // What a command decides on by itself is left out: the context, or threads and chunks too.
  enum Which { kAll, kWithoutContext, kOnlyTypes };
  void add_to(CLI::App* command, Which which = kAll);
  api::SessionOptions options() const;
};

// One flag per entry of the library's own schema, so flags, defaults and help cannot drift from what it does.
struct SamplerFlags {
  uint64_t seed = 0;
  std::vector<std::string> stop;

  void add_to(CLI::App* command);
  void apply(api::GenerateOptions& options) const;

 private:
  std::vector<std::pair<std::string, std::shared_ptr<std::optional<double>>>> settings_;
};

// "--tokens 1,2,3" or "--tokens-file F".
struct TokensFlags {
  std::string tokens;
  std::string file;

  void add_to(CLI::App* command);
  bool given() const { return !tokens.empty() || !file.empty(); }
  std::vector<int32_t> read() const;
};

const char* kv_type_name(kedge_kv_type type);
// "the model answered", for the line of figures: why a generation ended.
const char* finish_name(kedge_finish_reason reason);

}  // namespace kedge::tools
