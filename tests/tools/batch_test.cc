// kedge batch: the same answers however many at once, errors of rows, and runs that were stopped.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings with(Strings args, const Strings& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Strings batch(const Strings& more) { return with({"batch", "-m", tiny_model()}, more); }

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line, nullptr, false));
  return lines;
}

std::string rows_text(const std::vector<Json>& rows) {
  std::string text;
  for (const Json& row : rows) text += row.dump() + "\n";
  return text;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

void expect_failure(const Outcome& o, int code, const Strings& words) {
  EXPECT_EQ(o.exit_code, code) << o.err;
  for (const std::string& word : words) EXPECT_TRUE(has(o.err, word)) << "no '" << word << "' in: " << o.err;
}

// Rows of all kinds and lengths.
std::vector<Json> mixed_rows() {
  std::vector<Json> rows;
  for (int i = 0; i < 12; ++i) {
    Json row = {{"prompt", "Once " + std::string(static_cast<size_t>(7 * i), 'x')}, {"max_tokens", 1 + 5 * (i % 4)}};
    if (i % 2 == 1) row["id"] = "row " + std::to_string(i);
    if (i % 3 == 1) row["seed"] = 40 + i;
    if (i % 3 == 2) row["temperature"] = 0;
    if (i % 4 == 3) row["stop"] = {"e", "o"};
    if (i % 5 == 4) row["ignore_eos"] = true;
    rows.push_back(row);
  }
  return rows;
}

TEST(Batch, AnswersAreThoseOfRunHoweverManyAtOnce) {
  const std::vector<Json> rows = mixed_rows();
  const std::string in = write_scratch("mixed.jsonl", rows_text(rows));
  const Strings flags = {"--in", in, "--seed", "100", "--temp", "1", "-c", "256"};
  const Outcome one = run_command(batch(with(flags, {"--parallel", "1"})));
  ASSERT_EQ(one.exit_code, 0) << one.err;
  for (const Strings& more : {Strings{"--parallel", "3"}, Strings{"--parallel", "16", "-t", "1"},
                              Strings{"--parallel", "5", "-t", "3", "--chunk", "7"}}) {
    EXPECT_EQ(run_command(batch(with(flags, more))).out, one.out) << more[1];
  }
  const std::vector<Json> answers = lines_of(one.out);
  ASSERT_EQ(answers.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Json& row = rows[i];
    Strings run = {"run", "-m", tiny_model(), "-p", row["prompt"], "-n", row["max_tokens"].dump(), "-c", "256"};
    run = with(run,
               {"--seed", row.value("seed", Json(100 + i)).dump(), "--temp", row.value("temperature", Json(1)).dump()});
    for (const Json& stop : row.value("stop", Json::array())) run = with(run, {"--stop", stop});
    if (row.contains("ignore_eos")) run.push_back("--ignore-eos");
    const Json alone = run_command(with(run, {"--json"})).json();
    const Json& a = answers[i];
    EXPECT_EQ(a["id"], row.value("id", Json(i + 1)));
    EXPECT_EQ(a["text"], alone["text"]) << i;
    EXPECT_EQ(a["finish_reason"], alone["finish_reason"]) << i;
    EXPECT_EQ(a["prompt_tokens"], alone["n_prompt"]) << i;
    EXPECT_EQ(a["completion_tokens"], alone["n_generated"]) << i;
    EXPECT_EQ(a["seed"], row.value("seed", Json(100 + i))) << i;
  }
}

TEST(Batch, ChatsGoThroughTheTemplate) {
  const Json chat = {{{"role", "user"}, {"content", "What is 2 + 2?"}}};
  const std::string rows = rows_text({{{"messages", chat}}, {{"messages", chat}, {"logprobs", 2}}});
  const Outcome o = run_command({"batch", "-m", "scout", "-n", "6", "--temp", "0"}, rows);
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const std::vector<Json> answers = lines_of(o.out);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0]["text"], answers[1]["text"]);
  EXPECT_GT(answers[0]["prompt_tokens"], 10) << "the template's tokens too";
  EXPECT_FALSE(answers[0].contains("logprobs"));
  EXPECT_EQ(answers[1]["logprobs"].size(), answers[1]["completion_tokens"]);
  EXPECT_EQ(answers[1]["logprobs"][0].size(), 3u);
}

TEST(Batch, AMemoryBudgetIsEachRows) {
  const std::string long_text(600, 'x');
  const std::string rows = rows_text({{{"prompt", long_text}}, {{"prompt", "short"}}});
  const Outcome o =
      run_command(batch({"-n", "4", "--temp", "0", "-c", "1024", "--kv-budget", "128", "--kv-policy", "sinks"}), rows);
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const std::vector<Json> answers = lines_of(o.out);
  EXPECT_GT(answers[0]["kv"]["evicted"], 0);
  EXPECT_EQ(answers[1]["kv"]["evicted"], 0);
}

