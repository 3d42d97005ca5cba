// Wrong uses: every one ends with a message that names the thing, on standard error, and with the right exit code.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

// The command fails with `code`; its message begins with "kedge: " and has all of `words`.
void expect_refused(const Outcome& o, int code, const std::vector<std::string>& words) {
  EXPECT_EQ(o.exit_code, code) << o.err;
  EXPECT_EQ(o.out, "") << "results go nowhere when there are none";
  EXPECT_EQ(o.err.rfind("kedge: ", 0), 0u) << o.err;
  for (const std::string& word : words) {
    EXPECT_NE(o.err.find(word), std::string::npos) << "no '" << word << "' in: " << o.err;
  }
}

TEST(WrongUse, NoCommand) { expect_refused(run_command({}), kUsage, {"subcommand", "kedge --help"}); }

TEST(WrongUse, UnknownCommand) { expect_refused(run_command({"dance"}), kUsage, {"dance", "kedge --help"}); }

TEST(WrongUse, BadFlag) {
  expect_refused(run_command({"run", "--quickly"}), kUsage, {"--quickly", "kedge run --help"});
}

TEST(WrongUse, BadNumber) {
  expect_refused(run_command({"bench", "-n", "many"}), kUsage, {"many"});
  expect_refused(run_command({"bench", "--depth", "0,many"}), kUsage, {"many"});
  expect_refused(run_command({"bench", "--chunk", "16,0"}), kUsage, {"--chunk"});
  expect_refused(run_command({"bench", "-r", "0"}), kUsage, {"--repetitions"});
  expect_refused(run_command({"run", "-p", "x", "-t", "-1"}), kUsage, {"--threads"});
  expect_refused(run_command({"run", "-p", "x", "--temp", "-3"}), kUsage, {"--temp"});
}

TEST(WrongUse, Convert) {
  expect_refused(run_command({"convert"}), kUsage, {"folder", "kedge convert --help"});
  expect_refused(run_command({"convert", "/nonexistent", "-o", scratch("c.gguf")}), kFailure, {"config.json"});
  expect_refused(run_command({"convert", scratch_folder(), "--tensor-type", "q=", "-o", scratch("c.gguf")}), kUsage,
                 {"--tensor-type", "PATTERN=TYPE"});
}

TEST(WrongUse, Cache) {
  const std::string folder = scratch_folder();
  expect_refused(run_command({"cache"}), kUsage, {"subcommand"});
  expect_refused(run_command({"cache", "rm", "--weights-cache", folder}), kUsage, {"--all"});
  expect_refused(run_command({"cache", "rm", "--weights-cache", folder, "m.gguf", "--all"}), kUsage, {"--all"});
  expect_refused(run_command({"cache", "rm", "--weights-cache", folder, "m.gguf"}), kFailure, {"m.gguf", "cache list"});
  expect_refused(run_command({"cache", "list", "--weights-cache", "off"}), kFailure, {"KEDGE_WEIGHTS_CACHE"});
}

// Whole numbers are decimal, and have a sign only where the option has one.
TEST(WrongUse, NumbersAreNotReinterpreted) {
  for (const char* seed : {"-1", "18446744073709551616", "0x10", "010", "1.5", "1e3"}) {
    expect_refused(run_command({"generate-model", "--seed", seed, "-o", "/nonexistent/m.gguf"}), kUsage,
                   {"--seed", seed});
  }
  expect_refused(run_command({"run", "-p", "x", "-c", "010"}), kUsage, {"--ctx", "010"});
  expect_refused(run_command({"run", "-p", "x", "-c", "4294967360"}), kUsage, {"4294967360"});
  expect_refused(run_command({"run", "-m", tiny_model(), "-p", "x", "--kv-recent", "4294967297"}), kFailure,
                 {"4294967297"});
}

