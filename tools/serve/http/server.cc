#include "tools/serve/http/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "tools/serve/http/connection.h"

namespace kedge::tools::serve {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
template <class Protocol>
using Acceptor = asio::basic_socket_acceptor<Protocol, asio::any_io_executor>;

constexpr auto kNoDescriptors = std::chrono::milliseconds(50);  // until the next try
constexpr auto kAtTheEnd = std::chrono::milliseconds(3000);     // that connections have to be gone

std::string peer_of(const Tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}
std::string peer_of(const Local::endpoint&) { return "unix"; }

Error cannot_listen(const std::string& where, const IoError& error) {
  return {ErrorCode::kIo, "cannot listen on " + where + ": " + error.message()};
}

class Server final : public HttpServer {
 public:
  explicit Server(HttpOptions options) : state_(std::make_shared<ServerState>(std::move(options))) {}
  ~Server() override { close(); }

  Status open();
  uint16_t port() const override { return port_; }
  HttpCounts counts() const override {
    return {state_->accepted, state_->open(), state_->requests, state_->working(), state_->refused};
  }
  void set_limits(const HttpLimits& limits) override { state_->set_limits(limits); }
  Status reload_certificate() override;
  void stop_accepting() override;
  bool drain(std::chrono::milliseconds most) override;
  void close() override;

 private:
  Status listen_tcp();
  Status listen_unix();
  template <class Protocol>
  Status listen(const typename Protocol::endpoint& endpoint, const std::string& where,
                std::vector<std::shared_ptr<Acceptor<Protocol>>>& acceptors);
  template <class Protocol>
  asio::awaitable<void> accept(std::shared_ptr<Acceptor<Protocol>> acceptor);
  void take(Socket socket, const std::string& peer);
  std::shared_ptr<asio::ssl::context> tls() const {
    const std::lock_guard lock(mutex_);
    return tls_;
  }

  const std::shared_ptr<ServerState> state_;
  asio::io_context context_;
  mutable std::mutex mutex_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard_;
  std::vector<std::shared_ptr<Acceptor<Tcp>>> tcp_;
  std::vector<std::shared_ptr<Acceptor<Local>>> local_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
  std::atomic<bool> stopped_{false};
  bool closed_ = false;
};

template <class Protocol>
Status Server::listen(const typename Protocol::endpoint& endpoint, const std::string& where,
                      std::vector<std::shared_ptr<Acceptor<Protocol>>>& acceptors) {
  auto acceptor = std::make_shared<Acceptor<Protocol>>(asio::any_io_executor(asio::make_strand(context_)));
  IoError error;
  acceptor->open(endpoint.protocol(), error);
  if constexpr (std::is_same_v<Protocol, Tcp>) {
    if (!error) acceptor->set_option(typename Acceptor<Protocol>::reuse_address(true), error);
    // [::] takes IPv4 too, one address of IPv6 does not
    if (!error && endpoint.address().is_v6())
      acceptor->set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  }
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(SOMAXCONN, error);
  if (error) return cannot_listen(where, error);
  acceptors.push_back(std::move(acceptor));
  return {};
}

Status Server::listen_tcp() {
  const HttpOptions& o = state_->options;
  std::string name = o.host;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  const std::string where = o.host + ", port " + std::to_string(o.port);
  IoError error;
  Tcp::resolver resolver(context_);
  const auto found = resolver.resolve(name, std::to_string(o.port), Tcp::resolver::passive, error);
  if (error) return cannot_listen(where, error);
  port_ = o.port;
  Status failed = cannot_listen(where, asio::error::host_not_found);
  for (const auto& entry : found) {
    Tcp::endpoint endpoint = entry.endpoint();
    endpoint.port(port_);
    Status status = listen<Tcp>(endpoint, where, tcp_);
    if (!status.ok()) {
      failed = std::move(status);
      // A machine without IPv6 has "localhost" as ::1 all the same.
      if (endpoint.address().is_v6() && found.size() > 1) continue;
      return failed;
    }
    if (port_ == 0) port_ = tcp_.back()->local_endpoint(error).port();
  }
  if (tcp_.empty()) return failed;
  return {};
}

// A socket that a dead server left behind is taken away; one that somebody listens on is not.
Status Server::listen_unix() {
  const std::string& path = state_->options.unix_socket;
  if (path.size() >= sizeof(sockaddr_un{}.sun_path))
    return Error{ErrorCode::kInvalidArgument, path + ": too long for a socket"};
  struct stat found {};
  if (lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) return Error{ErrorCode::kIo, path + ": is there and is no socket"};
    IoError error;
    Local::socket other(context_);
    other.connect(Local::endpoint(path), error);
    if (error != asio::error::connection_refused) return Error{ErrorCode::kIo, path + ": somebody listens there"};
    ::unlink(path.c_str());
  }
  const mode_t former = umask(0077);
  Status status = listen<Local>(Local::endpoint(path), path, local_);
  umask(former);
  return status;
}

