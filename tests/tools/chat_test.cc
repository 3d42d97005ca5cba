// kedge chat from a pipe and at a terminal.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

const std::vector<std::string> kChat = {"chat", "-m", "scout", "--temp", "0", "-n", "12", "--no-color", "-t", "1"};

std::vector<std::string> chat(std::vector<std::string> more = {}) {
  std::vector<std::string> args = kChat;
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

TEST(ChatPipe, OnlyWhatTheHelpListsIsACommand) {
  const Outcome path = run_command(chat(), "/etc/hosts is a file.\n");
  EXPECT_EQ(path.exit_code, 0) << path.err;
  EXPECT_EQ(path.out, run_command(chat(), "/etc/hosts is a file.").out);
  EXPECT_FALSE(has(path.out, "There is no")) << path.out;
  const Outcome stats = run_command(chat(), "/etc/hosts is a file.\n/stats\n");
  EXPECT_TRUE(has(stats.out, "generated at")) << "the line before was answered: " << stats.out;
  EXPECT_TRUE(has(run_command(chat(), "/helpful words\n/stats\n").out, "generated at"));
  EXPECT_TRUE(has(run_command(chat(), "/reset that, please\n/stats\n").out, "generated at"));
  const Outcome help = run_command(chat(), "/help\n");
  EXPECT_TRUE(has(help.out, "//help")) << "the way to say it: " << help.out;
  const Outcome escaped = run_command(chat(), "//help\n/stats\n");
  EXPECT_FALSE(has(escaped.out, "this list")) << escaped.out;
  EXPECT_TRUE(has(escaped.out, "generated at"));
  EXPECT_EQ(run_command(chat(), "/quit\nnever read\n").out, "");
}

std::string long_line() {
  std::string line = "The first word is apple. ";
  for (int i = 0; i < 1000; ++i) line += "blah ";
  return line + "What is 417 + 268?";
}

// "2022 read", from the line of figures.
std::string tokens_read(const std::string& stats) {
  const size_t end = stats.rfind(" read at");
  if (end == std::string::npos) return "nothing";
  return stats.substr(stats.rfind(' ', end - 1), end - stats.rfind(' ', end - 1));
}

TEST(ChatPipe, TextThatIsNotUtf8IsRefused) {
  const Outcome o = run_command(chat(), "caf\xe9\n");
  EXPECT_EQ(o.exit_code, 1);
  EXPECT_TRUE(has(o.err, "UTF-8")) << o.err;
}

// A terminal, and the command on it.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> args) {
    args.insert(args.begin(), KEDGE_COMMAND);
    std::vector<char*> argv;
    for (std::string& a : args) argv.push_back(a.data());
    argv.push_back(nullptr);
    child_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (child_ == 0) {
      setenv("XDG_STATE_HOME", scratch_folder().c_str(), 1);  // no chat of a test among the user's own
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (child_ > 0) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
    close(fd_);
  }

  // What is printed from the last such place to the next `what` (or the end).
  std::string until(const std::string& what) {
    const size_t begin = seen_;
    while (!has(out_.substr(begin), what) && read_some()) {
    }
    seen_ = std::min(out_.find(what, begin), out_.size() - what.size()) + what.size();
    return out_.substr(begin, seen_ - begin);
  }
  std::string until_prompt() { return until("> "); }
  void type(const std::string& text) {
    size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = write(fd_, text.data() + at, std::min<size_t>(512, text.size() - at));
      ASSERT_GT(n, 0);
      at += static_cast<size_t>(n);
    }
  }
  std::string answer_to(const std::string& text) {
    type(text);
    return until_prompt();
  }
  int end() {
    while (read_some()) {
    }
    if (silent_) kill(child_, SIGKILL);
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_t child() const { return child_; }

 private:
  bool read_some() {
    pollfd in{fd_, POLLIN, 0};
    silent_ = poll(&in, 1, 20000) <= 0;  // it hangs
    if (silent_) return false;
    char buffer[4096];
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n > 0) out_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }

  pid_t child_ = -1;
  int fd_ = -1;
  std::string out_;
  size_t seen_ = 0;
  bool silent_ = false;
};

