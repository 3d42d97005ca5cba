#include "tools/serve/http/transport.h"

#include <openssl/err.h>
#include <poll.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace kedge::tools::serve {
namespace {

auto into(IoError& error) { return asio::redirect_error(asio::use_awaitable, error); }

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(Socket socket) : socket_(std::move(socket)) {}
  Socket& socket() override { return socket_; }
  asio::awaitable<bool> speaks_plainly() override { co_return false; }
  asio::awaitable<void> handshake(IoError& error) override {
    error = {};
    co_return;
  }
  asio::awaitable<size_t> read_some(asio::mutable_buffer buffer, IoError& error) override {
    co_return co_await socket_.async_read_some(buffer, into(error));
  }
  asio::awaitable<size_t> write_some(asio::const_buffer buffer, IoError& error) override {
    co_return co_await socket_.async_write_some(buffer, into(error));
  }
  asio::awaitable<void> finish() override {
    IoError ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }

 private:
  Socket socket_;
};

class TlsTransport final : public Transport {
 public:
  TlsTransport(Socket socket, std::shared_ptr<asio::ssl::context> context)
      : context_(std::move(context)), stream_(std::move(socket), *context_) {}
  Socket& socket() override { return stream_.next_layer(); }
  bool secure() const override { return true; }
  asio::awaitable<bool> speaks_plainly() override {
    constexpr unsigned char kHandshake = 22;  // the type of a record, its first byte
    unsigned char first = kHandshake;
    IoError error;
    co_await socket().async_receive(asio::buffer(&first, 1), Socket::message_peek, into(error));
    co_return !error && first != kHandshake;
  }
  asio::awaitable<void> handshake(IoError& error) override {
    co_await stream_.async_handshake(asio::ssl::stream_base::server, into(error));
  }
  asio::awaitable<size_t> read_some(asio::mutable_buffer buffer, IoError& error) override {
    co_return co_await stream_.async_read_some(buffer, into(error));
  }
  asio::awaitable<size_t> write_some(asio::const_buffer buffer, IoError& error) override {
    co_return co_await stream_.async_write_some(buffer, into(error));
  }
  asio::awaitable<void> finish() override {
    IoError ignored;
    co_await stream_.async_shutdown(into(ignored));
    stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
  }

 private:
  std::shared_ptr<asio::ssl::context> context_;
  asio::ssl::stream<Socket> stream_;
};

base::Error wrong_file(const char* what, const std::string& path, const IoError& error) {
  return {base::ErrorCode::kInvalidArgument, path + ": cannot be used as " + what + ": " + error.message()};
}

}  // namespace

void Transport::cancel() {
  IoError ignored;
  socket().cancel(ignored);
}

void Transport::close() {
  IoError ignored;
  socket().close(ignored);
}

bool Transport::lost() {
  if (!socket().is_open()) return true;
  pollfd p{.fd = socket().native_handle(), .events = 0, .revents = 0};
  return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

std::unique_ptr<Transport> plain_transport(Socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

std::unique_ptr<Transport> tls_transport(Socket socket, std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<TlsTransport>(std::move(socket), std::move(context));
}

base::Result<std::shared_ptr<asio::ssl::context>> tls_context(const std::string& certificate,
                                                              const std::string& private_key) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  IoError error;
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                           asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION,
                       error);
  if (error) return wrong_file("certificate", certificate, error);
  context->use_certificate_chain_file(certificate, error);
  if (error) return wrong_file("certificate", certificate, error);
  context->use_private_key_file(private_key, asio::ssl::context::pem, error);
  if (error) return wrong_file("private key of the certificate", private_key, error);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // 34 KiB less for an idle connection
  return context;
}

}  // namespace kedge::tools::serve