// What does not fit now waits; what can never fit is that row's error; what holds nothing is no engine.
TEST(Batch, MemoryIsALimitNotAnAnswer) {
  const std::string in = write_scratch("limited.jsonl", rows_text(mixed_rows()));
  const Strings flags = {"--in", in, "--seed", "3", "-c", "256", "--parallel", "4", "--chunk", "16"};
  const Outcome free = run_command(batch(flags));
  ASSERT_EQ(free.exit_code, 0) << free.err;
  for (const char* memory : {"3MiB", "1e9"}) {
    const Outcome o = run_command(batch(with(flags, {"--memory", memory})));
    EXPECT_EQ(o.exit_code, 0) << memory << ": " << o.err;
    EXPECT_EQ(o.out, free.out) << memory;
  }
  expect_failure(run_command(batch(with(flags, {"--memory", "4096"}))), 1, {"an engine of 4096 bytes", "page"});
  for (const char* wrong : {"0", "-1", "lots", "5XB", "1e99", ""}) {
    expect_failure(run_command(batch(with(flags, {"--memory", wrong}))), 2, {"--memory", "512MiB"});
  }
}

TEST(Batch, ARowThatCannotBeAnsweredIsAnAnswer) {
  struct Case {
    std::string row;
    std::string code;
    std::string words;
  };
  const std::vector<Case> cases = {
      {R"({"prompt": "x", "promt": 1})", "invalid_argument", "no member 'promt'"},
      {R"({"id": "none"})", "invalid_argument", "neither 'prompt' nor 'messages'"},
      {R"({"prompt": "x", "messages": []})", "invalid_argument", "both given"},
      {R"({"prompt": "x", "tools": []})", "invalid_argument", "'tools' is for 'messages'"},
      {R"({"prompt": "x", "max_tokens": 1.5})", "invalid_argument", "'max_tokens'"},
      {R"({"prompt": "x", "seed": -1})", "invalid_argument", "'seed'"},
      {R"({"prompt": "x", "stop": ""})", "invalid_argument", "'stop'"},
      {R"({"prompt": "x", "temperature": "hot"})", "invalid_argument", "'temperature' is not a number"},
      {R"({"prompt": "x", "temperature": -1})", "invalid_argument", "temperature"},
      {R"({"prompt": ")" + std::string(100, 'x') + R"("})", "capacity", "32"},
  };
  std::string rows = R"({"prompt": "good"})"
                     "\n\n";
  for (const Case& c : cases) rows += c.row + "\n";
  const Outcome o = run_command(batch({"-n", "2", "--temp", "0", "-c", "32", "--parallel", "4"}), rows);
  expect_failure(o, 3, {std::to_string(cases.size()) + " of " + std::to_string(cases.size() + 1) + " rows"});
  const std::vector<Json> answers = lines_of(o.out);
  ASSERT_EQ(answers.size(), cases.size() + 1);
  EXPECT_EQ(answers[0]["completion_tokens"], 2);
  for (size_t i = 0; i < cases.size(); ++i) {
    const Json& a = answers[i + 1];
    EXPECT_EQ(a.size(), 2u) << a;
    EXPECT_EQ(a["error"]["code"], cases[i].code) << a;
    EXPECT_TRUE(has(a["error"]["message"], cases[i].words)) << a;
    EXPECT_TRUE(has(a["error"]["message"], "line " + std::to_string(i + 3) + ":")) << "an empty line counts: " << a;
  }
}

TEST(Batch, AnInputThatIsNoneIsRefusedAtOnce) {
  const auto refused = [](const std::string& rows, const Strings& words) {
    const Outcome o = run_command(batch({}), rows);
    expect_failure(o, 1, words);
    EXPECT_EQ(o.out, "");
  };
  refused("{\"prompt\": \"x\"}\n\n{\"prompt\": \n", {"standard input:3:", "byte"});
  refused(R"({"prompt": "x", "top_k": 1, "top_k": 2})", {"standard input:1:", "top_k", "twice"});
  refused("[1]\n", {"standard input:1:", "not a JSON object"});
  refused(R"({"id": 1.5, "prompt": "x"})", {"standard input:1:", "'id'"});
  refused("{\"id\": \"a\"}\n{\"id\": \"a\"}\n", {"standard input:2:", "\"a\"", "line 1"});
  refused("{\"id\": 2}\n{}\n", {"standard input:2:", "line 1"});
  refused("\n \n", {"no rows"});
}

class BatchFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove(out_);
    std::filesystem::remove(out_ + ".state");
    whole_ = run_command(batch(flags({}))).out;
  }
  Strings flags(const Strings& more) const {
    return with({"--in", in_, "--seed", "7", "-c", "128", "--parallel", "3"}, more);
  }
  Outcome go(const Strings& more = {}) const { return run_command(batch(flags(with({"--out", out_}, more)))); }
  void leave(const std::string& text) const { std::ofstream(out_, std::ios::binary) << text; }

  const std::string in_ = write_scratch("rows.jsonl", rows_text(mixed_rows()));
  const std::string out_ = scratch("answers.jsonl");
  std::string whole_;  // of a run that nobody stopped
};