Status Server::open() {
  const HttpOptions& o = state_->options;
  if (!o.certificate.empty() || !o.private_key.empty()) {
    KEDGE_ASSIGN(context, tls_context(o.certificate, o.private_key));
    tls_ = std::move(context);
  }
  if (!o.host.empty()) KEDGE_TRY(listen_tcp());
  if (!o.unix_socket.empty()) KEDGE_TRY(listen_unix());
  guard_.emplace(context_.get_executor());
  const auto unheard = [](const std::exception_ptr&) {};
  for (const auto& a : tcp_) asio::co_spawn(a->get_executor(), accept<Tcp>(a), unheard);
  for (const auto& a : local_) asio::co_spawn(a->get_executor(), accept<Local>(a), unheard);
  for (int i = 0; i < std::max(1, o.threads); ++i) {
    threads_.emplace_back([this] {
      const IoThreadMark mark;
      while (true) {
        try {
          context_.run();
          return;
        } catch (...) {  // NOLINT(bugprone-empty-catch): of one connection; the others go on
        }
      }
    });
  }
  return {};
}

// One that fails (no descriptors, no memory) costs a moment, not the server.
template <class Protocol>
asio::awaitable<void> Server::accept(std::shared_ptr<Acceptor<Protocol>> acceptor) {
  const asio::any_io_executor executor = acceptor->get_executor();
  while (!stopped_) {
    IoError error;
    bool failed = false;
    try {
      typename Protocol::endpoint from;
      const asio::any_io_executor strand = asio::make_strand(context_);
      auto socket = co_await acceptor->async_accept(strand, from, asio::redirect_error(asio::use_awaitable, error));
      if (!error) {
        if constexpr (std::is_same_v<Protocol, Tcp>) {
          IoError ignored;
          socket.set_option(Tcp::no_delay(true), ignored);
        }
        take(Socket(std::move(socket)), peer_of(from));
        continue;
      }
    } catch (const std::exception&) {
      failed = true;
    }
    if (stopped_ || error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (!failed && error == asio::error::connection_aborted) continue;
    asio::steady_timer pause(executor, kNoDescriptors);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

void Server::take(Socket socket, const std::string& peer) {
  ++state_->accepted;
  const Admittance admission = state_->admit(peer);
  if (admission == Admittance::kNo) {
    ++state_->refused;
    return;
  }
  std::optional<HttpAnswer> refused;
  if (admission == Admittance::kFull)
    refused = state_->refusal(503, "too_many_connections", "the server has all the connections it takes", {});
  if (admission == Admittance::kFullOfThisAddress)
    refused = state_->refusal(429, "too_many_connections", "this address has all the connections it may have", {});
  std::shared_ptr<Connection> connection;
  try {
    const auto context = tls();
    auto transport =
        context == nullptr ? plain_transport(std::move(socket)) : tls_transport(std::move(socket), context);
    connection = std::make_shared<Connection>(state_, std::move(transport), peer);
  } catch (...) {
    state_->leave(0, peer);
    throw;
  }
  connection->start(std::move(refused));
}

Status Server::reload_certificate() {
  const HttpOptions& o = state_->options;
  if (o.certificate.empty() && o.private_key.empty()) return {};
  KEDGE_ASSIGN(context, tls_context(o.certificate, o.private_key));
  const std::lock_guard lock(mutex_);
  tls_ = std::move(context);
  return {};
}

void Server::stop_accepting() {
  if (stopped_.exchange(true)) return;
  *state_->draining = true;
  for (const auto& a : tcp_)
    asio::post(a->get_executor(), [a] {
      IoError e;
      a->close(e);
    });
  for (const auto& a : local_)
    asio::post(a->get_executor(), [a] {
      IoError e;
      a->close(e);
    });
  if (!local_.empty()) ::unlink(state_->options.unix_socket.c_str());
  for (const auto& connection : state_->all()) connection->drain();
}

bool Server::drain(std::chrono::milliseconds most) { return state_->wait_until_quiet(most, false); }

void Server::close() {
  if (std::exchange(closed_, true)) return;
  stop_accepting();
  for (const auto& connection : state_->all()) connection->close();
  if (!threads_.empty()) state_->wait_until_quiet(kAtTheEnd, true);
  guard_.reset();
  context_.stop();
  for (std::thread& t : threads_) t.join();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options) {
  if (!options.handler) return Error{ErrorCode::kInvalidArgument, "the server has no handler"};
  if (options.host.empty() && options.unix_socket.empty())
    return Error{ErrorCode::kInvalidArgument, "the server has no address to listen on"};
  auto server = std::make_unique<Server>(std::move(options));
  KEDGE_TRY(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace kedge::tools::serve