TEST(ChatTerminal, LongLinesAreWhole) {
  const Outcome pipe = run_command(chat(), long_line() + "\n/stats\n");
  ASSERT_GT(std::stoi(tokens_read(pipe.out)), 1900) << pipe.out;
  Terminal t(chat());
  t.until_prompt();
  t.answer_to(long_line() + "\n");
  EXPECT_EQ(tokens_read(t.answer_to("/stats\n")), tokens_read(pipe.out));
  t.type("\x04");
  EXPECT_EQ(t.end(), 0);
}

TEST(ChatTerminal, APasteIsOneMessage) {
  const std::string pipe = run_command(chat(), "What is 417\\\n+ 268?\n/stats\n").out;
  for (const char* paste : {"What is 417\n+ 268?\n", "\033[200~What is 417\n+ 268?\033[201~\n",
                            "\033[200~What is 417\r+ 268?\r\033[201~\n", "What is 417\\\n+ 268?\n"}) {
    Terminal t(chat());
    t.until_prompt();
    EXPECT_TRUE(has(t.answer_to(paste), pipe.substr(0, pipe.find('\n')))) << paste;
    EXPECT_EQ(tokens_read(t.answer_to("/stats\n")), tokens_read(pipe));
    t.type("/quit\n");
    EXPECT_EQ(t.end(), 0);
  }
}

// Typed or pasted while the model is loaded: as at the prompt.
TEST(ChatTerminal, TypedAhead) {
  const std::string pipe = run_command(chat(), "What is 417\\\n+ 268?\n/stats\n").out;
  Terminal t(chat());
  t.type("What is 417\n+ 268?\n");
  t.until("/help");
  t.until_prompt();
  t.until_prompt();  // the second one is behind the answer
  EXPECT_EQ(tokens_read(t.answer_to("/stats\n")), tokens_read(pipe));
  t.type("/stats\n/quit\n");
  EXPECT_EQ(t.end(), 0) << "a command is complete whatever follows it";
}

TEST(ChatTerminal, Editing) {
  Terminal t(chat());
  t.until_prompt();
  t.type("junk\x15What is 417 + 2688\x7f\xc3\xa9\x7f?x\x7f and\x17\x7f\033[D\n");
  EXPECT_TRUE(has(t.until("685"), "685"));
  t.until_prompt();
  t.type("half a line\x03");
  EXPECT_TRUE(has(t.until("leaves"), "leaves"));
  t.until_prompt();
  t.type("\x03");
  EXPECT_EQ(t.end(), 0);
}

TEST(ChatTerminal, SigtermLeavesTheTerminalAsItWas) {
  Terminal t(chat());
  t.until_prompt();
  kill(t.child(), SIGTERM);
  EXPECT_EQ(t.end(), 143);
}

// Past the end of the context a message is refused and the chat goes on, with a budget as without one.
TEST(ChatTerminal, TheEndOfTheContext) {
  for (const auto& budget : {std::vector<std::string>{}, {"--kv-budget", "40"}}) {
    std::vector<std::string> args = chat({"-c", "64"});
    args.insert(args.end(), budget.begin(), budget.end());
    Terminal t(args);
    t.until_prompt();
    std::string all;
    for (const char* message : {"Hello\n", "What is 2+2?\n", "Tell me a very long story about ships\n",
                                "Again please and more and more and more\n", "And once again, please\n"}) {
      all += t.answer_to(message);
    }
    EXPECT_TRUE(has(all, "the context has room for 64")) << all;
    EXPECT_FALSE(has(all, "segment")) << all;
    t.answer_to("/reset\n");
    EXPECT_TRUE(has(t.answer_to("What is 417 + 268?\n"), "685"));
    t.type("/quit\n");
    EXPECT_EQ(t.end(), 0);
  }
}

}  // namespace
}  // namespace kedge::tools
