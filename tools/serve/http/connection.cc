#include "tools/serve/http/connection.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "kernels/base/hex.h"

namespace kedge::tools::serve {
namespace {

constexpr size_t kReadHead = 4096;
constexpr size_t kReadBody = 64 * 1024;
constexpr size_t kReadAhead = 16 * 1024;                // of the next request while this one is worked on
constexpr std::chrono::milliseconds kHalfClosed{2000};  // what a client of HTTP/1.0 has that shut its side
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kProcessing = "HTTP/1.1 102 Processing\r\n\r\n";

auto into(IoError& error) { return asio::redirect_error(asio::use_awaitable, error); }

// Counts as work while it lives.
class Work {
 public:
  explicit Work(std::shared_ptr<ServerState> state) : state_(std::move(state)) { state_->begin_work(); }
  ~Work() { state_->end_work(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

 private:
  const std::shared_ptr<ServerState> state_;
};

// Of the memory for bodies.
class Room {
 public:
  explicit Room(std::shared_ptr<ServerState> state) : state_(std::move(state)) {}
  ~Room() { state_->give_room(held_); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  bool grow_to(size_t bytes) {
    if (bytes <= held_) return true;
    if (!state_->take_room(bytes - held_)) return false;
    held_ = bytes;
    return true;
  }

 private:
  const std::shared_ptr<ServerState> state_;
  size_t held_ = 0;
};

// The client's own name for its request, when it is one that may stand in a log and a header.
std::string request_id(std::string_view given) {
  const auto ok = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  };
  if (!given.empty() && given.size() <= 64 && std::all_of(given.begin(), given.end(), ok)) return std::string(given);
  std::array<unsigned char, 12> bytes{};
  static_cast<void>(getrandom(bytes.data(), bytes.size(), 0));
  return "req_" + base::hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> state, std::unique_ptr<Transport> transport, std::string peer)
    : state_(std::move(state)),
      transport_(std::move(transport)),
      executor_(transport_->socket().get_executor()),
      peer_(std::move(peer)),
      id_(state_->next_id++),
      limits_(state_->limits()),
      event_(executor_),
      guard_(executor_) {}

Connection::~Connection() {
  if (outbox_) outbox_->close();
  state_->leave(id_, peer_);
}

void Connection::start(std::optional<HttpAnswer> refused) {
  state_->add(id_, weak_from_this());
  // The coroutine's frame dies before `self` does, and what it throws (no memory) ends this connection only.
  asio::co_spawn(executor_, run(std::move(refused)), [self = shared_from_this()](const std::exception_ptr&) {
    if (self->outbox_) self->outbox_->close();
    self->transport_->close();
    self->disarm();
  });
}

void Connection::drain() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->idle_) self->transport_->close();
  });
}

void Connection::close() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->outbox_) self->lost(*self->outbox_);
    self->gone_ = true;
    self->transport_->close();
    self->wake();
  });
}

void Connection::arm(Clock::time_point when) {
  expired_ = false;
  guard_.expires_at(when);
  guard_.async_wait([weak = weak_from_this(), n = ++guards_](const IoError&) {
    const auto self = weak.lock();
    if (!self || n != self->guards_) return;
    self->expired_ = true;
    self->transport_->cancel();
  });
}

void Connection::disarm() {
  ++guards_;
  guard_.cancel();
}

void Connection::wake() {
  woken_ = true;
  event_.cancel();
}

void Connection::lost(Outbox& outbox) {
  gone_ = true;
  outbox.set_gone();
  transport_->close();
  wake();
}

std::shared_ptr<Outbox> Connection::new_outbox(const RequestHead& head, bool keep_alive) {
  Outbox::Setup setup{.id = head.request.id,
                      .http10 = head.http10,
                      .head_only = head.request.method == "HEAD",
                      .keep_alive = keep_alive,
                      .unsent_bytes = limits_->unsent_bytes,
                      .draining = state_->draining};
  // Not a shared_ptr: the last of one, let go under the outbox's lock, would come back to it.
  return std::make_shared<Outbox>(std::move(setup), [executor = executor_, weak = weak_from_this()] {
    asio::post(executor, [weak] {
      if (const auto self = weak.lock()) self->wake();
    });
  });
}