TEST_F(BatchFile, GoesOnBehindTheLastWholeLine) {
  ASSERT_EQ(go().exit_code, 0);
  ASSERT_EQ(slurp(out_), whole_);
  for (const size_t bytes : {size_t{0}, size_t{5}, whole_.size() / 2, whole_.size() - 1, whole_.size()}) {
    leave(whole_.substr(0, bytes));
    const Outcome o = go();
    EXPECT_EQ(o.exit_code, 0) << o.err;
    EXPECT_EQ(slurp(out_), whole_) << bytes;
  }
  leave(whole_.substr(0, whole_.find('\n') + 1));
  const Outcome o =
      run_command(batch({"--in", in_, "--out", out_, "--seed", "7", "-c", "128", "--parallel", "7", "-t", "1"}));
  EXPECT_EQ(o.exit_code, 0) << "neither is what answers depend on: " << o.err;
  EXPECT_EQ(slurp(out_), whole_);
}

TEST_F(BatchFile, OtherRowsOrOptionsAreRefused) {
  ASSERT_EQ(go().exit_code, 0);
  expect_failure(go({"--temp", "0.5"}), 1, {out_, "settings", "--restart"});
  expect_failure(go({"--kv-type", "f32"}), 1, {out_, "kv_type", "f32"});
  expect_failure(go({"-n", "3"}), 1, {"max_tokens", "3"});
  EXPECT_EQ(slurp(out_), whole_) << "a refusal changes nothing";
  const std::string other = write_scratch("other.jsonl", rows_text({{{"prompt", "another"}}}));
  expect_failure(run_command(batch({"--in", other, "--out", out_, "--seed", "7", "-c", "128"})), 1, {"other rows"});
  leave("{\"id\": \"none of them\"}\n");
  expect_failure(go(), 1, {out_ + ":1:", "row 1"});
  std::filesystem::remove(out_ + ".state");
  expect_failure(go(), 1, {out_ + ".state"});
  EXPECT_EQ(go({"--restart"}).exit_code, 0);
  EXPECT_EQ(slurp(out_), whole_);
}

TEST_F(BatchFile, ADrawnSeedStays) {
  const Strings drawn = {"--in", in_, "--out", out_, "-c", "128", "--temp", "2"};
  ASSERT_EQ(run_command(batch(drawn)).exit_code, 0);
  const std::string first = slurp(out_);
  leave(first.substr(0, first.size() / 3));
  ASSERT_EQ(run_command(batch(drawn)).exit_code, 0);
  EXPECT_EQ(slurp(out_), first);
  ASSERT_EQ(run_command(batch(with(drawn, {"--restart"}))).exit_code, 0);
  EXPECT_NE(slurp(out_), first) << "another one is drawn";
}

TEST_F(BatchFile, ErrorsOfAnEarlierRunCount) {
  const std::string rows = rows_text({{{"prompt", "x"}, {"none", 1}}, {{"prompt", "y"}, {"max_tokens", 1}}});
  const Strings args = batch({"--in", write_scratch("bad.jsonl", rows), "--out", out_, "--temp", "0"});
  EXPECT_EQ(run_command(args).exit_code, 3);
  const std::string answers = slurp(out_);
  EXPECT_EQ(run_command(args).exit_code, 3) << "all are answered, one with an error";
  EXPECT_EQ(slurp(out_), answers);
}

// Stopped in the middle, by Ctrl-C and by SIGTERM, the same command goes on to the same answers.
TEST_F(BatchFile, StoppedItGoesOn) {
  std::vector<Json> rows;
  for (int i = 0; i < 300; ++i) rows.push_back({{"prompt", std::to_string(i)}});
  const std::string in = write_scratch("many.jsonl", rows_text(rows));
  Strings args = batch({"--in", in, "-n", "100", "--ignore-eos", "--temp", "0", "-c", "128", "--parallel", "4"});
  const Outcome whole = run_command(args);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  args = with(args, {"--out", out_});
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(out_);
    Strings full = with({KEDGE_COMMAND}, args);
    std::vector<char*> argv;
    for (std::string& a : full) argv.push_back(a.data());
    argv.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    while (!has(slurp(out_), "\n")) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    kill(child, signal);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 128 + signal);
    const std::string part = slurp(out_);
    EXPECT_LT(part.size(), whole.out.size());
    EXPECT_EQ(part, whole.out.substr(0, part.size()));
    EXPECT_EQ(part.back(), '\n');
    EXPECT_EQ(run_command(args).exit_code, 0);
    EXPECT_EQ(slurp(out_), whole.out);
  }
}

}  // namespace
}  // namespace kedge::tools