TEST(WrongUse, TextsThatAreNotUtf8AreSaidToBe) {
  const Outcome o = run_command({"ask", "caf\xe9 or tea?"});
  EXPECT_EQ(o.exit_code, kFailure) << o.err;
  EXPECT_NE(o.err.find("UTF-8"), std::string::npos) << o.err;
  EXPECT_EQ(o.err.find("json.exception"), std::string::npos) << o.err;
}

TEST(WrongUse, BadKvType) {
  expect_refused(run_command({"run", "-m", tiny_model(), "-p", "x", "--kv-type", "q9"}), kUsage,
                 {"--kv-type", "q9", "q8_0"});
}

TEST(WrongUse, BadMemoryFlags) {
  const auto refused = [](const char* flag, const char* value) {
    expect_refused(run_command({"run", "-m", tiny_model(), "-p", "x", flag, value}), kUsage, {flag, value});
  };
  refused("--kv-policy", "lucky");
  refused("--kv-cold", "attic");
  refused("--anchor-cap", "1.5");
  refused("--anchor-detect", "maybe");
  refused("--kv-cold-type", "q9");
  expect_refused(run_command({"run", "-m", tiny_model(), "-p", "x", "--kv-budget", "plenty"}), kFailure, {"plenty"});
}

TEST(WrongUse, Session) {
  expect_refused(run_command({"session"}), kUsage, {"kedge session --help"});
  expect_refused(run_command({"session", "save", "-m", tiny_model(), "-p", "x"}), kUsage, {"--out"});
  expect_refused(run_command({"session", "load", "-m", tiny_model()}), kUsage, {"session"});
  expect_refused(run_command({"session", "load", "/nonexistent/s", "-m", tiny_model()}), kFailure, {"/nonexistent/s"});
  expect_refused(run_command({"session", "save", "-m", tiny_model(), "-p", "x", "-o", "/nonexistent/folder/s"}),
                 kFailure, {"/nonexistent/folder/s"});
  const std::string file = write_scratch("notes.session", "these are notes, not a session\n");
  expect_refused(run_command({"session", "info", file, "-m", tiny_model()}), kFailure, {file});
}

TEST(WrongUse, MissingFile) {
  for (const char* command : {"run", "chat", "inspect", "tokenize", "bench"}) {
    const Outcome o = run_command({command, "-m", "/nonexistent/model.gguf"}, "x");
    expect_refused(o, kFailure, {"/nonexistent/model.gguf"});
  }
}

TEST(WrongUse, UnknownModelName) {
  expect_refused(run_command({"run", "-m", "hal9000", "-p", "x"}), kFailure, {"hal9000", "embedded model"});
}

TEST(WrongUse, TextFileAsModel) {
  const std::string file = write_scratch("notes.txt", "these are notes, not a model\n");
  expect_refused(run_command({"run", "-m", file, "-p", "x"}), kFailure, {file, "GGUF"});
  expect_refused(run_command({"inspect", file}), kFailure, {file, "GGUF"});
}

TEST(WrongUse, EmptyFileAsModel) {
  const std::string file = write_scratch("empty.gguf", "");
  expect_refused(run_command({"run", "-m", file, "-p", "x"}), kFailure, {file, "empty"});
}

TEST(WrongUse, TruncatedModel) {
  const std::string whole = slurp(tiny_model());
  const std::string file = write_scratch("half.gguf", whole.substr(0, whole.size() / 2));
  expect_refused(run_command({"run", "-m", file, "-p", "x"}), kFailure, {file});
}

TEST(WrongUse, FolderAsModel) {
  expect_refused(run_command({"run", "-m", scratch_folder(), "-p", "x"}), kFailure, {scratch_folder(), "directory"});
}

TEST(WrongUse, VocabularyAsModel) {
  const std::string file = std::string(KEDGE_TEST_DATA) + "/vocab/ggml-vocab-scout.gguf";
  expect_refused(run_command({"run", "-m", file, "-p", "x"}), kFailure, {file});
}