void Connection::log(const RequestHead& head, const Outbox& outbox, bool whole) const {
  if (!state_->options.done) return;
  HttpDone done;
  done.id = head.request.id;
  done.peer = peer_;
  done.method = head.request.method;
  done.path = head.request.path;
  done.traceparent = head.request.header("traceparent");
  done.status = outbox.status() == 0 ? 499 : outbox.status();
  done.bytes = outbox.bytes();
  done.ms = std::chrono::duration<double, std::milli>(Clock::now() - arrived_).count();
  done.gone = !whole;
  done.notes = outbox.notes();
  state_->options.done(done);
}

Connection::Task<void> Connection::run(std::optional<HttpAnswer> refused) {
  arrived_ = Clock::now();
  if (refused && transport_->secure()) co_return;  // a handshake is what costs
  arm(limits_->header_time);
  RequestHead none;
  none.request.id = request_id({});
  const bool plain = co_await transport_->speaks_plainly();
  if (plain) {
    transport_ = plain_transport(std::move(transport_->socket()));
    const HeadError error{400, "https_required", "this port speaks TLS: use https://"};
    const bool said = co_await refuse(error, none);
    static_cast<void>(said);
    co_return;
  }
  if (expired_) co_return;
  IoError error;
  co_await transport_->handshake(error);
  disarm();
  if (error) co_return;
  if (refused) {
    ++state_->refused;
    co_await answer(*refused, none, true);
    co_return;
  }
  bool more = true;
  while (more) more = co_await one_request();
}

// More bytes into the buffer; false: none will come, read_error_ says why.
Connection::Task<bool> Connection::read_more(size_t room) {
  if (input_over_) co_return false;  // asked again, Asio would wait for a second end
  const size_t had = buffer_.size();
  buffer_.resize(had + room);
  const asio::mutable_buffer space(buffer_.data() + had, room);
  const size_t n = co_await transport_->read_some(space, read_error_);
  buffer_.resize(had + n);
  input_over_ = read_error_ && read_error_ != asio::error::operation_aborted;
  co_return !read_error_;
}

Connection::Task<bool> Connection::one_request() {
  limits_ = state_->limits();
  if (buffer_.empty()) {
    if (*state_->draining && requests_ > 0) co_return false;
    buffer_.shrink_to_fit();
    idle_ = requests_ > 0;  // at the beginning something is on its way
    arm(requests_ == 0 ? limits_->header_time : limits_->idle_time);
    const bool came = co_await read_more(kReadHead);
    disarm();
    idle_ = false;
    if (!came) co_return false;
  }
  arrived_ = Clock::now();
  ++requests_;
  const Work busy(state_);
  RequestHead head;
  std::string text;
  bool ok = co_await read_head(head, text);
  if (!ok) co_return false;
  ++state_->requests;
  const bool has_body = head.chunked || head.length.value_or(0) > 0;
  if (state_->options.gate) {
    if (const auto refused = state_->options.gate(head.request)) {
      ++state_->refused;
      co_return co_await answer(*refused, head, has_body);
    }
  }
  ok = co_await read_body(head, text);
  if (!ok) co_return false;
  co_return co_await work(head);
}

Connection::Task<bool> Connection::read_head(RequestHead& head, std::string& text) {
  head.request.id = request_id({});
  HeadScanner scanner(*limits_);
  arm(limits_->header_time);
  while (true) {
    const HeadScanner::State state = scanner.look(buffer_);
    if (state == HeadScanner::State::kWhole) break;
    if (state == HeadScanner::State::kWrong) co_return co_await refuse(scanner.error(), head);
    const bool came = co_await read_more(kReadHead);
    if (came) continue;
    if (!expired_) co_return false;  // gone in the middle of it
    const HeadError slow{408, "request_timeout",
                         "the header was not complete after " + std::to_string(limits_->header_time.count()) + " ms"};
    co_return co_await refuse(slow, head);
  }
  disarm();
  text = buffer_.substr(scanner.begin(), scanner.size() - scanner.begin());
  buffer_.erase(0, scanner.size());
  const auto error = parse_head(text, *limits_, head);
  head.request.id = request_id(head.request.header("x-request-id"));
  head.request.peer = peer_;
  head.request.secure = transport_->secure();
  head.request.connection = id_;
  head.request.arrived = arrived_;
  if (error) co_return co_await refuse(*error, head);
  co_return true;
}

