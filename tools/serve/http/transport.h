// A connected socket, with TLS or without, as the coroutines of a connection use it. Only http/*.cc sees Asio.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <string>

#include "kernels/base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace kedge::tools::serve {

namespace asio = boost::asio;
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio::any_io_executor>;
using IoError = boost::system::error_code;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Socket& socket() = 0;
  virtual bool secure() const { return false; }
  // Whether the client begins with something that is no TLS, where it should.
  virtual asio::awaitable<bool> speaks_plainly() = 0;
  virtual asio::awaitable<void> handshake(IoError& error) = 0;
  virtual asio::awaitable<size_t> read_some(asio::mutable_buffer buffer, IoError& error) = 0;
  virtual asio::awaitable<size_t> write_some(asio::const_buffer buffer, IoError& error) = 0;
  // Says that nothing more will be sent.
  virtual asio::awaitable<void> finish() = 0;

  void cancel();  // what is waited for now
  void close();
  bool lost();  // the socket is known to be dead
};

std::unique_ptr<Transport> plain_transport(Socket socket);
std::unique_ptr<Transport> tls_transport(Socket socket, std::shared_ptr<asio::ssl::context> context);

// TLS 1.2 or later with these PEM files. Errors (kInvalidArgument) name the file.
base::Result<std::shared_ptr<asio::ssl::context>> tls_context(const std::string& certificate,
                                                              const std::string& private_key);

}  // namespace kedge::tools::serve
