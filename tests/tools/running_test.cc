// Promises that hold for every command that reads or writes text: control tokens, chance, parts, numbers, stopping.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/tools/run_command.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings with(Strings args, const Strings& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json json_of(const Strings& args, const std::string& input = "") {
  const Outcome o = run_command(args, input);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  return o.json();
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

TEST(ControlTokens, OnlyOnRequest) {
  const std::string text = "a</s>b";
  const size_t plain = json_of({"tokenize", "-m", tiny_model()}, text).size();
  const size_t special = json_of({"tokenize", "-m", tiny_model(), "--special"}, text).size();
  EXPECT_GT(plain, special);
  EXPECT_EQ(json_of({"tokenize", "-m", tiny_model(), "--no-special"}, text).size(), plain) << "older scripts";
  const Strings run = {"run", "-m", tiny_model(), "-p", text, "-n", "1", "--temp", "0", "--json"};
  EXPECT_EQ(json_of(run)["n_prompt"], plain);
  EXPECT_EQ(json_of(with(run, {"--special"}))["n_prompt"], special);
  const std::string saved = scratch("control.session");
  const Strings save = {"session", "save", "-m", tiny_model(), "-p", text, "-c", "64", "-o", saved, "--json"};
  EXPECT_EQ(json_of(save)["n_past"], plain);
  EXPECT_EQ(json_of(with(save, {"--special"}))["n_past"], special);
  const Strings load = {"session", "load", saved, "-m", tiny_model(), "-p", text, "-n", "0", "--json"};
  EXPECT_EQ(json_of(load)["n_prompt"], plain - 1) << "no bos";
  EXPECT_EQ(json_of(with(load, {"--special"}))["n_prompt"], special - 1);
  const std::string file = write_scratch("control.txt", text + text + text);
  const Strings measure = {"perplexity", "-m", tiny_model(), "-f", file, "-c", "8", "--json"};
  EXPECT_GT(json_of(measure)["n_tokens"], json_of(with(measure, {"--special"}))["n_tokens"]);
}

TEST(Seeds, DrawnSaidAndRepeatable) {
  const Strings run = {"run", "-m", tiny_model(), "-p", "Once", "-n", "12", "--ignore-eos", "--json"};
  const Json a = json_of(run);
  const Json b = json_of(run);
  EXPECT_NE(a["seed"], b["seed"]);
  EXPECT_NE(a["tokens"], b["tokens"]);
  EXPECT_EQ(json_of(with(run, {"--seed", a["seed"].dump()}))["tokens"], a["tokens"]);
  EXPECT_NE(json_of(with(run, {"--seed", "-1"}))["seed"], 18446744073709551615u) << "as others read it: random";
  EXPECT_EQ(json_of(with(run, {"--seed", "18446744073709551615"}))["seed"], 18446744073709551615u);
  EXPECT_EQ(json_of(with(run, {"--temp", "0"}))["seed"], 0) << "nothing is drawn";
  const Outcome text = run_command({"run", "-m", tiny_model(), "-p", "Once", "-n", "2"});
  EXPECT_TRUE(has(text.err, "seed ")) << text.err;
  EXPECT_EQ(run_command({"run", "-m", tiny_model(), "-p", "Once", "-n", "2", "--seed", "3"}).err, "");
  for (const char* bad : {"-2", "1.5", "18446744073709551616", "x"}) {
    const Outcome o = run_command(with(run, {"--seed", bad}));
    EXPECT_EQ(o.exit_code, 2);
    EXPECT_TRUE(has(o.err, bad)) << o.err;
  }
}

// Parts are one run: the same tokens by the same random numbers, the same text, no character cut in two.
TEST(Session, InPartsAsInOneRun) {
  const std::string start = scratch("start.session");
  json_of({"session", "save", "-m", tiny_model(), "-p", "Once", "-c", "128", "-o", start, "--json"});
  const auto load = [](const std::string& from, int n, const Strings& more) {
    return json_of(
        with({"session", "load", from, "-m", tiny_model(), "-n", std::to_string(n), "--ignore-eos", "--json"}, more));
  };
  for (const Strings& chance :
       {Strings{"--temp", "0"}, Strings{"--seed", "7"}, Strings{"--temp", "3", "--seed", "11"}}) {
    const Json whole = load(start, 64, chance);
    std::string from = start;
    std::string text;
    Json tokens = Json::array();
    for (const int n : {8, 1, 7, 16, 32}) {
      const std::string to = scratch("part" + std::to_string(tokens.size()) + ".session");
      const Json part = load(from, n, with(chance, {"-o", to}));
      text += part["text"].get<std::string>();
      for (const Json& t : part["tokens"]) tokens.push_back(t);
      from = to;
    }
    EXPECT_EQ(tokens, whole["tokens"]);
    EXPECT_EQ(text, whole["text"]);
  }
}