TEST(WrongUse, PromptLongerThanContext) {
  std::string prompt;
  for (int i = 0; i < 200; ++i) prompt += "word ";
  const Outcome o = run_command({"run", "-m", tiny_model(), "--ctx", "64", "-p", prompt});
  expect_refused(o, kFailure, {"64"});
}

TEST(WrongUse, EmptyPrompt) {
  expect_refused(run_command({"run", "-m", tiny_model(), "--no-bos", "-p", ""}), kFailure, {"prompt", "empty"});
}

TEST(WrongUse, PromptFileThatIsAFolder) {
  expect_refused(run_command({"run", "-m", tiny_model(), "-f", scratch_folder()}), kFailure,
                 {scratch_folder(), "directory"});
}

TEST(WrongUse, ModelWithoutChatTemplate) {
  expect_refused(run_command({"chat", "-m", tiny_model()}, "hello\n"), kFailure, {"chat template"});
}

TEST(WrongUse, TokenOutsideVocabulary) {
  const std::string out = scratch("never.f32");
  expect_refused(run_command({"logits", "-m", tiny_model(), "--tokens", "1,2,512", "-o", out}), kFailure, {"512"});
  EXPECT_FALSE(std::filesystem::exists(out)) << "half a file would look like a result";
}

TEST(WrongUse, TokensThatAreNone) {
  const std::string out = scratch("never.f32");
  expect_refused(run_command({"logits", "-m", tiny_model(), "--tokens", "1,two", "-o", out}), kFailure,
                 {"--tokens", "two"});
  expect_refused(run_command({"logits", "-m", tiny_model(), "-o", out}), kUsage, {"--tokens"});
  expect_refused(run_command({"logits", "-m", tiny_model(), "--tokens", "1,2", "--last", "3", "-o", out}), kFailure,
                 {"--last 3"});
  expect_refused(run_command({"logits", "-m", tiny_model(), "--tokens", "1"}), kUsage, {"--out"});
}

TEST(WrongUse, OutputThatCannotBeWritten) {
  const std::string out = "/nonexistent/folder/out";
  expect_refused(run_command({"logits", "-m", tiny_model(), "--tokens", "1,2", "-o", out}), kFailure, {out});
  expect_refused(run_command({"quantize", "-m", tiny_model(), "--allow-requantize", "--type", "Q4_0", "-o", out}),
                 kFailure, {out});
  expect_refused(run_command({"generate-model", "-o", out}), kFailure, {out});
}

TEST(WrongUse, Quantize) {
  expect_refused(run_command({"quantize", "-m", tiny_model(), "--type", "Q9", "-o", scratch("q9.gguf")}), kFailure,
                 {"Q9"});
  expect_refused(run_command({"quantize", "-m", tiny_model()}), kUsage, {"--out"});
  // It is Q8_0 already: quantising it again must be asked for.
  expect_refused(run_command({"quantize", "-m", tiny_model(), "--type", "Q4_0", "-o", scratch("q4.gguf")}), kFailure,
                 {"Q8_0"});
}

TEST(WrongUse, PerplexityOfTooShortAText) {
  const std::string file = write_scratch("short.txt", "Too short.");
  expect_refused(run_command({"perplexity", "-m", tiny_model(), "-f", file}), kFailure, {file, "512"});
  expect_refused(run_command({"perplexity", "-m", tiny_model(), "-f", file, "--protocol", "best"}), kUsage,
                 {"--protocol", "best"});
}

TEST(WrongUse, FullDiskIsNotSilent) {
  // /dev/full refuses every byte.
  const int status = std::system(
      (std::string(KEDGE_COMMAND) + " tokenize -m " + tiny_model() + " -p hello > /dev/full 2> " + scratch("full-err"))
          .c_str());
  EXPECT_EQ(WEXITSTATUS(status), kFailure);
  EXPECT_NE(slurp(scratch("full-err")).find("standard output"), std::string::npos);
}

}  // namespace
}  // namespace kedge::tools
