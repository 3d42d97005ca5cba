// `kedge serve` as a process: its settings, its signals, its log.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/tools/run_command.h"
#include "tests/tools/serve_client.h"

namespace kedge::tools::serve {
namespace {

using Strings = std::vector<std::string>;

// A server of the small embedded model, on any port. Its log is a file of its own.
class Running {
 public:
  explicit Running(Strings more = {}) {
    static int count = 0;
    log_ = scratch("process-" + std::to_string(++count) + ".log");
    Strings args = {KEDGE_COMMAND, "serve", "--port", "0", "--log-file", log_, "--no-audit", "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& a : args) argv.push_back(a.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      setenv("XDG_STATE_HOME", scratch_folder().c_str(), 1);
      execv(argv[0], argv.data());
      _exit(127);
    }
    const std::string ready = wait_for("\"event\":\"ready\"");
    const std::string text = log();
    const size_t at = text.find("\"port\":");
    if (!ready.empty() && at != std::string::npos) port_ = static_cast<uint16_t>(std::stoi(text.substr(at + 7)));
  }
  ~Running() {
    if (child_ > 0) kill(child_, SIGKILL);
    wait();
  }

  uint16_t port() const { return port_; }
  std::string log() const { return slurp(log_); }
  void send(int signal) const { kill(child_, signal); }
  // The log, once it has that; empty when it never comes.
  std::string wait_for(const std::string& what) const {
    for (int i = 0; i < 6000; ++i) {
      std::string text = log();
      if (text.find(what) != std::string::npos) return text;
      siginfo_t ended{};
      waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOHANG | WNOWAIT);
      if (ended.si_pid != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return log().find(what) == std::string::npos ? "" : log();
  }
  // The exit code, or 128 and the signal.
  int wait() {
    if (child_ <= 0) return code_;
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
  }
  int get(const std::string& path, const std::string& fields = "") const {
    return Client(port_).ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n").status;
  }

 private:
  std::string log_;
  pid_t child_ = -1;
  uint16_t port_ = 0;
  int code_ = -1;
};

std::string chat_request(int max_tokens) {
  const std::string body = R"({"model":"fast","stream":true,"ignore_eos":true,"max_tokens":)" +
                           std::to_string(max_tokens) + R"(,"messages":[{"role":"user","content":"Say it."}]})";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(ServeProcess, AnswersAndEndsOnASignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Running server;
    ASSERT_NE(server.port(), 0) << server.log();
    for (const char* path : {"/livez", "/readyz", "/health", "/v1/health", "/v1/models"})
      EXPECT_EQ(server.get(path), 200) << path;
    EXPECT_EQ(server.get("/nothing"), 404);
    EXPECT_EQ(server.get("/v1/models", "Origin: https://evil.example\r\n"), 403);
    server.send(signal);
    EXPECT_EQ(server.wait(), 0);
    const std::string log = server.log();
    EXPECT_NE(log.find("\"event\":\"listening\""), std::string::npos);
    EXPECT_NE(log.find("\"path\":\"/nothing\",\"status\":404"), std::string::npos) << log;
    EXPECT_NE(log.find("\"event\":\"stopped\""), std::string::npos) << log;
  }
}

TEST(ServeProcess, KeysAreReadAgain) {
  // Of "first" and "second".
  const std::string first = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
  const std::string second = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";
  const auto file = [&](const std::string& digest) {
    return write_scratch("serve.toml", "[[keys]]\nname = \"k\"\nsha256 = \"" + digest + "\"\n");
  };
  Running server({"--config", file(first)});
  const auto with = [&](const std::string& key) { return server.get("/v1/models", "x-api-key: " + key + "\r\n"); };
  EXPECT_EQ(server.get("/v1/models"), 401);
  EXPECT_EQ(server.get("/livez"), 200);
  EXPECT_EQ(with("first"), 200);
  EXPECT_EQ(with("second"), 401);
  file(second);
  server.send(SIGHUP);
  ASSERT_NE(server.wait_for("\"event\":\"reloaded\""), "");
  EXPECT_EQ(with("first"), 401);
  EXPECT_EQ(with("second"), 200);
  write_scratch("serve.toml", "keys = 3\n");
  server.send(SIGHUP);
  const std::string failed = server.wait_for("\"event\":\"reload_failed\"");
  EXPECT_NE(failed.find("serve.toml:1: keys is a list"), std::string::npos) << failed;
  EXPECT_EQ(with("second"), 200) << "as it was";
  EXPECT_EQ(server.log().find("\"second\""), std::string::npos) << "no key in the log";
}

TEST(ServeProcess, WhatRunsIsFinishedBeforeTheEnd) {
  Running server;
  Client client(server.port());
  client.send(chat_request(200));
  std::string got = client.bytes(400);
  ASSERT_NE(got.find("200 OK"), std::string::npos) << got;
  server.send(SIGTERM);
  ASSERT_NE(server.wait_for("\"event\":\"draining\""), "");
  got += client.rest();
  EXPECT_NE(got.find("\"finish_reason\":\"length\""), std::string::npos) << got;
  EXPECT_NE(got.find("data: [DONE]"), std::string::npos);
  EXPECT_TRUE(got.ends_with("0\r\n\r\n"));
  EXPECT_EQ(server.wait(), 0);
  EXPECT_EQ(server.log().find("cancelling"), std::string::npos);
}

TEST(ServeProcess, AfterTheGraceWhatRunsIsCancelled) {
  Running server({"--drain-grace-ms", "0"});
  Client client(server.port());
  client.send(chat_request(4000));
  ASSERT_NE(client.bytes(400).find("200 OK"), std::string::npos);
  server.send(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_NE(server.log().find("\"event\":\"cancelling\""), std::string::npos) << server.log();
}

// What overwrites a model file in place, instead of putting another in its place, takes the mapped pages away.
TEST(ServeProcess, AModelFileThatShrinksDoesNotEndIt) {
  const std::string file = scratch("shrinks.gguf");
  std::filesystem::copy_file(tiny_model(), file, std::filesystem::copy_options::overwrite_existing);
  Running server({"-m", file});
  const std::string body = R"({"prompt":"Once upon a time","max_tokens":8,"temperature":0,"ignore_eos":true})";
  const std::string request =
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  const auto text = [&] {
    const Received r = Client(server.port()).ask(request);
    EXPECT_EQ(r.status, 200) << r.body;
    return nlohmann::json::parse(r.body, nullptr, false)["choices"][0]["text"];
  };
  const auto before = text();
  std::filesystem::resize_file(file, 4096);
  EXPECT_EQ(text(), before);
  EXPECT_EQ(server.get("/livez"), 200);
  server.send(SIGTERM);
  EXPECT_EQ(server.wait(), 0);
}

TEST(ServeProcess, SettingsArePrintedAndWrongOnesRefused) {
  const Outcome printed =
      run_command({"serve", "--print-config", "--limits-body-bytes", "77"}, "", {{"KEDGE_SERVE_PORT", "9"}});
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_NE(printed.out.find("port = 9  # KEDGE_SERVE_PORT\n"), std::string::npos) << printed.out;
  EXPECT_NE(printed.out.find("body_bytes = 77  # --limits-body-bytes\n"), std::string::npos);
  const auto refused = [](const Strings& args, const std::string& words) {
    Strings all = {"serve"};
    all.insert(all.end(), args.begin(), args.end());
    const Outcome o = run_command(all);
    EXPECT_EQ(o.exit_code, 2) << o.err;
    EXPECT_NE(o.err.find(words), std::string::npos) << o.err;
  };
  refused({"--port", "65536"}, "--port");
  refused({"--port", "x"}, "--port = 'x' has to be a number");
  refused({"--host", "0.0.0.0"}, "--no-auth");
  refused({"--config", write_scratch("wrong.toml", "\nprot = 1\n")}, "wrong.toml:2: there is no setting 'prot'");
  refused({"--shout"}, "--shout");
  const Outcome missing = run_command({"serve", "--config", "/no/such/file"});
  EXPECT_EQ(missing.exit_code, 1);
  const Outcome model = run_command({"serve", "--port", "0", "-m", "/no/such/model.gguf"});
  EXPECT_EQ(model.exit_code, 1);
  EXPECT_NE(model.err.find("/no/such/model.gguf"), std::string::npos) << model.err;
}

}  // namespace
}  // namespace kedge::tools::serve
