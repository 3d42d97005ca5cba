// The flags that choose a model, shape a session and steer the sampler, the same in every subcommand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

// What -m may name: embedded models and those of 'kedge list'.
std::vector<std::string> model_names();

// A file of the folder that the embedded models are in; a Failure when there is none.
std::string embedded_file(const std::string& name);

struct ModelFlags {
  std::string model;  // a path, the name of an embedded model, or empty for the default one
  bool no_mmap = false;
  std::string weights_cache = "auto";

  void add_to(CLI::App* command);
  std::string path() const;  // of the file that `model` means
  // With a progress bar; `meanwhile` is called now and then.
  kedge::Model open(const std::function<void()>& meanwhile = {}) const;
  // Enough of it for text and tokens: a file that holds only a vocabulary will do.
  kedge::Model open_vocabulary() const;
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
  kedge::SessionOptions options() const;
  // Of an engine for so many sequences at once. Its sessions have a context and a memory of their own, no more.
  kedge::EngineOptions engine(int sequences) const;
};

// A session of these options. Where no context was asked for and the trained one does not fit into memory, it gets
// less, and standard error says so: `needed` tokens, or as many as fit when that is 0.
kedge::Session open_session(const kedge::Model& model, kedge::SessionOptions options, int64_t needed);

// What text becomes before a model reads it, the same wherever text is read: control tokens only on request.
struct TextFlags {
  bool no_bos = false;
  bool special = false;
  bool exact_bytes = false;

  enum Which { kAll, kWithoutBos };
  void add_to(CLI::App* command, Which which = kAll);
  std::vector<int32_t> tokenize(const kedge::Model& model, const std::string& text) const;
};

// --preset, which settings.h obeys.
void add_preset(CLI::App* command);

// Of chance. Drawn when none is given, so that two runs differ, and said, so that each can be had again.
class Seed {
 public:
  void add_to(CLI::App* command, const std::string& help);
  uint64_t value() const;  // the same at every call
  bool drawn() const { return !given_; }
  bool on_command_line() const;

 private:
  CLI::Option* option_ = nullptr;
  std::optional<uint64_t> given_;
  mutable std::optional<uint64_t> drawn_;
};

// One flag per entry of the library's own schema, so flags, defaults and help cannot drift from what it does.
struct SamplerFlags {
  std::vector<std::string> stop;
  std::string samplers;  // their order

  void add_to(CLI::App* command);
  void apply(kedge::GenerateOptions& options) const;
  // At temperature 0 nothing is drawn: 0 then, unless one was given.
  uint64_t seed() const;
  // A flag of these on the command line, for commands that draw nothing; empty: there is none.
  std::string first_given() const;
  // How to have the same text again, for standard error; empty when the command says it already.
  std::string seed_line() const;

 private:
  bool greedy() const;
  Seed seed_;
  double temperature_ = 0;  // when the flag is not given
  std::vector<CLI::Option*> named_;
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

// A row for each token chosen: it and the likeliest, as {"token", "piece", "logprob"}.
Json logprobs_json(const kedge::Model& model, const kedge::Generation& g);

const char* kv_type_name(kedge_kv_type type);
// "the model answered", for the line of figures: why a generation ended.
const char* finish_name(kedge_finish_reason reason);

}  // namespace kedge::tools
