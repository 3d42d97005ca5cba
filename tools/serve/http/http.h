// HTTP as the rest of the server sees it: a request that has been read whole, and the reply to it. How they travel
// (sockets, TLS, limits, chunks) is the business of http/server.h alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kedge::tools::serve {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;    // "POST"
  std::string path;      // percent-decoded, without the query: "/v1/models"
  std::string raw_path;  // as it came: a segment may hold an encoded slash, so routes are cut from this
  Fields query;          // decoded, in order
  Fields headers;        // names in lower case, in order
  std::string body;
  std::string peer;     // the address, without the port; "unix" for a socket in the file system
  bool secure = false;  // came over TLS
  uint64_t connection = 0;
  std::string
      id;  // the client's x-request-id when it is a sane one, else drawn; goes back in the reply and into the log
  std::chrono::steady_clock::time_point arrived;  // when the first byte of the request came

  // The first of that name ("content-type"), "" when there is none.
  std::string_view header(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;  // of the query
};

// The reply to one request, shared by whoever works on it. All functions may be called from any thread and never wait
// for the network, write() excepted. One of send() and start() is called once; a reply that is let go without either,
// closes the connection without end(), and is answered 500 when nothing was sent.
class HttpReply {
 public:
  virtual ~HttpReply() = default;

  // A whole reply.
  virtual void send(int status, Fields headers, std::string body) = 0;

  // A reply that comes in pieces: chunked for HTTP/1.1, until the connection closes for 1.0.
  virtual void start(int status, Fields headers) = 0;
  // Waits while more than the limit of unsent bytes lie there. False: the client has gone, or has read nothing for the
  // limit's time (the connection is closed then); nothing more will be sent.
  virtual bool write(std::string_view bytes) = 0;
  virtual void end() = 0;
  virtual bool started() const = 0;

  // Calls `f` on an I/O thread when nothing has been given to send for that long, again and again until the end of the
  // reply; `f` may start and write (it never waits there). Replaces what was set before. Like the other function it is
  // let go at the end of the reply; it holds the reply weakly, or nobody would notice that it was let go without an
  // end.
  virtual void when_quiet(std::chrono::milliseconds quiet, std::function<void()> f) = 0;

  // Calls `f` once, on an I/O thread (or at once, here), when the client has gone before the end of the reply.
  virtual void when_gone(std::function<void()> f) = 0;
  virtual bool gone() const = 0;

  // A field that goes with the status line whenever that is sent, beside those given there.
  virtual void add_header(std::string /*name*/, std::string /*value*/) {}
  // Something for the line of the log about this request: "key", "model", ... Never what somebody wrote.
  virtual void note(std::string /*name*/, std::string /*value*/) {}
};

struct HttpAnswer {
  int status = 200;
  Fields headers;
  std::string body;
};

// Called on an I/O thread, so it must not wait: what takes time goes to Workers.
using HttpHandler = std::function<void(HttpRequest, std::shared_ptr<HttpReply>)>;
// Asked when the head of a request is there and its body is not: an answer ends it, and the body is never read.
using HttpGate = std::function<std::optional<HttpAnswer>(const HttpRequest&)>;
// The answer to what is no request or is over a limit (`code` is snake_case); `path` is what there is of one.
using HttpRefusal =
    std::function<HttpAnswer(int status, std::string_view code, std::string_view message, std::string_view path)>;

}  // namespace kedge::tools::serve