Connection::Task<bool> Connection::read_body(RequestHead& head, const std::string& text) {
  BodyReader body(text, limits_->body_bytes);
  Room room(state_);
  const HeadError full{503, "server_busy", "the requests being worked on hold all memory there is for bodies"};
  if (body.failed()) co_return co_await refuse(body.error(), head);
  if (!room.grow_to(head.length.value_or(0))) co_return co_await refuse(full, head);
  if (head.expects_continue && !body.done() && buffer_.empty()) {
    const bool sent = co_await write_all(kContinue);
    if (!sent) co_return false;
  }
  const auto begin = Clock::now();
  while (!body.done()) {
    const size_t used = body.take(buffer_);
    buffer_.erase(0, used);
    if (body.failed()) co_return co_await refuse(body.error(), head);
    if (!room.grow_to(body.received())) co_return co_await refuse(full, head);
    if (body.done()) break;
    if (buffer_.size() > limits_->header_bytes) {  // a line that does not end, of a chunk or the trailer
      const HeadError endless{400, "bad_request", "the body cannot be read: a line of its chunks does not end"};
      co_return co_await refuse(endless, head);
    }
    const auto earned = std::chrono::milliseconds(body.received() * 1000 / std::max<size_t>(limits_->body_rate, 1));
    arm(begin + limits_->body_time + earned);
    const bool came = co_await read_more(kReadBody);
    disarm();
    if (came) continue;
    if (!expired_) co_return false;
    const HeadError slow{408, "request_timeout",
                         "the body came too slowly: " + std::to_string(body.received()) + " bytes until now"};
    co_return co_await refuse(slow, head);
  }
  head.request.body = body.body();
  co_return true;
}

Connection::Task<bool> Connection::work(RequestHead& head) {
  const bool go_on = head.keep_alive && requests_ < limits_->requests;
  const std::shared_ptr<Outbox> outbox = new_outbox(head, go_on);
  outbox_ = outbox;
  gone_ = probe_ = stop_watching_ = false;
  RequestHead named;  // what the log says of it; the rest goes to the handler
  named.request.method = head.request.method;
  named.request.path = head.request.path;
  named.request.id = head.request.id;
  if (const auto trace = head.request.header("traceparent"); !trace.empty())
    named.request.headers.emplace_back("traceparent", trace);
  Room room(state_);
  static_cast<void>(room.grow_to(head.request.body.size()));
  try {
    state_->options.handler(std::move(head.request), reply_of(outbox));
  } catch (...) {  // NOLINT(bugprone-empty-catch): its reply has been let go, which is answered below
  }
  watching_ = true;
  asio::co_spawn(executor_, watch(outbox, head.http10), [self = shared_from_this()](const std::exception_ptr&) {
    self->watching_ = false;
    self->wake();
  });
  const bool whole = co_await send_reply(*outbox);
  outbox->close();
  co_await stop_watching();
  outbox_.reset();
  log(named, *outbox, whole);
  if (whole && !outbox->closes() && !*state_->draining) co_return true;
  if (whole) co_await linger();
  co_return false;
}

Connection::Task<bool> Connection::send_reply(Outbox& outbox) {
  while (!gone_) {
    woken_ = false;
    if (std::exchange(probe_, false) && outbox.status() == 0) {
      const bool sent = co_await write_all(kProcessing);
      if (!sent) break;
    }
    const Outbox::Piece piece = outbox.take();
    if (!piece.bytes.empty()) {
      const bool sent = co_await write_all(piece.bytes);
      outbox.sent();
      if (!sent) break;
      if (!piece.ended) continue;
    }
    if (piece.ended) co_return true;
    if (piece.abandoned && outbox.status() != 0) break;
    if (piece.abandoned) {
      const HttpAnswer answer = state_->refusal(500, "internal_error", "the server failed at this request", {});
      outbox.send(answer.status, answer.headers, answer.body);
      continue;
    }
    if (!woken_) {
      IoError ignored;
      event_.expires_at(piece.quiet_at);
      co_await event_.async_wait(into(ignored));
    }
    if (!gone_ && Clock::now() >= piece.quiet_at) outbox.quiet(false);
  }
  lost(outbox);
  co_return false;
}

