#include "tools/serve/http/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>

namespace kedge::tools::serve {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::use_awaitable;
using base::Error;
using base::ErrorCode;

struct Exchange {
  const HttpTarget& to;
  http::request<http::string_body> request;
  const std::function<bool(std::string_view)>& on_body;
  HttpAnswer answer;
};

template <class Stream>
asio::awaitable<void> talk(Stream& stream, Exchange& e) {
  co_await http::async_write(stream, e.request, use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  co_await http::async_read_header(stream, buffer, parser, use_awaitable);
  e.answer.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) e.answer.headers.emplace_back(field.name_string(), field.value());
  char part[16384];
  while (!parser.is_done()) {
    parser.get().body().data = part;
    parser.get().body().size = sizeof part;
    boost::system::error_code error;
    co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(use_awaitable, error));
    if (error && error != http::error::need_buffer) throw boost::system::system_error(error);
    const std::string_view got(part, sizeof part - parser.get().body().size);
    if (e.answer.status == 200 && e.on_body) {
      if (!e.on_body(got)) co_return;
    } else {
      e.answer.body += got;
    }
  }
}

asio::awaitable<void> run(Exchange& e) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(e.to.host, e.to.port, use_awaitable);
  if (!e.to.secure) {
    beast::tcp_stream stream(executor);
    co_await stream.async_connect(found, use_awaitable);
    co_return co_await talk(stream, e);
  }
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_default_verify_paths();
  context.set_verify_mode(asio::ssl::verify_peer);
  asio::ssl::stream<beast::tcp_stream> stream(executor, context);
  stream.set_verify_callback(asio::ssl::host_name_verification(e.to.host));
  SSL_set_tlsext_host_name(stream.native_handle(), e.to.host.c_str());
  co_await beast::get_lowest_layer(stream).async_connect(found, use_awaitable);
  co_await stream.async_handshake(asio::ssl::stream_base::client, use_awaitable);
  co_await talk(stream, e);
}

}  // namespace

base::Result<HttpTarget> parse_url(std::string_view url) {
  HttpTarget to;
  const std::string whole(url);
  const auto wrong = [&] {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + whole + "' is no URL of a server: http://HOST[:PORT] or https://..."};
  };
  if (url.starts_with("https://")) {
    to.secure = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return wrong();
  }
  const size_t slash = std::min(url.find('/'), url.size());
  std::string_view place = url.substr(0, slash);
  to.path = url.substr(slash);
  while (to.path.ends_with('/')) to.path.pop_back();
  if (to.path.ends_with("/v1")) to.path.resize(to.path.size() - 3);  // as clients write it
  const size_t bracket = place.starts_with('[') ? place.find(']') : 0;
  if (bracket == std::string_view::npos) return wrong();
  const size_t colon = place.find(':', bracket);
  to.port = colon == std::string_view::npos ? (to.secure ? "443" : "80") : std::string(place.substr(colon + 1));
  to.host = place.substr(0, colon);
  if (to.host.starts_with('[')) to.host = to.host.substr(1, to.host.size() - 2);
  if (to.host.empty() || to.port.empty() || to.host.find('@') != std::string::npos) return wrong();
  return to;
}

base::Result<HttpAnswer> http_request(const HttpTarget& to, const std::string& method, const std::string& path,
                                      const std::string& body, const HttpClientOptions& options,
                                      const std::function<bool(std::string_view)>& on_body) {
  Exchange e{.to = to, .request = {}, .on_body = on_body, .answer = {}};
  e.request.method_string(method);
  e.request.target(to.path + path);
  e.request.version(11);
  const bool six = to.host.find(':') != std::string::npos;
  e.request.set(http::field::host, (six ? "[" + to.host + "]" : to.host) + ":" + to.port);
  e.request.set(http::field::user_agent, "kedge");
  e.request.set(http::field::connection, "close");
  if (!options.key.empty()) e.request.set(http::field::authorization, "Bearer " + options.key);
  if (!body.empty()) e.request.set(http::field::content_type, "application/json");
  e.request.body() = body;
  e.request.prepare_payload();

  asio::io_context context;
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(context, run(e), [&](std::exception_ptr thrown) {
    failure = thrown;
    done = true;
  });
  while (!done) {
    context.run_for(std::chrono::milliseconds(100));
    if (!done && options.cancelled && options.cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
  }
  if (!failure) return std::move(e.answer);
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& x) {
    return Error{ErrorCode::kIo, to.host + ":" + to.port + ": " + x.code().message()};
  } catch (const std::exception& x) {
    return Error{ErrorCode::kIo, to.host + ":" + to.port + ": " + x.what()};
  }
}

}  // namespace kedge::tools::serve