TEST(Session, AFullOneSaysSo) {
  const std::string start = scratch("small.session");
  const std::string full = scratch("full.session");
  json_of({"session", "save", "-m", tiny_model(), "-p", "Once", "-c", "16", "-o", start, "--json"});
  const Strings load = {"session", "load", start, "-m", tiny_model(), "--temp", "0", "--ignore-eos"};
  EXPECT_EQ(json_of(with(load, {"-o", full, "--json"}))["finish_reason"], "context_full");
  const Outcome more = run_command({"session", "load", full, "-m", tiny_model(), "--temp", "0"});
  EXPECT_EQ(more.exit_code, 1);
  EXPECT_TRUE(has(more.err, "context of 16 tokens is full")) << more.err;
}

// The small model with keys that no half-precision number holds.
std::string overflowing_model() {
  const auto store = *TensorStore::open(tiny_model());
  GgufWriter w;
  for (const GgufEntry& e : store.metadata().entries()) w.copy(e);
  for (const TensorInfo& t : store.tensors()) {
    w.add_tensor(t.name, *t.type, std::span(t.dims.data(), static_cast<size_t>(t.n_dims)));
  }
  const std::string path = scratch("overflow.gguf");
  EXPECT_TRUE(w.begin(path).ok());
  for (const TensorInfo& t : store.tensors()) {
    if (t.name == "blk.0.attn_norm.weight") {
      const std::vector<float> large(static_cast<size_t>(t.n_values()), 1e8f);
      EXPECT_TRUE(w.write(t.name, std::as_bytes(std::span(large))).ok());
    } else {
      EXPECT_TRUE(w.write(t.name, store.data(t)).ok());
    }
  }
  EXPECT_TRUE(w.finish().ok());
  return path;
}

TEST(NotANumber, IsAnErrorEverywhere) {
  const std::string model = overflowing_model();
  const std::string file = write_scratch("words.txt", "Once upon a time there was a word, and another one.");
  const std::string out = scratch("overflow.out");
  const std::vector<Strings> commands = {
      {"run", "-p", "Once upon", "-n", "4", "--temp", "0"}, {"perplexity", "-f", file, "-c", "16"},
      {"perplexity", "-f", file, "-c", "16", "--json"},     {"logits", "--tokens", "1,70,71,72", "-o", out},
      {"session", "save", "-p", "Once upon", "-o", out},
  };
  for (const Strings& command : commands) {
    const Outcome o = run_command(with(command, {"-m", model}));
    EXPECT_EQ(o.exit_code, 1) << command[0];
    EXPECT_TRUE(has(o.err, "a key of layer 0 at position 0 is")) << command[0] << ": " << o.err;
    EXPECT_TRUE(has(o.err, "--kv-type f32")) << command[0] << ": " << o.err;
    EXPECT_FALSE(has(o.out, "nan") || has(o.out, "null")) << o.out;
    EXPECT_FALSE(std::filesystem::exists(out)) << command[0];
    const Outcome wide = run_command(with(command, {"-m", model, "--kv-type", "f32"}));
    EXPECT_EQ(wide.exit_code, 0) << command[0] << ": " << wide.err;
    std::filesystem::remove(out);
  }
}

// Starts a command, stops it by a signal, and says how it ended.
int stopped(Strings args, int signal) {
  args.insert(args.begin(), KEDGE_COMMAND);
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Stopping, ByCtrlCAndSigterm) {
  std::string words;
  for (int i = 0; i < 400000; ++i) words += "word ";
  const std::string text = write_scratch("long.txt", words);
  const std::string folder = scratch("stopping");
  std::filesystem::create_directory(folder);
  const std::vector<Strings> commands = {
      {"perplexity", "-m", "sage", "-f", text, "-c", "2048"},
      {"generate-model", "--shape", "qwen3-0.6b", "--type", "F32", "-o", folder + "/a.gguf"},
      {"quantize", "-m", "sage", "--type", "Q5_K", "--allow-requantize", "-t", "1", "-o", folder + "/b.gguf"},
  };
  for (const Strings& command : commands) {
    for (const int signal : {SIGINT, SIGTERM}) EXPECT_EQ(stopped(command, signal), 128 + signal) << command[0];
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "no part of a file stays behind";
}

TEST(Quantize, DryRunKnowsTheSize) {
  const Strings flags = {"quantize", "-m", tiny_model(), "--type", "Q4_0", "--allow-requantize", "--json"};
  const std::string out = scratch("dry.gguf");
  const Json dry = json_of(with(flags, {"--dry-run"}));
  EXPECT_GT(dry["file_bytes"], 0);
  EXPECT_EQ(dry["file_bytes"], json_of(with(flags, {"-o", out}))["file_bytes"]);
  EXPECT_EQ(dry["file_bytes"], std::filesystem::file_size(out));
}

TEST(UnknownCommand, IsNamed) {
  const auto expect = [](const Strings& args, const Strings& words) {
    const Outcome o = run_command(args);
    EXPECT_EQ(o.exit_code, 2);
    for (const std::string& word : words) EXPECT_TRUE(has(o.err, word)) << o.err;
  };
  expect({"dance"}, {"'kedge dance'", "kedge --help"});
  expect({"perplexty", "-f", "x"}, {"'kedge perplexty'", "'kedge perplexity'"});
  expect({"session", "sav"}, {"'kedge session sav'", "'kedge session save'", "kedge session --help"});
}

}  // namespace
}  // namespace kedge::tools
