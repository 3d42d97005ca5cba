// One connection: reads a request, hands it out, carries the reply, and so on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http/body.h"
#include "tools/serve/http/head.h"
#include "tools/serve/http/outbox.h"
#include "tools/serve/http/server_state.h"
#include "tools/serve/http/transport.h"

namespace kedge::tools::serve {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> state, std::unique_ptr<Transport> transport, std::string peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Lives from here on by itself. With an answer it says that and closes.
  void start(std::optional<HttpAnswer> refused);
  // From any thread. drain: ends now when it waits for a request, else after the reply it is at.
  void drain();
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  template <class T>
  using Task = asio::awaitable<T>;

  Task<void> run(std::optional<HttpAnswer> refused);
  Task<bool> one_request();  // false: no other will come
  Task<bool> read_head(RequestHead& head, std::string& text);
  Task<bool> read_body(RequestHead& head, const std::string& text);
  Task<bool> work(RequestHead& head);
  Task<bool> send_reply(Outbox& outbox);
  Task<bool> write_all(std::string_view bytes);
  Task<void> watch(std::shared_ptr<Outbox> outbox, bool http10);
  Task<void> half_closed(std::shared_ptr<Outbox> outbox, bool http10);
  Task<void> stop_watching();
  Task<bool> answer(const HttpAnswer& answer, const RequestHead& head, bool close);
  Task<bool> refuse(const HeadError& error, const RequestHead& head);
  Task<bool> read_more(size_t room);
  Task<void> linger();

  void arm(Clock::time_point when);
  void arm(std::chrono::milliseconds time) { arm(Clock::now() + time); }
  void disarm();
  void wake();
  void lost(Outbox& outbox);
  std::shared_ptr<Outbox> new_outbox(const RequestHead& head, bool keep_alive);
  void log(const RequestHead& head, const Outbox& outbox, bool whole) const;

  const std::shared_ptr<ServerState> state_;
  std::unique_ptr<Transport> transport_;
  const asio::any_io_executor executor_;
  const std::string peer_;
  const uint64_t id_;
  std::shared_ptr<const HttpLimits> limits_;
  asio::steady_timer event_;  // for wake()
  asio::steady_timer guard_;  // of the deadline
  uint64_t guards_ = 0;
  std::string buffer_;  // what came and belongs to nobody yet
  IoError read_error_;
  Clock::time_point arrived_;
  std::shared_ptr<Outbox> outbox_;  // of the reply it is at
  size_t requests_ = 0;
  bool input_over_ = false;
  bool expired_ = false;
  bool woken_ = false;
  bool idle_ = false;
  bool gone_ = false;
  bool probe_ = false;
  bool watching_ = false;
  bool stop_watching_ = false;
};

}  // namespace kedge::tools::serve
