// `kedge serve` as a program: it starts, answers the commands that talk to a server, and ends when it is told to.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "kernels/base/json.h"
#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using base::Json;

// A server on a port of its own, with the embedded models.
class Server {
 public:
  explicit Server(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {KEDGE_COMMAND, "serve",          "--port",  "0",
                                     "--state",     scratch("state"), "--audit", scratch("serve-audit.db")};
    args.insert(args.end(), more.begin(), more.end());
    pid_ = fork();
    if (pid_ == 0) {
      const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(log, 2);
      std::vector<char*> argv;
      for (std::string& a : args) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    while (!ready() && waitpid(pid_, &status_, WNOHANG) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ~Server() {
    if (running()) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  bool running() const { return port_ != 0 && !ended_; }
  // Its exit code after the signal.
  int end(int signal) {
    kill(pid_, signal);
    waitpid(pid_, &status_, 0);
    ended_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }
  std::string log() const { return slurp(log_); }

 private:
  bool ready() {
    std::istringstream lines(slurp(log_));
    bool is_ready = false;
    for (std::string line; std::getline(lines, line);) {
      const auto event = base::parse_json(line, "log");
      if (!event.ok()) continue;  // half of a line
      if (event->value("event", "") == "listening") port_ = event->value("port", 0);
      is_ready = is_ready || event->value("event", "") == "ready";
    }
    return is_ready;
  }

  static std::string new_log() {
    static int n = 0;
    return scratch("serve-" + std::to_string(++n) + ".log");
  }
  const std::string log_ = new_log();
  pid_t pid_ = 0;
  int port_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

TEST(ServeCommand, AnswersAskAndChatAndEndsWhenToldTo) {
  Server server;
  ASSERT_TRUE(server.running()) << server.log();
  const Outcome sum = run_command({"ask", "What is 17 * 23?", "--url", server.url(), "--json"});
  EXPECT_EQ(sum.exit_code, 0) << sum.err;
  EXPECT_EQ(sum.json()["answer"], "391");
  EXPECT_EQ(sum.json()["source"], "deterministic");
  EXPECT_TRUE(sum.json()["record"].contains("id"));
  // What is said here is what the command without a server says.
  const char* question = "Which product is Birkenchester famous for?";
  const Outcome there = run_command({"ask", question, "--url", server.url(), "--json"});
  const Outcome here = run_command({"ask", question, "--no-audit", "--json"});
  EXPECT_EQ(there.json()["answer"], here.json()["answer"]);
  EXPECT_EQ(there.json()["confidence"], here.json()["confidence"]);
  EXPECT_EQ(there.json()["attempts"][0]["logits_hash"], here.json()["attempts"][0]["logits_hash"]);
  const std::vector<std::string> chat = {"chat", "-m", "scout", "--temp", "0", "-n", "12"};
  std::vector<std::string> remote = chat;
  remote.insert(remote.end(), {"--url", server.url()});
  const std::string lines = "Which product is Birkenchester famous for?\nTell me more.\n";
  const Outcome spoken = run_command(remote, lines);
  EXPECT_EQ(spoken.exit_code, 0) << spoken.err;
  EXPECT_EQ(spoken.out.substr(0, spoken.out.find('\n')), "flax");
  EXPECT_EQ(server.end(SIGTERM), 0) << server.log();
}

TEST(ServeCommand, ErrorsAreTheServersWords) {
  Server server({"--requests-n", "1"});
  ASSERT_TRUE(server.running()) << server.log();
  const Outcome unknown = run_command({"chat", "-m", "nobody", "--url", server.url()}, "hi\n");
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("there is no model 'nobody'; there are: auto"), std::string::npos) << unknown.err;
  EXPECT_EQ(server.end(SIGINT), 0);
  const Outcome nobody = run_command({"ask", "x", "--url", server.url()});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_NE(nobody.err.find("127.0.0.1"), std::string::npos) << nobody.err;
  EXPECT_EQ(run_command({"ask", "x", "--url", "ftp://a"}).exit_code, 1);
}

TEST(ServeCommand, WhatIsWrongWithTheModelIsSaidAtOnce) {
  const Outcome none =
      run_command({"serve", "--port", "0", "--pool", scratch("no-such-pool.toml"), "--state", scratch("s")});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("no-such-pool.toml"), std::string::npos) << none.err;
  const Outcome context = run_command({"serve", "--port", "0", "--context", "512", "--state", scratch("s")});
  EXPECT_EQ(context.exit_code, 1);
  EXPECT_NE(context.err.find("n_ctx"), std::string::npos) << context.err;
}

}  // namespace
}  // namespace kedge::tools
