// What is still to be sent of a reply: workers put into it on their threads, the connection takes out of it on its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

class Outbox {
 public:
  using Clock = std::chrono::steady_clock;

  struct Setup {
    std::string id;
    bool http10 = false;
    bool head_only = false;   // the request was HEAD
    bool keep_alive = true;   // the connection could go on afterwards
    size_t unsent_bytes = 0;  // above that write() waits
    std::shared_ptr<const std::atomic<bool>> draining;
  };
  // `wake` is called with every change, from any thread, under the lock: it only posts.
  Outbox(Setup setup, std::function<void()> wake) : setup_(std::move(setup)), wake_(std::move(wake)) {}

  // --- of the reply; see HttpReply
  void send(int status, const Fields& headers, std::string_view body);
  void start(int status, const Fields& headers);
  bool write(std::string_view bytes);
  void end();
  bool started() const;
  void when_quiet(std::chrono::milliseconds quiet, std::function<void()> f);
  void when_gone(std::function<void()> f);
  bool gone() const;
  void add_header(std::string name, std::string value);
  void note(std::string name, std::string value);
  void abandon();  // the last who held the reply has let it go

  // --- of the connection
  struct Piece {
    std::string bytes;
    bool ended = false;      // nothing comes after it
    bool abandoned = false;  // nor here, but the reply is not whole
    Clock::time_point quiet_at = Clock::time_point::max();
  };
  Piece take();
  void sent();  // all of the piece
  // Calls the function of when_quiet, if it is quiet, or `now` in any case.
  void quiet(bool now);
  void set_gone();
  // Nobody is woken any more; what follows is as of a client that has gone.
  void close();
  bool closes() const;  // the connection ends with the reply: its head said so
  int status() const;   // 0: nothing was sent
  uint64_t bytes() const;
  Fields notes() const;

 private:
  void open(int status, const Fields& headers, bool whole, size_t size);
  void wake();
  std::function<void()> finish();

  const Setup setup_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> wake_;
  bool woken_ = false;  // and take() has not come since
  std::string pending_;
  size_t travelling_ = 0;  // taken and not yet sent
  uint64_t bytes_ = 0;
  int status_ = 0;
  bool chunked_ = false;
  bool bodiless_ = false;
  bool closes_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
  bool gone_ = false;
  Fields more_;
  Fields notes_;
  std::chrono::milliseconds quiet_{0};
  std::shared_ptr<std::function<void()>> when_quiet_;
  std::function<void()> when_gone_;
  Clock::time_point given_ = Clock::now();
};

// Marks the threads that must not wait in write(): those of the server.
class IoThreadMark {
 public:
  IoThreadMark();
  ~IoThreadMark();
  static bool is_set();
};

// The reply as handlers hold it.
std::shared_ptr<HttpReply> reply_of(std::shared_ptr<Outbox> outbox);

}  // namespace kedge::tools::serve
