// A server with a handler for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "tests/tools/serve_client.h"
#include "tools/serve/http/server.h"

namespace kedge::tools::serve {

using Milliseconds = std::chrono::milliseconds;

// A handler for the tests: paths say what it does. Work that takes time waits in `held` until a test lets it go on.
class Echo {
 public:
  void operator()(HttpRequest request, std::shared_ptr<HttpReply> reply) {
    if (request.path == "/hold" || request.path == "/hold/ping") {
      if (request.path == "/hold/ping") {
        reply->start(200, {{"content-type", "text/event-stream"}});
        std::weak_ptr<HttpReply> weak = reply;
        reply->when_quiet(Milliseconds(20), [weak] {
          if (const auto r = weak.lock()) r->write(": ping\n\n");
        });
      }
      reply->when_gone([this] { count(gone_); });
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(reply));
      changed_.notify_all();
    } else if (request.path == "/throw") {
      throw std::bad_alloc();
    } else if (request.path == "/forget") {
      reply->start(200, {});
      reply->write("some");
    } else if (request.path == "/stream") {
      reply->start(200, {{"content-type", "text/plain"}});
      reply->write("one ");
      reply->write("two");
      reply->end();
    } else if (request.path == "/empty") {
      reply->send(204, {}, "");
    } else {
      reply->send(200, {{"content-type", "text/plain"}, {"x-bad", "a\r\nb"}},
                  request.method + " " + request.path + " " + request.body);
    }
  }

  // The replies that are held, when there are so many.
  std::vector<std::shared_ptr<HttpReply>> wait_held(size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return held_.size() >= n; }));
    return std::exchange(held_, {});
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    held_.clear();
  }
  bool wait_gone(int n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return gone_ >= n; });
  }

 private:
  void count(int& what) {
    const std::lock_guard lock(mutex_);
    ++what;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<HttpReply>> held_;
  int gone_ = 0;
};

class ServeHttp : public testing::Test {
 protected:
  void start(HttpLimits limits = {}, std::function<void(HttpOptions&)> change = {}) {
    HttpOptions options;
    options.port = 0;
    options.limits = limits;
    options.handler = [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      echo(std::move(request), std::move(reply));
    };
    options.refusal = [](int status, std::string_view code, std::string_view message, std::string_view) {
      return HttpAnswer{status, {}, std::string(code) + ": " + std::string(message)};
    };
    options.done = [this](const HttpDone& d) {
      const std::lock_guard lock(mutex);
      done.push_back(d);
    };
    if (change) change(options);
    auto started = HttpServer::start(std::move(options));
    ASSERT_TRUE(started.ok()) << started.error().message;
    server = std::move(*started);
  }
  uint16_t port() const { return server->port(); }
  Received ask(std::string_view bytes) { return Client(port()).ask(bytes); }
  // Waits for what the server does a moment after its answer.
  static bool eventually(const std::function<bool()>& is) {
    for (int i = 0; i < 4000 && !is(); ++i) std::this_thread::sleep_for(Milliseconds(5));
    return is();
  }
  void expect_alive() { EXPECT_EQ(ask("GET /alive HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /alive "); }

  Echo echo;
  std::mutex mutex;
  std::vector<HttpDone> done;
  std::unique_ptr<HttpServer> server;
};

}  // namespace kedge::tools::serve