Connection::Task<bool> Connection::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    IoError error;
    arm(limits_->stall_time);
    const asio::const_buffer buffer(bytes.data(), bytes.size());
    const size_t n = co_await transport_->write_some(buffer, error);
    disarm();
    if (error) co_return false;
    bytes.remove_prefix(n);
  }
  co_return true;
}

// Notices while a reply is made that its client has gone. A client that only shuts its sending side still wants it.
Connection::Task<void> Connection::watch(std::shared_ptr<Outbox> outbox, bool http10) {
  while (!stop_watching_ && buffer_.size() < kReadAhead) {
    const bool came = co_await read_more(kReadHead);
    if (stop_watching_ || expired_) co_return;
    if (came) continue;
    if (read_error_ != asio::error::eof || transport_->secure()) {
      lost(*outbox);
      co_return;
    }
    co_await half_closed(outbox, http10);
    break;
  }
  IoError error;
  if (!stop_watching_ && !gone_ && !transport_->lost())
    co_await transport_->socket().async_wait(Socket::wait_error, into(error));
  if (!stop_watching_ && !error) lost(*outbox);
}

// Its side is shut, or it has gone: the same on the wire, until something is sent to it that nobody takes.
Connection::Task<void> Connection::half_closed(std::shared_ptr<Outbox> outbox, bool http10) {
  if (outbox->status() != 0) {
    outbox->quiet(true);
  } else if (!http10) {
    probe_ = true;
    wake();
  } else {
    asio::steady_timer timer(executor_, kHalfClosed);
    IoError ignored;
    while (!stop_watching_ && outbox->status() == 0 && timer.expiry() > Clock::now()) {
      asio::steady_timer step(executor_, std::chrono::milliseconds(20));
      co_await step.async_wait(into(ignored));
    }
    if (!stop_watching_ && outbox->status() == 0) lost(*outbox);
  }
}

Connection::Task<void> Connection::stop_watching() {
  stop_watching_ = true;
  while (watching_) {
    transport_->cancel();  // again: between two steps of a TLS read there is nothing to be cancelled
    IoError ignored;
    event_.expires_after(std::chrono::milliseconds(20));
    if (watching_) co_await event_.async_wait(into(ignored));
  }
}

// A whole answer that needs no handler. With `close` what the client may still be sending is not a request.
Connection::Task<bool> Connection::answer(const HttpAnswer& answer, const RequestHead& head, bool close) {
  const bool go_on = !close && head.keep_alive && requests_ < limits_->requests;
  const std::shared_ptr<Outbox> outbox = new_outbox(head, go_on);
  outbox->send(answer.status, answer.headers, answer.body);
  const Outbox::Piece piece = outbox->take();
  const bool sent = co_await write_all(piece.bytes);
  log(head, *outbox, sent);
  if (!sent) co_return false;
  if (!outbox->closes()) co_return true;
  co_await linger();
  co_return false;
}

Connection::Task<bool> Connection::refuse(const HeadError& error, const RequestHead& head) {
  disarm();
  ++state_->refused;
  HttpAnswer said = state_->refusal(error.status, error.code, error.message, head.request.path);
  if (error.status == 405) said.headers.emplace_back("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  co_return co_await answer(said, head, true);
}

// Closing with something unread resets the connection, and the client may lose the answer it has not read yet.
Connection::Task<void> Connection::linger() {
  arm(limits_->linger_time);
  co_await transport_->finish();
  std::string().swap(buffer_);
  IoError error;
  while (!error && !expired_ && !input_over_) {
    std::array<char, 1024> unread;
    co_await transport_->socket().async_read_some(asio::buffer(unread), into(error));
  }
  disarm();
}

}  // namespace kedge::tools::serve
